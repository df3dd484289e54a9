"""Settings that plugins declare are read, checked and shown like the core's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zcore import Failed, Refused, Setting
from zcore.plugin_settings import READERS, read, unknown_keys
from zcore.settings import Settings
from zcore.testing.plugins import hooks, plugins_of

if TYPE_CHECKING:
    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Zops

DEFAULTS: dict[type, object] = {
    str: "hi",
    int: 1,
    float: 0.5,
    bool: False,
    Path: Path("/nowhere"),
    tuple: (),
}


def found(
    folder: Path, kind: type, *, toml: str = "", environ: dict[str, str] | None = None
) -> object:
    """The value of the setting `acme.wish`, of this kind."""
    (folder / "zops.toml").write_text(f"[plugins.acme]\n{toml}")
    environ = {"ZOPS_HOME": str(folder), **(environ or {})}
    settings = Settings.load({}, environ, folder)
    wish = Setting("wish", "What is wished for", DEFAULTS[kind], kind)
    plugins = plugins_of({"acme": hooks(zops_settings=lambda: [wish])})
    return read(wish, plugins, settings, environ)


@pytest.mark.parametrize("kind", READERS)
def test_the_default_applies_when_nothing_gives_it(kind: type, tmp_path: Path) -> None:
    assert found(tmp_path, kind) == DEFAULTS[kind]


@pytest.mark.parametrize(
    ("kind", "toml", "text", "value"),
    [
        (str, "wish = 'a'", "a", "a"),
        (int, "wish = 7", "7", 7),
        (float, "wish = 7", "7", 7.0),
        (float, "wish = 7.5", "7.5", 7.5),
        (bool, "wish = true", "yes", True),
        (bool, "wish = false", "0", False),
        (Path, "wish = '/a/b'", "/a/b", Path("/a/b")),
        (tuple, "wish = ['a', 'b']", "a, b,", ("a", "b")),
    ],
)
def test_file_and_environment(
    kind: type, toml: str, text: str, value: object, tmp_path: Path
) -> None:
    assert found(tmp_path, kind, toml=toml) == value
    assert found(tmp_path, kind, environ={"ZOPS_ACME_WISH": text}) == value


def test_the_environment_is_nearer_than_the_file(tmp_path: Path) -> None:
    assert found(tmp_path, str, toml="wish = 'a'", environ={"ZOPS_ACME_WISH": "b"}) == "b"


def test_a_path_in_the_file_is_relative_to_it(tmp_path: Path) -> None:
    assert found(tmp_path, Path, toml="wish = 'a/b'") == tmp_path / "a/b"


@pytest.mark.parametrize(
    ("kind", "toml", "reason"),
    [
        (str, "wish = 3", "must be text"),
        (int, "wish = 'three'", "must be a whole number"),
        (int, "wish = true", "must be a whole number"),
        (int, "wish = 3.5", "must be a whole number"),
        (float, "wish = 'much'", "must be a number"),
        (float, "wish = true", "must be a number"),
        (bool, "wish = 1", "must be true or false"),
        (Path, "wish = ''", "must be a path"),
        (tuple, "wish = 3", "must be a list of text"),
        (tuple, "wish = [3]", "must be a list of text"),
    ],
)
def test_a_value_of_another_kind_is_refused(
    kind: type, toml: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        found(tmp_path, kind, toml=toml)
    assert "plugins.acme.wish" in caught.value.message
    assert str(tmp_path / "zops.toml") in caught.value.message
    assert caught.value.hint == "What is wished for"


def test_a_kind_that_nobody_can_read(tmp_path: Path) -> None:
    wish = Setting("wish", "", {}, dict)
    settings = Settings.load({}, {"ZOPS_HOME": "/nowhere", "ZOPS_ACME_WISH": "x"}, tmp_path)
    plugins = plugins_of({"acme": hooks(zops_settings=lambda: [wish])})
    with pytest.raises(Failed, match=r"plugins\.acme\.wish") as caught:
        read(wish, plugins, settings, {"ZOPS_ACME_WISH": "x"})
    assert "str" in caught.value.hint


def test_a_setting_that_nobody_declares(tmp_path: Path) -> None:
    settings = Settings.load({}, {"ZOPS_HOME": "/nowhere"}, tmp_path)
    with pytest.raises(Failed, match="'wish' is not declared"):
        read(Setting("wish", "", ""), plugins_of({}), settings, {})


def test_the_broken_settings_of_one_plugin_do_not_touch_another(tmp_path: Path) -> None:
    wish = Setting("wish", "", "all is well")
    said: list[str] = []
    plugins = plugins_of(
        {
            "acme": hooks(zops_settings=lambda: [wish]),
            "bad": hooks(zops_settings=lambda: [1 / 0]),
        },
        warn=said.append,
    )
    settings = Settings.load({}, {"ZOPS_HOME": "/nowhere"}, tmp_path)
    assert read(wish, plugins, settings, {}) == "all is well"
    (warning,) = said
    assert "'bad'" in warning


def test_keys_that_are_no_settings(tmp_path: Path) -> None:
    (tmp_path / "zops.toml").write_text("[plugins.acme]\nwhish = 1\n[plugins.other]\na = 1\n")
    settings = Settings.load({}, {"ZOPS_HOME": "/nowhere"}, tmp_path)
    plugins = plugins_of({"acme": hooks(zops_settings=lambda: [Setting("wish", "", "")])})
    assert list(unknown_keys(plugins, settings)) == ["plugins.acme.whish", "plugins.other.a"]


DECLARED = """
from zcore import Command, Setting, hookimpl

GREETING = Setting("greeting", "What is said", default="hello")
TOKEN = Setting("token", "The secret", default="", secret=True)

@hookimpl
def zops_settings():
    return [GREETING, TOKEN]

@hookimpl
def zops_commands():
    return [Command("greet", "dist_of_acme.cli:greet", "Greet.")]
"""
CLI = """
import click
from dist_of_acme.plugin import GREETING
from zcore import Result, current

@click.command()
def greet():
    return Result(text=current().setting(GREETING))
"""


class TestCommand:
    """As the command line shows it."""

    def test_reads_its_setting(self, zops: Zops, plugins: InstalledPlugins) -> None:
        plugins.install("acme", DECLARED, cli=CLI)
        assert zops("greet").stdout == "hello\n"
        assert zops("greet", env={"ZOPS_ACME_GREETING": "hi"}).stdout == "hi\n"

    def test_a_wrong_value_refuses_the_command_that_reads_it(
        self, zops: Zops, plugins: InstalledPlugins
    ) -> None:
        plugins.install("acme", DECLARED, cli=CLI)
        (zops.folder / "zops.toml").write_text("[plugins.acme]\ngreeting = 3\n")
        error, hint = zops("greet", exit_code=3).stderr.splitlines()
        assert "plugins.acme.greeting" in error
        assert hint == "hint: What is said"
        zops("plugins", "list")

    def test_is_shown_with_its_origin_and_secrets_are_not(
        self, zops: Zops, plugins: InstalledPlugins
    ) -> None:
        plugins.install("acme", DECLARED, cli=CLI)
        (zops.folder / "zops.toml").write_text("[plugins.acme]\ntoken = 'sesame'\nx = 1\n")
        done = zops("settings", "--json")
        shown = {row["name"]: row for row in done.json()["settings"]}
        assert shown["plugins.acme.greeting"]["value"] == "hello"
        assert shown["plugins.acme.greeting"]["origin"] == "default"
        assert shown["plugins.acme.token"]["value"] == "***"
        assert "sesame" not in done.stdout
        assert done.json()["problems"] == ["plugins.acme.x is no setting"]
