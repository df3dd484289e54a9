"""What the values of rows become in an export."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from tests.interop.reading import Row, WholeExport
from tests.zops_export.building import NOW, Builder
from tests.zops_export.conftest import ZopsHere
from zcore.schema import tables
from zcore.schema.facts import (
    column_facts,
    columns_by_key,
    export_columns,
    exported_tables,
    row_keys,
    table_facts,
)
from zcore.schema.types import GuidText, Json, SearchVector, UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zcore.database import Database

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MARK = 206
# As PostgreSQL writes it, its words in order
SEARCH_VECTOR = r"""'a':1A 'back\\slash':7 'it''s':2,3 'é':4B"""
BEYOND_FLOATS = 2**53 + 1  # the first whole number that a float cannot hold

CONTROL_CHARACTERS = "".join(map(chr, [*range(1, 32), 0x7F, *range(0x80, 0xA0)]))
LINES = "\n\r\t\v\f\x1c\x85\u2028\u2029"
WILD = (
    "\"'\\/ \u2028é😀"
    + CONTROL_CHARACTERS
    + "\\u0041 \\n %s %(x)s :x {0} null </a> \ufeff\ufffe e\u0301"
)
TEXTS = {
    "empty": "",
    "a blank": " ",
    "quotes": "\"\"\"''' ``",
    "backslashes": '\\ \\\\ \\" \\n \\u2028 \\x00',
    "only a backslash and a dot": "\\.",
    "control characters": CONTROL_CHARACTERS,
    "ends of lines": f"{LINES}{LINES}",
    "outside of ASCII": "Ünïcödé Ωμέγα 漢字 עברית \u202eright to left",
    "outside of the first plane": "😀 \U0001f3f3\ufe0f\u200d\U0001f308 \U0001d518 \U0010fffd",
    "noncharacters": "\ufeff\ufffe\uffff\ufdd0",
    "what looks like JSON": '{"a": [null, true]}, ',
    "what looks like a number": "0012e5",
    "what looks like a parameter": "%s %(a)s %% :name :1 $1 ? {} {0}",
    "all of it": WILD * 20,
}
VERY_LONG = '0123456789abc\\"\n漢😀' * 80_000  # more than 2 MB in UTF-8

MOMENTS = [
    "2025-03-14T15:09:26.535897+00:00",
    "2025-03-14T15:09:26+00:00",
    "2025-03-14T15:09:26.000001+00:00",
    "2025-03-14T15:09:26.999999+00:00",
    "2025-03-14T15:09:26.100000+00:00",
    "2025-03-14T23:59:59.500000-11:30",
    "2024-02-29T00:00:00+05:45",
    "1970-01-01T00:00:00+00:00",
    "1970-01-01T00:00:00.000001+00:00",
    "1969-12-31T23:59:59.999999+00:00",
    "1969-12-31T23:59:58.250000+00:00",
    "1900-01-01T00:00:00.750000+00:00",
    "2038-01-19T03:14:08.000007+00:00",
    "2199-12-31T23:59:59.999999+00:00",
]
# A float cannot hold their microseconds; the nearest one is what there should be.
FAR_MOMENTS = ["9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00.123456+00:00"]

DOCUMENTS: dict[str, Any] = {
    "nothing": {},
    "a list": [],
    "text": WILD,
    "a number": 0,
    "true": True,
    "nested": {"a": {"b": [[], [{}], [{"c": None}]]}, "": {"": ""}},
    "keys outside of ASCII": {'😀 \u2028\n"\\': "é\u2029\t", "漢": [LINES, CONTROL_CHARACTERS]},
    "large numbers": [BEYOND_FLOATS, -BEYOND_FLOATS, 2**63, 10**30, -(10**30)],
    "fractions": [0.1, -0.5, 1.0, 1e-7, 0.30000000000000004, 5e-324],
    "words": [True, False, None, "true", "null", "1"],
    "numbers as keys": {"10": {"11": {"100": 1, "200": 0}, "12": 3}},
}


USERS = {"full": "ann", "bare": "ben"}  # by the organization that they are in


class Organization:
    """The organizations `full` and `bare`, each with a user, a channel and a message."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        self.database = database
        self.zops = ZopsHere(folder).on(database)
        with database.begin() as connection:
            self.builder = Builder(connection, self.zops.uploads)
            for realm, user in USERS.items():
                self.builder.realm(realm)
                self.builder.user(user, realm)
                self.builder.channel(f"{realm}-town", realm)
                self.builder.group(f"{realm}-group", user)
                self.builder.message(f"{realm}-hello", user, f"#{realm}-town", realm=realm)

    def build(self, build: Callable[[Builder], None]) -> None:
        """Add what `build` adds."""
        with self.database.begin() as connection:
            build(self.builder.on(connection))

    def exported(self, realm: str = "full", exit_code: int = 0) -> WholeExport:
        """Everything in an export of the realm."""
        target = self.folder / f"export-{realm}"
        reference = f"id:{self.builder.ids['realms'][realm]}"
        self.zops("export", "-r", reference, "--output", target, exit_code=exit_code)
        return WholeExport.read(target)


