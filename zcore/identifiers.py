"""Random identifiers and keys in the forms that a Zulip server expects.

Everything here comes from the operating system's secure random numbers. The alphabets and
lengths are part of the interface to the server: it refuses, or replaces, what looks different.
"""

from __future__ import annotations

import base64
import secrets
import string
import uuid

LETTERS_AND_DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits
# For each letter the same number of bytes; of the highest bytes, which are left over, none.
LETTER_OF_BYTE = (LETTERS_AND_DIGITS * 5)[:256].encode("ascii")
TOO_HIGH = bytes(range(256 - 256 % len(LETTERS_AND_DIGITS), 256))
API_KEY_LENGTH = 32
OWNER_SECRET_LENGTH = 32
UNUSABLE_PASSWORD_LENGTH = 40
UNUSABLE_PASSWORD_PREFIX = "!"  # noqa: S105  # the mark that there is no password
UPLOAD_TOKEN_BYTES = 18
CONFIRMATION_KEY_BYTES = 15


def random_text(length: int) -> str:
    """`length` random letters and digits."""
    text = b""
    while len(text) < length:  # one byte in 32 is thrown away, or some letters came more often
        text += secrets.token_bytes(2 * length).translate(LETTER_OF_BYTE, TOO_HIGH)
    return text[:length].decode("ascii")


def random_api_key() -> str:
    """A new value for `zerver_userprofile.api_key`: 32 letters and digits."""
    return random_text(API_KEY_LENGTH)


def unusable_password() -> str:
    """A value for `zerver_userprofile.password` that no password matches: `!` and 40 more."""
    return UNUSABLE_PASSWORD_PREFIX + random_text(UNUSABLE_PASSWORD_LENGTH)


def realm_owner_secret() -> str:
    """A new value for `zerver_realm.uuid_owner_secret`."""
    return "zuliprealm_" + random_text(OWNER_SECRET_LENGTH)


def random_uuid() -> str:
    """A random UUID (version 4) as text with hyphens."""
    return str(uuid.uuid4())


def upload_token() -> str:
    """The unguessable folder name in the path of an uploaded file: 24 URL-safe characters."""
    return secrets.token_urlsafe(UPLOAD_TOKEN_BYTES)


def confirmation_key() -> str:
    """A new value for `confirmation_confirmation.confirmation_key`: 24 base32 characters."""
    return base64.b32encode(secrets.token_bytes(CONFIRMATION_KEY_BYTES)).decode("ascii").lower()


def dummy_email(user_id: int, host: str) -> str:
    """The address that stands in for a user's own where that is not for everyone to see."""
    return f"user{user_id}@{host}"
