"""Every place of Zulip's tables where an id hides in a word, JSON or HTML has the new one."""

from __future__ import annotations

import json
from array import array
from typing import TYPE_CHECKING

import pytest

from zcore.schema import tables
from zcore.schema.facts import references, row_keys
from zops_export.id_maps import IdMap
from zops_export.like_server import servers_references, texts_for
from zops_export.notes import Notes
from zops_export.row_changes import MessageChange, changes_of_texts
from zops_export.row_conversion import RowConverter

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
    "zerver_realmfilter": 10000,
    "zerver_realmplayground": 11000,
}
OLD = array("q", [10, 20, 30])
IDS = {name: IdMap(OLD, [start + old for old in OLD]) for name, start in STARTS.items()}
IDS["zerver_namedusergroup"] = IDS["zerver_usergroup"]
PATHS = {"2/ab/old-file.txt": "52/cd/new-file.txt"}
UPLOADS = PATHS | {"2/ef/token/other.txt": "52/01/token/other.txt"}

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
EMOJI = {
    "id": "10",
    "author_id": 20,
    "source_url": "/user_avatars/30/emoji/images/1.gif",
    "still_url": "/user_avatars/30/emoji/images/still/1.png",
}
NEW_EMOJI = {
    "id": "4010",
    "author_id": 1020,
    "source_url": "/user_avatars/80/emoji/images/1.gif",
    "still_url": "/user_avatars/80/emoji/images/still/1.png",
}
CLIENTS = {"property": "messages_sent:client:day", "subgroup": "20"}

