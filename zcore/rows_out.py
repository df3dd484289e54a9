"""Rows out in bulk: several connections that all see the same moment.

A select of exactly one text column leaves the database in blocks of rows, without Python looking
into them: on PostgreSQL by COPY, on SQLite by stepping through the result.
"""

from __future__ import annotations

import queue
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy.engine.interfaces import Compiled

ROWS_AT_ONCE = 500
BLOCK_BYTES = 1 << 15  # what a processor has near by while it is hashed and packed
WORK_MEMORY = "128MB"
AS_TEXT = "SELECT zops_row.content::text FROM ({}) AS zops_row(content)"
RowSink = Callable[[bytes], object]


class Reader:
    """One connection inside a snapshot, `connection`. Used by one thread at a time."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self._repeated: dict[sa.Select[str], Compiled] = {}

    def copy_out(
        self,
        statement: sa.Select[str],
        sink: RowSink,
        separator: bytes = b"\n",
        values: Mapping[str, object] | None = None,
    ) -> int:
        """Call `sink` with the rows of `statement`, in blocks; return how many rows.

        A block is UTF-8, with `separator` between its rows. An empty result has no block.
        `values` take the place of those that `bindparam`s of these names have: a statement that is
        asked again and again, each time about others, need be made and compiled only once.
        """
        if self.connection.dialect.name == "sqlite":
            return self._step(statement, sink, separator, values)
        return self._copy(statement, sink, separator, values)

    def _step(
        self,
        statement: sa.Select[str],
        sink: RowSink,
        separator: bytes,
        values: Mapping[str, object] | None,
    ) -> int:
        count = 0
        between = separator.decode()
        result = self.connection.execute(statement, values)
        while rows := result.fetchmany(ROWS_AT_ONCE):
            sink(between.join([text for (text,) in rows]).encode())
            count += len(rows)
        return count

    def _copy(
        self,
        statement: sa.Select[str],
        sink: RowSink,
        separator: bytes,
        values: Mapping[str, object] | None,
    ) -> int:
        receiver = _BlockReceiver(sink, separator)
        compiled = self._compiled(statement, values is not None)
        cursor = self.connection.connection.cursor()
        try:
            query = cursor.mogrify(str(compiled), _parameters(compiled, values)).decode()
            # Binary, so that neither side looks for what has to be escaped.
            cursor.copy_expert(
                f"COPY ({AS_TEXT.format(query)}) TO STDOUT (FORMAT binary)", receiver
            )
        except cursor.connection.Error as error:
            raise DBAPIError.instance(str(compiled), None, error, cursor.connection.Error) from None
        finally:
            cursor.close()
        receiver.flush()
        return receiver.count

    def _compiled(self, statement: sa.Select[str], repeated: bool) -> Compiled:
        if statement in self._repeated:
            return self._repeated[statement]
        compiled = statement.compile(
            dialect=self.connection.dialect, compile_kwargs={"render_postcompile": True}
        )
        if repeated:
            self._repeated[statement] = compiled
        return compiled


def _parameters(compiled: Compiled, given: Mapping[str, object] | None) -> dict[str, object]:
    """The values of a query as the driver takes them, such as JSON as text."""
    values = dict(compiled.params) | dict(given or {})
    names = compiled.bind_names if isinstance(compiled, SQLCompiler) else {}
    for bind, name in names.items():
        process = bind.type.dialect_impl(compiled.dialect).bind_processor(compiled.dialect)
        if process is not None and not bind.expanding:
            values[name] = process(values[name])
    return values


class _BlockReceiver:
    """What COPY writes to: the driver hands over exactly one row at a time, as binary.

    A row is the number of its columns (one), the size of the text, and the text. `write` is called
    for every row of an export: what can be done for many rows at once is done in `flush`.
    """

    SIGNATURE = b"PGCOPY\n\xff\r\n\0"
    FLAGS = struct.Struct("!II")  # of the whole, and the size of an extension that nobody has made
    ROW = struct.Struct("!hi")
    END = b"\xff\xff"

    def __init__(self, sink: RowSink, separator: bytes) -> None:
        self.sink = sink
        self.separator = separator
        self.count = 0
        self._begun = False
        self._rows: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        self._rows.append(data)
        self._size += len(data)
        if self._size >= BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what is waiting."""
        rows = self._rows
        if not self._begun and rows:  # the first row, or the end, comes after what is of them all
            rows[0] = rows[0][len(self.SIGNATURE) + self.FLAGS.size :]
            self._begun = True
        if rows and rows[-1] == self.END:
            rows.pop()
        if rows:
            start = self.ROW.size
            self._require_one_text_each(rows)
            self.sink(self.separator.join([row[start:] for row in rows]))
            self.count += len(rows)
            rows.clear()
        self._size = 0

    def _require_one_text_each(self, rows: list[bytes]) -> None:
        """Raise `ValueError` when they are not what the rest relies on."""
        header, start = self.ROW.unpack_from, self.ROW.size
        for row in rows:
            columns, size = header(row)
            if columns != 1 or (size != len(row) - start and size != -1):  # NULL has the size -1
                raise ValueError("COPY did not hand over one column of a row at a time")


