"""Rows of exports of other versions, made into rows that zops knows: by the adapters of plugins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zcore import ImportAdapter, Refused, ZopsError
from zcore.organizations.system_groups import DESCRIPTIONS
from zcore.schema.facts import row_keys
from zcore.targets import resolve
from zcore.text import describe
from zops_export.export_index import table_of_key
from zops_export.json_rows import JsonRow, Rows, TypedRows

if TYPE_CHECKING:
    import zcore
    from zcore.plugins import Plugins
    from zops_export.export_index import ExportIndex
    from zops_export.notes import Notes

HOOK = "zops_import_adapters"
HINT = "mend the row in the database that it is of, or the adapter"
NEW_GROUPS = {name: -place for place, name in enumerate(DESCRIPTIONS, start=1)}
"""What stands for the system groups in an export that has none, until they are made."""

Target = Callable[[Mapping[str, object], "zcore.AdaptedExport"], Any]


class CannotAdapt(Exception):  # no error of ours: the row or the adapter is wrong
    """An adapter failed with a row."""


class KnownExport:
    """What adapters may know of an export: see `zcore.AdaptedExport`."""

    def __init__(self, index: ExportIndex) -> None:
        self._index = index

    @property
    def realm(self) -> Mapping[str, object]:
        """The row of the organization."""
        return self._index.realm

    def system_group(self, name: str) -> int:
        """The id of a system group. Raises `Refused` when there are others, and no such."""
        groups = self._index.system_groups or NEW_GROUPS
        if name not in groups:
            raise Refused(
                f"the export has no group {name!r}, which its permissions have to name",
                hint="it has other system groups: take another copy, or make it again",
                code="bad-export",
            )
        return groups[name]

    def value(self, table: str, ident: object, key: str) -> object:
        """What a row has under a key that an adapter looks up."""
        return self._index.lookups.get(f"{table}.{key}", {}).get(ident)


class Adapting:
    """Asks the adapters of all plugins about rows of an export.

    `used` counts, by the name of each adapter, the rows that it was asked about. `notes` get the
    rows that an adapter can make nothing of.
    """

    def __init__(self, plugins: Plugins, index: ExportIndex, notes: Notes) -> None:
        self.used: dict[str, int] = defaultdict(int)
        self._export = KnownExport(index)
        self._index = index
        self._notes = notes
        self._by_table: dict[str, list[_Adapter]] = defaultdict(list)
        self._looked_up: dict[str, set[str]] = defaultdict(set)
        for _, value in plugins.values(HOOK, ImportAdapter):
            self._by_table[value.table].append(_Adapter(value, plugins.provider(value)))
            for place in value.looks_up:
                table, _, key = place.partition(".")
                self._looked_up[table].add(key)

    def take(self, block: Rows | TypedRows) -> None:
        """Remember what adapters ask for, and the ids of rows that are made of these."""
        if not isinstance(block, Rows):
            return
        for key in self._looked_up.get(block.table, ()):
            found = self._index.lookups.setdefault(f"{block.table}.{key}", {})
            ids = ((row.get("id"), row) for row in block.rows)
            found.update((ident, row.get(key)) for ident, row in ids if isinstance(ident, int))
        for one in self._by_table.get(block.table, ()):
            for row in block.rows if one.value.into else ():
                if one.wants(row):
                    self._take_made(one.value.into, row.get("id"))

    def _take_made(self, table: str, ident: object) -> None:
        self._index.made[table] = self._index.made.get(table, 0) + 1
        if table in self._index.ids and isinstance(ident, int):
            self._index.ids[table].append(ident)

    def settle(self) -> None:
        """Every row was seen: from now on leave alone the tables in which nothing was adapted."""
        for adapters in self._by_table.values():
            adapters[:] = [one for one in adapters if one.value.name in self.used]
        needed = {table: some for table, some in self._by_table.items() if some}
        self._by_table = defaultdict(list, needed)

    def adapted(self, blocks: Iterable[Rows | TypedRows]) -> Iterator[Rows | TypedRows]:
        """The same blocks, with rows as zops knows them, and those that were made of them behind.

        Rows that are in structs have nothing that needs adapting. A row that an adapter fails
        with is noted, and left out.
        """
        for block in blocks:
            if block.table in self._by_table and isinstance(block, Rows):
                yield from self._adapted(block)
            else:
                yield block

    def _adapted(self, block: Rows) -> Iterator[Rows]:
        made: dict[str, list[JsonRow]] = {}
        adapters = [
            one
            for one in self._by_table[block.table]
            if self._index.is_converted or not one.value.only_converted
        ]
        kept = [self._row(block.table, row, adapters, made) for row in block.rows]
        yield Rows(block.table, [row for row in kept if row is not None])
        for table, rows in made.items():
            yield Rows(table, rows)

    def _row(
        self,
        table: str,
        row: JsonRow,
        adapters: Sequence[_Adapter],
        made: dict[str, list[JsonRow]],
    ) -> JsonRow | None:
        """The row as zops knows it; None when nothing of it is left. `made` gets new ones."""
        taken: set[str] = set()
        try:
            for one in adapters:
                if not one.wants(row):
                    continue
                self.used[one.value.name] += 1
                taken.update(one.value.takes)
                if one.value.into:
                    made.setdefault(one.value.into, []).extend(one.rows(row, self._export))
                elif (given := one.keys(row, self._export)) is None:
                    return None
                else:
                    row = {**row, **given}
        except CannotAdapt as error:
            place = f"{table} {row.get('id', '(no id)')}"
            self._notes.problem("bad-row", f"{place}: {error}", HINT, row=place)
            return None
        return _without(taken, table, row) if taken else row


def _without(taken: set[str], key: str, row: JsonRow) -> JsonRow | None:
    """The row without what was taken and is no column; of a table that is none, nothing."""
    table = table_of_key().get(key)
    if table is None:
        return None
    gone = taken - frozenset(row_keys(table))
    return {key: value for key, value in row.items() if key not in gone}


class _Adapter:
    """One adapter, and whose it is."""

    def __init__(self, value: ImportAdapter, whose: str) -> None:
        self.value = value
        self._whose = whose
        self._target: Target | None = None

    def wants(self, row: Mapping[str, object]) -> bool:
        """Is it to be asked about this row?"""
        value = self.value
        return any(key in row for key in value.takes) or any(
            row.get(key) is None for key in value.gives
        )

    def keys(self, row: JsonRow, export: KnownExport) -> Mapping[str, object] | None:
        """The keys that a row gets; None: it is left out."""
        given = self._asked(row, export)
        if given is not None and not isinstance(given, Mapping):
            raise self._cannot(f"it gave a {type(given).__name__}, not a mapping or None")
        return given

    def rows(self, row: JsonRow, export: KnownExport) -> list[JsonRow]:
        """The rows that are made of one."""
        given = self._asked(row, export)
        if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
            raise self._cannot("it gave no list of rows")
        return [dict(one) for one in given]

    def _asked(self, row: JsonRow, export: KnownExport) -> object:
        if self._target is None:
            found: Any = resolve(self.value.target, owner=self._whose)
            self._target = found
        try:
            return self._target(row, export)
        except ZopsError:
            raise
        except (Exception, SystemExit) as error:  # a stranger's may raise anything
            raise self._cannot(describe(error)) from error

    def _cannot(self, reason: str) -> CannotAdapt:
        return CannotAdapt(
            f"the adapter {self.value.name!r} of {self._whose} can make nothing of it: {reason}"
        )
