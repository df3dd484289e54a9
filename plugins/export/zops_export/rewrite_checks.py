"""Asked before an export is made: can it be used, with what plugins change and leave out?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, ProgrammingError

from zcore import Problem, Refused
from zcore.frozen import frozen
from zcore.schema import tables
from zcore.schema.facts import Form, Reference, When, exported_tables, references, table_facts
from zcore.text import describe
from zcore.validation import refuse

if TYPE_CHECKING:
    from zops_export.rewrites import Rewrites
    from zops_export.selection import Selection

Ids = sa.Select[Any] | sa.CompoundSelect[Any]
REMEDY = "leave these rows out too, or switch the plugin off with --disable-plugin"


def require_usable(connection: sa.Connection, rewrites: Rewrites, selection: Selection) -> None:
    """Raise `Refused` when rows of the export would lack a value, or lead to rows that it lacks.

    `connection` is one of the snapshot. Asks nothing of tables that no rewrite is about.
    """
    check = _Check(connection, rewrites, selection)
    problems = [*check.values(), *check.left_out()]
    refuse("the export would not be usable", problems)


@frozen
class _Check:
    connection: sa.Connection
    rewrites: Rewrites
    selection: Selection

    def values(self) -> Iterator[Problem]:
        """What is wrong with the values that stand in for columns."""
        for column, value in self.rewrites.values.items():
            who = self.rewrites.owner(column.table.name, column.name)
            with _blamed(str(column), who):
                yield from self._of_value(column, value, who)

    def _of_value(
        self, column: sa.Column[Any], value: sa.ColumnElement[Any], who: str
    ) -> Iterator[Problem]:
        rows = self._rows(column.table)
        if column.nullable:  # is it SQL, at least?
            self.connection.execute(sa.select(value).where(rows).limit(1)).all()
        elif count := self._count(column.table, rows, value.is_(None)):
            yield Problem("rewrite-null", f"{who} gives {column} no value in {count} rows")
        for reference in references(column):
            if reference.hard and reference.form is Form.NUMBER and reference.when is None:
                changed = value.is_distinct_from(column)
                nowhere = value.not_in(self._ids(self.selection, reference))
                if count := self._count(column.table, rows, changed, nowhere):
                    yield Problem(
                        "rewrite-reference",
                        f"{who} lets {column} of {count} rows lead to no row of {reference.target}",
                    )

    def left_out(self) -> Iterator[Problem]:
        """What leads to rows that are left out."""
        if not self.rewrites.conditions:
            return
        gone = self._gone()
        for table in exported_tables(dict(tables)):
            for column in table.columns if table_facts(table).keys else ():
                for reference in references(column):
                    if not reference.hard or reference.target not in gone:
                        continue
                    if count := self._leading_there(column, reference, gone[reference.target]):
                        yield self._left_out(column, reference, count)

    def _left_out(self, column: sa.Column[Any], reference: Reference, count: int) -> Problem:
        asking = self.rewrites.conditions
        who = " and ".join(sorted({self.rewrites.owner(table) for table in asking}))
        return Problem(
            "left-out-row",
            f"{column} of {count} rows leads to rows of {reference.target} that {who} leaves out",
            hint=REMEDY,
        )

    def _gone(self) -> dict[str, Ids]:
        """By table, the ids of the rows that are left out, where there are any."""
        everything = replace(self.selection, conditions={})
        gone: dict[str, Ids] = {}
        for name in self.rewrites.conditions:  # are they SQL, at least?
            with _blamed(name, self.rewrites.owner(name)):
                rows = sa.select(sa.literal(1)).select_from(tables[name])
                self.connection.execute(rows.where(self._rows(tables[name])).limit(1)).all()
        for name in sorted(_targets()):
            table = tables[name]
            if self.selection.where(table).compare(everything.where(table)):
                continue
            ids = sa.except_(*(_ids(table, one) for one in (everything, self.selection)))
            if self.connection.execute(ids.limit(1)).first() is not None:
                gone[name] = ids
        return gone

    def _leading_there(self, column: sa.Column[Any], reference: Reference, gone: Ids) -> int:
        """How many rows of the export lead to one that is gone."""
        rows = self._rows(column.table)
        value = self.rewrites.value(column)
        if reference.when is not None:
            rows = sa.and_(rows, _holds(column.table, reference.when))
        if reference.form is Form.NUMBER:
            return self._count(column.table, rows, value.in_(gone))
        found = self.connection.execute(sa.select(value).where(rows, value.is_not(None)))
        ids = set(self.connection.scalars(gone))
        return sum(not ids.isdisjoint(_inside(text, reference)) for (text,) in found)

    def _rows(self, table: sa.Table) -> sa.ColumnElement[bool]:
        return self.selection.where(table)

    def _ids(self, selection: Selection, reference: Reference) -> Ids:
        return _ids(tables[reference.target], selection)

    def _count(self, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
        query = sa.select(sa.func.count()).select_from(table).where(*conditions)
        return self.connection.execute(query).scalar_one()


def _targets() -> set[str]:
    """Tables that rows of an export have to lead to."""
    carried = {table.name for table in exported_tables(dict(tables)) if table_facts(table).keys}
    return carried & {
        reference.target
        for name in carried
        for column in tables[name].columns
        for reference in references(column)
        if reference.hard
    }


def _ids(table: sa.Table, selection: Selection) -> sa.Select[Any]:
    (key,) = table.primary_key
    return sa.select(key).where(selection.where(table))


def _holds(table: sa.Table, when: When) -> sa.ColumnElement[bool]:
    """Is it a row in which the reference is one?"""
    if when.through is None:
        return table.c[when.column] == when.value
    (key,) = table.c[when.through].foreign_keys
    other = key.column.table
    meant = sa.select(key.column).where(other.c[when.column] == when.value)
    return table.c[when.through].in_(meant)


def _inside(value: object, reference: Reference) -> Iterator[int]:
    """The ids that a text or JSON holds."""
    if reference.form is Form.TEXT:
        yield from (int(value) for value in [str(value)] if value.isdigit())
    elif reference.form is Form.JSON and value:
        yield from _at(json.loads(value) if isinstance(value, str) else value, reference.path)


def _at(value: object, path: tuple[str, ...]) -> Iterator[int]:
    if not path:
        yield from [value] if isinstance(value, int) else []
    elif path[0] == "*" and isinstance(value, (list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _at(one, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


@contextmanager
def _blamed(place: str, who: str) -> Iterator[None]:
    """What the database says to wrong SQL is the fault of whose it is."""
    try:
        yield
    except DBAPIError as error:
        if not _is_wrong_sql(error):
            raise
        raise Refused(
            f"the rewrite of {place} of {who} cannot be used: {describe(error.orig or error)}",
            hint="mend the plugin, or switch it off with --disable-plugin",
            code="rewrite-failed",
        ) from error


def _is_wrong_sql(error: DBAPIError) -> bool:
    """Not a connection that was lost, nor a query that was stopped."""
    said = str(error.orig)
    return isinstance(error, (DataError, ProgrammingError)) or "no such" in said
