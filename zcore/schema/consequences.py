"""What it means for commands that a database is not as zops knows it, in words and as rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.schema.columns import metadata
from zcore.schema.compare import Kind
from zcore.schema.facts import exported_tables, table_facts

if TYPE_CHECKING:
    from zcore.schema.compare import Difference

SECRET_WORDS = ("password", "api_key", "secret", "token")
"""A column that zops does not know and that is called so stays out of exports."""


def is_carried(table: str) -> bool:
    """Does an export have the rows of this table?"""
    return table in {found.name for found in exported_tables(dict(metadata.tables))}


def is_secret(column: str) -> bool:
    """Is a column that zops does not know called like a secret?"""
    return any(word in column.lower() for word in SECRET_WORDS)


def is_taken_along(difference: Difference) -> bool:
    """Is it a column that an export has as it is, though zops does not know it?"""
    return (
        difference.kind is Kind.UNKNOWN_COLUMN
        and is_carried(difference.table)
        and bool(table_facts(metadata.tables[difference.table]).keys)
        and not is_secret(difference.column)
    )


def consequence(difference: Difference) -> str:
    """What commands do about it: one line for a person, without a full stop."""
    carried = is_carried(difference.table)
    match difference.kind:
        case Kind.MISSING_TABLE | Kind.MISSING_COLUMN if carried:
            return "exports and imports are refused: the database is of an older server"
        case Kind.MISSING_TABLE | Kind.MISSING_COLUMN:
            return "commands that need it fail"
        case Kind.UNKNOWN_TABLE if difference.leads_to:
            return (
                f"its rows belong to organizations (by {difference.leads_to}); no export has them"
            )
        case Kind.UNKNOWN_TABLE:
            return "no command looks at it"
        case Kind.UNKNOWN_COLUMN if is_taken_along(difference):
            return "an export has it as it is; an import passes over it"
        case Kind.UNKNOWN_COLUMN if carried and is_secret(difference.column):
            return "it is called like a secret: no export has it"
        case Kind.UNKNOWN_COLUMN:
            return "no command looks at it"
        case _ if carried:
            return "an export has what is in it; an import may be refused by the database"
        case _:
            return "commands that write it may be refused by the database"
