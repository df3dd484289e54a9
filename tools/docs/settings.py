"""The page of the settings."""

from __future__ import annotations

from tools.docs.markdown import code, table
from tools.docs.markdown import page as written
from tools.docs.ours import our_names, our_plugins
from zcore import plugin_settings
from zcore.settings_table import SETTINGS, Setting
from zcore.values import Setting as PluginSetting

INTRODUCTION = """
Nearest wins: the option before the command, the environment, the configuration file, the files of a
Zulip server (where `zulip_conf` names them), the default. The configuration file is the first of
`--config`, `ZOPS_CONFIG`, `./zops.toml`, the user's and `/etc/zops/zops.toml`; one that others can
write is ignored, and that is said. `zops settings` shows each value and what gave it, secrets
masked.

```toml
# zops.toml, for example
[database]
url = "postgresql://zulip@db.example.com/zulip"

[files]
uploads = "/home/zulip/uploads"

[plugins]
disabled = ["queue"]
```
"""

OF_PLUGINS = """
## Of plugins

A plugin's settings stand in a table of its own, `[plugins.NAME]`.
"""

OTHERS = """
## Other environment variables

| variable | for |
| --- | --- |
| `ZOPS_CONFIG` | the configuration file, as `--config` |
| `PGPASSFILE`, `PGPASSWORD` | PostgreSQL's password, so that it need not stand in the URL |
| `NO_COLOR` | no colors on a terminal |
"""


def page() -> str:
    """The settings of zops and of our plugins."""
    core = table(("setting", "what it is", "where it is said", "default"), map(_row, SETTINGS))
    return written("Settings", INTRODUCTION, "## Of zops", core, OF_PLUGINS, _of_plugins(), OTHERS)


def _row(setting: Setting) -> tuple[str, ...]:
    places = [code(setting.flag), code(setting.env)]
    places.append(f"{code(setting.toml)} in `zops.toml`" if setting.toml else "")
    where = "; ".join(place for place in places if place) or "a Zulip server's files only"
    return code(setting.name), _what(setting.help, setting.secret), where, setting.default


def _of_plugins() -> str:
    rows = [
        (code(plugin_settings.key(plugin, setting)), *_plugin_row(plugin, setting))
        for plugin, setting in plugin_settings_of_ours()
    ]
    return table(("setting", "what it is", "kind", "environment", "default"), rows)


def plugin_settings_of_ours() -> list[tuple[str, PluginSetting[object]]]:
    """Each setting of our plugins, with the name of its plugin."""
    found = our_plugins().values("zops_settings", PluginSetting)
    return [(plugin, setting) for plugin, setting in found if plugin in our_names()]


def _plugin_row(plugin: str, setting: PluginSetting[object]) -> tuple[str, ...]:
    kind = "list of text" if setting.kind is tuple else code(setting.kind.__name__)
    variable = code(plugin_settings.variable(plugin, setting))
    return _what(setting.help, setting.secret), kind, variable, code(str(setting.default))


def _what(help_: str, secret: bool) -> str:
    return f"{help_} (a secret)" if secret else help_
