"""Every place of Zulip's tables where an id hides in a word, JSON or HTML has the new one."""

from __future__ import annotations

import json
from array import array
from typing import TYPE_CHECKING

import pytest

from zcore.schema import tables
from zcore.schema.facts import row_keys
from zops_export.id_maps import IdMap
from zops_export.notes import Notes
from zops_export.row_changes import MessageChange
from zops_export.row_conversion import RowConverter
from zops_export.text_rewriting import TextRewriter

if TYPE_CHECKING:
    from zops_export.json_rows import JsonRow

# Each table has other new ids, so that none can be taken for another.
STARTS = {
    "zerver_realm": 50,
    "zerver_client": 300,
    "zerver_userprofile": 1000,
    "zerver_stream": 2000,
    "zerver_usergroup": 3000,
    "zerver_realmemoji": 4000,
    "zerver_huddle": 5000,
    "zerver_customprofilefield": 6000,
    "zerver_recipient": 7000,
    "zerver_realmexport": 8000,
    "zerver_message": 70000,
    "zerver_scheduledmessage": 9000,
}
OLD = array("q", [10, 20, 30])
IDS = {name: IdMap(OLD, [start + old for old in OLD]) for name, start in STARTS.items()}
IDS["zerver_namedusergroup"] = IDS["zerver_usergroup"]
PATHS = {"2/ab/old-file.txt": "52/cd/new-file.txt"}

HISTORY = [
    {
        "user_id": 10,
        "timestamp": 1,
        "stream": 20,
        "prev_stream": 30,
        "prev_content": "@**Olga|10** [f](/user_uploads/2/ab/old-file.txt)",
        "prev_rendered_content": '<p><span class="user-mention" data-user-id="10">@Olga</span></p>',
    }
]
NEW_HISTORY = [
    {
        "user_id": 1010,
        "timestamp": 1,
        "stream": 2020,
        "prev_stream": 2030,
        "prev_content": "@**Olga|1010** [f](/user_uploads/52/cd/new-file.txt)",
        "prev_rendered_content": (
            '<p><span class="user-mention" data-user-id="1010">@Olga</span></p>'
        ),
    }
]
RENDERED = (
    '<p><span class="user-mention" data-user-id="10">@Olga</span>'
    ' <span class="user-group-mention" data-user-group-id="20">@cooks</span>'
    ' <a class="stream" data-stream-id="30" href="/#narrow/channel/30-tea">#tea</a>'
    ' <a href="/#narrow/channel/30-tea/topic/a/near/20">there</a>'
    ' <a href="/#narrow/dm/10,20-group">them</a>'
    ' <img class="emoji" src="/user_avatars/10/emoji/images/1.png">'
    ' <a href="/user_uploads/2/ab/old-file.txt">f</a></p>'
)
NEW_RENDERED = (
    '<p><span class="user-mention" data-user-id="1010">@Olga</span>'
    ' <span class="user-group-mention" data-user-group-id="3020">@cooks</span>'
    ' <a class="stream" data-stream-id="2030" href="/#narrow/channel/2030-tea">#tea</a>'
    ' <a href="/#narrow/channel/2030-tea/topic/a/near/70020">there</a>'
    ' <a href="/#narrow/dm/1010,1020-group">them</a>'
    ' <img class="emoji" src="/user_avatars/60/emoji/images/1.png">'
    ' <a href="/user_uploads/52/cd/new-file.txt">f</a></p>'
)
CLIENTS = {"property": "messages_sent:client:day", "subgroup": "20"}

