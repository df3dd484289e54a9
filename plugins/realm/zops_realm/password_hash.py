"""Passwords in the form that a Zulip server checks them in and would write them itself."""

from __future__ import annotations

from zcore.identifiers import random_text

ALGORITHM = "argon2"
MEMORY_KIB = 102400
PASSES = 2
LANES = 8
TAG_BYTES = 32
# Letters and digits, not raw bytes: the server counts the salt's bits that way, and would hash
# the password again at the first login if there were fewer than 128.
SALT_LENGTH = 22


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
