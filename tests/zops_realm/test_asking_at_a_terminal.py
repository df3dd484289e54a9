"""What was not given is asked for at the terminal; a password is asked for twice, unseen."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa
from argon2 import PasswordHasher

from zcore.schema import tables

if TYPE_CHECKING:
    from zcore.database import Database
    from zcore.testing.commands import Zops

PASSWORD = "unseen words"  # noqa: S105
SECONDS = 60


def run_at_terminal(zops: Zops, arguments: list[str], answers: list[tuple[str, str]]) -> str:
    """Run `zops` at a terminal, answer each question once it stands there; return all it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [zops.program, *arguments],
        env=zops.environment,
        cwd=zops.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    try:
        for question, answer in answers:
            shown += _read_until(ours, question)
            os.write(ours, f"{answer}\n".encode())
        shown += _read_until(ours, None)
        assert process.wait(SECONDS) == 0, shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown


def _read_until(terminal: int, text: str | None) -> str:
    """Read until `text` was shown, or to the end."""
    shown = ""
    deadline = time.monotonic() + SECONDS
    with contextlib.suppress(OSError):  # the other side was closed
        while text is None or text not in shown:
            assert time.monotonic() < deadline, f"{text!r} was not shown: {shown}"
            shown += os.read(terminal, 4096).decode()
    assert text is None or text in shown, f"{text!r} was not shown: {shown}"
    return shown


def test_address_name_and_password(zops: Zops, sqlite_database: Database) -> None:
    shown = run_at_terminal(
        zops.on(sqlite_database),
        ["create-realm", "Acme", "--string-id=acme"],
        [
            ("E-mail", "olive@a.test"),
            ("Full name", "Olive O"),
            ("Password", PASSWORD),
            ("Repeat", PASSWORD),
        ],
    )

    users = tables["zerver_userprofile"].c
    with sqlite_database.read() as connection:
        chosen = sa.select(users.delivery_email, users.full_name, users.password)
        email, name, stored = connection.execute(chosen.where(users.role == 100)).one()
    assert (email, name) == ("olive@a.test", "Olive O")
    assert PasswordHasher().verify(stored.removeprefix("argon2"), PASSWORD)
    assert PASSWORD not in shown