PLACES: dict[str, tuple[str, JsonRow, str, object]] = {
    "mentions, links, emoji, uploads": (
        "zerver_message",
        {"rendered_content": RENDERED, "has_attachment": True},
        "rendered_content",
        NEW_RENDERED,
    ),
    "mentions and links as typed": (
        "zerver_message",
        {
            "content": "@_**Olga|10** /#narrow/stream/20-x/topic/y/near/30"
            " (/user_uploads/2/ab/old-file.txt)",
            "has_attachment": True,
        },
        "content",
        "@_**Olga|1010** /#narrow/stream/2020-x/topic/y/near/70030"
        " (/user_uploads/52/cd/new-file.txt)",
    ),
    "groups in the audit log": (
        "zerver_realmauditlog",
        {"extra_data": {"subgroup_ids": [10, 99], "supergroup_ids": [20]}},
        "extra_data",
        {"subgroup_ids": [3010, 99], "supergroup_ids": [3020]},
    ),
    "authors of emoji in the audit log": (
        "zerver_realmauditlog",
        {"extra_data": {"realm_emoji": {"7": {"author_id": 10}}, "added_emoji": {"author_id": 20}}},
        "extra_data",
        {"realm_emoji": {"7": {"author_id": 1010}}, "added_emoji": {"author_id": 1020}},
    ),
    "exports in the audit log": (
        "zerver_realmauditlog",
        {"extra_data": {"realm_export_id": 10}},
        "extra_data",
        {"realm_export_id": 8010},
    ),
    "the last message of an event": (
        "zerver_realmauditlog",
        {"event_last_message_id": 25},
        "event_last_message_id",
        70020,
    ),
    "clients in counts": ("analytics_realmcount", CLIENTS, "subgroup", "320"),
    "clients in counts of users": ("analytics_usercount", CLIENTS, "subgroup", "320"),
    "what is no client in counts": (
        "analytics_realmcount",
        CLIENTS | {"property": "messages_sent:message_type:day"},
        "subgroup",
        "20",
    ),
    "the first message of a channel": (
        "zerver_stream",
        {"first_message_id": 30},
        "first_message_id",
        70030,
    ),
    "a first message that was not exported": (
        "zerver_stream",
        {"first_message_id": 31},
        "first_message_id",
        None,
    ),
    "the last message that somebody saw": (
        "zerver_userprofile",
        {"last_active_message_id": 10},
        "last_active_message_id",
        70010,
    ),
    # A number of its organization, counted by the row of `zerver_presencesequence`; no row's id.
    "the number of a presence": (
        "zerver_userpresence",
        {"last_update_id": 20},
        "last_update_id",
        20,
    ),
    "the emoji of a reaction": (
        "zerver_reaction",
        {"reaction_type": "realm_emoji", "emoji_code": "10"},
        "emoji_code",
        "4010",
    ),
    "the emoji of a status": (
        "zerver_userstatus",
        {"reaction_type": "realm_emoji", "emoji_code": "10"},
        "emoji_code",
        "4010",
    ),
    "whom a recipient is": ("zerver_recipient", {"type": 1, "type_id": 10}, "type_id", 1010),
    "which channel a recipient is": (
        "zerver_recipient",
        {"type": 2, "type_id": 10},
        "type_id",
        2010,
    ),
    "which group a recipient is": ("zerver_recipient", {"type": 3, "type_id": 10}, "type_id", 5010),
}


def converted(table: str, known: JsonRow) -> dict[str, object]:
    """What an import makes of a row of which only some keys matter, by column."""
    texts = TextRewriter(IDS)
    row = dict.fromkeys(row_keys(tables[table])) | {"id": 10} | known
    if table == "zerver_message":
        row = MessageChange(texts, {10: PATHS})(row)
    converter = RowConverter(tables[table], IDS, texts, Notes(), keyed=False)
    return dict(zip(converter.columns, converter.row(row) or (), strict=True))


@pytest.mark.parametrize(("table", "row", "column", "expected"), PLACES.values(), ids=PLACES)
def test_an_id_in_this_place_is_the_new_one(
    table: str, row: JsonRow, column: str, expected: object
) -> None:
    assert converted(table, row)[column] == expected


def test_the_history_of_a_message_has_new_ids_and_paths() -> None:
    row: JsonRow = {"edit_history": json.dumps(HISTORY), "has_attachment": True}
    history = converted("zerver_message", row)["edit_history"]
    assert json.loads(str(history)) == NEW_HISTORY
