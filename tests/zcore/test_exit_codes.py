"""The exit codes are an interface: each ending of a command has one, in words and in JSON."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from zcore import ExitCode

if TYPE_CHECKING:
    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Zops

PROBLEMS = "problems=[zcore.Problem('one', 'first'), zcore.Problem('two', 'second', 'mend it')]"

# what a command does -> exit code, code in JSON, last line on stderr
ENDINGS = {
    "returns a result": ("return zcore.Result({'n': 1}, text='done')", 0, None, ""),
    "returns nothing": ("pass", 0, None, ""),
    "exits": ("raise SystemExit", 0, None, ""),
    "fails": ("raise zcore.Failed('no luck')", 1, "failed", "zops: error: no luck"),
    "exits with a number": ("raise SystemExit(7)", 7, "exit", ""),
    "exits with yes": ("raise SystemExit(True)", 1, "exit", ""),
    "exits with words": ("raise SystemExit('no luck')", 1, "exit", "no luck"),
    "ends itself": ("click.get_current_context().exit(6)", 6, "exit", ""),
    "raises an error of click": (
        "raise click.ClickException('no luck')",
        1,
        "failed",
        "zops: error: no luck",
    ),
    "calls the command line wrong": (
        "raise zcore.UsageError('which one?', hint='say which')",
        2,
        "usage",
        "hint: say which",
    ),
    "has a bad parameter": (
        "raise click.BadParameter('which one?', ctx=click.get_current_context())",
        2,
        "usage",
        "hint: see 'zops ends --help'",
    ),
    "refuses": ("raise zcore.Refused('not so')", 3, "refused", "zops: error: not so"),
    "refuses for a reason": (
        "raise zcore.Refused('not so', code='too-long')",
        3,
        "too-long",
        "zops: error: not so",
    ),
    "refuses for several": (
        f"raise zcore.Refused('not so', code='invalid', {PROBLEMS})",
        3,
        "invalid",
        "hint: mend it",
    ),
    "reaches nobody": (
        "raise zcore.Unreachable('postgresql://me:secret@db/zulip does not answer')",
        4,
        "unreachable",
        "zops: error: postgresql://me:***@db/zulip does not answer",
    ),
    "is interrupted": (
        "raise zcore.Interrupted('stopped')",
        130,
        "interrupted",
        "zops: error: stopped",
    ),
    "is aborted": ("raise click.Abort", 130, "interrupted", "zops: error: stopped"),
    "has a bug": (
        "raise KeyError('postgresql://me:secret@db/zulip')",
        70,
        "bug",
        "this is a bug in plugin 'ends'",
    ),
    "returns something else": ("return 3", 70, "bug", "this is a bug in plugin 'ends'"),
    "returns what JSON has no word for": (
        "return zcore.Result({'n': object()}, text='done')",
        70,
        "bug",
        "this is a bug in plugin 'ends'",
    ),
}


@pytest.mark.parametrize("body", ENDINGS)
def test_in_words(body: str, zops: Zops, plugins: InstalledPlugins) -> None:
    source, exit_code, _, last = ENDINGS[body]
    plugins.install_command("ends", source)
    if body == "returns what JSON has no word for":
        exit_code, last = 0, ""
    done = zops("ends", exit_code=exit_code)
    assert last in (done.stderr.splitlines() or [""])[-1]
    assert ("Traceback" in done.stderr) == (exit_code == ExitCode.BUG)
    assert "secret" not in done.stderr
    assert done.stdout == ("done\n" if exit_code == 0 and "done" in source else "")


@pytest.mark.parametrize("body", ENDINGS)
def test_in_json(body: str, zops: Zops, plugins: InstalledPlugins) -> None:
    source, exit_code, code, _ = ENDINGS[body]
    plugins.install_command("ends", source)
    done = zops("ends", "--json", exit_code=exit_code)
    document = done.json()
    assert document["ok"] == (exit_code == 0)
    assert document.get("error", {}).get("code") == code
    assert "secret" not in done.stdout
    assert "secret" not in done.stderr


def test_every_problem_is_shown(zops: Zops, plugins: InstalledPlugins) -> None:
    plugins.install_command("ends", ENDINGS["refuses for several"][0])
    assert zops("ends", exit_code=3).stderr.splitlines() == [
        "zops: error: not so",
        "problem: first",
        "problem: second",
        "hint: mend it",
    ]
    problems = zops("ends", "--json", exit_code=3).json()["error"]["problems"]
    assert problems[1] == {
        "code": "two",
        "message": "second",
        "hint": "mend it",
        "index": 0,
        "override": None,
        "where": "",
        "row": "",
    }


def test_exit_codes_are_numbers(zops: Zops, plugins: InstalledPlugins) -> None:
    plugins.install_command("ends", "raise SystemExit(True)")
    error = zops("ends", "--json", exit_code=1).json()["error"]
    assert error["message"] == "the command ended with exit code 1"


def test_passwords_are_masked_everywhere(zops: Zops, plugins: InstalledPlugins) -> None:
    url = "postgresql://u:sekret@h/y"
    plugins.install_command(
        "refuses",
        f"problem = zcore.Problem('one', '{url}', hint='{url}')\n"
        f"raise zcore.Refused('{url}', hint='{url}', problems=[problem])",
    )
    plugins.install_command(
        "finds",
        f"finding = zcore.Finding('one', '{url}', where='{url}', hint='{url}')\n"
        "return zcore.Result({}, findings=[finding])",
    )
    for command, exit_code, times in (("refuses", 3, 4), ("finds", 5, 3)):
        stdout = zops(command, "--json", exit_code=exit_code).stdout
        assert "sekret" not in stdout
        assert stdout.count("postgresql://u:***@h/y") == times
        assert "sekret" not in zops(command, exit_code=exit_code).stderr


def test_the_codes_are_what_is_documented() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "REFUSED": 3,
        "UNREACHABLE": 4,
        "FINDINGS": 5,
        "BUG": 70,
        "INTERRUPTED": 130,
    }


def test_more_is_told_when_asked_for(zops: Zops, plugins: InstalledPlugins) -> None:
    plugins.install_command("ends", "raise zcore.Failed('no luck') from OSError('the cause')")
    assert "the cause" not in zops("ends", exit_code=1).stderr
    assert "the cause" in zops("-v", "ends", check=False).stderr


def test_a_folder_that_is_gone(zops: Zops) -> None:
    folder = zops.folder / "gone"
    folder.mkdir()
    script = f'cd "{folder}" && rmdir "{folder}" && exec "{zops.program}" plugins list'
    done = subprocess.run(
        ["/bin/sh", "-c", script], env=zops.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr.startswith("zops: error: the current folder cannot be used")
