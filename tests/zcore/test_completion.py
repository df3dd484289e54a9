"""The shell completes command lines: in the real shells, and by the protocol that they speak."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.zcore.test_startup import HEAVY, NOT_AT_FIRST, imported
from zcore.completion import SHELLS
from zcore.realm_names import keep
from zcore.settings import Settings
from zcore.testing.processes import ServiceMissing
from zcore.testing.programs import have_programs, install

if TYPE_CHECKING:
    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Completed, Zops

CLI = """
import click
from zcore import RealmName, Result, realm_option

@click.group()
def group():
    pass

@group.command("greet")
@realm_option(required=False)
@click.option("--kind", type=click.Choice(["one", "other"]))
@click.argument("other", type=RealmName())
def greet(realm, kind, other):
    return Result({"realm": realm, "other": other})
"""


@pytest.fixture
def acme(plugins: InstalledPlugins) -> None:
    """A plugin with a command that works on organizations."""
    plugins.install(
        "acme",
        """
        from zcore import Command, hookimpl

        @hookimpl
        def zops_commands():
            return [Command("acme-tools", "dist_of_acme.cli:group", "Tools of Acme: all of them.")]
        """,
        cli=CLI,
    )


def remember(zops: Zops, *names: str, database: str | None = None) -> None:
    """Let it be known that the database has organizations of these names."""
    environ = {"ZOPS_HOME": str(zops.home)}
    environ |= {"ZOPS_DATABASE": database} if database else {}
    keep(Settings.load({}, environ, zops.folder), names)


def asked(zops: Zops, line: str, **variables: str) -> Completed:
    """What `zops` answers when bash asks it about a line."""
    words = line.split()
    protocol = {
        "_ZOPS_COMPLETE": "bash_complete",
        "COMP_LINE": line,
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - (not line.endswith(" "))),
    }
    return zops(env=protocol | variables)


def completed(zops: Zops, line: str, **variables: str) -> list[str]:
    """The words that a line can go on with."""
    done = asked(zops, line, **variables)
    assert done.stderr == ""
    return [item.removeprefix("plain,") for item in done.stdout.splitlines()]


LINES = {
    "zops acme": ["acme-tools"],
    "zops create": ["create-realm", "create-user"],
    "zops --verb": ["--verbose"],
    "zops --json queue pu": ["publish", "publish-scheduled-mails", "purge"],
    "zops queue publish --r": ["--raw"],
    "zops acme-tools gr": ["greet"],
    "zops acme_tools gr": ["greet"],
    "zops acme-tools greet --ki": ["--kind"],
    "zops acme-tools greet --kind o": ["one", "other"],
    "zops --disable-plugin ": ["acme", "export", "queue", "realm"],
    "zops --disable-plugin acme acm": [],
    "zops --database postgresql://a:b@host/c --config /nowhere acm": ["acme-tools"],
    "zops --databse x acm": ["acme-tools"],
    "zops --config ": ["file,"],
    "zops export -r ": ["acme", "lear"],
    "zops export --realm a": ["acme"],
    "zops export --realm=a": ["acme"],
    "zops create-user -r l": ["lear"],
    "zops realm show ": ["acme", "lear"],
    "zops acme-tools greet --realm a": ["acme"],
    "zops acme-tools greet ": ["acme", "lear"],
    "zops acme-tools greet acme ": [],
    "zops process-queue user_activity no": ["noop", "noop_batch"],
    "zops queue peek no": ["noop", "noop_batch"],
    "zops plugins show q": ["queue"],
    "zops completion ": ["bash", "fish", "zsh"],
    "zops import ": [],
    "zops import acme ": ["file,"],
    "zops nonsense ": [],
    "zops export 'unfinished": [],
}


@pytest.mark.usefixtures("acme")
def test_what_a_line_can_go_on_with(zops: Zops) -> None:
    remember(zops, "acme", "lear")
    wrong = {line: found for line in LINES if (found := completed(zops, line)) != LINES[line]}
    assert wrong == {}


@pytest.mark.usefixtures("acme")
def test_by_the_words_alone(zops: Zops) -> None:
    protocol = {
        "_ZOPS_COMPLETE": "bash_complete",
        "COMP_WORDS": "zops\nacme-tools\ngreet\n--ki",
        "COMP_CWORD": "3",
    }
    assert zops(env=protocol).stdout == "plain,--kind\n"


class TestRealmNames:
    def test_are_those_of_the_database_in_question(self, zops: Zops) -> None:
        remember(zops, "acme")
        remember(zops, "lear", database="postgresql://me@host/one")
        assert completed(zops, "zops export -r ") == ["acme"]
        given = "zops --database postgresql://me:hush@host/one export -r "
        assert completed(zops, given) == ["lear"]
        assert completed(zops, "zops --database sqlite:///other.db export -r ") == []
        by_environment = {"ZOPS_DATABASE": "postgresql://me@host/one"}
        assert completed(zops, "zops export -r ", **by_environment) == ["lear"]

    def test_of_nothing_known(self, zops: Zops) -> None:
        assert completed(zops, "zops export -r ") == []


class TestSilence:
    """Nothing but completions is ever printed, and nothing is left behind."""

    @pytest.mark.parametrize(
        "source",
        ["raise SystemExit('no')", "import os; os.write(2, b'x'); print('y')", "1 / 0"],
    )
    def test_about_plugins(self, source: str, zops: Zops, plugins: InstalledPlugins) -> None:
        plugins.install("loud", source)
        assert completed(zops, "zops verif") == ["verify"]

    def test_about_a_command_that_cannot_be_imported(
        self, zops: Zops, plugins: InstalledPlugins
    ) -> None:
        plugins.install_command("gone", "pass", imports="import not_there")
        assert completed(zops, "zops gone --") == []
        assert completed(zops, "zops go") == ["gone"]

    def test_about_settings(self, zops: Zops) -> None:
        (zops.folder / "zops.toml").write_text("= wrong")
        assert completed(zops, "zops verif") == ["verify"]

    def test_about_a_completion_that_raises(self, zops: Zops, plugins: InstalledPlugins) -> None:
        plugins.install(
            "acme",
            "from zcore import Command, hookimpl\n"
            "@hookimpl\n"
            "def zops_commands():\n"
            "    return [Command('acme', 'dist_of_acme.cli:acme', 'Help.')]\n",
            cli="import click\n"
            "@click.command()\n"
            "@click.option('--kind', shell_complete=lambda *given: 1 / 0)\n"
            "def acme(kind): pass\n",
        )
        assert completed(zops, "zops acme --kind ") == []

    def test_leaves_nothing_behind(self, zops: Zops) -> None:
        for line in ("zops export -r ", "zops queue peek ", "zops realm show "):
            completed(zops, line)
        assert not zops.home.exists()

    @pytest.mark.parametrize("instruction", ["bash_nonsense", "tcsh_complete", "", "bash"])
    def test_about_what_it_does_not_know(self, instruction: str, zops: Zops) -> None:
        done = zops(env={"_ZOPS_COMPLETE": instruction}, exit_code=1)
        assert done.stdout == done.stderr == ""


class TestLaziness:
    def _imported(self, line: str) -> set[str]:
        return imported(_ZOPS_COMPLETE="bash_complete", COMP_LINE=line)

    def test_the_name_of_a_command_imports_none(self) -> None:
        modules = self._imported("zops ex")
        assert not {name for name in modules if name.endswith(".cli")} - {"zcore.cli"}
        assert not modules & (HEAVY | NOT_AT_FIRST)

    def test_of_a_command_only_its_command_line_is_imported(self) -> None:
        modules = self._imported("zops export --ou")
        commands = {name for name in modules if name.endswith(".cli")}
        assert commands == {"zcore.cli", "zops_export.cli"}
        assert not modules & (HEAVY | NOT_AT_FIRST)

    def test_the_name_of_an_organization_needs_no_database(self) -> None:
        assert not self._imported("zops export -r ") & (HEAVY | {"sqlite3", "zcore.database"})


class TestCommand:
    @pytest.mark.parametrize("shell", SHELLS)
    def test_prints_the_script(self, shell: str, zops: Zops) -> None:
        script = zops("completion", shell).stdout
        assert zops(env={"_ZOPS_COMPLETE": f"{shell}_source"}).stdout == script
        assert zops("completion", shell, "--json").json() == {
            "ok": True,
            "shell": shell,
            "script": script,
        }

    def test_of_another_shell(self, zops: Zops) -> None:
        assert "'tcsh' is not one of" in zops("completion", "tcsh", exit_code=2).stderr


def _shell(name: str) -> str:
    """The program; installed where we may. Without it the test is skipped, and fails in CI."""

    def find() -> str:
        where = shutil.which(name)
        if where is None:
            raise ServiceMissing(f"{name} is not installed")
        return where

    if not have_programs(find) and not install(name, find):
        leave_out = pytest.fail if os.environ.get("CI") else pytest.skip
        leave_out(f"{name} is not installed")
    return find()


@pytest.mark.usefixtures("acme")
class TestInTheShell:
    """The script in the shell itself; what only works at a prompt has a stand-in."""

    def _run(self, zops: Zops, shell: str, program: str) -> list[str]:
        where = _shell(shell)
        remember(zops, "acme", "lear")
        path = f"{zops.program.parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [where, "-c", program],
            env=zops.environment | {"PATH": path, "XDG_CONFIG_HOME": str(zops.folder)},
            cwd=zops.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    def _bash(self, zops: Zops, words: list[str]) -> list[str]:
        """As bash tears the line apart: URLs and `--realm=a` are several words."""
        line = "".join(words)
        array = " ".join(f"'{word}'" for word in words if word != " ")
        return self._run(
            zops,
            "bash",
            f"""
            source <(zops completion bash)
            COMP_LINE='{line}' COMP_POINT=${{#COMP_LINE}} COMP_WORDS=({array}) COMP_CWORD=9
            COMP_POINT=${{#COMP_LINE}}
            _zops_completion zops
            printf '%s\\n' "${{COMPREPLY[@]}}"
            complete -p zops
            """,
        )

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["zops", " ", "acme"], ["acme-tools"]),
            (["zops", " ", "export", " ", "--realm", "=", "a"], ["acme"]),
            (
                ["zops", " ", "--database", " ", "a", ":", "//b", "@", "c", " ", "acm"],
                ["acme-tools"],
            ),
        ],
        ids=["a command", "an option with a sign", "a URL before the command"],
    )
    def test_bash(self, words: list[str], expected: list[str], zops: Zops) -> None:
        assert self._bash(zops, words) == [*expected, "complete -o nosort -F _zops_completion zops"]

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("zops acme", ["acme-tools:Tools of Acme: all of them."]),
            ("zops acme-tools greet --realm a", ["acme"]),
            ("zops acme-tools greet --realm=a", ["--realm=acme"]),
        ],
        ids=["a command", "an organization", "an option with a sign"],
    )
    def test_zsh(self, words: str, expected: list[str], zops: Zops) -> None:
        program = f"""
        compdef() {{ }}
        compadd() {{ print -rl -- ${{(P)@[-1]}} }}
        _describe() {{ print -rl -- ${{(P)@[-2]}} }}
        source <(zops completion zsh)
        words=({words}) CURRENT=$#words
        _zops_completion
        """
        assert self._run(zops, "zsh", program) == expected

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("zops acme", ["acme-tools\tTools of Acme: all of them."]),
            ("zops acme-tools greet --realm a", ["acme"]),
            ("zops acme-tools greet --realm=a", ["--realm=acme"]),
        ],
        ids=["a command", "an organization", "an option with a sign"],
    )
    def test_fish(self, line: str, expected: list[str], zops: Zops) -> None:
        program = f"zops completion fish | source; complete --do-complete '{line}'"
        assert self._run(zops, "fish", program) == expected
