"""The names that Zulip's database gives to keys, constraints and indexes.

Django cuts a name to what PostgreSQL allows and makes it unique again with a digest of the table
and columns; PostgreSQL itself names what Django leaves unnamed. Following the same rules, a
database made by zops has the server's names, and no table definition has to spell them out.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Table, UniqueConstraint

_LONGEST = 63  # of an identifier in PostgreSQL


def _digest(parts: Sequence[str]) -> str:
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()[:8]


def _django_name(table: str, columns: Sequence[str], suffix: str = "") -> str:
    """TABLE_COLUMNS_DIGEST and the suffix; what is too long is cut in each of the three."""
    ending = _digest([table, *columns]) + suffix
    joined = "_".join(columns)
    name = f"{table}_{joined}_{ending}"
    if len(name) <= _LONGEST:
        return name
    ending = ending[: _LONGEST // 3]
    room = (_LONGEST - len(ending)) // 2 - 1
    return f"{table[:room]}_{joined[:room]}_{ending}"


def _postgresql_name(table: str, column: str, label: str) -> str:
    """TABLE_COLUMN_LABEL, the longer of table and column losing letters until all fits."""
    while len(table) + len(column) + len(label) + 2 > _LONGEST:
        if len(table) > len(column):
            table = table[:-1]
        else:
            column = column[:-1]
    return f"{table}_{column}_{label}"


def _foreign_key_name(constraint: ForeignKeyConstraint, table: Table) -> str:
    target = constraint.elements[0].target_fullname.replace(".", "_")
    return _django_name(table.name, constraint.column_keys, f"_fk_{target}")


def _index_name(index: Index, table: Table) -> str:
    """Django's name for a column that is indexed by itself, or for a named set of columns."""
    columns = [column.name for column in index.columns]
    return _django_name(table.name, columns, "" if len(columns) == 1 else "_idx")


def _unique_name(constraint: UniqueConstraint, table: Table) -> str:
    columns = [column.name for column in constraint.columns]
    if len(columns) == 1:
        return _postgresql_name(table.name, columns[0], "key")
    return _django_name(table.name, columns, "_uniq")


def _check_name(constraint: CheckConstraint, table: Table) -> str:
    return _postgresql_name(table.name, constraint.info["column"], "check")


def _primary_key_name(_: object, table: Table) -> str:
    return f"{table.name}_pkey"


NAMING_CONVENTION: dict[str, str | Callable[..., str]] = {
    "foreign_key_name": _foreign_key_name,
    "index_name": _index_name,
    "unique_name": _unique_name,
    "check_name": _check_name,
    "primary_key_name": _primary_key_name,
    "fk": "%(foreign_key_name)s",
    "ix": "%(index_name)s",
    "uq": "%(unique_name)s",
    "ck": "%(check_name)s",
    "pk": "%(primary_key_name)s",
}
"""For `sqlalchemy.MetaData`: what has no name of its own gets the one the server would give."""
