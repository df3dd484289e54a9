"""Does the connected database have what an export or import works with?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Finding, Refused
from zcore.schema import SERVER_VERSION, tables
from zcore.schema.compare import Difference, Kind, differences
from zcore.schema.facts import exported_tables

if TYPE_CHECKING:
    import sqlalchemy as sa


def require_known_schema(connection: sa.Connection) -> list[Finding]:
    """What the database has besides what zops knows, in tables that exports carry.

    Raises `Refused` when it lacks something: it is of another version of the server, and what is
    missing can neither be read nor written.
    """
    carried = {table.name for table in exported_tables(dict(tables))}
    found = [one for one in differences(connection) if one.table in carried]
    lacking = [one for one in found if one.kind in (Kind.MISSING_TABLE, Kind.MISSING_COLUMN)]
    if lacking:
        raise Refused(
            f"the database is not that of a Zulip {SERVER_VERSION} server: {_first(lacking)}",
            code="other-schema",
            hint="'zops db check' shows all differences",
        )
    return [
        Finding(
            "unknown-column",
            f"{one.describe()}: what is in it is neither exported nor imported",
            where=f"{one.table}.{one.column}",
            hint="'zops db check' shows all differences",
        )
        for one in found
        if one.kind is Kind.UNKNOWN_COLUMN
    ]


def _first(lacking: list[Difference]) -> str:
    more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
    return lacking[0].describe() + more
