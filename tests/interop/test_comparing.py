"""The comparer sees what is different: otherwise the tests that use it would prove nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.comparing import IGNORED_EVENTS, IGNORED_TABLES, differences, differences_by_id
from tests.interop.reading import REAL_EXPORTS, WholeExport
from zcore.schema import tables
from zcore.schema.facts import exported_tables, table_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.reading import Row

KEPT = {
    "zerver_message": 300,
    "zerver_usermessage": 30,
    "zerver_reaction": 40,
    "zerver_useractivityinterval": 10,
    "analytics_usercount": 20,
    "analytics_realmcount": 20,
    "analytics_streamcount": 20,
}
ALL_KEYS = [
    key
    for table in exported_tables(dict(tables))
    for key in table_facts(table).keys
    if key not in IGNORED_TABLES
]
EMPTY = {"zerver_userprofile_mirrordummy", "zerver_botstoragedata", "zerver_botconfigdata"}


@pytest.fixture(scope="module")
def original() -> WholeExport:
    """A real export with fewer rows in the largest tables."""
    export = WholeExport.read(REAL_EXPORTS["full"])
    for table, count in KEPT.items():
        del export.tables[table][count:]
    return export


@pytest.fixture
def other(original: WholeExport) -> WholeExport:
    """A copy of it, to be changed."""
    return WholeExport(
        {table: [dict(row) for row in rows] for table, rows in original.tables.items()},
        {kind: [dict(row) for row in rows] for kind, rows in original.records.items()},
        dict(original.files),
    )


def test_a_copy_is_no_different(original: WholeExport, other: WholeExport) -> None:
    assert differences(original, other) == []
    assert differences_by_id(original, other) == []


@pytest.mark.parametrize("key", [key for key in ALL_KEYS if key not in EMPTY])
def test_a_row_that_is_missing(key: str, original: WholeExport, other: WholeExport) -> None:
    rows = other.tables[key]
    rows.remove(next(row for row in rows if row.get("event_type") not in IGNORED_EVENTS))
    assert any(line.startswith(f"{key}: ") for line in differences(original, other))
    assert any(line.startswith(f"{key}: ") for line in differences_by_id(original, other))
    assert differences(other, original)


def test_a_row_that_is_there_twice(original: WholeExport, other: WholeExport) -> None:
    rows = other.tables["zerver_alertword"]
    rows.append({**rows[0], "id": 999_999})
    assert differences(original, other)


NOBODY = 49  # the id of the group `role:nobody`

CHANGED_VALUES: dict[str, tuple[str, dict[str, Any]]] = {
    "text": ("zerver_message", {"content": "something else"}),
    "a topic": ("zerver_message", {"subject": "another topic"}),
    "a microsecond": ("zerver_message", {"date_sent": 1760729639.000001}),
    "a flag": ("zerver_stream", {"invite_only": None}),
    "a bit": ("zerver_usermessage", {"flags_mask": 1 << 40}),
    "a setting": ("zerver_userprofile", {"enter_sends": None}),
    "a role": ("zerver_userprofile", {"role": 601}),
    "an address": ("zerver_userprofile", {"delivery_email": "mallory@example.test"}),
    "JSON": ("zerver_realmauditlog", {"extra_data": {"1": 2}, "event_type": 999}),
    "a count": ("analytics_realmcount", {"value": -1}),
    "a name": ("zerver_realm", {"name": "Another organization"}),
    "a file name": ("zerver_attachment", {"file_name": "other.png"}),
    "a link to a message": ("zerver_attachment", {"messages": []}),
    "a channel's setting": ("zerver_stream", {"can_send_message_group": NOBODY}),
    "a setting of the organization": ("zerver_realm", {"can_create_groups": NOBODY}),
    "a hash": ("zerver_huddle", {"huddle_hash": "0" * 40}),
}


@pytest.mark.parametrize(("table", "changes"), CHANGED_VALUES.values(), ids=CHANGED_VALUES)
def test_a_value_that_is_changed(
    table: str, changes: Row, original: WholeExport, other: WholeExport
) -> None:
    other.tables[table][0].update(changes)
    assert differences(original, other)
    assert any(line.startswith(f"{table}: ") for line in differences_by_id(original, other))


CROSSED_REFERENCES = [
    ("zerver_message", "sender"),
    ("zerver_message", "recipient"),
    ("zerver_message", "sending_client"),
    ("zerver_usermessage", "message"),
    ("zerver_usermessage", "user_profile"),
    ("zerver_subscription", "user_profile"),
    ("zerver_subscription", "recipient"),
    ("zerver_reaction", "message"),
    ("zerver_stream", "creator"),
    ("zerver_stream", "recipient"),
    ("zerver_userprofile", "recipient"),
    ("zerver_recipient", "type_id"),
    ("zerver_namedusergroup", "can_mention_group"),
    ("zerver_usergroupmembership", "user_group"),
    ("zerver_groupgroupmembership", "subgroup"),
    ("zerver_muteduser", "muted_user"),
    ("zerver_customprofilefieldvalue", "field"),
    ("zerver_realmauditlog", "modified_user"),
    ("zerver_attachment", "owner"),
]


@pytest.mark.parametrize(("table", "key"), CROSSED_REFERENCES)
def test_references_that_are_crossed(
    table: str, key: str, original: WholeExport, other: WholeExport
) -> None:
    """Two rows point at each other's targets, which are all there."""
    first, *rest = [row for row in other.tables[table] if row[key] is not None]
    second = next(row for row in rest if row[key] != first[key])
    first[key], second[key] = second[key], first[key]
    assert differences(original, other)


