"""Rows out in bulk: several connections that all see the same moment.

A select of exactly one text column leaves the database in blocks of rows, without Python looking
into them: on PostgreSQL by COPY, on SQLite by stepping through the result.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
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
BLOCK_BYTES = 1 << 16
WORK_MEMORY = "128MB"
RowSink = Callable[[bytes], object]


class Reader:
    """One connection inside a snapshot, `connection`. Used by one thread at a time."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def copy_out(self, statement: sa.Select[str], sink: RowSink, separator: bytes = b"\n") -> int:
        """Call `sink` with the rows of `statement`, in blocks; return how many rows.

        A block is UTF-8, with `separator` between its rows. An empty result has no block.
        The text must hold no control characters (JSON never does): on PostgreSQL the rows
        travel as CSV whose quote and delimiter are control characters, so nothing is escaped.
        """
        if self.connection.dialect.name == "sqlite":
            return self._step(statement, sink, separator)
        return self._copy(statement, sink, separator)

    def _step(self, statement: sa.Select[str], sink: RowSink, separator: bytes) -> int:
        count = 0
        between = separator.decode()
        result = self.connection.execute(statement)
        while rows := result.fetchmany(ROWS_AT_ONCE):
            sink(between.join([text for (text,) in rows]).encode())
            count += len(rows)
        return count

    def _copy(self, statement: sa.Select[str], sink: RowSink, separator: bytes) -> int:
        receiver = _BlockReceiver(sink, separator)
        compiled = statement.compile(
            dialect=self.connection.dialect, compile_kwargs={"render_postcompile": True}
        )
        cursor = self.connection.connection.cursor()
        try:
            query = cursor.mogrify(str(compiled), _parameters(compiled)).decode()
            cursor.copy_expert(
                f"COPY ({query}) TO STDOUT (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01')",
                receiver,
            )
        except cursor.connection.Error as error:
            raise DBAPIError.instance(str(compiled), None, error, cursor.connection.Error) from None
        finally:
            cursor.close()
        receiver.flush()
        return receiver.count


def _parameters(compiled: Compiled) -> dict[str, object]:
    """The values of a query as the driver takes them, such as JSON as text."""
    values = dict(compiled.params)
    names = compiled.bind_names if isinstance(compiled, SQLCompiler) else {}
    for bind, name in names.items():
        process = bind.type.dialect_impl(compiled.dialect).bind_processor(compiled.dialect)
        if process is not None and not bind.expanding:
            values[name] = process(values[name])
    return values


class _BlockReceiver:
    """What COPY writes to: the driver hands over exactly one row with its line end at a time."""

    def __init__(self, sink: RowSink, separator: bytes) -> None:
        self.sink = sink
        self.separator = separator
        self.count = 0
        self._lines: list[bytes] = []
        self._size = 0

    def write(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size >= BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what is waiting."""
        if not self._lines:
            return
        self.sink(b"".join(self._lines)[:-1].replace(b"\n", self.separator))
        self.count += len(self._lines)
        self._lines.clear()
        self._size = 0


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
        return connection

    def _export(self, leader: sa.Connection) -> str | None:
        """The snapshot's name; None on a standby, which cannot export one."""
        if leader.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one():
            return None
        return str(leader.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())
