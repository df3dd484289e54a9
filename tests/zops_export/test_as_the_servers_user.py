"""As the server's own user: PostgreSQL lets it in by its name, over a socket.

This is what `sudo -u zulip zops ...` comes to. It starts a server of its own, whose rules say so.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from zcore.testing.commands import private_environment
from zcore.testing.postgres import PrivatePostgres
from zcore.testing.processes import private_folder, unprivileged_account

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zcore.testing.processes import Account

PROBE = "import click, psycopg2, sqlalchemy, zcore"
IMPORTS = {"PYTHONPATH": os.pathsep.join(sys.path)}
PEERS_ONLY = "local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n"

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user"),
]


@pytest.fixture(scope="module")
def account() -> Account:
    found = unprivileged_account()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def home(account: Account) -> Iterator[Path]:
    """A folder of that user."""
    folder = private_folder("peer", account)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(account: Account) -> Iterator[PrivatePostgres]:
    """A PostgreSQL with the database `zulip`, of a role with the name of the user."""
    server = PrivatePostgres()
    try:
        role = pwd.getpwuid(account.user).pw_name
        database = psycopg2.connect(server.url)
        database.autocommit = True
        with database.cursor() as cursor:
            cursor.execute(f'CREATE ROLE "{role}" LOGIN')
            cursor.execute(f'CREATE DATABASE zulip OWNER "{role}"')
            (server.folder / "data" / "pg_hba.conf").write_text(PEERS_ONLY)
            cursor.execute("SELECT pg_reload_conf()")
        database.close()
        yield server
    finally:
        server.stop()


def test_a_backup(account: Account, home: Path, server: PrivatePostgres, tmp_path: Path) -> None:
    """`postgresql:///zulip`, in a folder that the user may not even look into, as cron might do."""
    python = python_for(account)
    port = server.url.rpartition(":")[2].partition("/")[0]
    environment = (
        IMPORTS
        | private_environment(home)
        | {
            "ZOPS_DATABASE": "postgresql:///zulip",
            "ZOPS_UPLOADS": str(home / "uploads"),
            "ZOPS_AVATAR_SALT": "salt",
            "PGHOST": str(server.folder),  # a server's own is in the usual place
            "PGPORT": port,
        }
    )

    def run(*words: str) -> dict[str, Any]:
        done = as_user(account, [python, "-m", "zcore", "--json", *words], environment, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == b""
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    os.chmod(tmp_path, 0o700)
    run("db", "init")
    run("create-realm", "Acme", "o@example.test", "Olga", "--no-password", "--string-id", "acme")
    made = run(
        "export", "-r", "acme", "--output", f"{home}/%{{realm}}-%{{time}}.tar.gz", "--keep", "7"
    )
    found = os.stat(made["path"])
    assert (found.st_uid, found.st_mode & 0o777) == (account.user, 0o600)
    assert os.stat(made["mark"]).st_mode & 0o777 == 0o644
    assert run("verify", made["path"])["problems"] == []


def python_for(account: Account) -> str:
    """A Python that this user may run; that of the tests can be in a home of root's."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(name, path="/usr/local/bin:/usr/bin")):
        with contextlib.suppress(OSError):
            if python and as_user(account, [python, "-c", PROBE], IMPORTS).returncode == 0:
                return python
    pytest.skip("the user has no Python that can import zops")


def as_user(
    account: Account, command: list[str], environment: Mapping[str, str], folder: Path = Path("/")
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command,
        env=dict(environment), cwd=folder,
        user=account.user, group=account.group, extra_groups=[],
        capture_output=True,
    )  # fmt: skip
