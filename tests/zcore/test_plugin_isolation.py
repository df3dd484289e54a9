"""A plugin with something wrong is named in one warning, and everything else works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zcore import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Completed, Runner
    from zcore.testing.in_process import ZopsInProcess

    Warnings = Callable[[Completed], list[str]]


@pytest.fixture
def zops(zops_in_process: ZopsInProcess) -> ZopsInProcess:
    """`zops` inside the process of the tests: nothing here needs one of its own."""
    return zops_in_process


GOOD = """
from zcore import Command, Result, hookimpl

@hookimpl
def zops_commands():
    return [Command("hello", "dist_of_good.cli:hello", "Say hello.")]
"""
GOOD_CLI = """
import click
from zcore import Result

@click.command()
def hello():
    return Result({"said": "hello"}, text="hello")
"""

HOOK = "from zcore import Command, hookimpl\n@hookimpl\ndef zops_commands():\n"

# what the module of the plugin holds -> what the warning says
BROKEN = {
    "raises at import": ("raise ValueError('no luck')", "ValueError: no luck"),
    "exits at import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "raises something strange": ("raise GeneratorExit", "GeneratorExit"),
    "is not Python": ("def", "SyntaxError"),
    "needs what is not there": ("import acme_not_there", "'acme_not_there' is not installed"),
    "has a hook that raises": (HOOK + "    raise KeyError('lost')", "zops_commands: KeyError"),
    "has a hook that exits": (HOOK + "    raise SystemExit(2)", "zops_commands: SystemExit: 2"),
    "returns a number": (HOOK + "    return 3", "returned a int, not a list of Command"),
    "returns nothing": (HOOK + "    pass", "returned None, not a list of Command"),
    "returns text": (HOOK + "    return 'hello'", "returned a str, not a list of Command"),
    "returns a list of text": (HOOK + "    return ['hello']", "with a str in it, not Command"),
    "returns a bare command": (HOOK + "    return Command('a', 'b:c', 'd')", "not a list"),
    "fails while it is asked": (
        HOOK + "    yield Command('one', 'b:c', 'd')\n    raise OSError('gone')",
        "zops_commands: OSError: gone",
    ),
    "has a command with a bad name": (
        HOOK + "    return [Command('Big_Name', 'b:c', 'd')]",
        "'Big_Name' is not in kebab case",
    ),
    "has a command that is not text": (
        HOOK + "    return [Command('one', print, 'd')]",
        "something other than text",
    ),
    "has a hook with other arguments": (
        "from zcore import hookimpl\n@hookimpl\ndef zops_commands(group):\n    return []",
        "group",
    ),
    "misspells a hook": (
        "from zcore import hookimpl\n@hookimpl\ndef zops_comands():\n    return []",
        "it implements zops_comands, which is not a hook of zops",
    ),
    "wraps a hook": (
        "from zcore import hookimpl\n@hookimpl(wrapper=True)\ndef zops_commands():\n    yield",
        "hooks of zops cannot be wrapped",
    ),
    "has hook specifications that raise": (
        "from zcore import hookimpl\n@hookimpl\ndef zops_hookspecs():\n    1 / 0",
        "zops_hookspecs: ZeroDivisionError",
    ),
    "has hook specifications that are no module": (
        "from zcore import hookimpl\n@hookimpl\ndef zops_hookspecs():\n    return 1",
        "zops_hookspecs: TypeError: returned a int, not a module",
    ),
    "is written for a later zops": (
        f"zops_api = {API_VERSION + 1}",
        f"it needs version {API_VERSION + 1} of the plugin API",
    ),
    "names its version in words": ("zops_api = 'one'", "its zops_api is 'one', not a number"),
}


@pytest.fixture
def good(plugins: InstalledPlugins) -> None:
    """A plugin that works, beside the one that does not."""
    plugins.install("good", GOOD, cli=GOOD_CLI)


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_one_warning_names_it_and_the_others_work(
    source: str, reason: str, plugins: InstalledPlugins, zops: Runner, warnings: Warnings
) -> None:
    plugins.install("bad", source)
    done = zops("hello")
    assert done.stdout == "hello\n"
    (warning,) = warnings(done)
    assert warning.startswith("zops: warning: plugin 'bad' (dist-of-bad 1.0): ")
    assert reason in warning
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_the_list_tells_what_is_wrong(
    source: str, reason: str, plugins: InstalledPlugins, zops: Runner
) -> None:
    plugins.install("bad", source)
    listed = {entry["name"]: entry for entry in zops("plugins", "list", "--json").json()["plugins"]}
    assert reason in listed["bad"]["error"]
    assert listed["good"]["status"] == "active"
    assert listed["good"]["error"] == ""


def test_the_list_has_its_keys(zops: Runner, plugins: InstalledPlugins) -> None:
    plugins.install("good", GOOD, cli=GOOD_CLI)
    entries = zops("plugins", "list", "--json").json()["plugins"]
    assert [entry["name"] for entry in entries] == ["export", "good", "queue", "realm"]
    (good,) = (entry for entry in entries if entry["name"] == "good")
    assert good.pop("origin").endswith("dist_of_good/plugin.py")
    assert good.pop("seconds") >= 0
    assert good == {
        "name": "good",
        "version": "1.0",
        "distribution": "dist-of-good",
        "status": "active",
        "error": "",
        "hooks": ["zops_commands"],
        "commands": ["hello"],
        "api": 1,
        "deprecations": [],
    }


def test_a_plugin_that_breaks_late_leaves_nothing_behind(
    zops: Runner, plugins: InstalledPlugins
) -> None:
    source = HOOK + "    yield Command('one', 'b:c', 'd')\n    raise OSError('gone')"
    plugins.install("bad", source)
    zops("one", exit_code=2)
    (bad,) = (p for p in zops("plugins", "list", "--json").json()["plugins"] if p["name"] == "bad")
    assert (bad["status"], bad["commands"]) == ("broken", [])


def test_show_tells_where_a_plugin_broke(zops: Runner, plugins: InstalledPlugins) -> None:
    plugins.install("bad", "raise ValueError('no luck')")
    shown = zops("plugins", "show", "bad", "--json").json()
    assert "raise ValueError('no luck')" in shown["traceback"]


def test_what_plugins_print_does_not_reach_stdout(zops: Runner, plugins: InstalledPlugins) -> None:
    noisy = "print('hello from the plugin')\nimport os; os.write(1, b'and from below')"
    plugins.install("noisy", noisy)
    done = zops("--json", "plugins", "list")
    assert done.json()["ok"] is True
    assert "hello from the plugin" in done.stderr
    assert "and from below" in done.stderr
    assert "hello from the plugin" not in zops("plugins", "list").stdout


NOISE = "os.write(1, b'low noise\\n'); subprocess.run(['echo', 'noise of a child']); print('noise')"
NOISY = {
    "at import": f"import os, subprocess\n{NOISE}",
    "when asked for commands": f"import os, subprocess\n{HOOK}    {NOISE}\n    return []",
    "around us": "import sys\nsys.__stdout__.write('low noise, noise of a child, noise')",
}


@pytest.mark.parametrize("source", NOISY.values(), ids=NOISY)
def test_what_plugins_write_by_other_means_does_not_reach_stdout(
    source: str, zops: Runner, plugins: InstalledPlugins
) -> None:
    expected = zops("settings").stdout
    plugins.install("noisy", source)
    done = zops("settings")
    assert done.stdout == expected
    for words in ("low noise", "noise of a child"):
        assert words in done.stderr


class TestDisabling:
    """Switching off works before anything of the plugin is imported."""

    @pytest.fixture(autouse=True)
    def loud(self, plugins: InstalledPlugins) -> None:
        plugins.install("loud", "raise SystemExit('imported')")

    def test_by_flag(self, zops: Runner) -> None:
        done = zops("--disable-plugin", "loud", "plugins", "list", "--json")
        assert done.stderr == ""
        statuses = {entry["name"]: entry["status"] for entry in done.json()["plugins"]}
        assert statuses["loud"] == "disabled"
        assert statuses["realm"] == "active"

    def test_by_environment(self, zops: Runner) -> None:
        done = zops("plugins", "list", env={"ZOPS_DISABLE_PLUGINS": "loud, queue"})
        assert done.stderr == ""

    def test_by_file(self, zops: Runner) -> None:
        (zops.folder / "zops.toml").write_text("[plugins]\ndisabled = ['loud']\n")
        assert zops("plugins", "list").stderr == ""

    def test_all(self, zops: Runner) -> None:
        done = zops("--disable-plugin", "*", "plugins", "list", "--json")
        assert {entry["status"] for entry in done.json()["plugins"]} == {"disabled"}
        help_ = zops("--disable-plugin", "*", "--help").stdout
        assert "plugins" in help_
        assert "create-realm" not in help_

    def test_the_commands_are_gone(self, zops: Runner) -> None:
        zops("--disable-plugin", "loud", "--disable-plugin", "queue", "queue", exit_code=2)

    def test_a_name_that_is_no_plugin(self, zops: Runner, warnings: Warnings) -> None:
        done = zops("--disable-plugin", "loud", "--disable-plugin", "relam", "plugins", "list")
        (warning,) = warnings(done)
        assert "relam" in warning

    def test_the_hooks_of_a_plugin_that_is_off_are_not_called_unknown(
        self, zops: Runner, plugins: InstalledPlugins
    ) -> None:
        source = "from zcore import hookimpl\n@hookimpl\ndef zops_queue_workers():\n    return []"
        plugins.install("worker", source)
        off = ("--disable-plugin", "loud", "--disable-plugin", "queue")
        assert zops(*off, "plugins", "list").stderr == ""


def _claims(command: str) -> str:
    return HOOK + f"    return [Command({command!r}, 'b:c', 'of this one')]"


def test_two_plugins_with_one_command(
    zops: Runner, plugins: InstalledPlugins, warnings: Warnings
) -> None:
    plugins.install("zeta", _claims("hello"))
    plugins.install("good", GOOD, cli=GOOD_CLI)
    done = zops("hello")
    assert done.stdout == "hello\n"
    (warning,) = warnings(done)
    assert "plugin 'zeta' (dist-of-zeta 1.0)" in warning
    assert "plugin 'good' (dist-of-good 1.0)" in warning
    assert "'hello'" in warning


@pytest.mark.parametrize("command", ["plugins", "settings", "doctor", "db"])
def test_a_plugin_cannot_take_the_name_of_a_core_command(
    command: str, zops: Runner, plugins: InstalledPlugins, warnings: Warnings
) -> None:
    plugins.install("aaa", _claims(command))
    done = zops("--help")
    assert "of this one" not in done.stdout
    (warning,) = warnings(done)
    assert "plugin 'aaa'" in warning
    assert f"{command!r}" in warning
    assert "zops itself" in warning


def test_two_distributions_with_one_plugin(
    zops: Runner, plugins: InstalledPlugins, warnings: Warnings
) -> None:
    plugins.install("good", GOOD, cli=GOOD_CLI)
    plugins.install("good", "", distribution="zz-other", version="2.0")
    done = zops("hello")
    assert done.stdout == "hello\n"
    (warning,) = warnings(done)
    assert "plugin 'good' (zz-other 2.0)" in warning
    assert "plugin 'good' (dist-of-good 1.0) has the same name" in warning


def test_a_stranger_cannot_stand_in_for_a_plugin_of_ours(
    zops: Runner, plugins: InstalledPlugins, warnings: Warnings
) -> None:
    plugins.install("realm", "", distribution="aaa-first")
    done = zops("create-realm", "--help")
    assert "NAME" in done.stdout
    (warning,) = warnings(done)
    assert "plugin 'realm' (aaa-first 1.0): plugin 'realm' (zops-cli" in warning


class TestHooksOfPlugins:
    """A plugin defines a hook, another one implements it."""

    def test_is_listed_and_called(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install(
            "acme",
            """
            from zcore import Command, hookimpl

            @hookimpl
            def zops_hookspecs():
                from dist_of_acme import specs
                return specs

            @hookimpl
            def zops_commands():
                return [Command("greet", "dist_of_acme.cli:greet", "Greet.")]
            """,
            specs="from zcore import hookspec\n@hookspec\ndef zops_acme_greetings(name): ...",
            cli="""
            import click
            from zcore import Result, current

            @click.command()
            def greet():
                greetings = current().plugins.call("zops_acme_greetings", name="Ann")
                return Result({"greetings": greetings})
            """,
        )
        # before acme in the order of names: specifications come before all other hooks
        plugins.install(
            "aaa",
            "from zcore import hookimpl\n"
            "@hookimpl\ndef zops_acme_greetings(name):\n    return f'hello {name}'",
        )
        plugins.install(
            "bbb", "from zcore import hookimpl\n@hookimpl\ndef zops_acme_greetings():\n    1 / 0"
        )
        plugins.install(
            "ccc",
            "from zcore import hookimpl\n@hookimpl\ndef zops_acme_greetings():\n    return 'hi'",
        )
        done = zops("greet", "--json")
        assert done.json()["greetings"] == [["aaa", "hello Ann"], ["ccc", "hi"]]
        assert done.stderr.splitlines() == [
            "zops: warning: plugin 'bbb' (dist-of-bbb 1.0): zops_acme_greetings: "
            "ZeroDivisionError: division by zero"
        ]


class TestBrokenTargets:
    """What a command stands for is imported when it is used, and only then."""

    def _install(self, plugins: InstalledPlugins, target: str, **modules: str) -> None:
        source = HOOK + f"    return [Command('acme', {target!r}, 'Help of acme.')]"
        plugins.install("acme", source, **modules)

    @pytest.mark.parametrize(
        ("target", "source", "reason"),
        [
            ("dist_of_acme.cli:run", "1 / 0", "ZeroDivisionError"),
            ("dist_of_acme.cli:run", "import acme_not_there", "'acme_not_there' is not installed"),
            ("dist_of_acme.cli:run", "raise SystemExit(9)", "SystemExit: 9"),
            ("dist_of_acme.cli:run", "", "has no 'run'"),
            ("dist_of_acme.cli:run", "run = 3", "is a int, not a click command"),
            ("dist_of_acme.other:run", "", "'dist_of_acme.other' is not installed"),
            ("dist_of_acme", "", "not of the form"),
        ],
    )
    def test_is_one_line_when_used(
        self, target: str, source: str, reason: str, zops: Runner, plugins: InstalledPlugins
    ) -> None:
        self._install(plugins, target, cli=source)
        assert "Help of acme." in zops("--help").stdout
        done = zops("acme", exit_code=1)
        error, hint = done.stderr.splitlines()
        assert error.startswith("zops: error: plugin 'acme' (dist-of-acme 1.0): ")
        assert target in error
        assert reason in error
        assert hint.startswith("hint: ")
        assert zops("acme", "--json", exit_code=1).codes() == {"broken-target"}

    def test_a_bug_of_a_plugin_is_called_its_own(
        self, zops: Runner, plugins: InstalledPlugins
    ) -> None:
        plugins.install_command("acme", "1 / 0")
        done = zops("acme", exit_code=70)
        assert "ZeroDivisionError" in done.stderr
        assert "this is a bug in plugin 'acme' (dist-of-acme 1.0)" in done.stderr