@pytest.fixture
def organization(database: Database, tmp_path: Path) -> Organization:
    return Organization(database, tmp_path)


# Every column of every table


UPDATED = (  # rows that are there already
    "zerver_realm",
    "zerver_userprofile",
    "zerver_stream",
    "zerver_message",
    "zerver_huddle",
)
OF_REALM = ("zerver_presencesequence", "zerver_realmuserdefault", "zerver_namedusergroup")
STRUCTURE = ("zerver_recipient", "zerver_usergroup")  # nothing but numbers that other rows need
KEPT = {  # what an export looks at to find the row
    "zerver_userprofile": {"is_mirror_dummy": False},
    "zerver_realmemoji": {"file_name": "no-such-file.png"},
}


def is_unsigned(column: sa.Column[Any]) -> bool:
    """Does the database keep it from going below zero?"""
    return any(isinstance(one, sa.CheckConstraint) for one in column.constraints)


def full_value(column: sa.Column[Any]) -> Any:
    """The largest or wildest value for a column."""
    kind = column.type
    if isinstance(kind, UtcDateTime):
        return datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
    if isinstance(kind, GuidText):
        return "0A1B2C3D-4E5F-6A7B-8C9D-0E1F2A3B4C5D"
    if isinstance(kind, Json):
        return DOCUMENTS
    if isinstance(kind, SearchVector):
        return SEARCH_VECTOR
    if isinstance(kind, sa.Boolean):
        return True
    if isinstance(kind, sa.Integer):
        return 2 ** (bits(kind) - 1) - 1
    return WILD[: getattr(kind, "length", None)]


def bare_value(column: sa.Column[Any]) -> Any:
    """The least value for a column: none where that may be."""
    kind = column.type
    if column.nullable:
        return None
    if isinstance(kind, UtcDateTime):
        return datetime(1969, 12, 31, 23, 59, 59, 500000, tzinfo=UTC)
    if isinstance(kind, GuidText):
        return "ffffffff-ffff-ffff-ffff-ffffffffffff"
    if isinstance(kind, Json):
        return {}
    if isinstance(kind, sa.Boolean):
        return False
    if isinstance(kind, sa.Integer):
        return 0 if is_unsigned(column) else -(2 ** (bits(kind) - 1))
    return ""


def bits(kind: sa.Integer) -> int:
    """How wide PostgreSQL's column is."""
    return (
        16 if isinstance(kind, sa.SmallInteger) else 64 if isinstance(kind, sa.BigInteger) else 32
    )


