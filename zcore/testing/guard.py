"""Runs one server and ends it, whatever becomes of the tests that asked for it.

Started by `zcore.testing.processes` as a program of its own. It waits on its standard input: the
line "restart" there ends the server and starts it again, which it answers with the same; any other,
or the end (the tests are done, were killed, or crashed), stops the server and removes its folder.
A finalizer alone would not do: nothing runs in the tests' own process after SIGKILL.
When the server ends by itself, the guard says the end of its log.

Arguments, as one JSON object: `command`, `folder`, `log`, `stop_signal`, `user` and `group`
(numbers, or null for "as we are").
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys

RESTART = "restart\n"
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_STOP = 20.0


def start(orders: dict[str, object]) -> subprocess.Popen[bytes]:
    """The server, in a process group of its own, writing to its log."""
    identity: dict[str, object] = {}
    if orders["user"] is not None:
        identity = {"user": orders["user"], "group": orders["group"], "extra_groups": []}
    with open(str(orders["log"]), "ab") as log:
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            orders["command"],
            cwd=orders["folder"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **identity,
        )


def wait_for_the_end(server: subprocess.Popen[bytes], asked_to_stop: list[int]) -> bool:
    """Return when the server has ended by itself or somebody wants it to; is it to start again?"""
    while server.poll() is None and not asked_to_stop:
        readable, _, _ = select.select([sys.stdin], [], [], SECONDS_BETWEEN_LOOKS)
        if readable:
            return sys.stdin.readline() == RESTART
    return False


def stop(server: subprocess.Popen[bytes], stop_signal: int) -> None:
    """Ask the server to end, then end what is left of its process group."""
    if server.poll() is None:
        server.send_signal(stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(SECONDS_TO_STOP)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def last_words(log: str) -> str:
    """The end of the log; short enough for a pipe that nobody reads yet."""
    with open(log, encoding="utf-8", errors="replace") as lines:
        return lines.read()[-3000:]


def main() -> int:
    """Run, wait, stop, tidy up. The exit status is the server's."""
    orders = json.loads(sys.argv[1])
    asked_to_stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: asked_to_stop.append(received))
    server = start(orders)
    try:
        while wait_for_the_end(server, asked_to_stop):
            stop(server, orders["stop_signal"])
            server = start(orders)
            sys.stdout.write(RESTART)
            sys.stdout.flush()
        if server.poll() is not None:
            sys.stdout.write(last_words(orders["log"]))
    finally:
        stop(server, orders["stop_signal"])
        shutil.rmtree(orders["folder"], ignore_errors=True)
    return server.returncode


if __name__ == "__main__":
    sys.exit(main())
