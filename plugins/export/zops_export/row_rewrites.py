"""What stages of plugins change in rows on their way into the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zcore import Failed, ZopsError
from zcore.text import describe
from zops_export.export_index import table_of_key

if TYPE_CHECKING:
    from zops_export.json_rows import JsonRow

RowChange = Callable[["JsonRow"], "JsonRow | None"]


class RowRewrites:
    """Changes of rows by table, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._by_table: dict[str, list[RowChange]] = {}

    def add(self, table: str, change: RowChange) -> None:
        """Let `change` see every row of `table`. Raises `KeyError` for one that no export has."""
        if table not in {known.name for known in table_of_key().values()}:
            raise KeyError(table)
        self._by_table.setdefault(table, []).append(_explained(table, change))

    def __contains__(self, table: object) -> bool:
        """Does anybody change rows of `table`?"""
        return table in self._by_table

    def before(self, table: str, ours: RowChange | None) -> RowChange | None:
        """What is done with the rows of `table`: what plugins ask for, then `ours`."""
        if table not in self._by_table:
            return ours
        changes = [*self._by_table[table], *([ours] if ours is not None else [])]

        def change(row: JsonRow) -> JsonRow | None:
            changed: JsonRow | None = row
            for one in changes:
                if changed is None:
                    return None
                changed = one(changed)
            return changed

        return change


def _explained(table: str, change: RowChange) -> RowChange:
    """The same; `Failed` says whose change it was that went wrong."""

    def explained(row: JsonRow) -> JsonRow | None:
        try:
            changed = change(dict(row))
            if changed is not None and not isinstance(changed, dict):
                raise TypeError(f"it gave a {type(changed).__name__}, not a row")
        except ZopsError:
            raise
        except Exception as error:
            raise Failed(
                f"the change of rows of {table} by {change.__module__} failed: {describe(error)}",
                code="rewrite-failed",
            ) from error
        return changed

    return explained
