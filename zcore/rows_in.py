"""Rows in in bulk, and ids reserved in bulk, inside one transaction.

Values arrive as JSON has them: timestamps as seconds since 1970 (UTC), JSON columns as Python
values. What each column needs is chosen once a table, not once a row.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from zcore.errors import Failed
from zcore.kept_numbers import highest_kept
from zcore.made_ahead import made_ahead
from zcore.schema.types import Json, UtcDateTime, moment_to_text, text_to_moment

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # naive on purpose: the arithmetic is in UTC
CHUNK_BYTES = 1 << 16
LINES_AT_ONCE = 200
NUMBER_LINES_AT_ONCE = 10_000  # which are short
MOST_CHUNKS_AHEAD = 4

Value = object
NOTHING: Mapping[str, object] = {}
Row = Sequence[Value]
Encoder = Callable[[Value], Value]


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of one table: `rows` have a value for each of `columns`."""

    table: sa.Table
    columns: Sequence[str]
    rows: Iterable[Row]


class Writer:
    """Writes rows in one transaction, which `Database.writer` commits or rolls back.

    `connection` is SQLAlchemy's, in the same transaction.
    """

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
        """SQLite: we hold the write lock, so whatever is above the highest id is ours.

        Numbers that others have put aside (`zcore.kept_numbers`) are theirs.
        """
        highest = self._highest.get(table.name)
        if highest is None:
            column = next(iter(table.primary_key))
            there = self.connection.scalar(sa.select(sa.func.max(column))) or 0
            highest = max(there, highest_kept(self.connection, table))
        self._highest[table.name] = highest + count
        return range(highest + 1, highest + count + 1)

    def _reserve_from_sequence(self, table: sa.Table, count: int) -> Sequence[int]:
        column = next(iter(table.primary_key)).name
        taken = sa.text(
            "WITH numbers AS MATERIALIZED"  # the sequence is looked for once, not once a number
            " (SELECT CAST(pg_get_serial_sequence(:table, :column) AS regclass) AS sequence),"
            " taken AS (SELECT nextval(sequence) AS id FROM numbers, generate_series(1, :count))"
            " SELECT min(id), max(id), CASE WHEN max(id) - min(id) + 1 <> count(*)"
            " THEN array_agg(id ORDER BY id) END FROM taken"
        )
        names = {"table": table.name, "column": column, "count": count}
        first, last, scattered = self.connection.execute(taken, names).one()
        return array("q", scattered) if scattered else range(first, last + 1)

    def copy_in(
        self,
        table: sa.Table,
        columns: Sequence[str],
        rows: Iterable[Row],
        constants: Mapping[str, Value] = NOTHING,
    ) -> int:
        """Write `rows`, each with a value for each of `columns`; return how many.

        `constants` are columns in which all of them have the same value. A column that is not
        named gets the database's default (an identity column: the next id). Raises what
        `Database.writer` translates when the database refuses a row.
        """
        part = TableRows(table, columns, rows)
        if self.connection.dialect.name == "sqlite":
            return self._insert_many(part, constants)
        return self._send(self._statement(part, constants), _chunks(part, constants))

    def copy_all(self, parts: Generator[TableRows, None, None]) -> Counter[str]:
        """Write the rows of all `parts`, in their order; how many, by the name of the table.

        On PostgreSQL they are made by a thread of their own, while the database takes in those
        before: nothing that `parts` does may use the connection. Raises what making them raises,
        and what `copy_in` does.
        """
        counts: Counter[str] = Counter()
        if self.connection.dialect.name == "sqlite":
            with closing(parts):
                for part in parts:
                    counts[part.table.name] += self._insert_many(part, NOTHING)
            return counts
        with made_ahead(self._chunks_of_all(parts), MOST_CHUNKS_AHEAD) as chunks:
            for (name, statement), some in groupby(chunks, key=lambda chunk: chunk[0]):
                counts[name] += self._send(statement, (text for _, text in some))
        return counts

    def _chunks_of_all(
        self, parts: Generator[TableRows, None, None]
    ) -> Generator[tuple[tuple[str, str], str], None, None]:
        """The text of all parts, in chunks, each with its table and the statement it goes with."""
        with closing(parts):
            for part in parts:
                place = part.table.name, self._statement(part, NOTHING)
                for chunk in _chunks(part, NOTHING):
                    yield place, chunk

    def _insert_many(self, part: TableRows, constants: Mapping[str, Value]) -> int:
        table, columns, rows = part.table, part.columns, part.rows
        encoders = [_sqlite_encoder(table.c[name]) for name in columns]
        if constants:
            fixed = [
                _constant(_sqlite_encoder(table.c[name]), constants[name]) for name in constants
            ]
            rows, columns = ((*row, *fixed) for row in rows), [*columns, *constants]
        quote = self.connection.dialect.identifier_preparer.quote
        names, places = ", ".join(map(quote, columns)), ", ".join("?" * len(columns))
        statement = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({places})"  # noqa: S608  # quoted
        cursor = self.connection.connection.cursor()
        driver_error = self.connection.dialect.loaded_dbapi.Error
        try:
            cursor.executemany(statement, _encoded(rows, encoders))  # type: ignore[arg-type]  # SQLite's takes an iterator
        except driver_error as error:
            raise DBAPIError.instance(statement, None, error, driver_error) from error
        except OverflowError as error:
            raise Failed(f"{table.name}: a number is too large for the database") from error
        finally:
            cursor.close()
        return cursor.rowcount

    def _statement(self, part: TableRows, constants: Mapping[str, Value]) -> str:
        quote = self.connection.dialect.identifier_preparer.quote
        names = ", ".join(map(quote, [*part.columns, *constants]))
        return f"COPY {quote(part.table.name)} ({names}) FROM STDIN"

    def _send(self, statement: str, chunks: Iterator[str]) -> int:
        cursor = self.connection.connection.cursor()
        driver_error = self.connection.dialect.loaded_dbapi.Error
        source = _TextSource(chunks)
        try:
            cursor.copy_expert(statement, source, size=CHUNK_BYTES)
        except driver_error as error:
            if (reason := source.take_error()) is not None:
                raise reason from None
            raise DBAPIError.instance(statement, None, error, driver_error) from error
        finally:
            cursor.close()
        return cursor.rowcount


