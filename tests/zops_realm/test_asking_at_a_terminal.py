"""What was not given is asked for at the terminal; a password is asked for twice, unseen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import subprocess
import termios
import time
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from tests.zops_realm.normalized_rows import all_rows
from zcore.schema import tables

if TYPE_CHECKING:
    from zcore.database import Database
    from zcore.testing.commands import Zops

PASSWORD = "unseen words"  # noqa: S105
SECONDS = 60
ENDS, STOPS = "\x04", "\x03"  # Ctrl-D and Ctrl-C
QUESTIONS = ("E-mail", "Full name", "Password", "Repeat")
ANSWERS = ("olive@a.test", "Olive O", PASSWORD, PASSWORD)


def run_at_terminal(
    zops: Zops, arguments: list[str], answers: list[tuple[str, str]], exit_code: int = 0
) -> str:
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
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that keys send signals
    )
    os.close(theirs)
    shown = ""
    try:
        for question, answer in answers:
            shown += _read_until(ours, question)
            os.write(ours, answer.encode() if answer in (ENDS, STOPS) else f"{answer}\n".encode())
        shown += _read_until(ours, None)
        assert process.wait(SECONDS) == exit_code, shown
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
        list(zip(QUESTIONS, ANSWERS, strict=True)),
    )

    users = tables["zerver_userprofile"].c
    with sqlite_database.read() as connection:
        chosen = sa.select(users.delivery_email, users.full_name, users.password)
        email, name, stored = connection.execute(chosen.where(users.role == 100)).one()
    assert (email, name) == ("olive@a.test", "Olive O")
    assert PasswordHasher().verify(stored.removeprefix("argon2"), PASSWORD)
    assert PASSWORD not in shown


@pytest.mark.parametrize("key", [ENDS, STOPS], ids=["closed", "stopped"])
@pytest.mark.parametrize("place", [0, 2])
def test_no_answer_is_the_end_and_nothing_was_written(
    zops: Zops, sqlite_database: Database, key: str, place: int
) -> None:
    answers = [*ANSWERS[:place], key]

    shown = run_at_terminal(
        zops.on(sqlite_database),
        ["create-realm", "Acme", "--string-id=acme"],
        list(zip(QUESTIONS, answers, strict=False)),
        exit_code=130,
    )

    assert "Traceback" not in shown
    assert "stopped" in shown
    assert not any(all_rows(sqlite_database).values())
