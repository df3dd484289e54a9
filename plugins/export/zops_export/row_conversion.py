"""A row of an export as a row of the database: driven by the schema, for every table alike.

What a column refers to, and what it means that it refers to nothing, stands in `zcore.schema`.
The plan for a table is made once; a row then costs a look at its keys and a call for each column
that refers to something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from zcore.schema.defaults import default_of
from zcore.schema.facts import (
    Dangling,
    Form,
    Reference,
    column_facts,
    columns_by_key,
    references,
    row_keys,
)
from zcore.schema.types import Json, UtcDateTime
from zops_export.json_paths import at_path
from zops_export.json_rows import JsonRow
from zops_export.secret_keys import secret_keys
from zops_export.value_limits import limit_of

if TYPE_CHECKING:
    from zops_export.id_maps import IdMap
    from zops_export.notes import Notes
    from zops_export.text_rewriting import TextRewriter

NO_MESSAGE = -1
LEFT_OUT = (Dangling.DROP_ROW, Dangling.LOSE_ROW, Dangling.MEND_DROP)
MENDED = {
    Dangling.MEND_NULL: "; nobody stands there now",
    Dangling.MEND_DROP: "; the row is left out",
    Dangling.LOSE_ROW: "; the row is left out",
}
LONGEST_SHOWN = 40
INSIDE_JSON = (Form.JSON, Form.KEYS, Form.PATH)
ID_AS_TEXT = re.compile(r"[0-9]{1,19}")
UNREADABLE = (
    TypeError,
    ValueError,
    KeyError,
    OverflowError,
    AttributeError,
    RecursionError,
    msgspec.MsgspecError,
)

Convert = Callable[[object, JsonRow], object]
Generated = Callable[[], object]
ReferencesOf = Callable[[sa.Column[object]], tuple[Reference, ...]]


class LeaveOut(Exception):  # no error: a row that a rule leaves out
    """This row is not imported."""


class RowConverter:
    """Turns the rows of one table into what `Writer.copy_in` takes.

    `columns` names the values of a row. The key is among them only when `keyed`: where other rows
    point at the table; else the database gives it. `checked`: it is known already that each value
    is one that its column can hold.
    """

    def __init__(
        self,
        table: sa.Table,
        ids: Mapping[str, IdMap],
        texts: TextRewriter,
        notes: Notes,
        *,
        keyed: bool,
        generated: Mapping[str, Generated] | None = None,
        lookups: Mapping[str, Mapping[object, object]] | None = None,
        checked: bool = False,
        references_of: ReferencesOf = references,
    ) -> None:
        self.table = table
        self._ids = ids
        self._texts = texts
        self._notes = notes
        self._lookups = lookups or {}
        self._references_of = references_of
        self._generated = dict(generated or {})
        self._known = frozenset(row_keys(table))
        self._columns = {
            key: column
            for key, column in columns_by_key(table).items()
            if keyed or column.name != "id"
        }
        self._values_of = itemgetter(*self._columns)
        self._converts = [
            (place, convert)
            for place, (key, column) in enumerate(self._columns.items())
            if (convert := self._convert(key, column)) is not None
        ]
        self._limits = [
            (place, key, limit)
            for place, (key, column) in enumerate(self._columns.items())
            if not checked and (limit := limit_of(column)) is not None
        ]
        self._checked = checked
        self._good_kinds: set[tuple[type, ...]] = set()
        self.columns = [column.name for column in self._columns.values()] + list(self._generated)

    def rows(self, rows: Iterable[JsonRow]) -> Iterator[list[object]]:
        """The converted rows; those that a rule leaves out are missing."""
        for row in rows:
            converted = self.row(row)
            if converted is not None:
                yield converted

    def row(self, row: JsonRow) -> list[object] | None:
        """One converted row; None when a rule leaves it out, or it cannot be used."""
        problems = self._notes.problem_count
        if row.keys() != self._known:
            row = self._completed(row)
        try:
            values = list(self._values_of(row))
            for place, convert in self._converts:
                values[place] = convert(values[place], row)
        except LeaveOut:
            return None
        except UNREADABLE as error:
            self._problem(row, "bad-row", f" cannot be read: {type(error).__name__}: {error}")
            return None
        if not self._checked and self._notes.problem_count == problems:
            self._check(values, row)
        if self._generated:
            values += [generate() for generate in self._generated.values()]
        return values

    def _completed(self, row: JsonRow) -> JsonRow:
        """The row with the defaults of what it lacks, if there are any.

        Unknown keys, which newer servers write, are counted; what no export may have is a problem.
        """
        completed = dict(row)
        self._refuse_keys(row, sorted(row.keys() - self._known))
        for key in sorted(self._columns.keys() - row.keys()):
            column = self._columns[key]
            try:
                completed[key] = default_of(column)
                self._notes.defaulted(self.table.name, key)
            except LookupError:
                self._problem(row, "missing-key", f" lacks the key {key!r}")
                completed[key] = None
        return completed

    def _refuse_keys(self, row: JsonRow, unknown: Sequence[str]) -> None:
        secret = secret_keys(unknown, self.table)
        for key in unknown:
            if key in secret:
                self._problem(
                    row,
                    "secret",
                    f" has the key {key!r}, a secret that no export may carry",
                    hint="give the export to nobody, and find out who put it there",
                )
            else:
                self._notes.unknown_key(self.table.name, key, self._place(row))

    def _check(self, values: Sequence[object], row: JsonRow) -> None:
        """Can the columns hold the values?"""
        problems = self._notes.problem_count
        kinds = tuple(map(type, values))
        if kinds not in self._good_kinds:
            self._check_kinds(kinds, row)
        if self._notes.problem_count == problems:
            self._check_limits(values, row)

    def _check_kinds(self, kinds: tuple[type, ...], row: JsonRow) -> None:
        """Is every value of a kind that its column can hold? Asked once for the same kinds."""
        for kind, (key, column) in zip(kinds, self._columns.items(), strict=True):
            if kind is type(None) and not column.nullable and row[key] is not None:
                continue  # of a reference to nothing, which has a problem of its own
            if kind not in kinds_of(column):
                self._problem(row, "bad-value", f": {key} cannot be {_shown(row.get(key))}")
                return
        self._good_kinds.add(kinds)

    def _check_limits(self, values: Sequence[object], row: JsonRow) -> None:
        """Can the columns hold the values, which are of the right kinds?"""
        for place, key, limit in self._limits:
            value = values[place]
            if value is not None and (what := limit(value)):
                self._problem(row, "bad-value", f": {key} {what}")

    def _problem(self, row: JsonRow, code: str, what: str, hint: str = "") -> None:
        place = self._place(row)
        self._notes.problem(code, f"{place}{what}", hint, row=place)

    def _place(self, row: JsonRow) -> str:
        return f"{self.table.name} {row.get('id', '(no id)')}"

    def _convert(self, key: str, column: sa.Column[object]) -> Convert | None:
        if column.name == "id":
            own = self._ids[self.table.name].get
            return lambda value, row: own(value)  # type: ignore[arg-type]  # a wrong type is caught
        found = self._references_of(column)
        if not found:
            return None
        by_form: dict[Form, list[Reference]] = {}
        for one in found:
            form = Form.JSON if one.form in INSIDE_JSON else one.form
            by_form.setdefault(form, []).append(one)
        steps = [self._by_form(form, column, some) for form, some in by_form.items()]
        if len(steps) == 1:
            return steps[0]
        return lambda value, row: _in_turn(steps, value, row)

    def _by_form(self, form: Form, column: sa.Column[object], found: list[Reference]) -> Convert:
        if form is Form.HTML:
            return self._html(column, found)
        if form in INSIDE_JSON:
            return self._json(column, found)
        if len(found) == 1 and found[0].when is None and found[0].hard and form is Form.NUMBER:
            return self._hard_number(column, found[0])
        return self._reference(column, found)

    def _hard_number(self, column: sa.Column[object], reference: Reference) -> Convert:
        """The common case: a foreign key that must lead somewhere."""
        get = self._ids[reference.target].get

        def convert(value: object, row: JsonRow) -> object:
            if value is None:
                return None
            new = get(value)  # type: ignore[arg-type]  # a value of a wrong type is not found
            return self._dangling(column, reference, value, row) if new is None else new

        return convert

    def _reference(self, column: sa.Column[object], found: list[Reference]) -> Convert:
        """References under conditions, soft ones, and ids written as text."""

        def convert(value: object, row: JsonRow) -> object:
            if value is None:
                return None
            for reference in found:
                if self._holds(reference, row):
                    return self._mapped(column, reference, value, row)
            return value

        return convert

    def _mapped(
        self, column: sa.Column[object], reference: Reference, value: object, row: JsonRow
    ) -> object:
        text = reference.form is Form.TEXT
        new = self._ids[reference.target].get(int(value) if text else value)  # type: ignore[call-overload, arg-type]
        if new is None:
            return self._dangling(column, reference, value, row)
        return str(new) if text else new

    def _holds(self, reference: Reference, row: JsonRow) -> bool:
        """Does the reference hold in this row?"""
        when = reference.when
        if when is None:
            return True
        if when.through is None:
            return when.fits(row.get(when.column))
        through = when.through.removesuffix("_id")
        return when.fits(self._lookups[f"{through}.{when.column}"].get(row.get(through)))

    def _dangling(
        self, column: sa.Column[object], reference: Reference, value: object, row: JsonRow
    ) -> object:
        """What stands for a reference to nothing, by the rule of the column."""
        rule = reference.dangling
        notes = self._notes
        if reference.hard or (rule is Dangling.LOSE_ROW and (notes.mends or notes.strict)):
            what = f": {column.name} {value!r} is no row of {reference.target}"
            if not notes.mends or rule is Dangling.FINDING:
                self._problem(row, "dangling-reference", what)
                return None
            place = self._place(row)
            notes.mend(f"{place}{what}{MENDED[rule]}", row=place)
        if rule is Dangling.LAST_BEFORE and isinstance(value, int) and value <= 0:
            return value  # says that there was no message yet
        self._notes.followed(self.table.name, column.name)
        if rule in LEFT_OUT:
            raise LeaveOut
        if rule is Dangling.LAST_BEFORE:
            before = self._ids[reference.target].before(value)  # type: ignore[arg-type]
            return NO_MESSAGE if before is None else before
        return None if rule in (Dangling.NULL, Dangling.MEND_NULL) else value

    def _html(self, column: sa.Column[object], found: list[Reference]) -> Convert:
        paths = {reference.path for reference in found}
        html = self._texts.html
        if paths == {()}:
            return lambda value, row: html(value) if value else value  # type: ignore[arg-type]
        return self._inside(
            column,
            [(path, lambda value, row: html(value) if value else value) for path in paths],  # type: ignore[arg-type]
        )

    def _json(self, column: sa.Column[object], found: list[Reference]) -> Convert:
        def step_of(reference: Reference) -> Convert:
            def step(value: object, row: JsonRow) -> object:
                if value is None or not self._holds(reference, row):
                    return value
                return self._inside_json(column, reference, value, row)

            return step

        return self._inside(column, [(one.path, step_of(one)) for one in found])

    def _inside_json(
        self, column: sa.Column[object], reference: Reference, value: object, row: JsonRow
    ) -> object:
        """What stands for the value that a path leads to; soft ones may be of any kind."""
        if reference.form is Form.PATH:
            return self._texts.emoji_path(value) if isinstance(value, str) else value
        if reference.form is Form.KEYS:
            if not isinstance(value, dict):
                return value
            return {self._digits(column, reference, key, row): value[key] for key in value}
        if isinstance(value, str) and not reference.hard:
            return self._digits(column, reference, value, row)
        if not isinstance(value, int) and not reference.hard:
            return value
        return self._mapped(column, reference, value, row)

    def _digits(
        self, column: sa.Column[object], reference: Reference, value: str, row: JsonRow
    ) -> str:
        """The new id for one that is written out; what is no number stays."""
        if not ID_AS_TEXT.fullmatch(value):
            return value
        return str(self._mapped(column, reference, int(value), row))

    def _inside(
        self, column: sa.Column[object], steps: Sequence[tuple[tuple[str, ...], Convert]]
    ) -> Convert:
        """Apply each step at its path inside JSON, which text columns hold as text."""
        holds_text = not isinstance(column.type, Json)
        found = self._references_of(column)
        conditional = any(reference.when is not None for reference in found)

        def convert(value: object, row: JsonRow) -> object:
            if not value or (conditional and not any(self._holds(one, row) for one in found)):
                return value
            document = msgspec.json.decode(str(value)) if holds_text else value
            for path, step in steps:
                document = at_path(document, path, step, row)
            return msgspec.json.encode(document).decode() if holds_text else document

        return convert


def kinds_of(column: sa.Column[object]) -> frozenset[type]:
    """What Python makes of the JSON values that the column can hold."""
    kind = column.type
    found: frozenset[type] = frozenset({str})
    if isinstance(kind, sa.Boolean):
        found = frozenset({bool})
    elif isinstance(kind, sa.Integer):
        found = frozenset({int})
    elif isinstance(kind, UtcDateTime) and not column_facts(column).iso_time:
        found = frozenset({int, float})
    elif isinstance(kind, Json):
        found = frozenset({dict, list, str, int, float, bool})
    return found | {type(None)} if column.nullable else found


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _in_turn(steps: Sequence[Convert], value: object, row: JsonRow) -> object:
    for step in steps:
        value = step(value, row)
    return value


def secret_columns(table: sa.Table) -> list[str]:
    """Columns that no export has, and that an import therefore has to make."""
    return [column.name for column in table.columns if column_facts(column).left_out]
