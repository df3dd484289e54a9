"""Is the connected database what zops knows? One look at its catalogue, table by table.

A server that is older or newer than `SERVER_VERSION` has columns that zops does not know, or lacks
some. Whoever reads or writes rows asks here first, and adapts or says what it does not know.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text

from zcore.frozen import frozen
from zcore.schema.columns import metadata

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Dialect, Table

NOT_USED = frozenset(
    {
        "analytics_fillstate",
        "analytics_installationcount",
        "zerver_archivedattachment",
        "zerver_archivedattachment_messages",
        "zerver_archivedmessage",
        "zerver_archivedreaction",
        "zerver_archivedsubmessage",
        "zerver_archivedusermessage",
        "zerver_archivetransaction",
        "zerver_emailchangestatus",
        "zerver_multiuseinvite_groups",
        "zerver_multiuseinvite_streams",
        "zerver_preregistrationrealm",
        "zerver_preregistrationuser_groups",
        "zerver_preregistrationuser_streams",
        "zerver_realmreactivationstatus",
        "zerver_userprofile_groups",
        "zerver_userprofile_user_permissions",
    }
)
"""Tables of the server that zops knows of and has no use for."""

_NOT_USED_COLUMNS = frozenset({("zerver_message", "search_pgroonga")})  # of an optional extension
_OURS_TO_KNOW = ("zerver_", "analytics_")

_OF_THE_SERVER = "zerver_client"  # whose rows are everybody's

# Of parts of a server that exports have nothing of by design: how people log in, and billing.
_NOT_OF_ORGANIZATIONS = (
    *("auth_", "confirmation_", "corporate_", "django_", "otp_", "social_auth_", "two_factor_"),
    *("third_party_api_results", "zilencer_"),
)

_POSTGRESQL_COLUMNS = text(
    """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND pg_catalog.pg_table_is_visible(c.oid) AND a.attnum > 0 AND NOT a.attisdropped
    """
)
_SQLITE_COLUMNS = text(
    """
    SELECT m.name, p.name, p.type, p."notnull" = 0
    FROM sqlite_master m, pragma_table_info(m.name) p
    WHERE m.type = 'table'
    """
)

_POSTGRESQL_REFERENCES = text(
    """
    SELECT c.relname, a.attname, t.relname
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_class t ON t.oid = k.confrelid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
    WHERE k.contype = 'f' AND cardinality(k.conkey) = 1
      AND pg_catalog.pg_table_is_visible(c.oid) AND pg_catalog.pg_table_is_visible(t.oid)
    """
)
_SQLITE_REFERENCES = text(
    """
    SELECT m.name, f."from", f."table"
    FROM sqlite_master m, pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table'
    """
)


class Kind(enum.Enum):
    """In what way a database differs from what zops knows."""

    MISSING_TABLE = "missing table"
    UNKNOWN_TABLE = "unknown table"
    MISSING_COLUMN = "missing column"
    UNKNOWN_COLUMN = "unknown column"
    OTHER_TYPE = "other type"
    OTHER_NULLABILITY = "other nullability"


@frozen
class Difference:
    """One thing that is not as zops knows it; `known` and `found` are "" where there is nothing.

    `leads_to`: of an unknown column, the table that it refers to; of an unknown table, one whose
    rows belong to organizations, so that its own do, too.
    """

    kind: Kind
    table: str
    column: str = ""
    known: str = ""
    found: str = ""
    leads_to: str = ""

    def describe(self) -> str:
        """One line for a person."""
        name = f"{self.table}.{self.column}" if self.column else self.table
        match self.kind:
            case Kind.MISSING_TABLE:
                return f"table {name} is missing"
            case Kind.UNKNOWN_TABLE:
                return f"table {name} is not known to zops"
            case Kind.MISSING_COLUMN:
                return f"column {name} ({self.known}) is missing"
            case Kind.UNKNOWN_COLUMN:
                return f"column {name} ({self.found}) is not known to zops"
            case _:
                return f"column {name} is {self.found}, not {self.known}"


class _Shape(NamedTuple):
    type: str
    nullable: bool


_Shapes = Mapping[str, Mapping[str, _Shape]]
_References = Mapping[tuple[str, str], str]


def differences(connection: Connection) -> list[Difference]:
    """All differences between the connected database and what zops knows, sorted by name.

    Only tables that are found without naming a schema count. Costs two queries.
    """
    found, references = _found(connection), _references(connection)
    known = {table.name: _known(table, connection.dialect) for table in metadata.tables.values()}
    return sorted(
        [*_of_tables(known, found, references), *_of_columns(known, found, references)],
        key=lambda difference: (difference.table, difference.column, difference.kind.value),
    )


def _found(connection: Connection) -> dict[str, dict[str, _Shape]]:
    sqlite = connection.dialect.name == "sqlite"
    shapes: dict[str, dict[str, _Shape]] = {}
    for table, column, type_, nullable in connection.execute(
        _SQLITE_COLUMNS if sqlite else _POSTGRESQL_COLUMNS
    ):
        shapes.setdefault(table, {})[column] = _Shape(type_.lower(), bool(nullable))
    return shapes


def _references(connection: Connection) -> dict[tuple[str, str], str]:
    """By table and column, the table that a foreign key leads to."""
    sqlite = connection.dialect.name == "sqlite"
    rows = connection.execute(_SQLITE_REFERENCES if sqlite else _POSTGRESQL_REFERENCES)
    return {(table, column): target for table, column, target in rows}


def _known(table: Table, dialect: Dialect) -> dict[str, _Shape]:
    return {
        column.name: _Shape(type_name(column, dialect), bool(column.nullable))
        for column in table.columns
    }


def type_name(column: Column[Any], dialect: Dialect) -> str:
    """The type of a column as the catalogue of a database of that kind gives it."""
    name = column.type.compile(dialect).lower()
    return name.replace("varchar", "character varying") if dialect.name == "postgresql" else name


def _of_tables(known: _Shapes, found: _Shapes, references: _References) -> Iterator[Difference]:
    for table in known.keys() - found.keys():
        yield Difference(Kind.MISSING_TABLE, table)
    unknown = {
        table
        for table in found.keys() - known.keys() - NOT_USED
        if not table.startswith(_NOT_OF_ORGANIZATIONS)
    }
    belonging = _belonging(unknown, known, references)
    for table in unknown:
        if table in belonging or table.startswith(_OURS_TO_KNOW):
            yield Difference(Kind.UNKNOWN_TABLE, table, leads_to=belonging.get(table, ""))


def _belonging(unknown: set[str], known: _Shapes, references: _References) -> dict[str, str]:
    """Of the unknown tables those whose rows belong to organizations, with where they lead.

    They refer to a table of organizations, or to another one that does.
    """
    belonging: dict[str, str] = {}
    grown = True
    while grown:
        grown = False
        for (table, _), target in sorted(references.items()):
            ours = target in belonging or (target in known and target.startswith(_OURS_TO_KNOW))
            if table in unknown - belonging.keys() and ours and target != _OF_THE_SERVER:
                belonging[table] = target
                grown = True
    return belonging


def _of_columns(known: _Shapes, found: _Shapes, references: _References) -> Iterator[Difference]:
    for table in known.keys() & found.keys():
        for column in known[table].keys() | found[table].keys():
            if (table, column) not in _NOT_USED_COLUMNS:
                target = references.get((table, column), "")
                yield from _of_column(table, column, known[table], found[table], target)


def _of_column(
    table: str,
    column: str,
    known: Mapping[str, _Shape],
    found: Mapping[str, _Shape],
    target: str,
) -> Iterator[Difference]:
    ours, theirs = known.get(column), found.get(column)
    if ours is None and theirs is not None:
        shape = _described(theirs)
        yield Difference(Kind.UNKNOWN_COLUMN, table, column, found=shape, leads_to=target)
    elif theirs is None and ours is not None:
        yield Difference(Kind.MISSING_COLUMN, table, column, known=_described(ours))
    elif ours is not None and theirs is not None:
        if ours.type != theirs.type:
            yield Difference(Kind.OTHER_TYPE, table, column, ours.type, theirs.type)
        if ours.nullable != theirs.nullable:
            names = (_nullability(ours), _nullability(theirs))
            yield Difference(Kind.OTHER_NULLABILITY, table, column, *names)


def _nullability(shape: _Shape) -> str:
    return "NULL" if shape.nullable else "NOT NULL"


def _described(shape: _Shape) -> str:
    return f"{shape.type}, {_nullability(shape)}"
