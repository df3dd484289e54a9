"""What a table and its columns mean to an export and an import, beyond what SQL can say.

A foreign key says what a number points at. It does not say under which key a column stands in an
export, what must never leave the database, that an id can hide in text, JSON or HTML, nor whether
a reference that points nowhere is damage or normal. Those facts stand on the definitions
themselves (`table.info`, `column.info`) and are read with the functions of this module.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Column, Table

INFO_KEY = "zops"
"""Under this key the facts stand in `table.info` and `column.info`."""


class Dangling(enum.Enum):
    """What a reference that points at no row of the export means, and what is done about it.

    `FINDING` is a hard reference: the export is damaged, and says so. So is what is mended: but an
    import can do without, and names what it mended. The others are soft: normal in good exports,
    counted, and treated by that one fixed rule. What is 0 or less never pointed at anything: it
    stays, and is not counted.
    """

    FINDING = "finding"
    MEND_NULL = "mend: null"  # the value becomes NULL
    MEND_DROP = "mend: drop row"  # the row is left out
    LOSE_ROW = "lose row"  # the row is left out; an import names it, because somebody may miss it
    KEEP = "keep"  # the value stays as it is
    NULL = "null"  # the column becomes NULL
    DROP_ROW = "drop row"  # the row is left out
    LAST_BEFORE = "last before"  # the last row of the export before it stands in, 0 if none does


class Form(enum.Enum):
    """How a column holds a reference."""

    NUMBER = "number"  # the column is the id
    TEXT = "text"  # the id in decimal digits
    JSON = "json"  # a number inside JSON (a JSON column, or text that holds JSON), at `path`
    KEYS = "keys"  # each key of the object that stands there, in decimal digits
    PATH = "path"  # the organization's number in the address of one of its emoji, at `path`
    HTML = "html"  # a mention in HTML, see MENTIONS; `path` leads to the HTML when JSON holds it


@dataclass(frozen=True, slots=True)
class When:
    """A reference holds only in rows whose `column` has this value, or one of these.

    `through` names a foreign key of the row when the column is in the row that it points at.
    `path` are the keys that lead to the value in a JSON column.
    """

    column: str
    value: int | str | frozenset[int] | frozenset[str]
    through: str | None = None
    path: tuple[str, ...] = ()

    def fits(self, found: object) -> bool:
        """Is `found`, what stands in the column, such a value?"""
        for key in self.path:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(self.value, frozenset):
            return isinstance(found, int | str) and found in self.value
        return bool(found == self.value)


@dataclass(frozen=True, slots=True)
class Reference:
    """A column of one table points at rows of `target`, a table's name.

    `path` are the keys that lead to the value inside JSON, "*" standing for every element
    of a list, and for every value of an object.
    """

    target: str
    form: Form = Form.NUMBER
    path: tuple[str, ...] = ()
    when: When | None = None
    dangling: Dangling = Dangling.FINDING

    @property
    def hard(self) -> bool:
        """Whether it is damage when it points at nothing."""
        return self.dangling in (Dangling.FINDING, Dangling.MEND_NULL, Dangling.MEND_DROP)


@dataclass(frozen=True, slots=True)
class Mention:
    """An element of rendered HTML, of one class, with an id in one of its attributes."""

    element: str
    css_class: str
    attribute: str


MENTIONS: dict[str, Mention] = {
    "zerver_userprofile": Mention("span", "user-mention", "data-user-id"),
    "zerver_stream": Mention("a", "stream", "data-stream-id"),
    "zerver_usergroup": Mention("span", "user-group-mention", "data-user-group-id"),
}
"""By table: how a message that is rendered to HTML mentions a row of it (user "*": everybody)."""


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What a column's type and foreign key do not say.

    `json_key`: its key in an export, where `json_key()`'s rule does not give it.
    `left_out`: no export has it; `secret`: besides, it is never shown.
    `iso_time`: a moment that the server takes as ISO 8601 text, not as seconds.
    `references`: what its values point at without a foreign key.
    `dangling`: for a foreign key, what it means that it points at nothing.
    """

    json_key: str | None = None
    left_out: bool = False
    secret: bool = False
    iso_time: bool = False
    references: tuple[Reference, ...] = ()
    dangling: Dangling = Dangling.FINDING


@dataclass(frozen=True, slots=True)
class ExtraKey:
    """A key of a table's exported rows that stands for no column of its own.

    It repeats `column`, or lists what the row is linked to by `link_table`, or (with neither) is
    always an empty list.
    """

    key: str
    column: str | None = None
    link_table: str | None = None


class ExportFile(enum.Enum):
    """The file of an export that carries a table."""

    REALM = "realm.json"
    ATTACHMENT = "attachment.json"
    ANALYTICS = "analytics.json"
    MESSAGES = "messages-NNNNNN.json"


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Where an export has the rows of a table.

    `file`: None when no export carries it. `order`: its place among the keys of an export, from 1.
    `keys`: the top-level keys with its rows; none for a link table, whose rows are lists of ids
    inside the rows of another (see `ExtraKey`). `required`: the server's importer wants the keys.
    `imported`: False when an import passes over the rows.
    """

    file: ExportFile | None = None
    order: int = 0
    keys: tuple[str, ...] = ()
    required: bool = False
    imported: bool = True
    extra_keys: tuple[ExtraKey, ...] = ()


_PLAIN_COLUMN = ColumnFacts()
_PLAIN_TABLE = TableFacts()


def table_facts(table: Table) -> TableFacts:
    """The facts of a table; those of a table that is not exported when none are stated."""
    facts = table.info.get(INFO_KEY, _PLAIN_TABLE)
    if not isinstance(facts, TableFacts):
        raise TypeError(f"{table.name}: table.info[{INFO_KEY!r}] is not a TableFacts")
    return facts


def column_facts(column: Column[Any]) -> ColumnFacts:
    """The facts of a column; those of an ordinary one when none are stated."""
    facts = column.info.get(INFO_KEY, _PLAIN_COLUMN)
    if not isinstance(facts, ColumnFacts):
        raise TypeError(f"{column}: column.info[{INFO_KEY!r}] is not a ColumnFacts")
    return facts


def json_key(column: Column[Any]) -> str:
    """The key of a column in the rows of an export.

    The column's name; a foreign key loses its "_id"; a few say otherwise in their facts.
    """
    stated = column_facts(column).json_key
    if stated is not None:
        return stated
    return column.name.removesuffix("_id") if column.foreign_keys else column.name


def export_columns(table: Table) -> list[Column[Any]]:
    """The columns that an export carries, in the order of the definition."""
    return [column for column in table.columns if not column_facts(column).left_out]


def columns_by_key(table: Table) -> dict[str, Column[Any]]:
    """The columns that an export carries, by their keys in its rows (without the extra keys)."""
    return {json_key(column): column for column in export_columns(table)}


def row_keys(table: Table) -> list[str]:
    """All keys of a table's rows in an export: those of columns, then the extra ones."""
    return [*columns_by_key(table), *(extra.key for extra in table_facts(table).extra_keys)]


def references(column: Column[Any]) -> tuple[Reference, ...]:
    """All that a column's values point at: by its foreign key, and by what its facts add."""
    facts = column_facts(column)
    keys = (
        Reference(key.target_fullname.split(".")[0], dangling=facts.dangling)
        for key in column.foreign_keys
    )
    return (*keys, *facts.references)


def exported_tables(tables: Mapping[str, Table]) -> list[Table]:
    """Those of `tables` that an export carries, in the order of an export."""
    carried = [table for table in tables.values() if table_facts(table).file is not None]
    return sorted(carried, key=lambda table: table_facts(table).order)