LIKE_A_MENTION = '<a class="stream-topic" data-stream-id="10">x</a></p>'

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
    "links to messages as typed": (
        "zerver_message",
        {"content": "#**tea>black@20** #**tea@20** #narrow/dm-including/10-x/id/30"},
        "content",
        "#**tea>black@70020** #**tea@20** #narrow/dm-including/1010-x/id/70030",
    ),
    "uploads that no attachment of the message says": (
        "zerver_message",
        {"content": "[f](/user_uploads/2/ef/token/other.txt) /user_uploads/2/ef/token/no.txt"},
        "content",
        "[f](/user_uploads/52/01/token/other.txt) /user_uploads/2/ef/token/no.txt",
    ),
    "the organization's description": (
        "zerver_realm",
        {"description": "[f](/user_uploads/2/ef/token/other.txt) #narrow/channel/10-x"},
        "description",
        "[f](/user_uploads/52/01/token/other.txt) #narrow/channel/2010-x",
    ),
    "a channel's description": (
        "zerver_stream",
        {"description": "ask @**Olga|10**"},
        "description",
        "ask @**Olga|1010**",
    ),
    "a channel's description as it is shown": (
        "zerver_stream",
        {"rendered_description": RENDERED.replace("2/ab/old-file.txt", "x")},
        "rendered_description",
        NEW_RENDERED.replace("52/cd/new-file.txt", "x"),
    ),
    "a snippet": (
        "zerver_savedsnippet",
        {"content": "[f](/user_uploads/2/ef/token/other.txt) @_**Olga|10**"},
        "content",
        "[f](/user_uploads/52/01/token/other.txt) @_**Olga|1010**",
    ),
    "what somebody says of himself": (
        "zerver_customprofilefieldvalue",
        {"field": 10, "value": "@**Olga|10**"},
        "value",
        "@**Olga|1010**",
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
    "ids of emoji in the audit log": (
        "zerver_realmauditlog",
        {"extra_data": {"realm_emoji": {"10": EMOJI}, "deactivated_emoji": EMOJI}},
        "extra_data",
        {"realm_emoji": {"4010": NEW_EMOJI}, "deactivated_emoji": NEW_EMOJI},
    ),
    "linkifiers and playgrounds in the audit log": (
        "zerver_realmauditlog",
        {"extra_data": {"realm_linkifiers": [{"id": 10}], "added_playground": {"id": 20}}},
        "extra_data",
        {"realm_linkifiers": [{"id": 10010}], "added_playground": {"id": 11020}},
    ),
    "who was muted, in the audit log": (
        "zerver_realmauditlog",
        {"extra_data": {"muted_user_id": 10, "unmuted_user_id": 99}},
        "extra_data",
        {"muted_user_id": 1010, "unmuted_user_id": 99},
    ),
    "messages in the audit log": (
        "zerver_realmauditlog",
        {"extra_data": {"zulip_update_announcements_message_ids": [10, 20]}},
        "extra_data",
        {"zulip_update_announcements_message_ids": [70010, 70020]},
    ),
    "channels of the organization in the audit log": (
        "zerver_realmauditlog",
        {"extra_data": {"1": None, "2": 10, "property": "signup_announcements_stream"}},
        "extra_data",
        {"1": None, "2": 2010, "property": "signup_announcements_stream"},
    ),
    "channels of bots in the audit log": (
        "zerver_realmauditlog",
        {"event_type": 129, "extra_data": {"1": 10, "2": None}},
        "extra_data",
        {"1": 2010, "2": None},
    ),
    "settings of groups in the audit log": (
        "zerver_realmauditlog",
        {
            "event_type": 722,
            "extra_data": {
                "1": 10,
                "2": {"direct_members": [20], "direct_subgroups": [10, 30]},
                "property": "can_mention_group",
            },
        },
        "extra_data",
        {
            "1": 3010,
            "2": {"direct_members": [1020], "direct_subgroups": [3010, 3030]},
            "property": "can_mention_group",
        },
    ),
    "what is no id in the audit log": (
        "zerver_realmauditlog",
        {"event_type": 207, "extra_data": {"1": 10, "2": 20, "property": "message_retention_days"}},
        "extra_data",
        {"1": 10, "2": 20, "property": "message_retention_days"},
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


def converted(table: str, known: JsonRow, *, like_server: bool = False) -> dict[str, object]:
    """What an import makes of a row of which only some keys matter, by column."""
    texts = texts_for(IDS, like_server=like_server)
    uploads = {} if like_server else UPLOADS
    row = dict.fromkeys(row_keys(tables[table])) | {"id": 10} | known
    message = MessageChange(texts, {10: PATHS}, uploads, histories=not like_server)
    change = {"zerver_message": message, **changes_of_texts(texts, uploads)}.get(table)
    row = row if change is None else change(row) or {}
    lookups = {"field.field_type": {10: 2}}
    converter = RowConverter(
        tables[table],
        IDS,
        texts,
        Notes(),
        keyed=False,
        lookups=lookups,
        references_of=servers_references if like_server else references,
    )
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


def test_a_description_that_would_be_too_long_for_its_column_stays() -> None:
    text = "@**Olga|10**".rjust(1024)
    assert converted("zerver_stream", {"description": text})["description"] == text


# --- like the server

SERVERS: dict[str, tuple[str, JsonRow, str, object]] = {
    "mentions": (
        "zerver_message",
        {
            "rendered_content": RENDERED.replace("</p>", LIKE_A_MENTION),
            "has_attachment": True,
        },
        "rendered_content",
        RENDERED.replace('data-user-id="10"', 'data-user-id="1010"')
        .replace('data-user-group-id="20"', 'data-user-group-id="3020"')
        .replace('data-stream-id="30"', 'data-stream-id="2030"')
        .replace("2/ab/old-file.txt", "52/cd/new-file.txt")
        .replace("</p>", LIKE_A_MENTION),
    ),
    "what was typed": (
        "zerver_message",
        {"content": "@**Olga|10** #**tea>black@20** /#narrow/channel/10-x"},
        "content",
        "@**Olga|10** #**tea>black@20** /#narrow/channel/10-x",
    ),
    "the audit log": (
        "zerver_realmauditlog",
        {"extra_data": {"subgroup_ids": [10]}},
        "extra_data",
        {"subgroup_ids": [10]},
    ),
    "the last message of an event": (
        "zerver_realmauditlog",
        {"event_last_message_id": 25},
        "event_last_message_id",
        25,
    ),
    "clients in counts": ("analytics_realmcount", CLIENTS, "subgroup", "20"),
    "a first message": ("zerver_stream", {"first_message_id": 30}, "first_message_id", 30),
    "a message that somebody saw": (
        "zerver_userprofile",
        {"last_active_message_id": 10},
        "last_active_message_id",
        70010,
    ),
    "a message that somebody saw, not exported": (
        "zerver_userprofile",
        {"last_active_message_id": 11},
        "last_active_message_id",
        11,
    ),
    "whom a recipient is": ("zerver_recipient", {"type": 1, "type_id": 10}, "type_id", 1010),
}


@pytest.mark.parametrize(("table", "row", "column", "expected"), SERVERS.values(), ids=SERVERS)
def test_what_the_server_makes_of_it(
    table: str, row: JsonRow, column: str, expected: object
) -> None:
    assert converted(table, row, like_server=True)[column] == expected


def test_the_history_of_a_message_as_the_server_makes_it() -> None:
    row: JsonRow = {"edit_history": json.dumps(HISTORY), "has_attachment": True}
    history = converted("zerver_message", row, like_server=True)["edit_history"]
    mention = NEW_HISTORY[0]["prev_rendered_content"]
    expected = HISTORY[0] | {"user_id": 1010, "prev_rendered_content": mention}
    assert json.loads(str(history)) == [expected]