class Filler:
    """Gives every column of every exported table a value, in rows of one realm."""

    def __init__(self, builder: Builder, realm: str) -> None:
        self.builder = builder
        self.realm = realm
        self.value = full_value if realm == "full" else bare_value
        user = USERS[realm]
        ids = builder.ids
        self.targets = {
            "zerver_realm": ids["realms"][realm],
            "zerver_userprofile": ids["users"][user],
            "zerver_stream": ids["channels"][f"{realm}-town"],
            "zerver_recipient": ids["recipients"][f"#{realm}-town"],
            "zerver_message": ids["messages"][f"{realm}-hello"],
            "zerver_huddle": ids["groups"][f"{realm}-group"],
            "zerver_client": builder.client_id,
        }
        groups = tables["zerver_namedusergroup"].c
        of_realm = sa.select(sa.func.min(groups.usergroup_ptr_id)).where(
            groups.realm_id == ids["realms"][realm]
        )
        for table in ("zerver_usergroup", "zerver_namedusergroup"):
            self.targets[table] = builder.connection.execute(of_realm).scalar_one()

    def fill(self) -> Iterator[tuple[sa.Table, int, dict[str, Any]]]:
        """Fill each table; yields it, the row's id, and the row's values."""
        for table in exported_tables(dict(tables)):
            if table.name in STRUCTURE or not table_facts(table).keys:
                continue
            values = self._values(table)
            yield table, self._write(table, values), values

    def _values(self, table: sa.Table) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for column in export_columns(table):
            if column.primary_key:
                continue
            reference = next(iter(column.foreign_keys), None)
            if reference is None or (column.nullable and self.realm == "bare"):
                values[column.name] = self.value(column)
            else:
                values[column.name] = self.targets[reference.column.table.name]
        return values | KEPT.get(table.name, {})

    def _write(self, table: sa.Table, values: dict[str, Any]) -> int:
        if table.name == "zerver_attachment":
            del values["path_id"]
            user, message = USERS[self.realm], f"{self.realm}-hello"
            return self.builder.attachment(f"in-{self.realm}", user, [message], **values)
        if table.name not in UPDATED and table.name not in OF_REALM:
            row_id = self.builder.insert(table.name, **values)
            self.targets.setdefault(table.name, row_id)
            return row_id
        (key,) = table.primary_key
        if table.name in self.targets:
            condition = key == self.targets[table.name]
        else:
            condition = table.c.realm_id == self.targets["zerver_realm"]
        self.builder.execute(sa.update(table).where(condition).values(values))
        return self.builder.connection.execute(sa.select(key).where(condition)).scalar_one()


def microseconds(value: datetime) -> int:
    """Since 1970, exactly."""
    return (value - EPOCH) // MICROSECOND


def as_exported(column: sa.Column[Any], value: Any) -> Any:
    """What an export has for a value of a column."""
    if value is None:
        return None
    if isinstance(column.type, UtcDateTime):
        if column_facts(column).iso_time:
            return value.isoformat(timespec="microseconds")
        return microseconds(value) / 10**6
    return str(UUID(value)) if isinstance(column.type, GuidText) else value


@pytest.mark.parametrize("realm", ["full", "bare"])
def test_every_column_of_every_table(organization: Organization, realm: str) -> None:
    with organization.database.begin() as connection:
        filled = list(Filler(organization.builder.on(connection), realm).fill())
    found = organization.exported(realm, exit_code=5)  # the emoji has no file
    assert len(filled) > 40
    for table, row_id, values in filled:
        (row,) = (row for row in found.rows(table.name) if row["id"] == row_id)
        assert list(row) == row_keys(table)
        assert {"password", "api_key"}.isdisjoint(row)
        for key, column in columns_by_key(table).items():
            if column.name in values:
                expected = as_exported(column, values[column.name])
                assert (row[key], type(row[key])) == (expected, type(expected)), column


def test_both_databases_encode_alike(
    sqlite_database: Database, postgres_database: Database, tmp_path: Path
) -> None:
    found: list[list[WholeExport]] = []
    for database in (sqlite_database, postgres_database):
        folder = tmp_path / database.dialect
        folder.mkdir()
        organization = Organization(database, folder)
        for realm in USERS:
            with database.begin() as connection:
                assert list(Filler(organization.builder.on(connection), realm).fill())
        found.append([organization.exported(realm, exit_code=5) for realm in USERS])
    for of_sqlite, of_postgres in zip(*found, strict=True):
        assert of_sqlite.tables.keys() == of_postgres.tables.keys()
        for key, rows in of_sqlite.tables.items():
            expected = of_postgres.tables[key]
            if key == "zerver_realmexport":  # the last row is of the export itself
                assert rows.pop().keys() == expected.pop().keys()
            assert without_mark(rows) == without_mark(expected), key


def without_mark(rows: list[Row]) -> list[Row]:
    """The rows without the mark of the export, which says when it was made."""
    return [row for row in rows if row.get("event_type") != MARK]


# Texts, moments, documents, numbers


