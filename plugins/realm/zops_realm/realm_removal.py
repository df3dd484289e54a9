"""Deleting the rows of an organization, and counting what that would delete."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Refused
from zcore.internal_realm import find_internal_realm
from zops_realm.catalogue import CatalogueTable, read_catalogue
from zops_realm.realm_rows import RECIPIENT, RealmRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Counts = dict[str, int]

PUT_ASIDE = sa.table("zops_recipients", sa.column("id"))


def count_rows(connection: sa.Connection, realm_id: int) -> Counts:
    """How many rows of each table are the organization's; tables without any are left out."""
    catalogue = read_catalogue(connection)
    rows = RealmRows(catalogue, realm_id, _internal(connection))
    _refuse_references(connection, catalogue, rows)
    return _without_zeros(
        {
            name: _count(connection, catalogue[name].table, rows.condition(name))
            for name in sorted(rows.tables)
        }
    )


def delete_rows(connection: sa.Connection, realm_id: int, check: Callable[[], None]) -> Counts:
    """Delete every row of the organization. Returns how many in each table.

    What other rows may name of it becomes NULL. Raises `Refused` when a row that is not the
    organization's cannot be without one that is; `check` is called between two tables.
    """
    catalogue = read_catalogue(connection)
    internal = _internal(connection)
    first = RealmRows(catalogue, realm_id, internal)
    with _recipients_aside(connection, first) as recipients:
        rows = RealmRows(catalogue, realm_id, internal, recipients)
        _refuse_references(connection, catalogue, rows)
        _clear_references(connection, catalogue, rows)
        deleted = {}
        for name in rows.tables:
            check()
            deleted[name] = _delete(connection, catalogue[name].table, rows.condition(name))
    return _without_zeros(dict(sorted(deleted.items())))


@contextmanager
def _recipients_aside(connection: sa.Connection, rows: RealmRows) -> Iterator[sa.TableClause]:
    """A table with the ids of the organization's recipients, while inside."""
    connection.exec_driver_sql("CREATE TEMPORARY TABLE zops_recipients (id BIGINT PRIMARY KEY)")
    chosen = rows.select(RECIPIENT, "id")
    if chosen is not None:
        connection.execute(sa.insert(PUT_ASIDE).from_select(["id"], chosen))
    yield PUT_ASIDE
    connection.exec_driver_sql("DROP TABLE zops_recipients")


def _internal(connection: sa.Connection) -> int | None:
    internal = find_internal_realm(connection)
    return internal.realm_id if internal else None


def _refuse_references(
    connection: sa.Connection, catalogue: Mapping[str, CatalogueTable], rows: RealmRows
) -> None:
    """Raise `Refused` when rows that stay need rows that go."""
    for name in catalogue:
        for key, condition in rows.references_of_others(name):
            if key.nullable:
                continue
            number = _count(connection, catalogue[name].table, condition)
            if number:
                raise Refused(
                    f"{number} rows of {name} belong to other organizations and refer to rows of"
                    f" this one ({', '.join(key.columns)})",
                    code="realm-referred-to",
                    hint="'zops db check' compares the tables; correct these rows first",
                )


def _clear_references(
    connection: sa.Connection, catalogue: Mapping[str, CatalogueTable], rows: RealmRows
) -> None:
    """Let rows that stay no longer name rows that go."""
    for name in catalogue:
        for key, condition in rows.references_of_others(name):
            if key.nullable:
                nothing = dict.fromkeys(key.columns, sa.null())
                connection.execute(
                    sa.update(catalogue[name].table).where(condition).values(nothing)
                )


def _count(
    connection: sa.Connection, table: sa.TableClause, condition: sa.ColumnElement[bool] | None
) -> int:
    if condition is None:
        return 0
    counted = sa.select(sa.func.count()).select_from(table).where(condition)
    return connection.scalar(counted) or 0


def _delete(
    connection: sa.Connection, table: sa.TableClause, condition: sa.ColumnElement[bool] | None
) -> int:
    if condition is None:
        return 0
    return connection.execute(sa.delete(table).where(condition)).rowcount


def _without_zeros(counts: Counts) -> Counts:
    return {name: number for name, number in counts.items() if number}
