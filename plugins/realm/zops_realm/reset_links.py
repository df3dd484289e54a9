"""Links by which somebody sets a new password, as a server makes and checks them.

A link is signed with the server's secret key. It is good until the password changes, the account
logs in or is given another address, or for as long as the server says (a day).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SALT = b"django.contrib.auth.tokens.PasswordResetTokenGenerator"
COUNTED_FROM = datetime(2001, 1, 1, tzinfo=UTC)
DIGITS = string.digits + string.ascii_lowercase  # of numbers to the base of 36


@dataclass(frozen=True, slots=True)
class Resetting:
    """Columns of an account that a link depends on. `email` is the address that others see."""

    user_id: int
    password: str
    last_login: datetime | None
    email: str


def reset_link(realm_url: str, user: Resetting, secret_key: str, now: datetime) -> str:
    """A link for `user` to a page of the organization at `realm_url`."""
    number = base64.urlsafe_b64encode(str(user.user_id).encode()).decode().rstrip("=")
    return f"{realm_url}/accounts/password/reset/{number}/{_token(user, secret_key, now)}/"


def _token(user: Resetting, secret_key: str, now: datetime) -> str:
    seconds = int((now - COUNTED_FROM).total_seconds())
    login = "" if user.last_login is None else _without_zone(user.last_login)
    text = f"{user.user_id}{user.password}{login}{seconds}{user.email}"
    key = hashlib.sha256(SALT + secret_key.encode()).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"{''.join(_to_base_36(seconds))}-{signature[::2]}"


def _without_zone(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None)


def _to_base_36(number: int) -> Iterator[str]:
    if number >= len(DIGITS):
        yield from _to_base_36(number // len(DIGITS))
    yield DIGITS[number % len(DIGITS)]
