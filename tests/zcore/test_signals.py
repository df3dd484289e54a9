"""Being asked to stop: a flag, and nothing that raises out of a signal handler."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from zcore import Interrupted
from zcore.signals import StopFlag

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Zops
    from zcore.testing.plugins import TemporaryPlugins

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])

READY = "open(os.environ['READY'], 'w').close()\n"
# looks at the flag between its units of work
POLITE = f"{READY}stop = zcore.current().stop\nwhile True:\n    stop.check()\n    time.sleep(0.01)"
# never looks, and would turn an exception in the middle of its work into a different ending
BUSY = f"{READY}end = time.monotonic() + 60\nwhile time.monotonic() < end:\n    time.sleep(0.01)"
SHORT = f"{READY}time.sleep(0.5)\nreturn zcore.Result({{'n': 1}}, text='done')"
ENDLESS = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
# waits in C, where no Python signal handler runs
IN_C = (
    f"{READY}connection = sqlite3.connect(':memory:')\n"
    "with zcore.current().stop.calling(connection.interrupt):\n"
    "    try:\n"
    f"        connection.execute({ENDLESS!r})\n"
    "    except sqlite3.OperationalError as error:\n"
    "        raise zcore.Interrupted(str(error))"
)
FORKS = (
    "child = os.fork()\n"
    "if child == 0:\n"
    "    time.sleep(60)\n"
    "    os._exit(0)\n"
    "os.kill(child, signal.SIGTERM)\n"
    "_, status = os.waitpid(child, 0)\n"
    "time.sleep(0.2)\n"
    "asked = zcore.current().stop.is_set()\n"
    "return zcore.Result({'child': os.waitstatus_to_exitcode(status), 'asked': asked})"
)


class Started:
    """A command that runs, and can be sent signals."""

    def __init__(self, zops: Zops, plugins: InstalledPlugins, ready: Path, body: str) -> None:
        plugins.install_command("work", body, imports="import os, signal, sqlite3, time")
        self.ready = ready
        self.zops = zops

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it, and wait until it is at work."""
        process = self.zops.start(*arguments, "work", env={"READY": str(self.ready)})
        while not self.ready.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        return process


@SIGNALS
class TestOneSignal:
    def test_stops_a_command_that_looks(
        self, number: signal.Signals, zops: Zops, plugins: InstalledPlugins, tmp_path: Path
    ) -> None:
        process = Started(zops, plugins, tmp_path / "ready", POLITE).start("--json")
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
        assert process.returncode == 130
        assert json.loads(stdout)["error"]["code"] == "interrupted"
        assert "Traceback" not in stderr

    def test_lets_a_short_command_finish(
        self, number: signal.Signals, zops: Zops, plugins: InstalledPlugins, tmp_path: Path
    ) -> None:
        process = Started(zops, plugins, tmp_path / "ready", SHORT).start()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
        assert (process.returncode, stdout) == (0, "done\n")
        assert "stopping" in stderr

    def test_reaches_a_command_that_waits_inside_a_library(
        self, number: signal.Signals, zops: Zops, plugins: InstalledPlugins, tmp_path: Path
    ) -> None:
        process = Started(zops, plugins, tmp_path / "ready", IN_C).start()
        time.sleep(0.2)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 130
        assert stderr.splitlines()[-1] == "zops: error: interrupted"


@SIGNALS
@pytest.mark.parametrize("json_option", [(), ("--json",)], ids=["words", "json"])
def test_a_second_signal_ends_it_at_once(
    number: signal.Signals,
    json_option: tuple[str, ...],
    zops: Zops,
    plugins: InstalledPlugins,
    tmp_path: Path,
) -> None:
    process = Started(zops, plugins, tmp_path / "ready", BUSY).start(*json_option)
    process.send_signal(number)
    assert process.stderr is not None
    assert "stopping at the next safe point" in process.stderr.readline()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    if json_option:
        assert json.loads(stdout)["error"]["code"] == "interrupted"
    else:
        assert stderr == "zops: error: stopped at once by a signal\n"


