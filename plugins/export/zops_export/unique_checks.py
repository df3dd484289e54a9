"""Rows of which there can be only one: two users of one address, two channels of one name.

PostgreSQL refuses the second of them in the middle of the rows, and only the first of all. Of each
row 8 bytes are remembered, a hash for each rule; only where two are the same, a second reading
looks at the values themselves.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.schema.columns import WHERE
from zcore.schema.facts import column_facts, json_key
from zops_export.export_index import referenced_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from zops_export.json_rows import JsonRow
    from zops_export.notes import Notes

FOLDED = re.compile(r"(upper|lower)\((\w+)\)")
# The conditions of partial indexes. What says IS NOT NULL is so for every rule: NULLs never clash.
CONDITION = re.compile(r"NOT (?P<flag>\w+)|(?P<empty>\w+) IS NULL|(?P<given>\w+) IS NOT NULL")
# What an import makes anew, so that it does not matter what the export says.
MADE_ANEW = frozenset({"zerver_huddle.huddle_hash"})
# Rows that are checked with their messages, and those that an import looks up by their names.
OTHERWISE = frozenset({"zerver_usermessage", "zerver_client"})
NO_HASH = 0
ID = "id"


@dataclass(frozen=True, slots=True)
class Rule:
    """No two rows of a table have the same values under these keys.

    `upper` and `lower` are keys whose values are compared in these letters; `only_without`: rows
    with something under that key, other than false, are passed over.
    """

    keys: tuple[str, ...]
    upper: frozenset[str] = frozenset()
    lower: frozenset[str] = frozenset()
    only_without: str = ""

    def __str__(self) -> str:
        return " and ".join(filter(None, (", ".join(self.keys[:-1]), self.keys[-1])))

    def values(self, row: Mapping[str, object]) -> tuple[object, ...] | None:
        """What of a row may occur once; None when the rule is not about it."""
        if self.only_without and row.get(self.only_without) not in (None, False):
            return None
        values = tuple([self._value(row, key) for key in self.keys])
        return None if None in values else values

    def _value(self, row: Mapping[str, object], key: str) -> object:
        value = row.get(key)
        if isinstance(value, list):
            return tuple(value)
        if isinstance(value, str):
            if key in self.upper:
                return value.upper() if value.isascii() else _each(str.upper, value)
            if key in self.lower:
                return value.lower() if value.isascii() else _each(str.lower, value)
        return value


def _each(fold: Callable[[str], str], text: str) -> str:
    """As databases do it: letter by letter, and no letter becomes two."""
    return "".join(folded if len(folded := fold(letter)) == 1 else letter for letter in text)


@cache
def rules_of(table: sa.Table) -> tuple[Rule, ...]:
    """The rules of a table that are about columns of an export."""
    if table.name in OTHERWISE:
        return ()
    found = [*_of_constraints(table), *_of_indexes(table)]
    return tuple(rule for rule in found if rule is not None)


def _of_constraints(table: sa.Table) -> Iterator[Rule | None]:
    key = [column.name for column in table.primary_key]
    if key != [ID]:  # which is looked at where all ids are, or given anew
        yield _rule(table, key)
    for rule in table.constraints:
        if isinstance(rule, sa.UniqueConstraint):
            yield _rule(table, [column.name for column in rule.columns])


def _of_indexes(table: sa.Table) -> Iterator[Rule | None]:
    for index in table.indexes:
        if index.unique:
            parts = [getattr(part, "name", None) or str(part) for part in index.expressions]
            yield _rule(table, parts, str(index.info.get(WHERE, "")))


def _rule(table: sa.Table, parts: Iterable[str], where: str = "") -> Rule | None:
    """The rule, as one about keys; None for one about what an import makes anew."""
    folded: dict[str, set[str]] = {"": set(), "upper": set(), "lower": set()}
    keys = []
    for part in parts:
        letters = FOLDED.fullmatch(part)
        fold, name = letters.groups() if letters else ("", part)
        column = table.c[name]
        if column_facts(column).left_out or f"{table.name}.{name}" in MADE_ANEW:
            return None
        keys.append(json_key(column))
        folded[fold].add(json_key(column))
    return Rule(
        tuple(keys), frozenset(folded["upper"]), frozenset(folded["lower"]), _exception(where)
    )


def _exception(where: str) -> str:
    """The key under which there must be nothing for a rule to hold; "" where it always does.

    Raises `ValueError` for a condition of another form: then this module has to learn it.
    """
    if not where:
        return ""
    found = CONDITION.fullmatch(where)
    if found is None:
        raise ValueError(f"no rule can be made of the condition {where!r}")
    return found["flag"] or found["empty"] or ""


class UniqueChecks:
    """Looks for rows that are there twice."""

    def __init__(self) -> None:
        self._hashes: dict[tuple[str, Rule], array[int]] = defaultdict(lambda: array("q"))

    def take(self, table: sa.Table, rows: Iterable[JsonRow]) -> None:
        """Remember rows of a table."""
        rules = rules_of(table)
        for row in rows if rules else ():
            for rule in rules:
                values = rule.values(row)
                if values is not None:
                    self._hashes[table.name, rule].append(_hash(values))

    def suspects(self) -> dict[str, Suspects]:
        """By table: the rules that rows seem to break."""
        found: dict[str, Suspects] = {}
        for (table, rule), hashes in self._hashes.items():
            ordered = sorted(hashes)
            twice = {one for one, other in pairwise(ordered) if one == other}
            if twice:
                found.setdefault(table, Suspects()).add(rule, twice)
        return found


class Suspects:
    """Rows of one table that may be there twice, by their hashes."""

    def __init__(self) -> None:
        self._rules: list[tuple[Rule, set[int]]] = []
        self._first: dict[tuple[Rule, tuple[object, ...]], object] = {}

    def add(self, rule: Rule, hashes: set[int]) -> None:
        """Rows with these hashes may break the rule."""
        self._rules.append((rule, hashes))

    def look(self, table: str, row: JsonRow, notes: Notes) -> None:
        """Note the row when one before it has the same values."""
        for rule, hashes in self._rules:
            values = rule.values(row)
            if values is None or (found := _hash(values)) == NO_HASH or found not in hashes:
                continue
            known, ident = len(self._first), row.get(ID)
            first = self._first.setdefault((rule, values), ident)
            if len(self._first) > known or (first == ident and table in referenced_tables()):
                continue  # the first one; or one whose id is a problem already
            place = f"{table} {ident}"
            what = f"{place} has the same {rule} as {table} {first}"
            if first == ident:
                what = f"{place} is there twice"
            notes.problem("duplicate-row", what, row=place)


def _hash(values: tuple[object, ...]) -> int:
    try:
        return hash(values)
    except TypeError:  # something in it is no value that a column holds, which is noted elsewhere
        return NO_HASH