class Snapshot(Protocol):
    """One moment of the database, and how many can look at it side by side.

    `moment` in UTC, by the clock of the database: what was committed before it is seen. `taken`
    says in words how it was held.
    """

    readers: int
    moment: datetime
    taken: str

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def reader(self) -> AbstractContextManager[Reader]:
        """Lend a connection inside the snapshot; waits until one is free."""
        ...


class _PooledSnapshot:
    """Connections opened once, lent one at a time."""

    def __init__(self, engine: sa.Engine, readers: int) -> None:
        self.engine = engine
        self.readers = max(1, readers)
        self.moment = datetime.now(UTC)
        self.taken = "one read transaction"
        self._free: queue.SimpleQueue[Reader] = queue.SimpleQueue()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        raise NotImplementedError

    def _add(self, connection: sa.Connection) -> None:
        self._free.put(Reader(connection))

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Lend a connection inside the snapshot; waits until one is free."""
        reader = self._free.get()
        try:
            yield reader
        finally:
            self._free.put(reader)


class SQLiteSnapshot(_PooledSnapshot):
    """One read transaction on one connection: SQLite's readers cannot share a moment."""

    def __init__(self, engine: sa.Engine, readers: int) -> None:
        super().__init__(engine, min(readers, 1))

    def _open(self) -> None:
        connection = self._stack.enter_context(self.engine.connect())
        connection = connection.execution_options(zops_read_only=True)
        # BEGIN alone takes no snapshot: the first read does.
        connection.execute(sa.text("SELECT count(*) FROM sqlite_master")).all()
        self.taken = "one read transaction of SQLite"
        self._add(connection)


class PostgresSnapshot(_PooledSnapshot):
    """Repeatable-read transactions on an exported snapshot."""

    def _open(self) -> None:
        leader = self._connect()
        self._add(leader)
        began = leader.exec_driver_sql("SELECT transaction_timestamp()").scalar_one()
        self.moment = began.astimezone(UTC)
        self.taken = "one repeatable-read transaction of PostgreSQL"
        if self.readers == 1:
            return
        exported = self._export(leader)
        if exported is None:
            self.readers = 1
            self.taken += " on a standby"
            return
        self.taken = f"one snapshot of PostgreSQL for {self.readers} repeatable-read transactions"
        for _ in range(self.readers - 1):
            follower = self._connect()
            follower.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{exported}'")
            self._add(follower)

    def _connect(self) -> sa.Connection:
        connection = self._stack.enter_context(self.engine.connect())
        connection = connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        # Ids that rows are looked up in fit into memory then. In the server's usual 4 MB those of
        # a large organization do not, and each row is compared with each of them.
        connection.exec_driver_sql(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
        # A server's limits are for what somebody waits for; this may take long, or wait for others.
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
        return connection

    def _export(self, leader: sa.Connection) -> str | None:
        """The snapshot's name; None on a standby, which cannot export one."""
        if leader.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one():
            return None
        return str(leader.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())
