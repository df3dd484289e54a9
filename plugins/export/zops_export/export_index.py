"""What an export holds, known before any of its rows is used: the ids, the organization, the files.

Of rows that others point at only the ids are kept, 8 bytes each; of the rest, only counts.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from zcore.schema import tables
from zcore.schema.facts import exported_tables, references, table_facts
from zops_export.json_rows import (
    JsonRow,
    NotJson,
    Rows,
    TypedRows,
)
from zops_export.row_kinds import MESSAGES, USER_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Mapping

    import sqlalchemy as sa


NOT_ALWAYS = (MESSAGES, USER_MESSAGES)  # no message, no file of messages
DATA_FILES = ("realm.json", "attachment.json", "analytics.json")
GROUPS, NAMED_GROUPS = "zerver_usergroup", "zerver_namedusergroup"
# The server's converters write none of them; the importer makes what is needed.
OF_GROUPS = (GROUPS, NAMED_GROUPS, "zerver_usergroupmembership", "zerver_groupgroupmembership")
SORT_BY_DATE = "sort_by_date"
MOST_OF_THE_SERVER = 100_000  # clients, system bots: they belong to the server
MOST_LOST_FILES = 100_000


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One line of a `records.json`: the folder it stands in and what it says."""

    kind: str
    row: JsonRow

    @property
    def path(self) -> str:
        """The path of the file below its folder."""
        return str(self.row.get("path"))

    @property
    def name(self) -> str:
        """The path of the file inside the export."""
        return f"{self.kind}/{self.path}"


