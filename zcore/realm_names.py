"""The names of organizations, kept for the shell to complete.

A shell that completes a line must not connect to a database. So each command that used one leaves
the subdomains that it has in a small file of the data folder, and a completion reads that. The file
is nothing but a convenience: it may be gone, old, or of another database, and nothing about it is
ever an error.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from zcore.text import MASK, mask_passwords

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zcore.context import Context
    from zcore.database import Database
    from zcore.settings import Settings

FILE = "realm-names.json"
MOST_NAMES = 10_000  # of one database; of a larger one none are kept
MOST_DATABASES = 20
PATIENCE_MS = 200  # how long the command that just ended may be held up


def known(settings: Settings) -> list[str]:
    """The subdomains that the database of `settings` was last seen to have."""
    with suppress(Exception):
        return _read(settings.home / FILE).get(_key(settings.database_url), [])
    return []


def refresh(context: Context) -> None:
    """Look up the names again when the command that just ended had used the database."""
    if context.used_database is not None:
        with suppress(Exception):
            keep(context.settings, _names(context.used_database))


def keep(settings: Settings, names: Sequence[str]) -> None:
    """Write down the names of the database of `settings`, unless they are already.

    Raises `OSError` when that cannot be done.
    """
    kept = _read(settings.home / FILE)
    key = _key(settings.database_url)
    plain = [name for name in names if _is_plain(name)]
    if kept.pop(key, []) == plain:
        return
    if plain:
        kept = {key: plain, **kept}
    _write(settings.home / FILE, dict([*kept.items()][:MOST_DATABASES]))


def _is_plain(name: str) -> bool:
    """Is it nothing but what a subdomain is made of? A shell will take it for a word."""
    return name.isascii() and name.replace("-", "").isalnum() and not name.startswith("-")


def _names(database: Database) -> list[str]:
    from sqlalchemy import text

    from zcore.organizations.codes import INTERNAL_REALM

    postgres = database.dialect == "postgresql"
    patience = "SET LOCAL statement_timeout" if postgres else "PRAGMA busy_timeout"
    with database.read() as connection:
        connection.exec_driver_sql(f"{patience} = {PATIENCE_MS}")
        chosen = text("SELECT string_id FROM zerver_realm ORDER BY string_id LIMIT :most")
        names = connection.execute(chosen, {"most": MOST_NAMES + 1}).scalars().all()
    if len(names) > MOST_NAMES:
        return []
    return [name for name in names if name != INTERNAL_REALM]


def _key(url: str) -> str:
    """What stands for a database: nobody can read its URL from it, and no password is in it."""
    from hashlib import sha256

    file = url.removeprefix("sqlite:///")
    if file != url:
        url = os.path.abspath(file)
    return sha256(mask_passwords(url).replace(f":{MASK}@", "@").encode()).hexdigest()


def _read(path: Path) -> dict[str, list[str]]:
    """What the file says; nothing when it is not there, or is not what we write."""
    import json

    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    whole = isinstance(kept, dict) and all(isinstance(names, list) for names in kept.values())
    return kept if whole else {}


def _write(path: Path, kept: dict[str, list[str]]) -> None:
    import json
    import secrets

    from zcore.private_folders import make_private_folder

    make_private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with open(descriptor, "w") as file:
            json.dump(kept, file)
        draft.replace(path)
    except BaseException:
        draft.unlink()
        raise
