"""Does the connected database have what an export or import works with?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Finding, Problem
from zcore.schema import SERVER_VERSION
from zcore.schema.compare import Difference, Kind, differences
from zcore.schema.consequences import consequence, is_carried
from zcore.validation import refuse

if TYPE_CHECKING:
    import sqlalchemy as sa

ALL = "'zops db check' shows all differences"


def known_schema(connection: sa.Connection) -> list[Difference]:
    """How the database differs from what zops knows, where exports and imports can live with it.

    Raises `Refused` when it lacks something that exports carry, and names all of it: the database
    is of another version of the server, and what is missing can neither be read nor written.
    """
    found = differences(connection)
    lacking = [
        Problem("other-schema", f"{_of_other_version()}: {one.describe()}", hint=ALL)
        for one in found
        if is_carried(one.table) and one.kind in (Kind.MISSING_TABLE, Kind.MISSING_COLUMN)
    ]
    refuse(_of_other_version(), lacking)
    return found


def _of_other_version() -> str:
    return f"the database is not that of a Zulip {SERVER_VERSION} server"


def require_known_schema(connection: sa.Connection) -> list[Finding]:
    """What an import leaves empty: columns that zops does not know.

    Raises `Refused` as `known_schema` does.
    """
    return [
        finding(one, "what an export has of it is not imported")
        for one in known_schema(connection)
        if one.kind is Kind.UNKNOWN_COLUMN and is_carried(one.table)
    ]


def finding(difference: Difference, says: str = "") -> Finding:
    """The difference as something that a command found, with what it means."""
    place = ".".join(filter(None, (difference.table, difference.column)))
    code = difference.kind.value.replace(" ", "-")
    message = f"{difference.describe()}: {says or consequence(difference)}"
    return Finding(code, message, where=place, hint=ALL)