@dataclass(slots=True)
class ExportIndex:
    """What an export holds.

    `ids` by table; `counts` by top-level key, `by_file` the same for each file of tables (named
    without `.json`), `made` those that adapters make of others; `lookups` the values that
    references of other rows, and adapters, depend on; `system_groups` their ids by name;
    `attachments` by path; `records` of files. `dates` are those of the messages, in seconds, where
    they have to be numbered by date. `most_files`: more attachments there cannot be.
    """

    realm: JsonRow = field(default_factory=dict)
    bots: list[JsonRow] = field(default_factory=list)
    clients: list[JsonRow] = field(default_factory=list)
    ids: dict[str, array[int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    by_file: dict[str, dict[str, int]] = field(default_factory=dict)
    lookups: dict[str, dict[object, object]] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)
    system_groups: dict[str, int] = field(default_factory=dict)
    attachments: list[JsonRow] = field(default_factory=list)
    most_files: int = sys.maxsize
    records: list[FileRecord] = field(default_factory=list)
    sort_by_date: bool = False
    dates: array[int] = field(default_factory=lambda: array("q"))

    @property
    def is_converted(self) -> bool:
        """Did one of the server's converters make it, of the data of another program?"""
        return GROUPS not in self.counts


@cache
def table_of_key() -> dict[str, sa.Table]:
    """The table whose rows stand under each top-level key of an export."""
    return {
        key: table for table in exported_tables(dict(tables)) for key in table_facts(table).keys
    }


@cache
def referenced_tables() -> frozenset[str]:
    """Tables that some row of an export points at, so that their ids must be known."""
    return frozenset(
        reference.target
        for table in exported_tables(dict(tables))
        for column in table.columns
        for reference in references(column)
    )


@cache
def _lookup_columns() -> dict[str, list[tuple[str, str]]]:
    """By table: columns that references of other tables depend on, and the name they go by."""
    found: dict[str, list[tuple[str, str]]] = {}
    for table in exported_tables(dict(tables)):
        for column in table.columns:
            for when in (reference.when for reference in references(column)):
                if when is None or when.through is None:
                    continue
                target = next(iter(table.c[when.through].foreign_keys)).target_fullname
                name = f"{when.through.removesuffix('_id')}.{when.column}"
                found.setdefault(target.split(".")[0], []).append((when.column, name))
    return found


def most_files(names: Collection[str]) -> int:
    """How many files the rows of an export may name: those that it has, and some that were lost."""
    return len(names) + MOST_LOST_FILES


def new_index(counted: Iterable[str] = ()) -> ExportIndex:
    """An empty index that is to hold the ids of referenced tables, and of those `counted`."""
    return ExportIndex(ids={table: array("q") for table in (*referenced_tables(), *counted)})


def take_block(index: ExportIndex, block: Rows | TypedRows, name: str) -> None:
    """Keep what later rows need of rows in the file `name`. Raises `NotJson` for unusable ones."""
    counts = index.by_file.setdefault(name.removesuffix(".json"), {})
    counts[block.table] = counts.get(block.table, 0) + len(block.rows)
    table = table_of_key().get(block.table)
    if table is None:
        return
    if isinstance(block, TypedRows):
        if table.name in index.ids:
            index.ids[table.name].extend(row.id for row in block.rows)  # type: ignore[attr-defined]
        return
    if block.table == "zerver_userprofile_crossrealm":
        _require(block, name, {"id": int, "recipient_id": int, "email": str})
        _keep(index.bots, block, name, MOST_OF_THE_SERVER)
        return
    if table.name in index.ids:
        try:
            index.ids[table.name].extend(row["id"] for row in block.rows)  # type: ignore[misc]
        except (KeyError, TypeError, OverflowError) as error:
            raise NotJson(f"{name}: {block.table} has a row without a usable id") from error
    _take_special(index, block, table.name, name)


def _take_special(index: ExportIndex, block: Rows, table: str, name: str) -> None:
    """The rows themselves, and the columns, that others depend on."""
    if table == "zerver_realm":
        index.realm = block.rows[0] if block.rows else {}
    elif table == "zerver_client":
        _require(block, name, {"name": str})
        _keep(index.clients, block, name, MOST_OF_THE_SERVER)
    elif table == "zerver_attachment":
        _require(block, name, {"path_id": str})
        _keep(index.attachments, block, name, index.most_files)
    elif table in (GROUPS, NAMED_GROUPS):
        _take_system_groups(index, block)
    for column, lookup in _lookup_columns().get(table, ()):
        index.lookups.setdefault(lookup, {}).update(
            (row["id"], row.get(column)) for row in block.rows
        )


def _keep(kept: list[JsonRow], block: Rows, name: str, most: int) -> None:
    """Add rows to those that stay in memory: never as many as a small archive can hold."""
    kept.extend(block.rows)
    if len(kept) > most:
        raise NotJson(f"{name}: {block.table} has more than {most:,} rows, which no export has")


def _take_system_groups(index: ExportIndex, block: Rows) -> None:
    """Those with a role's name; in older versions they had it as a group, with an "@" before it."""
    for row in block.rows:
        name, ident = row.get("name"), row.get("id")
        if row.get("is_system_group") is True and isinstance(name, str) and isinstance(ident, int):
            index.system_groups[name.removeprefix("@")] = ident


def sum_up(index: ExportIndex) -> None:
    """Count the rows of each key in all files, once all of them are taken."""
    index.counts = dict(index.made)
    for counts in index.by_file.values():
        for key, count in counts.items():
            index.counts[key] = index.counts.get(key, 0) + count


def _require(block: Rows, name: str, kinds: Mapping[str, type]) -> None:
    """Raise `NotJson` unless every row has these keys, with values of these kinds."""
    for row in block.rows:
        for key, kind in kinds.items():
            value = row.get(key)
            # true is no number, and none is larger than a column
            too_large = isinstance(value, int) and not -(2**63) <= value < 2**63
            if type(value) is not kind or too_large:
                place = f"{block.table} {row.get('id', '(no id)')}"
                raise NotJson(f"{name}: {place} has no usable {key!r}")


def missing_keys(index: ExportIndex, names: Container[str]) -> list[str]:
    """The tables without which the server's importer does not work, and that are not there."""
    return [
        key
        for table in exported_tables(dict(tables))
        if table_facts(table).required
        for key in table_facts(table).keys
        if key not in (*NOT_ALWAYS, *index.counts)
        and not (key in OF_GROUPS and index.is_converted)
        and not (key.startswith("analytics_") and "analytics.json" not in names)
    ]


def has_one_realm(index: ExportIndex) -> bool:
    """Is there exactly one organization, with a name?"""
    return index.counts.get("zerver_realm") == 1 and "string_id" in index.realm
