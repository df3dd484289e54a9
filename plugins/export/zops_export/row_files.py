"""Writing tables into a JSON file of an export: an object of lists, a row a line."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import sqlalchemy as sa

    from zcore.rows_out import Reader
    from zops_export.written_files import HashingFile

FIRST, BETWEEN = b"\n", b",\n"
Values = Mapping[str, object] | None


class TableFile:
    """A JSON object that grows by one list of rows at a time."""

    def __init__(self, file: HashingFile) -> None:
        self._file = file
        self._tables = 0
        self.rows: dict[str, int] = {}
        file.write(b"{")

    def write_rows(
        self, key: str, reader: Reader, *statements: sa.Select[str], values: Values = None
    ) -> int:
        """The list `key`: all rows of the statements, each a JSON object; how many.

        `values` as in `Reader.copy_out`.
        """
        with self._list(key) as write:
            counts = [reader.copy_out(rows, write, BETWEEN, values) for rows in statements]
            return self._count(key, counts)

    def write_lines(
        self, key: str, reader: Reader, statement: sa.Select[str], values: Values = None
    ) -> int:
        """The list `key`: each row of the statement holds several JSON objects, a line each."""
        lines = 0

        def count_and_write(block: bytes) -> None:
            nonlocal lines
            lines += block.count(b"\n") + 1
            write(block)

        with self._list(key) as write:
            reader.copy_out(statement, count_and_write, BETWEEN, values)
            return self._count(key, [lines])

    def _count(self, key: str, numbers: Iterable[int]) -> int:
        self.rows[key] = sum(numbers)
        return self.rows[key]

    @contextmanager
    def _list(self, key: str) -> Iterator[Callable[[bytes], None]]:
        """What takes the blocks of rows of the list `key`, while inside."""
        add = self._file.write
        add(f'{"," * bool(self._tables)}\n"{key}": ['.encode())
        self._tables += 1
        begun = False

        def write(block: bytes) -> None:
            nonlocal begun
            add(BETWEEN if begun else FIRST)
            add(block)
            begun = True

        yield write
        add(b"\n]" if begun else b"]")

    def close(self) -> None:
        """Write the end of the object."""
        self._file.write(b"\n}\n")
