"""`zops user check-password` reads what zops and a server write."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore import Refused
from zcore.schema import tables
from zops_realm.password_hash import hash_password, is_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.database import Database
    from zcore.testing.commands import Zops

PASSWORD = "not so secret"  # noqa: S105
USERS = tables["zerver_userprofile"]
CHECK = ("user", "check-password", "-r", "acme", "Olive@Example.test", "--password-stdin")


def pbkdf2(password: str) -> str:
    tag = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt", 1000)
    return f"pbkdf2_sha256$1000$salt${base64.b64encode(tag).decode()}"


@pytest.mark.parametrize("write", [hash_password, pbkdf2])
@pytest.mark.parametrize("password", [PASSWORD, "pässwörd ☃", "x" * 100])
def test_it_knows_the_password_from_another(write: Callable[[str], str], password: str) -> None:
    stored = write(password)

    assert is_password(password, stored)
    assert not is_password(password + "x", stored)


@pytest.mark.parametrize("stored", ["", "!" + "x" * 40])
def test_no_password_is_nobodys(stored: str) -> None:
    assert not is_password("", stored)


@pytest.mark.parametrize(
    ("stored", "code"),
    [
        ("md5$salt$hash", "password-algorithm"),
        ("argon2$argon2id$v=19$m=102400,t=2,p=8$short", "password-damaged"),
        ("pbkdf2_sha256$many$salt$AAAA", "password-damaged"),
        ("pbkdf2_sha256$1000$salt", "password-damaged"),
    ],
)
def test_what_cannot_be_read_is_refused(stored: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        is_password(PASSWORD, stored)

    assert refused.value.code == code


def test_the_command(
    zops_on_sqlite: Zops, sqlite_database: Database, make_realm: Callable[[Database, str], int]
) -> None:
    make_realm(sqlite_database, "acme")
    refused = zops_on_sqlite("--json", *CHECK, stdin=PASSWORD, check=False)
    refused.assert_refused("no-password")
    with sqlite_database.begin() as connection:
        connection.execute(
            sa.update(USERS).where(USERS.c.role == 100).values(password=hash_password(PASSWORD))
        )

    said = zops_on_sqlite("--json", *CHECK, stdin=PASSWORD).json()
    wrong = zops_on_sqlite("--json", *CHECK, stdin="hush-hush", check=False)

    assert (said["email"], said["is_active"]) == ("olive@example.test", True)
    wrong.assert_refused("password-wrong")
    assert "hush-hush" not in wrong.stdout + wrong.stderr