def _chunks(part: TableRows, constants: Mapping[str, Value]) -> Iterator[str]:
    """The rows as lines of COPY, joined to chunks, so that the driver asks rarely."""
    columns = part.table.c
    fixed = [_constant(_postgres_encoder(columns[name]), constants[name]) for name in constants]
    if _are_numbers(columns[name] for name in part.columns):
        lines, most = _number_lines(part.rows, len(part.columns), fixed), NUMBER_LINES_AT_ONCE
    else:
        encoders = [_postgres_encoder(columns[name]) for name in part.columns]
        rows = _encoded(part.rows, encoders)
        lines, most = _lines(rows, len(part.columns), fixed), LINES_AT_ONCE
    while chunk := "".join(islice(lines, most)):
        yield chunk


class _TextSource:
    """What COPY reads from.

    What making the chunks raised is kept: the driver only says that the reading failed.
    """

    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks
        self._error: BaseException | None = None

    def read(self, _size: int = -1) -> bytes:
        try:
            return next(self._chunks, "").encode()
        except BaseException as error:
            self._error = error
            raise

    def take_error(self) -> BaseException | None:
        """What making the chunks raised."""
        error, self._error = self._error, None
        return error


def timestamp_text(seconds: float) -> str:
    """UTC text, with microseconds, of `seconds` since 1970. `OverflowError` beyond year 9999."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat(" ", "microseconds")


def _encoded(rows: Iterable[Row], encoders: Sequence[Encoder | None]) -> Iterable[Row]:
    """The rows with their values encoded; they are passed on when no column needs it."""
    needed = [(place, encode) for place, encode in enumerate(encoders) if encode is not None]
    return _replaced(rows, needed) if needed else rows


def _replaced(rows: Iterable[Row], encoders: Sequence[tuple[int, Encoder]]) -> Iterator[Row]:
    for row in rows:
        values = list(row)
        for place, encode in encoders:
            if values[place] is not None:
                values[place] = encode(values[place])
        yield values


def _constant(encode: Encoder | None, value: Value) -> Value:
    """A value that all rows have in common, encoded once."""
    return value if value is None or encode is None else encode(value)


def _lines(rows: Iterable[Row], width: int, constants: Sequence[Value]) -> Iterator[str]:
    """Rows of `width` values as lines of COPY, each with `constants` at its end."""
    line = _line(width, constants)
    for row in rows:
        if None in row:
            row = ["\\N" if value is None else value for value in row]
        yield line % tuple(row)


def _number_lines(rows: Iterable[Row], width: int, constants: Sequence[Value]) -> Iterator[str]:
    """The same for rows of nothing but whole numbers: no step of it is taken in Python."""
    return map(_line(width, constants).__mod__, map(tuple, rows))


def _line(width: int, constants: Sequence[Value]) -> str:
    """What makes a line of the values of a row: with what all rows have in common at its end."""
    fixed = ("\\N" if value is None else str(value).replace("%", "%%") for value in constants)
    return "\t".join((*["%s"] * width, *fixed)) + "\n"


def _are_numbers(columns: Iterable[sa.Column[object]]) -> bool:
    """Do the columns hold whole numbers, and nothing else?"""
    return all(isinstance(column.type, sa.Integer) and not column.nullable for column in columns)


def _timestamp(value: Value) -> str:
    """A moment as both databases take it: from seconds, ISO 8601 text, or a datetime."""
    try:
        if isinstance(value, (int, float)):
            return timestamp_text(value)
        return moment_to_text(value if isinstance(value, datetime) else text_to_moment(str(value)))
    except (ValueError, OverflowError) as error:
        raise Failed(f"{value!r} is no moment that a database can hold") from error


def _remembering(encode: Encoder) -> Encoder:
    """The same for a column in which rows often have the very value of the row before."""
    last: Value = None
    encoded: Value = None

    def remembering(value: Value) -> Value:
        nonlocal last, encoded
        if value is not last:
            encoded = encode(value)
            last = value
        return encoded

    return remembering


def _json_text(value: Value) -> str:
    return msgspec.json.encode(value).decode()


def _escaped(value: Value) -> str:
    """Text as COPY takes it. Four replacements are much quicker than one translation."""
    text = str(value).replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace("\r", "\\r").replace("\t", "\\t")


def _sqlite_encoder(column: sa.Column[object]) -> Encoder | None:
    """What makes of a value of `column` what SQLite takes; None when it is that already."""
    if isinstance(column.type, UtcDateTime):
        return _remembering(_timestamp)
    return _json_text if isinstance(column.type, Json) else None


def _postgres_encoder(column: sa.Column[object]) -> Encoder | None:
    """What makes of a value of `column` the text that COPY takes; None when `str` does."""
    if isinstance(column.type, UtcDateTime):
        return _remembering(lambda value: f"{_timestamp(value)}+00")
    if isinstance(column.type, Json):
        return lambda value: _escaped(_json_text(value))
    return None if isinstance(column.type, (sa.Boolean, sa.Integer, sa.Numeric)) else _escaped