def test_ctrl_c_before_anything_is_loaded(zops: Zops, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    source = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in the background
        "os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n"
    )
    (folder / "click.py").write_text(source)
    done = zops("plugins", "list", exit_code=130, env={"PYTHONPATH": str(folder)})
    assert (done.stdout, done.stderr) == ("", "")


def test_a_forked_child_has_signals_of_its_own(zops: Zops, plugins: InstalledPlugins) -> None:
    plugins.install_command("work", FORKS, imports="import os, signal, time")
    done = zops("work", "--json").json()
    assert done["child"] == -signal.SIGTERM
    assert done["asked"] is False


def test_a_question_is_left_at_once(zops: Zops, plugins: InstalledPlugins) -> None:
    plugins.install_command("ask", "zcore.current().console.confirm('really?')")
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        [zops.program, "ask"],
        env=zops.environment,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.read(len("really? [y/N]")) == "really? [y/N]"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    os.close(keyboard)
    os.close(terminal)
    assert process.returncode == 130
    assert "stopped at once" in stderr


STUCK = """
    import time
    from pathlib import Path
    from zcore import current

    def clean_up():
        Path("cleaned").touch()

    with current().stop.within(0.1, clean_up, lambda: time.sleep(600), lambda: 1 / 0):
        print("stuck", flush=True)
        {wait}
    """


def test_what_cannot_be_interrupted_is_ended(
    zops: Zops, temporary_plugins: TemporaryPlugins
) -> None:
    """Though one of those who clean up is stuck as well, and another one fails."""
    temporary_plugins.install_command("stuck", STUCK.format(wait="time.sleep(600)"))
    process = zops.start("stuck")
    assert process.stdout is not None
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "zops: error: stopped at once by a signal"
    assert (zops.folder / "cleaned").exists()


def test_what_is_past_stopping_comes_to_its_end(
    zops: Zops, temporary_plugins: TemporaryPlugins
) -> None:
    wait = "current().stop.past_stopping(); current().stop.wait(60); time.sleep(0.5)"
    temporary_plugins.install_command("stuck", STUCK.format(wait=wait))
    process = zops.start("stuck")
    assert process.stdout is not None
    assert process.stdout.readline() == "stuck\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert not (zops.folder / "cleaned").exists()


class TestStopFlag:
    def test_too_late_to_stop(self) -> None:
        flag = StopFlag()
        with flag.within(60.0):
            flag.past_stopping()
            flag.set()
        with pytest.raises(Interrupted):
            flag.past_stopping()

    def test_is_quiet_at_first(self) -> None:
        flag = StopFlag()
        flag.check()
        assert not flag.is_set()
        assert not flag.wait(0)

    def test_interrupts(self) -> None:
        flag = StopFlag()
        assert flag.set() == []
        assert flag.wait(60)
        with pytest.raises(Interrupted):
            flag.check()

    def test_that_the_command_set_itself_is_no_signal(self) -> None:
        flag = StopFlag()
        flag.set()
        assert flag.received(lambda text: None)
        assert not flag.received(lambda text: None)

    def test_calls_what_waits_for_it(self) -> None:
        flag = StopFlag()
        called = []
        with flag.calling(lambda: called.append(1)), flag.calling(lambda: 1 / 0):
            errors = flag.set()
        flag.set()
        assert called == [1]
        assert [type(error) for error in errors] == [ZeroDivisionError]

    def test_a_call_that_has_begun_does_not_stop_what_comes_next(self) -> None:
        flag = StopFlag()
        begun, over = threading.Event(), threading.Event()

        def call() -> None:
            begun.set()
            time.sleep(0.1)
            over.set()

        with flag.calling(call):
            signal_thread = threading.Thread(target=flag.set)
            signal_thread.start()
            assert begun.wait(60)
        assert over.is_set()
        signal_thread.join()
