"""The pages that are written from the code are current, and leave nothing out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import zcore
from tests.docs.packages import implementing, install
from tests.docs.pages import PLUGIN_DOCS
from tests.environments import ROOT
from tools.docs.commands import below, top_context
from tools.docs.ours import our_plugins
from tools.docs.pages import PAGES, stale
from tools.docs.settings import plugin_settings_of_ours
from zcore.errors import ExitCode, ZopsError
from zcore.plugin_settings import key, variable
from zcore.settings_table import SETTINGS

if TYPE_CHECKING:
    import click

    from zcore.testing.commands import Zops

REFERENCE = ROOT / "docs" / "reference"
HOOKS = our_plugins().specifications


def headings(text: str) -> list[str]:
    outside_of_code = re.sub(r"(?ms)^```.*?^```", "", text)
    return re.findall(r"(?m)^#+ (.*)$", outside_of_code)


def test_the_pages_are_as_the_code_is() -> None:
    assert stale() == [], "run 'make docs', look at what changed, and commit it"


def test_they_are_the_same_on_another_machine(zops: Zops) -> None:
    """With another plugin, another terminal, another home, another language."""
    given = "[__import__('zcore').Command('strange', 'x:y', 'Strange.')]"
    stranger = implementing("zops_commands", given)
    site = install({"zops_acme/plugin.py": stranger}, zops)
    done = subprocess.run(
        [sys.executable, "-m", "tools.docs", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={
            "PATH": os.environ["PATH"], "PYTHONPATH": str(site), "HOME": "/nowhere",
            "COLUMNS": "40", "TERM": "dumb", "LANG": "C", "TZ": "Asia/Kathmandu",
            "ZOPS_HOME": "/elsewhere", "ZOPS_DISABLE_PLUGINS": "queue",
        },
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_every_hook_is_described() -> None:
    text = PAGES["docs/plugins/hooks.md"]()
    assert sorted(headings(text)[1:]) == sorted(HOOKS)


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_hook_says_all_that_its_users_need(name: str) -> None:
    """When it is called, what happens when it fails, and an example."""
    docstring = HOOKS[name].__doc__ or ""
    assert "Called " in docstring
    assert re.search(r"raises|fails", docstring)
    assert "Example::" in docstring


def test_the_public_names_are_described_and_no_others() -> None:
    text = (PLUGIN_DOCS / "api.md").read_text()
    assert sorted(headings(text)[1:]) == sorted(zcore.__all__)


def commands() -> list[click.Context]:
    return list(below(top_context()))


@pytest.mark.parametrize("context", commands(), ids=lambda context: context.command_path)
def test_every_command_and_what_it_takes_is_described(context: click.Context) -> None:
    text = (REFERENCE / "commands.md").read_text()
    _, _, after = text.partition(f"# {context.command_path}\n")
    section = re.split(r"(?m)^#", after)[0]
    assert context.command.help
    for parameter in context.command.params:
        if parameter.param_type_name == "argument":
            assert parameter.make_metavar(context).replace("|", "\\|") in section
        elif parameter.opts != ["--json"] and not getattr(parameter, "hidden", False):
            assert all(f"`{' '.join(parameter.opts)}" in section or f"{opt}" in section
                       for opt in parameter.opts)  # fmt: skip
            assert getattr(parameter, "help", None), f"{parameter.opts} has no help"


def test_what_comes_before_the_command_is_described() -> None:
    text = (REFERENCE / "commands.md").read_text()
    section = text.partition("## Before the command")[2].partition("\n## ")[0]
    for parameter in top_context().command.params:
        assert all(option in section for option in parameter.opts)


def test_every_setting_is_described() -> None:
    text = (REFERENCE / "settings.md").read_text()
    for setting in SETTINGS:
        (row,) = re.findall(rf"(?m)^\| `{setting.name}` \|.*$", text)
        places = [place for place in (setting.flag, setting.env, setting.toml) if place]
        assert all(f"`{place}`" in row for place in places)
        assert setting.help in row
    for plugin, declared in plugin_settings_of_ours():
        (row,) = re.findall(rf"(?m)^\| `{key(plugin, declared)}` \|.*$", text)
        assert f"`{variable(plugin, declared)}`" in row


@pytest.mark.parametrize("page", ["docs/reference/exit-codes.md", "README.md"])
def test_every_exit_code_is_described(page: str) -> None:
    text = (ROOT / page).read_text()
    listed = re.findall(r"(?m)^\| (\d+) \|", text)
    assert listed == [str(int(code)) for code in ExitCode]


def test_every_error_is_described() -> None:
    text = (REFERENCE / "exit-codes.md").read_text()
    public = [getattr(zcore, name) for name in zcore.__all__]
    errors = [one for one in public if isinstance(one, type) and issubclass(one, ZopsError)]
    assert errors
    for error in errors:
        row = f"| `zcore.{error.__name__}` | {int(error.exit_code)} | `{error.code}` |"
        assert row in text


def test_the_example_of_a_configuration_file_works(zops: Zops) -> None:
    text = (REFERENCE / "settings.md").read_text()
    example = text.partition("```toml\n")[2].partition("```")[0]
    (zops.folder / "zops.toml").write_text(example)
    (zops.folder / "zops.toml").chmod(0o600)
    shown = zops("--json", "settings").json()
    assert shown["problems"] == []
    given = {row["name"] for row in shown["settings"] if "zops.toml" in row["origin"]}
    assert given == {"database_url", "uploads", "disabled_plugins"}
