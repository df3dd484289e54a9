"""Finding the programs of services, and installing them where that is possible."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zcore.testing.processes import ServiceMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLICY = Path("/usr/sbin/policy-rc.d")
SCRIPT_FOLDERS = (
    Path("/usr/lib/rabbitmq/bin"),
    Path("/opt/homebrew/sbin"),
    Path("/usr/local/sbin"),
)


def postgres_program(name: str) -> Path:
    """Where `initdb`, `postgres`, `pg_restore` ... is. Raises `ServiceMissing`."""
    for folder in _postgres_folders():
        if (folder / name).is_file():
            return folder / name
    raise ServiceMissing(f"PostgreSQL's program {name} is not installed")


def _postgres_folders() -> Iterator[Path]:
    """Folders to look into. `postgres` decides: Debian puts only the clients on the PATH."""
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    configured = shutil.which("pg_config")
    if configured:
        answer = subprocess.run([configured, "--bindir"], capture_output=True, text=True)
        yield Path(answer.stdout.strip())
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major, reverse=True)
    client = shutil.which("pg_restore")
    if client:
        yield Path(client).parent


def _major(folder: Path) -> int:
    number = re.match(r"\d+", folder.parent.name)
    return int(number.group()) if number else 0


def rabbitmq_program(name: str) -> Path:
    """Where `rabbitmq-server` or `rabbitmqctl` is. Raises `ServiceMissing`.

    The package's own scripts come first: Debian's wrappers on the PATH change the user to
    `rabbitmq` and use the system's data.
    """
    for folder in SCRIPT_FOLDERS:
        if (folder / name).is_file():
            return folder / name
    on_path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if on_path:
        return Path(on_path)
    raise ServiceMissing(f"RabbitMQ's program {name} is not installed")


def epmd_program() -> Path:
    """Erlang's name server. Raises `ServiceMissing`."""
    on_path = shutil.which("epmd")
    if on_path:
        return Path(on_path)
    for path in Path("/usr/lib/erlang").glob("erts-*/bin/epmd"):
        return path
    raise ServiceMissing("Erlang's program epmd is not installed")


def memcached_program() -> Path:
    """memcached itself. Raises `ServiceMissing`."""
    return _program("memcached")


def sasl_program() -> Path:
    """What writes the logins that memcached asks for. Raises `ServiceMissing`."""
    return _program("saslpasswd2")


def _program(name: str) -> Path:
    on_path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if on_path:
        return Path(on_path)
    raise ServiceMissing(f"the program {name} is not installed")


def have_programs(find: Callable[[], object]) -> bool:
    """Does `find` find what it looks for?"""
    try:
        find()
    except ServiceMissing:
        return False
    return True


def install(package: str, find: Callable[[], object]) -> bool:
    """Install a Debian package if we are root on such a system; True when `find` then finds.

    The services of the machine stay as they are: the tests start their own. When several runs of
    tests want it at once, one of them installs and the others wait for it.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    with _one_at_a_time():
        if not have_programs(find):
            _apt_install(package)
    return have_programs(find)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """While inside, no other process is: by a lock on the folder that the policy lies in."""
    folder = os.open(POLICY.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _apt_install(package: str) -> None:
    print(f"zops tests: installing {package} with apt-get (as root)", file=sys.stderr)  # noqa: T201
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
    with _no_system_services():
        for words in (["update"], ["install", "-y", "--no-install-recommends", package]):
            done = subprocess.run(
                [*apt, *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True
            )
    if done.returncode != 0:
        sys.stderr.write(done.stderr.decode("utf-8", "replace"))


@contextlib.contextmanager
def _no_system_services() -> Iterator[None]:
    """Tell Debian's packages not to start what they install."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n", "utf-8")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
