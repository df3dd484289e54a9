"""Rows in in bulk, and ids reserved in bulk, inside one transaction.

Values arrive as JSON has them: timestamps as seconds since 1970 (UTC), JSON columns as Python
values. What each column needs is chosen once a table, not once a row.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from zcore.schema.types import Json, UtcDateTime

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # naive on purpose: the arithmetic is in UTC
CHUNK_BYTES = 1 << 16
ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})

Value = object
Row = Sequence[Value]
Encoder = Callable[[Value], Value]


class Writer:
    """Writes rows in one transaction, which `Database.writer` commits or rolls back."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self._highest: dict[str, int] = {}

    def reserve(self, table: sa.Table, count: int) -> Sequence[int]:
        """`count` ids of `table` that nobody else gets, ascending.

        On PostgreSQL they come from the table's sequence, so a server beside us goes on; like
        every sequence number they are spent even when the transaction is rolled back.
        """
        if count == 0:
            return range(0)
        if self.connection.dialect.name == "sqlite":
            return self._reserve_after_highest(table, count)
        return self._reserve_from_sequence(table, count)

    def _reserve_after_highest(self, table: sa.Table, count: int) -> range:
        """SQLite: we hold the write lock, so whatever is above the highest id is ours."""
        highest = self._highest.get(table.name)
        if highest is None:
            column = next(iter(table.primary_key))
            highest = self.connection.scalar(sa.select(sa.func.max(column))) or 0
        self._highest[table.name] = highest + count
        return range(highest + 1, highest + count + 1)

    def _reserve_from_sequence(self, table: sa.Table, count: int) -> Sequence[int]:
        column = next(iter(table.primary_key)).name
        taken = sa.text(
            "WITH taken AS (SELECT nextval(pg_get_serial_sequence(:table, :column)) AS id"
            " FROM generate_series(1, :count))"
            " SELECT min(id), max(id), CASE WHEN max(id) - min(id) + 1 <> count(*)"
            " THEN array_agg(id ORDER BY id) END FROM taken"
        )
        names = {"table": table.name, "column": column, "count": count}
        first, last, scattered = self.connection.execute(taken, names).one()
        return array("q", scattered) if scattered else range(first, last + 1)

    def copy_in(self, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """Write `rows`, each with a value for each of `columns`; return how many.

        A column that is not named gets the database's default (an identity column: the next
        id). Raises what `Database.writer` translates when the database refuses a row.
        """
        if self.connection.dialect.name == "sqlite":
            return self._insert_many(table, columns, rows)
        return self._copy(table, columns, rows)

    def _insert_many(self, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> int:
        encoders = [_sqlite_encoder(table.c[name]) for name in columns]
        quote = self.connection.dialect.identifier_preparer.quote
        names, places = ", ".join(map(quote, columns)), ", ".join("?" * len(columns))
        statement = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({places})"  # noqa: S608  # quoted
        cursor = self.connection.connection.cursor()
        driver_error = self.connection.dialect.loaded_dbapi.Error
        counted = _Counted(rows)
        try:
            cursor.executemany(statement, _encoded(counted, encoders))  # type: ignore[arg-type]  # SQLite's takes an iterator
        except driver_error as error:
            raise DBAPIError.instance(statement, None, error, driver_error) from error
        finally:
            cursor.close()
        return counted.count

    def _copy(self, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> int:
        encoders = [_postgres_encoder(table.c[name]) for name in columns]
        quote = self.connection.dialect.identifier_preparer.quote
        statement = f"COPY {quote(table.name)} ({', '.join(map(quote, columns))}) FROM STDIN"
        cursor = self.connection.connection.cursor()
        driver_error = self.connection.dialect.loaded_dbapi.Error
        counted = _Counted(rows)
        lines = ("\t".join(row) + "\n" for row in _encoded_texts(counted, encoders))
        try:
            cursor.copy_expert(statement, _TextSource(lines), size=CHUNK_BYTES)
        except driver_error as error:
            raise DBAPIError.instance(statement, None, error, driver_error) from error
        finally:
            cursor.close()
        return counted.count


class _Counted:
    """Counts the rows that pass."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self.rows:
            self.count += 1
            yield row


class _TextSource:
    """What COPY reads from: lines joined to chunks, so that the driver asks rarely."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines

    def read(self, _size: int = -1) -> bytes:
        parts: list[str] = []
        length = 0
        for line in self.lines:
            parts.append(line)
            length += len(line)
            if length >= CHUNK_BYTES:
                break
        return "".join(parts).encode()


def timestamp_text(seconds: float) -> str:
    """UTC text, with microseconds, of `seconds` since 1970. `OverflowError` beyond year 9999."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat(" ", "microseconds")


def _encoded(rows: Iterable[Row], encoders: Sequence[Encoder]) -> Iterator[list[Value]]:
    for row in rows:
        yield [encode(value) for encode, value in zip(encoders, row, strict=True)]


def _encoded_texts(
    rows: Iterable[Row], encoders: Sequence[Callable[[Value], str]]
) -> Iterator[list[str]]:
    for row in rows:
        yield [
            "\\N" if value is None else encode(value)
            for encode, value in zip(encoders, row, strict=True)
        ]


def _as_it_is(value: Value) -> Value:
    return value


def _timestamp(value: Value) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return timestamp_text(value)
    return str(value)


def _json_text(value: Value) -> str:
    return msgspec.json.encode(value).decode()


def _sqlite_encoder(column: sa.Column[object]) -> Encoder:
    if isinstance(column.type, UtcDateTime):
        return lambda value: None if value is None else _timestamp(value)
    if isinstance(column.type, Json):
        return lambda value: None if value is None else _json_text(value)
    return _as_it_is


def _postgres_encoder(column: sa.Column[object]) -> Callable[[Value], str]:
    if isinstance(column.type, UtcDateTime):
        return lambda value: _timestamp(value) + "+00"
    if isinstance(column.type, Json):
        return lambda value: _json_text(value).translate(ESCAPES)
    if isinstance(column.type, sa.Boolean):
        return lambda value: "t" if value is True else "f" if value is False else str(value)
    if isinstance(column.type, (sa.Integer, sa.Numeric)):
        return str
    return lambda value: str(value).translate(ESCAPES)
