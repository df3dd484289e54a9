"""Passwords are stored as a Zulip server stores them."""

from __future__ import annotations

import re

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from zops_realm.password_hash import hash_password

STORED = re.compile(r"argon2\$argon2id\$v=19\$m=102400,t=2,p=8\$([\w+/]{30})\$[\w+/]{43}")


def test_the_form_is_that_of_the_server() -> None:
    stored = hash_password("correct horse")

    assert STORED.fullmatch(stored)
    assert len(stored) == 112


@pytest.mark.parametrize("password", ["correct horse", "pässwörd ☃"])
def test_the_password_and_no_other_is_accepted(password: str) -> None:
    encoded = hash_password(password).removeprefix("argon2")

    assert PasswordHasher().verify(encoded, password)
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(encoded, password + "x")


def test_a_password_that_a_server_stored_has_the_same_form() -> None:
    # Made by a Zulip 10.0 server for a throw-away account.
    by_server = (
        "argon2$argon2id$v=19$m=102400,t=2,p=8$aHprMjFON1BITUkxYkhBbUtmb1BtVQ"
        "$EaipwWMiU8oSy/Q0EIIhIFgqqygTIokYpxtjMa3pyT0"
    )

    assert STORED.fullmatch(by_server)


def test_the_salt_differs_each_time() -> None:
    first, second = (STORED.fullmatch(hash_password("same")) for _ in range(2))

    assert first is not None
    assert second is not None
    assert first[1] != second[1]
