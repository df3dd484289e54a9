"""Passwords in the form that a Zulip server checks them in and would write them itself."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from zcore import Refused
from zcore.identifiers import UNUSABLE_PASSWORD_PREFIX, random_text

ALGORITHM = "argon2"
OLD_ALGORITHM = "pbkdf2_sha256"
MEMORY_KIB = 102400
PASSES = 2
LANES = 8
TAG_BYTES = 32
# Letters and digits, not raw bytes: the server counts the salt's bits that way, and would hash
# the password again at the first login if there were fewer than 128.
SALT_LENGTH = 22
WIDTH_OF_COLUMN = 128
STORED_FORMS = (
    r"argon2\$argon2id?\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+",
    r"pbkdf2_sha256\$\d+\$[A-Za-z0-9]+\$[A-Za-z0-9+/]+=*",
    r"![A-Za-z0-9]*",  # none
)


def hash_password(password: str) -> str:
    """The value of `zerver_userprofile.password` for `password` (takes a tenth of a second)."""
    from argon2.low_level import Type, hash_secret

    encoded = hash_secret(
        password.encode("utf-8"),
        random_text(SALT_LENGTH).encode("ascii"),
        time_cost=PASSES,
        memory_cost=MEMORY_KIB,
        parallelism=LANES,
        hash_len=TAG_BYTES,
        type=Type.ID,
    )
    return ALGORITHM + encoded.decode("ascii")


def has_password(stored: str) -> bool:
    """Does the column's value say that there is a password at all?"""
    return bool(stored) and not stored.startswith(UNUSABLE_PASSWORD_PREFIX)


def is_stored_form(stored: str) -> bool:
    """Is this, by its form, something that a server keeps in the column?"""
    if len(stored) > WIDTH_OF_COLUMN:
        return False
    return any(re.fullmatch(form, stored) for form in STORED_FORMS)


def is_password(password: str, stored: str) -> bool:
    """Is `password` the one that the column holds? In any form that a server still reads.

    Raises `Refused` when the column's value is in another one, or damaged.
    """
    if not has_password(stored):
        return False
    algorithm = stored.partition("$")[0]
    if algorithm == ALGORITHM:
        return _is_argon2(password, stored.removeprefix(ALGORITHM))
    if algorithm == OLD_ALGORITHM:
        return _is_pbkdf2(password, stored)
    raise Refused(
        f"the password is stored in a form that zops does not know: {algorithm[:20]!r}",
        code="password-algorithm",
        hint="set a new password",
    )


def _is_argon2(password: str, encoded: str) -> bool:
    from argon2.exceptions import InvalidHash, VerificationError, VerifyMismatchError
    from argon2.low_level import Type, verify_secret

    kind = Type.I if encoded.startswith("$argon2i$") else Type.ID
    try:
        return verify_secret(encoded.encode("ascii"), password.encode("utf-8"), kind)
    except VerifyMismatchError:
        return False
    except (InvalidHash, VerificationError, UnicodeEncodeError) as error:
        raise _damaged() from error


def _is_pbkdf2(password: str, stored: str) -> bool:
    try:
        _, passes, salt, encoded = stored.split("$")
        expected = base64.b64decode(encoded, validate=True)
        found = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), int(passes))
    except (ValueError, OverflowError, binascii.Error) as error:
        raise _damaged() from error
    return hmac.compare_digest(found, expected)


def _damaged() -> Refused:
    return Refused(
        "the stored password is damaged", code="password-damaged", hint="set a new password"
    )
