"""Writing tables into a JSON file of an export: an object of lists, a row a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa

    from zcore.rows_out import Reader
    from zops_export.written_files import HashingFile

LEADING = (b"\n", b",\n")


class TableFile:
    """A JSON object that grows by one list of rows at a time."""

    def __init__(self, file: HashingFile) -> None:
        self._file = file
        self._tables = 0
        self.rows: dict[str, int] = {}
        file.write(b"{")

    def write_rows(self, key: str, reader: Reader, *statements: sa.Select[str]) -> int:
        """The list `key`: all rows of the statements, each a JSON object; how many."""
        self._file.write(LEADING[self._tables > 0] + f'"{key}": ['.encode())
        self._tables += 1
        count = 0
        blocks = 0
        write = self._file.write

        def sink(block: bytes) -> None:
            nonlocal blocks
            write(LEADING[blocks > 0])
            write(block)
            blocks += 1

        for statement in statements:
            count += reader.copy_out(statement, sink, LEADING[True])
        write(b"\n]" if count else b"]")
        self.rows[key] = count
        return count

    def close(self) -> None:
        """Write the end of the object."""
        self._file.write(b"\n}\n")
