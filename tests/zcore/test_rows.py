"""Rows in and out in bulk: one moment for all readers, every value as it was, whole or not."""

from __future__ import annotations

import contextlib
import json
import threading
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError

from zcore.database import Database
from zcore.errors import Failed, Refused, ZopsError
from zcore.made_ahead import AHEAD
from zcore.rows_in import TableRows
from zcore.schema import tables
from zcore.schema.columns import big_id
from zcore.schema.types import GuidText, Json, UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from zcore.rows_in import Row
    from zcore.testing.postgres import PostgresServer

SAMPLES = sa.Table(
    "samples of rows",  # a name that must be quoted
    sa.MetaData(),
    big_id(),
    sa.Column("flag", sa.Boolean),
    sa.Column("small", sa.SmallInteger),
    sa.Column("big", sa.BigInteger),
    sa.Column("Text", sa.Text),
    sa.Column("short", sa.String(10)),
    sa.Column("moment", UtcDateTime),
    sa.Column("json", Json),
    sa.Column("guid", GuidText),
)
CLIENTS = tables["zerver_client"]
VALUE_COLUMNS = [column.name for column in SAMPLES.columns if column.name != "id"]

TEXTS = [
    "",
    " ",
    "plain",
    "\t",
    "\n",
    "\r\n",
    "a\tb\nc\rd",
    "\\",
    "\\N",
    "\\\\N",
    "\\.",
    "\n\\.\n",
    "\\n",
    "back\\slash\\",
    "NULL",
    "'quoted' \"twice\" `back`",
    "%s %(name)s ? :name {x} $1",
    "\x01\x02\x07\x08\x0b\x0c\x1b\x7f",
    "\u0085\u2028\u2029\ufeff\u00a0",
    "grüße 日本語 \U0001f600 \U0010ffff e\u0301",
    "},{",
    "x" * 200_000,
]


@pytest.fixture(scope="module")
def postgres_shared(postgres_server: PostgresServer, postgres_template: str) -> Iterator[Database]:
    """A PostgreSQL database for many tests."""
    name = postgres_server.create_database(template=postgres_template)
    with contextlib.closing(Database.connect(postgres_server.database_url(name))) as database:
        with database.begin() as connection:
            SAMPLES.create(connection)
        yield database
    postgres_server.drop_database(name)


@pytest.fixture
def postgres(postgres_shared: Database) -> Iterator[Database]:
    """`postgres_shared`, emptied afterwards."""
    yield postgres_shared
    with postgres_shared.begin() as connection:
        for table in (CLIENTS, SAMPLES):
            connection.execute(table.delete())


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def either(request: pytest.FixtureRequest) -> Database:
    """A database of each kind, with the table of this module too."""
    if request.param == "postgresql":
        return cast("Database", request.getfixturevalue("postgres"))
    database: Database = request.getfixturevalue("sqlite_database")
    with database.begin() as connection:
        SAMPLES.create(connection)
    return database


def copy_in(database: Database, columns: list[str], rows: list[Row]) -> int:
    with database.writer() as writer:
        return writer.copy_in(SAMPLES, columns, rows)


def stored(database: Database, column: str) -> list[object]:
    with database.read() as connection:
        found = sa.select(SAMPLES.c[column]).order_by(SAMPLES.c.id)
        return list(connection.execute(found).scalars())


def count(database: Database) -> int:
    return len(stored(database, "id"))