def test_texts(organization: Organization) -> None:
    texts = [*TEXTS.values(), VERY_LONG]

    def build(builder: Builder) -> None:
        for text in texts:
            builder.insert(
                "zerver_savedsnippet",
                realm_id=builder.ids["realms"]["full"],
                user_profile_id=builder.ids["users"]["ann"],
                title="",
                content=text,
                date_created=NOW,
            )

    organization.build(build)
    found = organization.exported()
    assert [row["content"] for row in found.rows("zerver_savedsnippet")] == texts
    raw = (organization.folder / "export-full" / "realm.json").read_bytes()
    assert "漢字 עברית".encode() in raw  # not escaped
    assert not any(byte < 0x20 and byte != 0x0A for byte in raw)


def test_messages_with_wild_contents(organization: Organization) -> None:
    contents = [*TEXTS.values(), VERY_LONG]

    def build(builder: Builder) -> None:
        for number, content in enumerate(contents):
            builder.message(
                f"{number}",
                "ann",
                "#full-town",
                realm="full",
                content=content,
                subject=content[:60],
            )

    organization.build(build)
    _, *rows = organization.exported().rows("zerver_message")
    assert [row["content"] for row in rows] == contents
    assert [row["subject"] for row in rows] == [content[:60] for content in contents]


def test_moments(organization: Organization) -> None:
    moments = [datetime.fromisoformat(text) for text in MOMENTS + FAR_MOMENTS]

    def build(builder: Builder) -> None:
        for moment in moments:
            builder.message("x", "ann", "#full-town", realm="full", date_sent=moment)

    organization.build(build)
    _, *rows = organization.exported().rows("zerver_message")
    found = [row["date_sent"] for row in rows]
    assert all(isinstance(seconds, float) for seconds in found)
    near = found[: len(MOMENTS)]
    assert [EPOCH + timedelta(microseconds=round(one * 1e6)) for one in near] == moments[
        : len(near)
    ]
    assert found == [microseconds(moment) / 10**6 for moment in moments]


def test_moments_of_a_realm_are_text_in_utc(organization: Organization) -> None:
    def build(builder: Builder) -> None:
        realms = tables["zerver_realm"]
        values = {
            "push_notifications_enabled_end_timestamp": "2025-03-14T15:09:26-11:30",
            "scheduled_deletion_date": "1969-12-31T23:59:59.250000+00:00",
        }
        moments = {column: datetime.fromisoformat(text) for column, text in values.items()}
        full = realms.c.id == builder.ids["realms"]["full"]
        builder.execute(sa.update(realms).where(full).values(moments))
        connection = builder.connection
        if connection.dialect.name == "postgresql":  # for the connections to come
            name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata'")

    organization.build(build)
    (row,) = organization.exported().rows("zerver_realm")
    assert row["push_notifications_enabled_end_timestamp"] == "2025-03-15T02:39:26.000000+00:00"
    assert row["scheduled_deletion_date"] == "1969-12-31T23:59:59.250000+00:00"
    assert row["demo_organization_scheduled_deletion_date"] is None
    assert row["date_created"] == microseconds(NOW) / 10**6


def test_documents(organization: Organization) -> None:
    def build(builder: Builder) -> None:
        for document in DOCUMENTS.values():
            add_audit_entry(builder, extra_data=document)

    organization.build(build)
    rows = organization.exported().rows("zerver_realmauditlog")
    found = [row["extra_data"] for row in rows if row["event_type"] == ADDED]
    as_text = [json.dumps(document, sort_keys=True) for document in DOCUMENTS.values()]
    assert [json.dumps(document, sort_keys=True) for document in found] == as_text


def test_large_numbers_and_flags(organization: Organization) -> None:
    flags = [0, 1, 2048 | 1, 2**31, BEYOND_FLOATS, 2**63 - 1, -1, -(2**63)]

    def build(builder: Builder) -> None:
        for number, flag in enumerate(flags):
            message = builder.message(f"{number}", "ann", "#full-town", realm="full")
            builder.insert(
                "zerver_usermessage",
                id=BEYOND_FLOATS + number,
                user_profile_id=builder.ids["users"]["ann"],
                message_id=message,
                flags=flag,
            )

    organization.build(build)
    rows = organization.exported().rows("zerver_usermessage")
    assert [row["id"] for row in rows] == [BEYOND_FLOATS + number for number in range(len(flags))]
    assert [row["flags_mask"] for row in rows] == flags


