"""The command line: names, spellings, help, and JSON."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import click
import pytest

from zcore.builtin import COMMANDS
from zcore.targets import resolve
from zcore.testing.plugins import plugins_of
from zcore.version import __version__

if TYPE_CHECKING:
    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Zops

GROUP = """
import click
from zcore import Finding, Result

@click.group()
def group():
    pass

@group.command("with-options")
@click.option("--string_id", envvar="ACME_STRING_ID", help="With an underscore.")
@click.option("--full-name", help="With a dash.")
@click.option("--kind", type=click.Choice(["one_kind", "other-kind"]))
@click.argument("word", required=False)
def with_options(string_id, full_name, kind, word):
    print("a stray line")
    return Result(
        {"string_id": string_id, "full_name": full_name, "kind": kind, "word": word},
        text=f"{string_id} {full_name}",
    )

@group.command("finds")
def finds():
    finding = Finding("gone", "a file is not there", where="uploads/1", hint="look for it")
    return Result({"looked": 3}, text="looked at 3", findings=[finding])
"""


@pytest.fixture
def acme(plugins: InstalledPlugins) -> None:
    """A plugin with a group of commands."""
    plugins.install(
        "acme",
        """
        from zcore import Command, hookimpl

        @hookimpl
        def zops_commands():
            return [
                Command(
                    "acme-tools", "dist_of_acme.cli:group", "Tools of Acme.", "Acme",
                    example="zops acme-tools finds",
                )
            ]
        """,
        cli=GROUP,
    )


@pytest.mark.usefixtures("acme")
class TestSpellings:
    @pytest.mark.parametrize("command", ["acme-tools", "acme_tools"])
    @pytest.mark.parametrize("below", ["with-options", "with_options"])
    @pytest.mark.parametrize("option", ["--string-id", "--string_id"])
    def test_underscore_and_dash_are_the_same(
        self, command: str, below: str, option: str, zops: Zops
    ) -> None:
        done = zops(command, below, option, "a_b-c", "--full_name", "d_e", "--json")
        assert done.json()["string_id"] == "a_b-c"
        assert done.json()["full_name"] == "d_e"

    def test_values_are_left_alone(self, zops: Zops) -> None:
        done = zops("--json", "acme-tools", "with-options", "--string_id=a_b=c_d", "e_f-g")
        assert done.json()["string_id"] == "a_b=c_d"
        assert done.json()["word"] == "e_f-g"

    @pytest.mark.parametrize("kind", ["one_kind", "other-kind"])
    def test_choices_are_left_alone(self, kind: str, zops: Zops) -> None:
        assert zops("acme-tools", "with-options", "--kind", kind, "--json").json()["kind"] == kind

    def test_of_global_options(self, zops: Zops) -> None:
        done = zops("--disable_plugin", "acme", "--help")
        assert "acme-tools" not in done.stdout


@pytest.mark.usefixtures("acme")
class TestHelp:
    def test_lists_every_command_under_its_heading(self, zops: Zops) -> None:
        shown = zops("--help").stdout
        assert re.search(r"^Acme:\n  acme-tools +Tools of Acme.$", shown, re.MULTILINE)
        assert re.search(r"^  create-realm ", shown, re.MULTILINE)
        assert re.search(r"^  plugins ", shown, re.MULTILINE)

    def test_without_a_heading_it_is_the_name_of_the_plugin(
        self, zops: Zops, plugins: InstalledPlugins
    ) -> None:
        plugins.install_command("lear", "pass")
        shown = zops("--help").stdout
        assert re.search(r"^lear:\n  lear +A command for tests.\n\n", shown, re.MULTILINE)
        headings = re.findall(r"^(\S.*):$", shown, re.MULTILINE)
        assert headings[0] == "Options"
        assert headings[1:3] == ["Acme", "lear"]
        assert headings[-2:] == ["zops itself", "Examples"]

    def test_of_each_command_of_ours_has_examples(self) -> None:
        commands = [(one.name, resolve(one.target)) for one in plugins_of({}, ours=True).commands()]
        commands += [(one.name, resolve(one.target)) for one in COMMANDS]
        without: list[str] = []
        for name, command in commands:
            assert isinstance(command, click.Command)
            below = command.commands.values() if isinstance(command, click.Group) else [command]
            without += [f"{name}: {one.name}" for one in below if "Examples:" not in str(one.help)]
        assert without == []

    def test_ends_with_examples(self, zops: Zops) -> None:
        examples = zops("--help").stdout.partition("Examples:\n")[2]
        assert "  zops acme-tools finds\n" in examples
        gone = zops("--disable-plugin", "acme", "--help").stdout
        assert "acme-tools" not in gone
        assert "Examples" not in zops("--disable-plugin", "*", "--help").stdout

    def test_of_a_command_names_its_environment_variables(self, zops: Zops) -> None:
        shown = zops("acme-tools", "with-options", "-h").stdout
        assert "ACME_STRING_ID" in shown

    @pytest.mark.parametrize("name", ["ZOPS_DATABASE", "ZOPS_CONFIG", "ZOPS_DISABLE_PLUGINS"])
    def test_names_the_environment_variables_of_global_options(self, name: str, zops: Zops) -> None:
        assert name in zops("--help").stdout

    def test_works_without_anything_around(self, zops: Zops) -> None:
        done = zops("--help", env={"HOME": "/nowhere", "ZOPS_HOME": "/nowhere"}, cwd=zops.folder)
        assert done.stderr == ""

    def test_as_json(self, zops: Zops) -> None:
        done = zops("--json", "acme-tools", "with-options", "--help")
        assert done.json() == {"ok": True}
        assert "--string_id" in done.stderr


@pytest.mark.usefixtures("acme")
class TestMistakes:
    def test_a_mistyped_command(self, zops: Zops) -> None:
        done = zops("acme-tool", exit_code=2)
        assert done.stderr == (
            "zops: error: there is no command 'acme-tool'\n"
            "hint: did you mean 'acme-tools'? see 'zops --help'\n"
        )

    def test_a_mistyped_command_below(self, zops: Zops) -> None:
        done = zops("acme-tools", "find", exit_code=2)
        error, hint = done.stderr.splitlines()
        assert error == "zops: error: No such command 'find'."
        assert hint == "hint: did you mean 'finds'? see 'zops acme-tools --help'"

    def test_a_mistyped_option(self, zops: Zops) -> None:
        done = zops("acme-tools", "with-options", "--string-if", "x", exit_code=2)
        error, hint = done.stderr.splitlines()
        assert error == "zops: error: No such option '--string-if'."
        assert hint == "hint: did you mean '--string-id'? see 'zops acme-tools with-options --help'"

    def test_a_mistyped_global_option(self, zops: Zops) -> None:
        done = zops("--databse", "x", "plugins", exit_code=2)
        assert "--databse" in done.stderr
        assert "hint: did you mean '--database'? see 'zops --help'" in done.stderr

    def test_that_is_like_nothing(self, zops: Zops) -> None:
        done = zops("xyzzy", exit_code=2)
        assert done.stderr.endswith("hint: see 'zops --help'\n")

    @pytest.mark.parametrize("option", ["--database", "--config"])
    def test_an_empty_value(self, option: str, zops: Zops) -> None:
        done = zops(option, "", "plugins", "list", exit_code=2)
        assert done.stderr.startswith(f"zops: error: the value of {option} is empty\nhint: ")
        assert zops(option, "", "db", "init", "--json", exit_code=2).codes() == {"usage"}
        assert not zops.home.exists()

    def test_no_command(self, zops: Zops) -> None:
        assert "create-realm" in zops(exit_code=2).stderr
        assert zops("--json", exit_code=2).codes() == {"usage"}


@pytest.mark.usefixtures("acme")
class TestJson:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("--json", "acme-tools", "with-options", "--full-name", "Ann"),
            ("acme-tools", "--json", "with-options", "--full-name", "Ann"),
            ("acme-tools", "with-options", "--full-name", "Ann", "--json"),
        ],
        ids=["before", "between", "after"],
    )
    def test_is_one_document_wherever_it_is_asked_for(
        self, arguments: tuple[str, ...], zops: Zops
    ) -> None:
        done = zops(*arguments)
        assert done.json()["ok"] is True
        assert done.json()["full_name"] == "Ann"
        assert "a stray line" in done.stderr

    def test_findings(self, zops: Zops) -> None:
        document = zops("acme-tools", "finds", "--json", exit_code=5).json()
        assert document == {
            "ok": False,
            "looked": 3,
            "findings": [
                {
                    "code": "gone",
                    "message": "a file is not there",
                    "where": "uploads/1",
                    "hint": "look for it",
                }
            ],
        }

    def test_findings_in_words(self, zops: Zops) -> None:
        done = zops("acme-tools", "finds", exit_code=5)
        assert done.stdout == "looked at 3\n"
        assert done.stderr.splitlines() == [
            "zops: finding: uploads/1: a file is not there",
            "hint: look for it",
        ]

    @pytest.mark.parametrize(
        "arguments",
        [("nonsense",), ("acme-tools", "with-options", "--nonsense"), ("--config", "x", "db")],
    )
    def test_of_errors(self, arguments: tuple[str, ...], zops: Zops) -> None:
        done = zops(*arguments, "--json", check=False)
        document = done.json()
        assert done.exit_code in {2, 3}
        assert document["ok"] is False
        assert set(document["error"]) == {"code", "message", "hint", "problems"}
        assert done.stderr == ""

    def test_text_that_only_looks_like_the_option(self, zops: Zops) -> None:
        done = zops("acme-tools", "with-options", "--string-id", "x", "--", "--json")
        assert done.stdout.endswith("x None\n")


class TestVersion:
    def test_in_words(self, zops: Zops) -> None:
        assert zops("--version").stdout == f"zops {__version__}\n"

    def test_as_json(self, zops: Zops) -> None:
        assert zops("--json", "--version").json() == {"ok": True, "version": __version__}

    def test_asks_no_plugin(self, zops: Zops, plugins: InstalledPlugins) -> None:
        plugins.install("bad", "raise SystemExit(9)")
        assert zops("--version").stderr == ""
        assert zops("-v", "--version").stderr == ""


class TestStdout:
    def _in_shell(self, zops: Zops, line: str) -> tuple[int, str]:
        """Exit code and stderr of a line of shell, in which `zops` is the command."""
        script = f'zops() {{ "{zops.program}" "$@"; }}; {line}'
        done = subprocess.run(
            ["/bin/bash", "-c", script],
            env=zops.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    @pytest.mark.parametrize(
        "arguments",
        ["plugins list", "plugins list --json", "--help", "create-realm --help", "--version"],
    )
    def test_that_nobody_reads_is_no_error(self, arguments: str, zops: Zops) -> None:
        line = f"zops {arguments} | true; exit ${{PIPESTATUS[0]}}"
        assert self._in_shell(zops, line) == (0, "")

    @pytest.mark.parametrize(
        "arguments",
        ["plugins list", "--json plugins list", "--help", "db init --help", "--version"],
    )
    @pytest.mark.parametrize(
        ("place", "reason"),
        [("/dev/full", "No space left on device"), ("&-", "Bad file descriptor")],
        ids=["full", "closed"],
    )
    def test_that_takes_no_result_is_an_error(
        self, place: str, reason: str, arguments: str, zops: Zops
    ) -> None:
        code, stderr = self._in_shell(zops, f"zops {arguments} >{place}")
        assert stderr == f"zops: error: the result cannot be written to stdout: {reason}\n"
        assert code == 1

    def test_that_is_closed_is_not_taken_by_a_file(
        self, zops: Zops, plugins: InstalledPlugins
    ) -> None:
        body = "file = open('file', 'w')\nsubprocess.run(['echo', 'lost'])\nfile.close()"
        plugins.install_command("child", body, imports="import subprocess")
        assert self._in_shell(zops, f"cd {zops.folder}; zops child >&-")[0] == 0
        assert (zops.folder / "file").read_text() == ""

    def test_an_error_with_another_file_is_still_a_bug(
        self, zops: Zops, plugins: InstalledPlugins
    ) -> None:
        plugins.install_command("fills", "open('/dev/full', 'wb', 0).write(b'x')")
        done = zops("fills", exit_code=70)
        assert "this is a bug in plugin 'fills'" in done.stderr

    def test_of_child_processes_is_kept_out_of_the_document(
        self, zops: Zops, plugins: InstalledPlugins
    ) -> None:
        plugins.install_command(
            "child",
            "subprocess.run(['echo', 'from a child'], check=True)\nreturn zcore.Result({'n': 1})",
            imports="import subprocess",
        )
        done = zops("child", "--json")
        assert json.loads(done.stdout) == {"ok": True, "n": 1}
        assert done.stderr == "from a child\n"
        assert "from a child" in zops("child").stdout


class TestOtherStreams:
    """stdin and stderr can be closed, too."""

    READS = (
        "return zcore.Result({'read': sys.stdin.read(), 'buffer': str(sys.stdin.buffer.read())})"
    )

    def _run(self, zops: Zops, line: str) -> subprocess.CompletedProcess[str]:
        command = ["/bin/sh", "-c", f'exec "{zops.program}" {line}']
        return subprocess.run(
            command, env=zops.environment, capture_output=True, text=True, check=False
        )

    def test_a_closed_stdin_is_at_its_end(self, zops: Zops, plugins: InstalledPlugins) -> None:
        plugins.install_command("reads", self.READS, imports="import sys")
        done = self._run(zops, "--json reads <&-")
        assert json.loads(done.stdout) == {"ok": True, "read": "", "buffer": "b''"}
        assert done.stderr == ""

    @pytest.mark.parametrize(
        "arguments",
        ["create-realm Acme a@example.com Ann", "create-realm Acme --password-stdin", "realm list"],
    )
    def test_commands_do_not_stumble_over_it(self, arguments: str, zops: Zops) -> None:
        closed = self._run(zops, f"{arguments} <&-")
        empty = self._run(zops, f"{arguments} </dev/null")
        assert (closed.returncode, closed.stderr) == (empty.returncode, empty.stderr)
        assert "Traceback" not in closed.stderr

    def test_nobody_is_there_to_answer(self, zops: Zops, plugins: InstalledPlugins) -> None:
        plugins.install_command("asks", "zcore.current().console.confirm('really?')")
        assert self._run(zops, "asks <&-").returncode == 3

    @pytest.mark.parametrize(
        ("arguments", "exit_code"),
        [("plugins list", 0), ("--json plugins list", 0), ("nonsense", 2), ("--help", 0)],
    )
    def test_a_closed_stderr(self, arguments: str, exit_code: int, zops: Zops) -> None:
        done = self._run(zops, f"{arguments} 2>&-")
        assert done.returncode == exit_code
        assert bool(done.stdout) == (exit_code == 0)

    def test_all_are_closed(self, zops: Zops) -> None:
        assert self._run(zops, "plugins list <&- >&- 2>&-").returncode == 1
        assert self._run(zops, "nonsense <&- >&- 2>&-").returncode == 2
