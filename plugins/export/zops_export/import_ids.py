"""The new ids of everything that rows of an export point at, reserved before the first row."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from zcore.internal_realm import ensure_internal_realm
from zcore.schema import tables
from zcore.schema.facts import table_facts
from zops_export.export_index import ExportIndex, referenced_tables
from zops_export.id_maps import IdMap
from zops_export.selection import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zcore.rows_in import Writer
    from zops_export.json_rows import JsonRow

clients = tables["zerver_client"]
users = tables["zerver_userprofile"]
recipients = tables["zerver_recipient"]

# The server's order of reserving, so that numbers come out as they would there.
REALM = "zerver_realm"
FIRST_RESERVED = (
    "zerver_stream",
    "zerver_userprofile",
    "zerver_usergroup",
    "zerver_message",
)
SHARED_KEYS = {"zerver_namedusergroup": "zerver_usergroup"}  # one key, two tables
LONGEST_CLIENT_NAME = 30


def reserve_ids(
    writer: Writer, index: ExportIndex, earlier: Mapping[str, Sequence[int]]
) -> dict[str, IdMap]:
    """A map for every table that rows point at. Makes the internal realm on an empty database.

    `earlier` has numbers that were reserved before, by table: that of the organization at least.
    """
    ensure_internal_realm(writer.connection, earlier[REALM][0] - 1)
    ids = {"zerver_client": known_clients(writer.connection, index.clients)}
    later = sorted(referenced_tables() - {REALM, *FIRST_RESERVED, *SHARED_KEYS, "zerver_client"})
    for name in (REALM, *FIRST_RESERVED, *later):
        ids[name] = _reserved(writer, name, index.ids[name], earlier.get(name), index.dates)
    for name, owner in SHARED_KEYS.items():
        ids[name] = ids[owner]
    _add_bots(writer.connection, index.bots, ids)
    return ids


def _reserved(
    writer: Writer,
    name: str,
    old: array[int],
    earlier: Sequence[int] | None,
    by_date: Sequence[int],
) -> IdMap:
    """`by_date`: when each message was sent, where they are not in that order in the export."""
    table = tables[name]
    if not table_facts(table).imported:
        return IdMap(array("q"), range(0))
    if name == "zerver_userprofile":  # two lists in the export, numbered as one
        old = array("q", sorted(old))
    if name == "zerver_message" and len(by_date) == len(old):
        old = array("q", (ident for _, ident in sorted(zip(by_date, old, strict=True))))
    if earlier is not None and len(earlier) == len(old):
        return IdMap(old, earlier)
    return IdMap(old, writer.reserve(table, len(old)))


def known_clients(connection: sa.Connection, rows: Sequence[JsonRow]) -> IdMap:
    """Clients belong to the server, and are the same by name. Those that it lacks are made.

    Whoever makes the same at this moment is waited for.
    """
    wanted = {str(row.get("name"))[:LONGEST_CLIENT_NAME] for row in rows}
    known = _clients_by_name(connection)
    if missing := [{"name": name} for name in sorted(wanted - known.keys())]:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(insert(clients).on_conflict_do_nothing(), missing)
        known = _clients_by_name(connection)
    pairs = [(row["id"], known[str(row.get("name"))[:LONGEST_CLIENT_NAME]]) for row in rows]
    return IdMap(array("q", [old for old, _ in pairs]), [new for _, new in pairs])  # type: ignore[misc]


def _clients_by_name(connection: sa.Connection) -> dict[str, int]:
    rows = connection.execute(sa.select(clients.c.name, clients.c.id)).all()
    return dict(rows)


def _add_bots(connection: sa.Connection, bots: Sequence[JsonRow], ids: Mapping[str, IdMap]) -> None:
    """The system bots of the other server are those of this one: see `import_rules`."""
    emails = [str(bot.get("email")).lower() for bot in bots]
    query = (
        sa.select(sa.func.lower(users.c.email), users.c.id, recipients.c.id)
        .join(
            recipients,
            sa.and_(recipients.c.type_id == users.c.id, recipients.c.type == PERSONAL),
        )
        .where(sa.func.lower(users.c.email).in_(emails), users.c.is_bot)
    )
    known = {email: (user, recipient) for email, user, recipient in connection.execute(query)}
    for bot, email in zip(bots, emails, strict=True):
        user, recipient = known[email]
        ids["zerver_userprofile"].add({bot["id"]: user})  # type: ignore[dict-item]
        ids["zerver_recipient"].add({bot["recipient_id"]: recipient})  # type: ignore[dict-item]


def new_upload_paths(
    index: ExportIndex, names: frozenset[str], new_path: Callable[[str, str], str]
) -> dict[str, str]:
    """A new path for every upload whose file is in the export, by its old path.

    `new_path` makes one from the name of a file and its old path.
    """
    paths = (
        (str(record.row.get("s3_path")), safe_file_name(record.path))
        for record in index.records
        if record.kind == "uploads" and record.name in names
    )
    return {old: new_path(name, old) for old, name in paths}


def safe_file_name(path: str) -> str:
    """The last part of `path` as the server would name the file."""
    import re
    import unicodedata

    name = unicodedata.normalize("NFKC", path.rpartition("/")[2])
    name = re.sub(r"[^\w\s.-]", "", name).strip()
    name = re.sub(r"[-\s]+", "-", name)
    return "uploaded-file" if name in ("", ".", "..") else name
