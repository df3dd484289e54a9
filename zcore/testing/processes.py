"""Servers that live as long as the tests: their folder, their port, their end."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SECONDS_TO_START = 90.0
SECONDS_TO_STOP = 30.0

# Disks in memory: a database of many small files is made there in a tenth of the time.
MEMORY = Path("/dev/shm")  # noqa: S108 - the new folder in it is private
ENOUGH_MEMORY = 4 * 10**9
MEMINFO = Path("/proc/meminfo")
CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class ServiceMissing(Exception):
    """The programs of a service are not installed, and could not be installed."""


class ServiceFailed(Exception):
    """A service was there to start, and did not start. The text ends with the end of its log."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine, for servers that refuse to run as root."""

    user: int
    group: int


def unprivileged_account() -> Account | None:
    """The account to run a server with when we are root: `postgres` or `nobody`; else None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise ServiceMissing("running as root, and there is no user postgres or nobody to run as")


def free_ports(count: int) -> list[int]:
    """Different TCP ports of 127.0.0.1 that nothing listened on a moment ago."""
    with contextlib.ExitStack() as open_probes:
        ports = []
        for _ in range(count):
            probe = open_probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports.append(int(probe.getsockname()[1]))
        return ports


def private_folder(name: str, account: Account | None = None) -> Path:
    """A new folder only its owner can look into; short, because sockets' paths have to be."""
    parent = disk_in_memory() or Path(tempfile.gettempdir())
    if account is not None and not _open_to_all(parent):
        parent = Path("/tmp")  # noqa: S108 - the new folder in it is private
    folder = Path(tempfile.mkdtemp(prefix=f"zops-{name}-", dir=parent))
    if account is not None:
        os.chown(folder, account.user, account.group)
    return folder


def disk_in_memory() -> Path | None:
    """The disk in memory, where there is one, with room. `TMPDIR` decides where it is set."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return None
    room = min(shutil.disk_usage(MEMORY).free, _available_memory())
    return MEMORY if room > ENOUGH_MEMORY else None


def _available_memory() -> int:
    """Bytes of memory that disks may take: its size says nothing of what is left for it.

    That is what the machine has available, and half of what a container may have.
    """
    try:
        found = re.search(r"^MemAvailable: *(\d+) kB$", MEMINFO.read_text("ascii"), re.MULTILINE)
    except OSError:
        return 0
    available = int(found[1]) * 1024 if found else 0
    for path in CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # there is none; it is "max"
            available = min(available, int(path.read_text("ascii")) // 2)
    return available


def _open_to_all(folder: Path) -> bool:
    """Can every user of the machine get at what is in `folder`?"""
    resolved = folder.resolve()
    return all(path.stat().st_mode & 0o001 for path in (resolved, *resolved.parents))


def run_program(
    command: Sequence[str | Path],
    *,
    folder: Path,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    given: str = "",
) -> str:
    """Run a program of a service to its end and return its output; `given` is its input.

    Raises `ServiceFailed`.
    """
    identity: dict[str, object] = {}
    if account is not None:
        identity = {"user": account.user, "group": account.group, "extra_groups": []}
    done = subprocess.run(  # type: ignore[call-overload]
        command,
        cwd=folder,
        env=dict(environment) if environment is not None else None,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **identity,
    )
    output = str(done.stdout)
    if done.returncode != 0:
        raise ServiceFailed(f"{command[0]} ended with {done.returncode}:\n{output}")
    return output


class Server:
    """One running server under its guard (see `zcore.testing.guard`)."""

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self._ended = False
        orders = {
            "command": [str(word) for word in command],
            "folder": str(folder),
            "log": str(self.log),
            "stop_signal": int(stop_signal),
            "user": account.user if account else None,
            "group": account.group if account else None,
        }
        guard = Path(__file__).with_name("guard.py")
        self._guard = subprocess.Popen(
            [sys.executable, "-I", str(guard), json.dumps(orders)],
            env=dict(environment) if environment is not None else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return when `ready` says so. Raises `ServiceFailed` with the end of the log."""
        give_up = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < give_up:
            if self._guard.poll() is not None:
                raise ServiceFailed(f"the server ended by itself:\n{self.stop()}")
            if ready():
                return
            time.sleep(0.1)
        log = self.last_words()
        self.stop()
        raise ServiceFailed(f"the server was not ready in {SECONDS_TO_START:.0f} seconds:\n{log}")

    def restart(self) -> None:
        """End the server and start it again, on the same data; it may not be ready yet."""
        assert self._guard.stdin is not None  # noqa: S101 # for the type checker
        assert self._guard.stdout is not None  # noqa: S101 # likewise
        self._guard.stdin.write("restart\n")
        self._guard.stdin.flush()
        if self._guard.stdout.readline() != "restart\n":
            raise ServiceFailed(f"the server did not start again:\n{self.stop()}")

    def last_words(self) -> str:
        """The end of the server's log."""
        try:
            return self.log.read_text("utf-8", errors="replace")[-3000:]
        except FileNotFoundError:
            return ""

    def stop(self) -> str:
        """End the server and remove its folder; returns what the guard said.

        Doing it twice is no error.
        """
        said = ""
        if not self._ended:
            self._ended = True
            try:
                # The end of its input is what the guard waits for.
                said, _ = self._guard.communicate(timeout=SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._guard.kill()
                said, _ = self._guard.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)
        return said
