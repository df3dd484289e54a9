"""Rows of exports of other versions, made into rows that zops knows: by the adapters of plugins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
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
        for _, value in plugins.values(HOOK, ImportAdapter):
            self._by_table[value.table].append(_Adapter(value, plugins.provider(value)))

    def looked_up(self) -> Iterator[tuple[str, str]]:
        """The tables and keys that adapters ask for."""
        for adapters in self._by_table.values():
            for one in adapters:
                yield from (tuple(place.split(".", 1)) for place in one.value.looks_up)  # type: ignore[misc]

    def ids_made(self, block: Rows | TypedRows) -> Iterator[tuple[str, object]]:
        """The tables and ids of rows that would be made of these rows, beside them."""
        for one in self._by_table.get(block.table, ()):
            for row in block.rows if one.value.into else ():
                if isinstance(row, dict) and one.wants(row):
                    yield one.value.into, row.get("id")

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
        kept = (self._row(row, adapters, made) for row in block.rows)
        yield Rows(block.table, [row for row in kept if row is not None])
        for table, rows in made.items():
            yield Rows(table, rows)

    def _row(
        self, row: JsonRow, adapters: Iterable[_Adapter], made: dict[str, list[JsonRow]]
    ) -> JsonRow | None:
        taken: set[str] = set()
        for one in adapters:
            if not one.wants(row):
                continue
            self.used[one.value.name] += 1
            taken.update(one.value.takes)
            try:
                if one.value.into:
                    made.setdefault(one.value.into, []).extend(one.rows(row, self._export))
                    continue
                given = one.keys(row, self._export)
            except CannotAdapt as error:
                place = f"{one.value.table} {row.get('id', '(no id)')}"
                self._notes.problem("bad-row", f"{place}: {error}", HINT, row=place)
                return None
            if given is None:
                return None
            row = {**row, **given}
        gone = taken - _known(next(iter(adapters)).value.table) if taken else taken
        return {key: value for key, value in row.items() if key not in gone} if gone else row


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


def _known(key: str) -> frozenset[str]:
    table = table_of_key().get(key)
    return frozenset() if table is None else frozenset(row_keys(table))
