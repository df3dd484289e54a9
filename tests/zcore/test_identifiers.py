"""Random identifiers have the forms that a server expects, and no two are equal."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from zcore import identifiers

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (identifiers.random_api_key, r"[A-Za-z0-9]{32}"),
        (identifiers.unusable_password, r"![A-Za-z0-9]{40}"),
        (identifiers.realm_owner_secret, r"zuliprealm_[A-Za-z0-9]{32}"),
        (identifiers.upload_token, r"[A-Za-z0-9_-]{24}"),
        (identifiers.confirmation_key, r"[a-z2-7]{24}"),
        (identifiers.random_uuid, r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_form(make: Callable[[], str], pattern: str) -> None:
    made = {make() for _ in range(50)}

    assert len(made) == 50
    assert all(re.fullmatch(pattern, value) for value in made)


def test_every_letter_is_as_likely() -> None:
    """As many bytes stand for each; those that are left over stand for none."""
    used = set(range(256)) - set(identifiers.TOO_HIGH)
    letters = Counter(chr(identifiers.LETTER_OF_BYTE[byte]) for byte in used)

    assert set(letters) == set(identifiers.LETTERS_AND_DIGITS)
    assert set(letters.values()) == {4}


def test_a_random_uuid_says_that_it_is_random() -> None:
    assert uuid.UUID(identifiers.random_uuid()).version == 4


def test_a_dummy_email_names_the_user_by_number() -> None:
    assert identifiers.dummy_email(17, "chat.example.com") == "user17@chat.example.com"