def _with(table: str, key: str, part: str) -> Callable[[WholeExport], Row]:
    return lambda export: next(row for row in export.tables[table] if part in str(row[key]))


HIDDEN_REFERENCES: dict[str, tuple[str, str, str, Callable[[str], str]]] = {
    "a mention": (
        "zerver_message",
        "rendered_content",
        'data-user-id="12"',
        lambda text: text.replace('data-user-id="12"', 'data-user-id="15"'),
    ),
    "a mention as typed": (
        "zerver_message",
        "content",
        "|12**",
        lambda text: text.replace("|12**", "|15**"),
    ),
    "a channel": (
        "zerver_message",
        "rendered_content",
        'data-stream-id="',
        lambda text: text.replace('data-stream-id="', 'data-stream-id="1'),
    ),
    "a link": (
        "zerver_message",
        "rendered_content",
        "#narrow/channel/",
        lambda text: text.replace("#narrow/channel/", "#narrow/channel/1"),
    ),
    "a group": (
        "zerver_message",
        "rendered_content",
        'data-user-group-id="',
        lambda text: text.replace('data-user-group-id="', 'data-user-group-id="1'),
    ),
    "an upload": (
        "zerver_message",
        "content",
        "/user_uploads/4/",
        lambda text: text.replace("/user_uploads/4/", "/user_uploads/5/"),
    ),
    "a custom emoji": (
        "zerver_message",
        "rendered_content",
        "/user_avatars/4/emoji",
        lambda text: text.replace("/user_avatars/4/emoji", "/user_avatars/5/emoji"),
    ),
    "who edited": (
        "zerver_message",
        "edit_history",
        '"user_id"',
        lambda text: json.dumps([{**json.loads(text)[0], "user_id": 11}, *json.loads(text)[1:]]),
    ),
}


@pytest.mark.parametrize(
    ("table", "key", "part", "change"), HIDDEN_REFERENCES.values(), ids=HIDDEN_REFERENCES
)
def test_references_inside_texts(
    table: str,
    key: str,
    part: str,
    change: Callable[[str], str],
    original: WholeExport,
    other: WholeExport,
) -> None:
    row = _with(table, key, part)(other)
    assert change(row[key]) != row[key]
    row[key] = change(row[key])
    assert differences(original, other)


def test_an_emoji_in_a_reaction(original: WholeExport, other: WholeExport) -> None:
    own = [row for row in other.tables["zerver_reaction"] if row["reaction_type"] == "realm_emoji"]
    codes = [str(row["id"]) for row in other.tables["zerver_realmemoji"]]
    own[0]["emoji_code"] = next(code for code in codes if code != own[0]["emoji_code"])
    assert differences(original, other)


@pytest.mark.parametrize("kind", ["avatars", "emoji", "realm_icons", "uploads"])
class TestFiles:
    def test_a_file_that_is_changed(
        self, kind: str, original: WholeExport, other: WholeExport
    ) -> None:
        name = next(name for name in other.files if name.startswith(f"{kind}/"))
        other.files[name] = "0" * 64
        assert differences(original, other)

    def test_a_record_that_is_missing(
        self, kind: str, original: WholeExport, other: WholeExport
    ) -> None:
        other.records[kind].pop()
        assert differences(original, other)

    def test_files_that_are_crossed(
        self, kind: str, original: WholeExport, other: WholeExport
    ) -> None:
        first, second = [name for name in other.files if name.startswith(f"{kind}/")][:2]
        files = other.files
        assert files[first] != files[second]
        files[first], files[second] = files[second], files[first]
        assert differences(original, other)


def test_rows_in_another_order_are_seen_by_id_only(
    original: WholeExport, other: WholeExport
) -> None:
    other.tables["zerver_alertword"].reverse()
    assert differences(original, other) == []
    assert differences_by_id(original, other) == [
        "zerver_alertword: the rows are not in order of their ids"
    ]
