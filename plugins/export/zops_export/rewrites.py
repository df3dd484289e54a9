"""What an export changes or leaves out because plugins ask for it: as SQL, for all stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore import Failed, Refused, Rewrite
from zcore.frozen import frozen
from zcore.schema import tables
from zcore.schema.facts import exported_tables, json_key, row_keys, table_facts
from zcore.schema.realms import zerver_realm
from zcore.schema.types import Json
from zcore.stage_graph import meant
from zcore.targets import resolve
from zcore.text import describe
from zops_export.encoding import value_json

if TYPE_CHECKING:
    from zcore.plugins import Plugins

Value = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]

FILE_NAMES = frozenset(
    {
        "zerver_attachment.path_id",
        "zerver_realmemoji.file_name",
        "zerver_userprofile.avatar_version",
    }
)
"""Columns that say which file of the export belongs to a row."""


@frozen
class Rewrites:
    """SQL in place of columns, and conditions on rows by table, for a database of `dialect`.

    `given` is what plugins gave, each with what is said of it: `plugin 'acme' (zops-acme)`.
    `added` is JSON text by table and key: of columns that zops does not know, or knows otherwise.
    """

    dialect: str
    values: Mapping[sa.Column[Any], Value] = field(default_factory=dict)
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    given: tuple[tuple[Rewrite, str], ...] = ()
    added: Mapping[str, Mapping[str, sa.ColumnElement[str]]] = field(default_factory=dict)

    def with_active_realm(self) -> Rewrites:
        """The same, and the organization is active in the export: it was closed to be moved."""
        active: Value = sa.false()
        return replace(self, values={zerver_realm.c.deactivated: active, **self.values})

    def value(self, column: sa.Column[Any]) -> Value:
        """What stands in the export for `column`: itself, unless a plugin rewrites it."""
        return self.values.get(column, column)

    def replaced(self, table: sa.Table) -> dict[str, sa.ColumnElement[str]]:
        """By their keys in exports, the JSON text of what is not just a column of `table`.

        That is what is rewritten, and what only the connected server has.
        """
        added = self.added.get(table.name, {})
        rewritten = {
            json_key(column): value_json(column, self.dialect, value)
            for column, value in self.values.items()
            if column.table is table
        }
        for key in rewritten.keys() & added.keys():  # known as one that cannot be empty, and is
            rewritten[key] = sa.func.coalesce(rewritten[key], sa.literal_column("'null'"))
        return {**added, **rewritten}

    def owner(self, table: str, column: str | None = None) -> str:
        """Whose rewrites they are, in words."""
        found = [who for one, who in self.given if (one.table, one.column) == (table, column)]
        return " and ".join(sorted(set(found)))

    def listed(self) -> list[dict[str, str | None]]:
        """What is rewritten, as `--json` and the manifest say it."""
        return [
            {"table": one.table, "column": one.column, "by": who, "help": one.help}
            for one, who in self.given
        ]

    def described(self) -> list[str]:
        """The same for people, a line each."""
        return [
            f"{who} leaves rows out of {one.table}: {one.help}"
            if one.column is None
            else f"{who} changes {one.table}.{one.column}: {one.help}"
            for one, who in self.given
        ]


def read_rewrites(plugins: Plugins, given: Iterable[Rewrite], dialect: str) -> Rewrites:
    """What plugins want changed or left out.

    Raises `Refused` naming the plugin for a table or column that exports do not have, for one
    that cannot be rewritten, and for two rewrites of one column; `Failed` naming it when it does
    not give SQL.
    """
    values: dict[sa.Column[Any], Value] = {}
    conditions: dict[str, Condition] = {}
    named: list[tuple[Rewrite, str]] = []
    for rewrite in given:
        who = plugins.provider(rewrite)
        table = _table(rewrite, who)
        if rewrite.column is None:
            condition = _expression(plugins, rewrite, who, table)
            conditions[table.name] = sa.and_(condition, conditions.get(table.name, sa.true()))
        else:
            column = _column(rewrite, rewrite.column, who, table)
            if column in values:
                _refuse_clash(rewrite, who, named)
            values[column] = typed(_expression(plugins, rewrite, who, table), column, dialect)
        named.append((rewrite, who))
    return Rewrites(dialect, values, conditions, tuple(named))


def _table(rewrite: Rewrite, who: str) -> sa.Table:
    known = {
        table.name: table for table in exported_tables(dict(tables)) if table_facts(table).keys
    }
    if rewrite.table not in known:
        raise Refused(
            f"{who} rewrites {rewrite.table!r}, which is no table of an export",
            hint=meant(rewrite.table, known),
            code="rewrite-unknown",
        )
    return known[rewrite.table]


def _column(rewrite: Rewrite, name: str, who: str, table: sa.Table) -> sa.Column[Any]:
    keys = row_keys(table)
    known = {column.name: column for column in table.columns if json_key(column) in keys}
    if name not in known:
        raise Refused(
            f"{who} rewrites {rewrite.table}.{name}, which is no column of an export",
            hint=meant(name, known),
            code="rewrite-unknown",
        )
    column = known[name]
    if column.primary_key or f"{table.name}.{name}" in FILE_NAMES:
        raise Refused(
            f"{who} rewrites {table.name}.{name}, by which other rows or files find the row",
            hint="rewrite other columns, or leave the row out",
            code="rewrite-key",
        )
    return column


def _refuse_clash(rewrite: Rewrite, who: str, named: Iterable[tuple[Rewrite, str]]) -> None:
    place = (rewrite.table, rewrite.column)
    (other,) = (other for one, other in named if (one.table, one.column) == place)
    raise Refused(
        f"{other} and {who} both rewrite {rewrite.table}.{rewrite.column}",
        hint="switch one of them off with --disable-plugin",
        code="rewrite-clash",
    )


def _expression(plugins: Plugins, rewrite: Rewrite, who: str, table: sa.Table) -> Value:
    """What the target gives. Raises `Failed` naming the plugin."""
    place = f"{table.name}.{rewrite.column}" if rewrite.column else table.name
    function: Any = resolve(rewrite.target, owner=who)
    try:
        with plugins.running(rewrite, f"rewrite {place}") as outcome:
            found = function(table)
            outcome.append(str(found))
        if not isinstance(found, sa.ColumnElement):
            raise TypeError(f"it gave a {type(found).__name__}, not an expression of SQLAlchemy")
    except (Exception, SystemExit) as error:
        raise Failed(
            f"the rewrite of {place} of {who} failed: {describe(error)}", code="rewrite-failed"
        ) from error
    return found


def typed(value: Value, column: sa.Column[Any], dialect: str) -> Value:
    """The value as one of the column's type. What is none is an error of the database, not JSON."""
    kind = column.type
    if dialect == "postgresql":  # which would cut text that is too long for a varchar
        return sa.cast(value, sa.Text if isinstance(kind, sa.String) else kind)
    coerced: Value = sa.type_coerce(value, kind)
    if isinstance(kind, Json):
        return sa.type_coerce(sa.func.json(coerced), kind)
    if isinstance(kind, sa.Integer):  # SQLite keeps text in a column of numbers, if it is told to
        return sa.cast(coerced, sa.Integer)
    return coerced