def test_search_vectors(organization: Organization) -> None:
    vectors = [SEARCH_VECTOR, "", None]

    def build(builder: Builder) -> None:
        for vector in vectors:
            builder.message("x", "ann", "#full-town", realm="full", search_tsvector=vector)

    organization.build(build)
    _, *rows = organization.exported().rows("zerver_message")
    assert [row["search_tsvector"] for row in rows] == vectors


# Keys that are no columns, and what is looked up elsewhere


def test_keys_without_a_column(organization: Organization) -> None:
    found = organization.exported()
    for user in found.rows("zerver_userprofile"):
        assert (user["groups"], user["user_permissions"]) == ([], [])
    groups = found.rows("zerver_namedusergroup")
    assert [group["id"] for group in groups] == [group["usergroup_ptr"] for group in groups]
    assert {row["id"] for row in groups} == {row["id"] for row in found.rows("zerver_usergroup")}
    assert all(row.keys() == {"id", "realm"} for row in found.rows("zerver_usergroup"))


def test_attachments_list_what_is_exported_in_order(organization: Organization) -> None:
    expected: dict[str, list[int]] = {}

    def build(builder: Builder) -> None:
        names = [f"{number}" for number in range(12)]
        ids = [builder.message(name, "ann", "#full-town", realm="full") for name in names]
        links = ["9", "10", "11", "1", "0", "bare-hello", "2"]
        later = [builder.scheduled(f"later-{name}", "ann", "#full-town") for name in "abc"]
        builder.scheduled("of-other", "ben", "#bare-town")
        scheduled = ["later-c", "of-other", "later-a"]
        builder.attachment("note", "ann", links, scheduled, id=BEYOND_FLOATS)
        expected["messages"] = [ids[number] for number in (0, 1, 2, 9, 10, 11)]
        expected["scheduled_messages"] = [later[0], later[2]]

    organization.build(build)
    (row,) = organization.exported().rows("zerver_attachment")
    assert row["id"] == BEYOND_FLOATS
    assert {key: row[key] for key in expected} == expected


# The audit log


ADDED = 101


def add_audit_entry(builder: Builder, realm: str = "full", **values: object) -> int:
    """An entry in the audit log of the realm."""
    entry = {"event_type": ADDED, "event_time": NOW, "realm_id": builder.ids["realms"][realm]}
    return builder.insert("zerver_realmauditlog", **entry | values)


def test_the_mark_of_an_export_is_added(organization: Organization) -> None:
    organization.build(lambda builder: add_audit_entry(builder, "bare", event_type=MARK))
    before = time.time()
    *others, mark = organization.exported().rows("zerver_realmauditlog")
    assert MARK not in {row["event_type"] for row in others}
    assert mark["id"] > max(row["id"] for row in others)
    assert isinstance(mark["event_time"], float)
    assert int(before) <= mark["event_time"] <= time.time() + 1
    realm_id = organization.builder.ids["realms"]["full"]
    assert mark == dict.fromkeys(others[0]) | {
        "id": mark["id"],
        "event_time": mark["event_time"],
        "event_type": MARK,
        "realm": realm_id,
        "backfilled": False,
        "extra_data": {},
    }


def test_the_mark_of_an_export_is_not_added_again(organization: Organization) -> None:
    marks: list[int] = []

    def build(builder: Builder) -> None:
        for _ in range(2):
            marks.append(add_audit_entry(builder, event_type=MARK))
            add_audit_entry(builder)

    organization.build(build)
    rows = organization.exported().rows("zerver_realmauditlog")
    assert [row["id"] for row in rows if row["event_type"] == MARK] == marks
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})


def test_only_actors_of_the_realm_are_named(organization: Organization) -> None:
    actors = ["ann", "ben", "notification-bot", None, "ann"]

    def build(builder: Builder) -> None:
        for actor in actors:
            add_audit_entry(builder, acting_user_id=actor and builder.ids["users"][actor])

    organization.build(build)
    rows = organization.exported().rows("zerver_realmauditlog")
    ann = organization.builder.ids["users"]["ann"]
    added = [row["acting_user"] for row in rows if row["event_type"] == ADDED]
    assert added == [ann, None, None, None, ann]