# --- rows in


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("flag", [True, False, None]),
        ("small", [0, 1, -1, 32767, -32768, None]),
        ("big", [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), None]),
        ("Text", [*TEXTS, None]),
        ("short", ["", "ten chars.", "zehn\täöü\\", None]),
        ("guid", ["0b5a7d9e-0f3c-4c39-9d8e-7b6a5c4d3e2f", None]),
        (
            "json",
            [
                {},
                [],
                "",
                0,
                1.5,
                -(2**53),
                True,
                False,
                None,
                "\\N",
                {"a\tb": ["x\ny", "\\", "\\.", '"', None, {"deep": [[]]}], "é": "\U0001f600"},
                *[text for text in TEXTS if "\0" not in text],
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_value_comes_back_as_it_was(
    either: Database, column: str, values: list[object]
) -> None:
    assert copy_in(either, [column], [(value,) for value in values]) == len(values)
    found = stored(either, column)
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]


def test_none_is_null_and_not_a_word(either: Database) -> None:
    copy_in(either, VALUE_COLUMNS, [[None] * len(VALUE_COLUMNS)])
    with either.read() as connection:
        for name in VALUE_COLUMNS:
            nulls = sa.select(sa.func.count()).where(
                sa.type_coerce(SAMPLES.c[name], sa.Text) == sa.null()
            )
            assert connection.scalar(nulls.select_from(SAMPLES)) == 1, name


INDIA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (0.0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1738367999.123456, datetime(2025, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)),
        (1738367999.999999, datetime(2025, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        (1.000001, datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)),
        (-1.5, datetime(1969, 12, 31, 23, 59, 58, 500000, tzinfo=UTC)),
        (253402300799, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (datetime(2025, 6, 1, 0, 30, tzinfo=INDIA), datetime(2025, 5, 31, 19, 0, tzinfo=UTC)),
        (datetime(2025, 1, 1, microsecond=7, tzinfo=UTC),) * 2,
        ("2025-06-01T00:30:00+05:30", datetime(2025, 5, 31, 19, 0, tzinfo=UTC)),
        ("2025-06-01T00:30:00.5Z", datetime(2025, 6, 1, 0, 30, 0, 500000, tzinfo=UTC)),
        ("2025-06-01 00:30:00", datetime(2025, 6, 1, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_what_it_was_to_the_microsecond(
    either: Database, given: object, expected: datetime
) -> None:
    copy_in(either, ["moment"], [(given,)])
    assert stored(either, "moment") == [expected]


def test_moments_of_a_century_survive(either: Database) -> None:
    """Seconds in floating point, as exports have them, back to the same microsecond."""
    moments = [
        datetime(1990, 1, 1, tzinfo=UTC) + number * timedelta(days=37, microseconds=123457)
        for number in range(500)
    ]
    copy_in(either, ["moment"], [(moment.timestamp(),) for moment in moments])
    assert stored(either, "moment") == moments


@pytest.mark.parametrize("wrong", [1e300, -1e12, float("nan"), float("inf"), "yesterday", ""])
def test_what_is_no_moment_is_one_line(either: Database, wrong: object) -> None:
    with pytest.raises(Failed, match="is no moment"):
        copy_in(either, ["moment"], [(0,), (wrong,)])
    assert count(either) == 0


@pytest.mark.parametrize("column", ["big", "small"])
def test_a_number_too_large_is_one_line(postgres: Database, column: str) -> None:
    with pytest.raises(Failed, match="out of range") as caught:
        copy_in(postgres, [column], [(2**63,)])
    assert "\n" not in caught.value.message


def test_a_number_too_large_for_sqlite_is_one_line(sqlite_database: Database) -> None:
    with pytest.raises(Failed, match="too large"), sqlite_database.writer() as writer:
        writer.copy_in(CLIENTS, ["id"], [(2**63,)])


def test_a_nul_character_is_one_line(postgres: Database) -> None:
    with pytest.raises(Failed):
        copy_in(postgres, ["Text"], [("a\0b",)])
    assert count(postgres) == 0


def test_a_column_that_is_not_named_gets_its_default(either: Database) -> None:
    assert copy_in(either, ["Text"], [("a",), ("b",)]) == 2
    first = stored(either, "id")
    assert copy_in(either, ["Text"], [("c",)]) == 1
    ids = stored(either, "id")
    assert ids[:2] == first
    assert len({*ids}) == 3
    assert ids == sorted(cast("list[int]", ids))
    assert stored(either, "big") == [None] * 3


def test_columns_may_come_in_any_order(either: Database) -> None:
    copy_in(either, ["Text", "id", "flag"], [("x", 7, True)])
    with either.read() as connection:
        row = connection.execute(sa.select(SAMPLES)).mappings().one()
    assert (row["id"], row["Text"], row["flag"]) == (7, "x", True)


@pytest.mark.parametrize("rows", [0, 1, 5, 5000])
def test_the_count_is_that_of_the_rows(either: Database, rows: int) -> None:
    with either.writer() as writer:
        given = ((f"{number}\\\t\n" * 5,) for number in range(rows))
        assert writer.copy_in(SAMPLES, ["Text"], given) == rows
    assert count(either) == rows


def test_what_rows_have_in_common_is_given_once(either: Database) -> None:
    common = {"short": "100 %s\t\\", "flag": True, "moment": 0.5, "json": None}
    with either.writer() as writer:
        assert writer.copy_in(SAMPLES, ["Text"], [("a",), ("%d",)], common) == 2

    assert stored(either, "Text") == ["a", "%d"]
    assert stored(either, "short") == [common["short"]] * 2
    assert stored(either, "flag") == [True] * 2
    assert stored(either, "moment") == [datetime(1970, 1, 1, 0, 0, 0, 500_000, UTC)] * 2


@pytest.mark.parametrize("row", [("a",), ("a", "b", "c"), ()])
def test_a_row_with_too_few_or_many_values_is_an_error(either: Database, row: Row) -> None:
    with pytest.raises((ValueError, TypeError, IndexError, ZopsError)):
        copy_in(either, ["Text", "short"], [("a", "b"), row])
    assert count(either) == 0


class Mine(Exception):
    """What a maker of rows raises."""


def rows_that_end_with(error: BaseException, good: int) -> Iterator[Row]:
    for number in range(good):
        yield (f"row {number} " + "x" * 100,)
    raise error


@pytest.mark.parametrize("good", [0, 3, 3000])
@pytest.mark.parametrize("error", [Mine("first"), Refused("first"), KeyError("first")])
def test_an_error_while_making_rows_rolls_back_and_is_the_one_shown(
    either: Database, error: Exception, good: int
) -> None:
    def attempt() -> None:
        with either.writer() as writer:
            writer.copy_in(SAMPLES, ["Text"], [("before",)])
            writer.copy_in(SAMPLES, ["Text"], rows_that_end_with(error, good))

    with pytest.raises(type(error)) as caught:
        attempt()
    assert caught.value is error
    assert count(either) == 0


def test_an_error_after_the_rows_rolls_back(either: Database) -> None:
    def attempt() -> None:
        with either.writer() as writer:
            writer.copy_in(SAMPLES, ["Text"], [("a",)])
            raise Mine

    with pytest.raises(Mine):
        attempt()
    assert count(either) == 0


def test_a_row_that_the_database_refuses_rolls_back(either: Database) -> None:
    def attempt() -> None:
        with either.writer() as writer:
            writer.copy_in(SAMPLES, ["id", "Text"], [(1, "a"), (2, "b")])
            writer.copy_in(SAMPLES, ["id", "Text"], [(3, "c"), (2, "again")])

    with pytest.raises(Failed) as caught:
        attempt()
    assert caught.value.code == "integrity"
    assert count(either) == 0


def test_foreign_keys_are_looked_at_when_all_is_there(either: Database) -> None:
    activity = tables["zerver_useractivity"]
    columns = ["user_profile_id", "client_id", "query", "count", "last_visit"]
    reached = []

    def attempt() -> None:
        with either.writer() as writer:
            reached.append(writer.copy_in(activity, columns, [(98, 99, "q", 1, 0)]))

    with pytest.raises(Failed) as caught:
        attempt()
    assert reached == [1]
    assert caught.value.code == "integrity"


# --- rows of several tables, made ahead


def copy_all(database: Database, parts: Generator[TableRows, None, None]) -> dict[str, int]:
    with database.writer() as writer:
        return dict(writer.copy_all(parts))


def parts_of(*rows: Iterable[Row], last: BaseException | None = None) -> Generator[TableRows]:
    for number, some in enumerate(rows):
        if number % 2:
            yield TableRows(CLIENTS, ["name"], some)
        else:
            yield TableRows(SAMPLES, ["Text"], some)
    if last is not None:
        raise last


def test_rows_of_several_tables_are_counted_by_table(either: Database) -> None:
    many = [(f"{number}\t" + "x" * 1000,) for number in range(3000)]
    some = [("one client",), ("another",)]
    counts = copy_all(either, parts_of(many, some, [("more",)], [], [("last",)]))
    assert counts == {SAMPLES.name: 3002, CLIENTS.name: 2}
    assert stored(either, "Text") == [text for (text,) in many] + ["more", "last"]


@pytest.mark.parametrize("good", [0, 3, 3000])
def test_an_error_in_any_of_the_tables_is_the_one_shown(either: Database, good: int) -> None:
    error = Mine("in the rows")
    with pytest.raises(Mine) as caught:
        copy_all(either, parts_of([("a",)], [("b",)], rows_that_end_with(error, good)))
    assert caught.value is error
    error = Mine("between the tables")
    with pytest.raises(Mine) as caught:
        copy_all(either, parts_of(((f"{one}",) for one in range(good)), last=error))
    assert caught.value is error
    assert count(either) == 0


def test_what_makes_rows_ends_when_the_database_refuses_one(either: Database) -> None:
    ended = []

    def parts() -> Generator[TableRows, None, None]:
        try:
            while True:
                yield TableRows(SAMPLES, ["id", "Text"], [(7, "the same number")])
                yield TableRows(CLIENTS, ["name"], [(f"client {len(ended)}",)])
        finally:
            ended.append("the tables")

    with pytest.raises(Failed) as caught:
        copy_all(either, parts())
    assert caught.value.code == "integrity"
    assert ended == ["the tables"]
    assert not [one for one in threading.enumerate() if one.name == AHEAD]


# --- ids reserved


def reserve(database: Database, counts: list[int]) -> list[list[int]]:
    with database.writer() as writer:
        return [list(writer.reserve(CLIENTS, count)) for count in counts]


def test_reserved_ids_ascend_and_are_free(either: Database) -> None:
    with either.begin() as connection:
        connection.execute(CLIENTS.insert(), [{"name": "a"}, {"name": "b"}])
        taken = list(connection.execute(sa.select(CLIENTS.c.id)).scalars())
    with either.writer() as writer:
        groups = [writer.reserve(CLIENTS, count) for count in (3, 0, 1, 1000)]
        ids = [ident for group in groups for ident in group]
        assert [len(group) for group in groups] == [3, 0, 1, 1000]
        assert ids == sorted(set(ids))
        assert not set(ids) & set(taken)
        rows = [(ident, f"client {ident}") for ident in ids]
        assert writer.copy_in(CLIENTS, ["id", "name"], rows) == 1004
    with either.begin() as connection:  # and the next one is none of them
        inserted = connection.execute(CLIENTS.insert().values(name="next")).inserted_primary_key
    assert inserted is not None
    assert inserted[0] not in {*ids, *taken}


def test_ids_of_another_table_are_counted_on_their_own(sqlite_database: Database) -> None:
    with sqlite_database.writer() as writer:
        assert list(writer.reserve(CLIENTS, 2)) == [1, 2]
        assert list(writer.reserve(tables["zerver_realm"], 2)) == [1, 2]
        assert list(writer.reserve(CLIENTS, 2)) == [3, 4]


def test_connections_beside_each_other_never_get_the_same_id(postgres: Database) -> None:
    """Two import while a third, a server, takes ids one by one."""
    start = threading.Barrier(3)
    found: list[list[int]] = []

    def take(counts: list[int]) -> None:
        start.wait(10)
        found.extend(reserve(postgres, counts))

    threads = [threading.Thread(target=take, args=(counts,)) for counts in ([400] * 20,) * 2]
    threads.append(threading.Thread(target=take, args=([1] * 200,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [ident for group in found for ident in group]
    assert len(ids) == len(set(ids)) == 2 * 20 * 400 + 200
    assert all(group == sorted(group) for group in found)


def test_scattered_ids_are_handed_out_as_they_are(postgres: Database) -> None:
    """A sequence that counts by threes leaves gaps, as a server beside us does."""
    sequence = "pg_get_serial_sequence('zerver_client', 'id')"
    with postgres.begin() as connection:
        name = connection.exec_driver_sql(f"SELECT {sequence}").scalar_one()
        connection.exec_driver_sql(f"ALTER SEQUENCE {name} INCREMENT BY 3")
    try:
        (ids,) = reserve(postgres, [50])
        assert len(ids) == 50
        assert {second - first for first, second in pairwise(ids)} == {3}
    finally:
        with postgres.begin() as connection:
            connection.exec_driver_sql(f"ALTER SEQUENCE {name} INCREMENT BY 1")


def test_ids_are_spent_even_when_the_work_is_rolled_back(postgres: Database) -> None:
    groups: list[list[int]] = []

    def attempt() -> None:
        with postgres.writer() as writer:
            groups.append(list(writer.reserve(CLIENTS, 5)))
            raise Mine

    with pytest.raises(Mine):
        attempt()
    assert min(reserve(postgres, [1])[0]) > max(groups[0])


# --- rows out


def copy_out(database: Database, statement: sa.Select[str]) -> tuple[list[str], int]:
    blocks: list[bytes] = []
    with database.snapshot() as snapshot, snapshot.reader() as reader:
        count = reader.copy_out(statement, blocks.append)
    return b"\n".join(blocks).decode().split("\n") if blocks else [], count


def test_json_with_every_awkward_character_comes_out_as_it_is(either: Database) -> None:
    documents = [
        json.dumps({"text": text, text[:50]: [text]}, ensure_ascii=ascii_only)
        for text in (*TEXTS, "".join(map(chr, range(0x20, 0x2100))), "".join(map(chr, range(32))))
        for ascii_only in (False, True)
    ]
    copy_in(either, ["Text"], [(document,) for document in documents])
    lines, number = copy_out(either, sa.select(SAMPLES.c.Text).order_by(SAMPLES.c.id))
    assert number == len(documents)
    assert lines == documents


@pytest.mark.parametrize("rows", [0, 1, 2, 499, 500, 501, 3000])
def test_rows_come_out_in_order_and_are_counted(either: Database, rows: int) -> None:
    copy_in(either, ["Text"], [(f'{{"row":{number}}}',) for number in range(rows)])
    lines, number = copy_out(either, sa.select(SAMPLES.c.Text).order_by(SAMPLES.c.id))
    assert number == rows
    assert lines == [f'{{"row":{number}}}' for number in range(rows)]


def test_the_separator_stands_between_rows_only(either: Database) -> None:
    copy_in(either, ["Text"], [("a,b",), ("c",), ("d",)])
    blocks: list[bytes] = []
    statement = sa.select(SAMPLES.c.Text).order_by(SAMPLES.c.id)
    with either.snapshot() as snapshot, snapshot.reader() as reader:
        assert reader.copy_out(statement, blocks.append, b",\n") == 3
    assert b",\n".join(blocks) == b"a,b,\nc,\nd"


def test_values_in_the_question_are_bound(either: Database) -> None:
    words = ["it's", '"', "100%", "%s", "%(x)s", ":x", "\\", "?", "$1", "é"]
    copy_in(either, ["Text"], [(word,) for word in words])
    for word in words:
        found = sa.select(SAMPLES.c.Text).where(SAMPLES.c.Text == word)
        assert copy_out(either, found) == ([word], 1)
    some = sa.select(SAMPLES.c.Text).where(SAMPLES.c.Text.in_(words[:5])).order_by(SAMPLES.c.id)
    assert copy_out(either, some) == (words[:5], 5)
    none = sa.select(SAMPLES.c.Text).where(SAMPLES.c.Text.in_([]))
    assert copy_out(either, none) == ([], 0)


def test_what_is_no_text_comes_out_as_text(postgres: Database) -> None:
    columns = [sa.literal(17), sa.cast(sa.literal("[1]"), JSONB), sa.null()]
    assert [copy_out(postgres, sa.select(column)) for column in columns] == [
        (["17"], 1),
        (["[1]"], 1),
        ([""], 1),
    ]


def test_an_error_of_whoever_takes_the_rows_passes(either: Database) -> None:
    copy_in(either, ["Text"], [(f"{number}" * 100,) for number in range(2000)])

    def refuse(_block: bytes) -> None:
        raise Mine("full")

    def attempt() -> None:
        with either.snapshot() as snapshot, snapshot.reader() as reader:
            reader.copy_out(sa.select(SAMPLES.c.Text), refuse)

    with pytest.raises(Mine, match="full"):
        attempt()
    assert count(either) == 2000


def test_a_question_that_the_database_cannot_answer_is_one_line(either: Database) -> None:
    missing = sa.Table("not there", sa.MetaData(), sa.Column("x", sa.Text))

    def attempt() -> None:
        with either.snapshot() as snapshot, snapshot.reader() as reader:
            reader.copy_out(sa.select(missing.c.x), lambda _block: None)

    with pytest.raises(ZopsError, match="not there") as caught:
        attempt()
    assert isinstance(caught.value.__cause__, DBAPIError)
    assert "\n" not in caught.value.message


def test_ids_to_look_up_fit_into_the_memory_of_each_reader(postgres_database: Database) -> None:
    with postgres_database.snapshot(2) as snapshot, contextlib.ExitStack() as stack:
        readers = [stack.enter_context(snapshot.reader()) for _ in range(2)]
        shown = [reader.connection.exec_driver_sql("SHOW work_mem") for reader in readers]
        assert [answer.scalar_one() for answer in shown] == ["128MB", "128MB"]


# --- one moment


def names(connection: sa.Connection) -> list[str]:
    return sorted(connection.execute(sa.select(CLIENTS.c.name)).scalars())


def add(database: Database, name: str) -> None:
    with database.begin() as connection:
        connection.execute(CLIENTS.insert().values(name=name))


@pytest.mark.parametrize("readers", [1, 3])
def test_all_readers_see_one_moment(either: Database, readers: int) -> None:
    add(either, "before")
    with either.snapshot(readers) as snapshot:
        if readers == 1:  # then the moment may be that of the first look
            with snapshot.reader() as reader:
                assert names(reader.connection) == ["before"]
        add(either, "after")
        with contextlib.ExitStack() as lent:
            for number in range(snapshot.readers):
                reader = lent.enter_context(snapshot.reader())
                assert names(reader.connection) == ["before"]
                add(either, f"after {number}")
        with snapshot.reader() as reader:
            assert names(reader.connection) == ["before"]
    with either.read() as connection:
        assert len(names(connection)) == 2 + snapshot.readers


def test_how_many_readers_there_are(either: Database) -> None:
    with either.snapshot(3) as snapshot:
        assert snapshot.readers == (3 if either.dialect == "postgresql" else 1)
    with either.snapshot() as snapshot:
        assert snapshot.readers == 1


def test_readers_are_connections_of_their_own(postgres: Database) -> None:
    """Each in its own thread, all inside of one query at the same time."""
    inside = threading.Barrier(3)
    seen: list[object] = []

    def look() -> None:
        with snapshot.reader() as reader:
            process = reader.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            inside.wait(10)
            seen.append((process, tuple(names(reader.connection))))

    add(postgres, "before")
    with postgres.snapshot(3) as snapshot:
        add(postgres, "after")
        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(seen)) == 3
    assert {cast("tuple[int, object]", one)[1] for one in seen} == {("before",)}


def test_who_wants_a_reader_waits_for_one(either: Database) -> None:
    order: list[str] = []
    lent = threading.Event()

    def second() -> None:
        assert lent.wait(10)
        with snapshot.reader():
            order.append("second")

    with either.snapshot() as snapshot:
        thread = threading.Thread(target=second)
        thread.start()
        with snapshot.reader():
            lent.set()
            thread.join(0.1)
            order.append("first")
        thread.join()
    assert order == ["first", "second"]


def test_a_reader_writes_nothing(either: Database) -> None:
    def attempt() -> None:
        with either.snapshot() as snapshot, snapshot.reader() as reader:
            reader.connection.execute(CLIENTS.insert().values(name="x"))

    with contextlib.suppress(Refused):  # PostgreSQL says so at once
        attempt()
    with either.read() as connection:
        assert names(connection) == []


def test_a_snapshot_leaves_no_transaction_open(postgres: Database) -> None:
    with postgres.snapshot(3):
        pass
    with postgres.read() as connection:
        open_ones = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%%'"
        ).scalar_one()
    assert open_ones == 0
