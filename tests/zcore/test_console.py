"""What a person sees while a command runs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING

import pytest

from zcore import Refused
from zcore.console import Console
from zcore.log_lines import log_json

if TYPE_CHECKING:
    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Zops

PROGRESS = """
console = zcore.current().console
with console.progress('copying', total=3) as progress:
    for _ in range(3):
        progress.advance()
    console.note('half way')
return zcore.Result({'rich': 'rich' in sys.modules}, text='done')
"""


class TestLines:
    def test_go_to_stderr(self, capsys: pytest.CaptureFixture[str]) -> None:
        console = Console()
        console.note("a note of\npostgresql://me:hush@db")
        console.warn("a warning")
        console.debug("a detail")
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err == "a note of postgresql://me:***@db\nzops: warning: a warning\n"

    def test_when_quiet(self, capsys: pytest.CaptureFixture[str]) -> None:
        console = Console(quiet=True)
        console.note("a note")
        console.warn("a warning")
        assert capsys.readouterr().err == "zops: warning: a warning\n"

    def test_when_verbose(self, capsys: pytest.CaptureFixture[str]) -> None:
        Console(verbosity=1).debug("a detail")
        assert capsys.readouterr().err == "zops: a detail\n"


class TestQuestions:
    def test_nobody_is_there(self, zops: Zops, plugins: InstalledPlugins) -> None:
        plugins.install_command("ask", "zcore.current().console.confirm('really?')")
        done = zops("ask", exit_code=3, stdin="y\n")
        assert "nobody is there to answer: really?" in done.stderr

    @pytest.mark.parametrize(
        ("answer", "taken"), [("y", True), ("Yes", True), ("n", False), ("", False)]
    )
    def test_somebody_answers(
        self, answer: str, taken: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keyboard, terminal = pty.openpty()
        with os.fdopen(terminal, "r") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            os.write(keyboard, f"{answer}\n".encode())
            assert Console().confirm("really?") is taken
        os.close(keyboard)

    def test_without_a_terminal_in_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with open(os.devnull) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            with pytest.raises(Refused) as error:
                Console().confirm("really?")
        assert error.value.code == "no-terminal"


class TestProgress:
    @pytest.fixture(autouse=True)
    def work(self, plugins: InstalledPlugins) -> None:
        plugins.install_command("work", PROGRESS, imports="import sys")

    def test_without_a_terminal(self, zops: Zops) -> None:
        done = zops("work", "--json")
        assert done.stderr == "half way\n"
        assert done.json()["rich"] is False

    @pytest.mark.parametrize(("options", "shown"), [((), True), (("--quiet",), False)])
    def test_on_a_terminal(self, options: tuple[str, ...], shown: bool, zops: Zops) -> None:
        written, stdout = on_a_terminal(zops, *options, "work")
        assert stdout == b"done\n"
        assert (b"copying" in written) == shown
        assert (b"3/3" in written) == shown
        assert (b"half way" in written) == shown


class TestColours:
    """Where a line begins with how grave it is, and nowhere else."""

    def test_on_a_terminal(self, zops: Zops) -> None:
        written, _ = on_a_terminal(zops, "nonsense", check=False)
        error, hint = written.splitlines()
        assert error == b"\x1b[1;31mzops: error:\x1b[0m there is no command 'nonsense'"
        assert hint.startswith(b"\x1b[1;36mhint:\x1b[0m ")

    @pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
    def test_that_nobody_wants(self, variables: dict[str, str], zops: Zops) -> None:
        written, _ = on_a_terminal(zops, "nonsense", check=False, **variables)
        assert written.startswith(b"zops: error: ")
        assert b"\x1b" not in written

    @pytest.mark.parametrize("arguments", [["nonsense"], ["--help"], ["export", "--help"]], ids=str)
    def test_without_a_terminal(self, arguments: list[str], zops: Zops) -> None:
        done = zops(*arguments, check=False, env={"TERM": "xterm", "FORCE_COLOR": "1"})
        assert "\x1b" not in done.stdout + done.stderr


def on_a_terminal(
    zops: Zops, *arguments: str, check: bool = True, **variables: str
) -> tuple[bytes, bytes]:
    """What `zops` writes to stderr, a terminal, and to stdout, a pipe."""
    screen, terminal = pty.openpty()
    done = subprocess.run(
        [zops.program, *arguments],
        env=zops.environment | {"TERM": "xterm"} | variables,
        stdout=subprocess.PIPE,
        stderr=terminal,
        check=check,
    )
    os.close(terminal)
    written = b""
    while chunk := _read(screen):
        written += chunk
    os.close(screen)
    return written, done.stdout


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65536)
    except OSError:  # the end, on Linux
        return b""


def test_a_log_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.log = log_json
    console.warn("two\nlines of amqp://me:secret@host", queue="q", url="amqp://me:secret@h", n=3)
    console.debug("nobody asked")
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["level"], said["queue"], said["n"]) == ("warning", "q", 3)
    assert said["message"] == "two lines of amqp://me:***@host"
    assert said["url"] == "amqp://me:***@h"
