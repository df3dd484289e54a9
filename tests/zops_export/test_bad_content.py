"""Exports whose files or rows are damaged: refused, with nothing written."""

from __future__ import annotations

from hashlib import shake_256
from typing import TYPE_CHECKING, Any

import pytest

from tests.zops_export.spoiling import Row, Watched, change_json, find_damage, refuse, replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database
    from zcore.testing.commands import Completed

Tables = dict[str, list[Row]]

# Bad JSON ---------------------------------------------------------------------------------------

NO_JSON = {
    "empty": b"",
    "spaces": b" \n ",
    "a word": b"nonsense",
    "a list": b"[]",
    "a number": b"7",
    "a string": b'"realm"',
    "null": b"null",
    "not closed": b'{"zerver_realm": [{"id": 1',
    "closed too often": b'{"zerver_realm": []}}',
    "two documents": b'{"zerver_realm": []} {"zerver_client": []}',
    "a row that is no object": b'{"zerver_realm": [7]}',
    "rows without commas": b'{"zerver_realm": [{"id": 1} {"id": 2}]}',
    "text that is not UTF-8": b'{"zerver_realm": [{"id": 1, "name": "\xff\xfe"}]}',
    "a lone surrogate": b'{"zerver_realm": [{"id": 1, "name": "\\ud800"}]}',
    "half of a UTF-8 letter": '{"zerver_realm": [{"id": 1, "name": "ä'.encode()[:-1],
    "zeros": bytes(4096),
    "deep lists": b'{"zerver_realm": ' + b"[" * 200_000,
    "a deep row": b'{"zerver_realm": [' + b'{"a":' * 200_000,
    "a deep value": b'{"sort_by_date": ' + b'{"a":' * 200_000,
    "an object": b"{}",
    "tables that are numbers": b'{"zerver_realm": 1, "zerver_client": 2}',
}


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_a_realm_file_that_is_no_json_of_an_export(
    content: bytes, zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    replace(light_copy / "realm.json", content)
    refuse(zops_here, "import", "acme", light_copy, watched=watched)
    find_damage(zops_here, light_copy, str(light_copy), watched)


@pytest.mark.parametrize("name", ["messages-000002.json", "attachment.json", "analytics.json"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9999])
def test_a_file_that_ends_too_early(
    name: str, share: float, zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    content = (light_copy / name).read_bytes().rstrip()
    replace(light_copy / name, content[: int(share * len(content))])
    refuse(zops_here, "import", "acme", light_copy, about=name, watched=watched)


@pytest.mark.parametrize("content", [b"", b"{}", b"7", b'["x"]', b'[{"path": "a"}', b"[[]]"])
@pytest.mark.parametrize("folder", ["avatars", "uploads"])
def test_records_that_are_no_records(
    content: bytes, folder: str, zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    replace(light_copy / folder / "records.json", content)
    refuse(zops_here, "import", "acme", light_copy, about=f"{folder}/records", watched=watched)


# Message files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_message_file_that_is_missing(
    number: int, zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    """The last one too: `stats.json` says that it was there."""
    name = f"messages-{number:06d}.json"
    (light_copy / name).unlink()
    for command in (["import", "acme"], ["import", "--dry-run", "acme"]):
        refuse(zops_here, *command, light_copy, about=name, watched=watched)
    find_damage(zops_here, light_copy, name, watched)


@pytest.mark.parametrize("suffix", ["partial", "locked"])
def test_what_an_unfinished_export_leaves(
    suffix: str, zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    (light_copy / f"messages-000004.json.{suffix}").write_text("{}")
    refuse(zops_here, "import", "acme", light_copy, about="never finished", watched=watched)


def test_a_message_file_with_the_number_zero(
    zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    (light_copy / "messages-000003.json").rename(light_copy / "messages-000000.json")
    refuse(zops_here, "import", "acme", light_copy, about="messages-000003", watched=watched)


def test_rows_that_are_missing(zops_here: ZopsHere, watched: Watched, light_copy: Path) -> None:
    change_json(light_copy / "realm.json", lambda tables: tables["zerver_reaction"].clear())
    refuse(zops_here, "import", "acme", light_copy, about="zerver_reaction", watched=watched)


# Bad rows ---------------------------------------------------------------------------------------


def _set(table: str, key: str, value: object, row: int = -1) -> Callable[[Tables], None]:
    def change(tables: Tables) -> None:
        tables[table][row][key] = value

    return change


def _drop(table: str, key: str) -> Callable[[Tables], None]:
    return lambda tables: tables[table][-1].pop(key)


def _repeat(table: str) -> Callable[[Tables], None]:
    return lambda tables: tables[table].append(dict(tables[table][0]))


def _repeat_as(table: str, **changes: object) -> Callable[[Tables], None]:
    """The last row once more, with an id of its own."""
    return lambda tables: tables[table].append(
        {**tables[table][-1], "id": max(row["id"] for row in tables[table]) + 1, **changes}
    )


def _group_again(tables: Tables) -> None:
    """A second direct message group of the same people."""
    group = dict(tables["zerver_huddle"][0], id=NOBODY)
    tables["zerver_huddle"].append(group)
    old = group["recipient"]
    group["recipient"] = new = NOBODY
    tables["zerver_recipient"].append({"id": new, "type": 3, "type_id": group["id"]})
    members = [row for row in tables["zerver_subscription"] if row["recipient"] == old]
    for place, row in enumerate(members, start=NOBODY):
        tables["zerver_subscription"].append(dict(row, id=place, recipient=new))


def _count_again(tables: Tables) -> None:
    _set("analytics_realmcount", "subgroup", None)(tables)
    _repeat_as("analytics_realmcount")(tables)


REALM, MESSAGES, ATTACHMENTS = "realm.json", "messages-000002.json", "attachment.json"
ANALYTICS = "analytics.json"
NOBODY = 987_654_321
UNPACKABLE = shake_256().hexdigest(4000)

# name -> file, what happens to it, what the message says
BAD_ROWS: dict[str, tuple[str, Callable[[Tables], Any], str]] = {
    "channel of no organization": (REALM, _set("zerver_stream", "realm", NOBODY), "zerver_stream"),
    "setting of no group": (REALM, _set("zerver_realm", "can_create_groups", NOBODY), "zerver_re"),
    "user with a channel of nobody": (
        REALM,
        _set("zerver_userprofile", "default_sending_stream", NOBODY),
        "zerver_userprofile",
    ),
    "recipient of nobody": (REALM, _set("zerver_recipient", "type_id", NOBODY), "type_id"),
    "audit of nobody": (REALM, _set("zerver_realmauditlog", "modified_user", NOBODY), "modified"),
    "message from nobody": (MESSAGES, _set("zerver_message", "sender", NOBODY), "sender_id"),
    "message to nobody": (MESSAGES, _set("zerver_message", "recipient", NOBODY), "recipient_id"),
    "message by no client": (MESSAGES, _set("zerver_message", "sending_client", NOBODY), "client"),
    "user message of nothing": (MESSAGES, _set("zerver_usermessage", "message", NOBODY), "message"),
    "history that is no JSON": (MESSAGES, _set("zerver_message", "edit_history", "[{"), "zerver_m"),
    "attachment of nobody": (ATTACHMENTS, _set("zerver_attachment", "owner", NOBODY), "owner_id"),
    "attachment of nothing": (
        ATTACHMENTS,
        _set("zerver_attachment", "messages", [NOBODY]),
        "zerver_attachment",
    ),
    "attachment of text": (ATTACHMENTS, _set("zerver_attachment", "messages", ["1"]), "'1'"),
    "attachment of a list": (ATTACHMENTS, _set("zerver_attachment", "messages", [[1]]), "[1]"),
    "attachment of a number": (ATTACHMENTS, _set("zerver_attachment", "messages", 1), "messages"),
    "attachment without path": (ATTACHMENTS, _drop("zerver_attachment", "path_id"), "path_id"),
    # ids
    "a channel without id": (REALM, _drop("zerver_stream", "id"), "zerver_stream"),
    "a message without id": (MESSAGES, _drop("zerver_message", "id"), "zerver_message"),
    "a system bot with a number beyond all": (
        REALM,
        _set("zerver_userprofile_crossrealm", "recipient_id", 2**63),
        "zerver_userprofile_crossrealm",
    ),
    "a client without id": (REALM, _drop("zerver_client", "id"), "zerver_client"),
    "a client without name": (REALM, _drop("zerver_client", "name"), "zerver_client"),
    "a bot without id": (REALM, _drop("zerver_userprofile_crossrealm", "id"), "crossrealm"),
    "a bot without recipient": (
        REALM,
        _drop("zerver_userprofile_crossrealm", "recipient_id"),
        "crossrealm",
    ),
    "a bot of nobody": (
        REALM,
        _set("zerver_userprofile_crossrealm", "email", "mallory@zulip.com"),
        "mallory@zulip.com",
    ),
    "an id that is text": (REALM, _set("zerver_stream", "id", "7"), "zerver_stream"),
    "an id that is a fraction": (REALM, _set("zerver_stream", "id", 7.5), "zerver_stream"),
    "an id that is null": (REALM, _set("zerver_stream", "id", None), "zerver_stream"),
    "an id that is a list": (REALM, _set("zerver_stream", "id", [7]), "zerver_stream"),
    "an id beyond 64 bits": (REALM, _set("zerver_stream", "id", 2**63), "zerver_stream"),
    "a message id that is text": (MESSAGES, _set("zerver_message", "id", "7"), "zerver_message"),
    "two channels of one id": (REALM, _repeat("zerver_stream"), "zerver_stream"),
    "two users of one id": (REALM, _repeat("zerver_userprofile"), "zerver_userprofile"),
    "two messages of one id": (MESSAGES, _repeat("zerver_message"), "zerver_message"),
    "two attachments of one id": (ATTACHMENTS, _repeat("zerver_attachment"), "zerver_attachment"),
    # references of wrong kinds
    "a reference that is text": (MESSAGES, _set("zerver_message", "sender", "11"), "sender_id"),
    "a reference that is a list": (MESSAGES, _set("zerver_message", "sender", [11]), "zerver_mess"),
    "a reference that is null": (MESSAGES, _set("zerver_message", "sender", None), "sender"),
    "an emoji code that is no number": (
        REALM,
        lambda tables: tables["zerver_reaction"][0].update(
            reaction_type="realm_emoji", emoji_code="smile"
        ),
        "zerver_reaction",
    ),
    # values of wrong kinds
    "a flag that is text": (REALM, _set("zerver_stream", "invite_only", "yes"), "invite_only"),
    "a flag that is a number": (REALM, _set("zerver_stream", "invite_only", 1), "invite_only"),
    "a number that is text": (REALM, _set("zerver_userprofile", "role", "owner"), "role"),
    "a number that is a flag": (REALM, _set("zerver_userprofile", "role", True), "role"),
    "a number that is a fraction": (REALM, _set("zerver_userprofile", "role", 400.5), "role"),
    "a text that is a number": (MESSAGES, _set("zerver_message", "content", 7), "content"),
    "a text that is a list": (MESSAGES, _set("zerver_message", "subject", ["a"]), "subject"),
    "a text that is null": (MESSAGES, _set("zerver_message", "content", None), "content"),
    "HTML that is a number": (MESSAGES, _set("zerver_message", "rendered_content", 7), "zerver_m"),
    "a moment that is text": (
        MESSAGES,
        _set("zerver_message", "date_sent", "2025-01-01T00:00:00Z"),
        "date_sent",
    ),
    "a moment that is null": (MESSAGES, _set("zerver_message", "date_sent", None), "date_sent"),
    "a topic that is too long": (MESSAGES, _set("zerver_message", "subject", "x" * 61), "subject"),
    "an unknown UUID": (REALM, _set("zerver_realm", "uuid", "not-a-uuid"), "uuid"),
    "a subdomain that is a number": (REALM, _set("zerver_realm", "name", 7), "name"),
    # keys
    "a password": (REALM, _set("zerver_userprofile", "password", "!"), "password"),
    "a missing key": (REALM, _drop("zerver_stream", "realm"), "realm"),
    "a missing key of a message": (MESSAGES, _drop("zerver_message", "date_sent"), "date_sent"),
    "a missing key of a user message": (
        MESSAGES,
        _drop("zerver_usermessage", "flags_mask"),
        "flag",
    ),
    "a missing table": (REALM, lambda tables: tables.pop("zerver_stream"), "zerver_stream"),
    # organizations
    "no organization": (REALM, lambda tables: tables["zerver_realm"].clear(), "one organization"),
    "two organizations": (REALM, _repeat("zerver_realm"), "one organization"),
}


@pytest.mark.parametrize(("file", "change", "about"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row(
    file: str,
    change: Callable[[Tables], Any],
    about: str,
    zops_here: ZopsHere,
    watched: Watched,
    light_copy: Path,
) -> None:
    _spoil(light_copy, file, change)
    refuse(zops_here, "import", "acme", light_copy, about=about, watched=watched)


@pytest.mark.parametrize("name", ["message from nobody", "a flag that is text", "a missing key"])
def test_a_dry_run_refuses_what_an_import_refuses(
    name: str, zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    file, change, about = BAD_ROWS[name]
    _spoil(light_copy, file, change)
    refuse(zops_here, "import", "acme", light_copy, "--dry-run", about=about, watched=watched)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "name",
    [
        "message from nobody",
        "a reference that is null",
        "a flag that is text",
        "a text that is a list",
        "a missing key of a message",
        "a bot of nobody",
    ],
)
def test_a_bad_row_on_its_way_into_postgresql(
    name: str,
    postgres_database: Database,
    zops_here: ZopsHere,
    light_copy: Path,
    temporary: Path,
) -> None:
    """The rows that are only looked at while they are written."""
    file, change, about = BAD_ROWS[name]
    _spoil(light_copy, file, change)
    watched = Watched(postgres_database, zops_here.home, zops_here.uploads, temporary)
    refuse(
        zops_here.on(postgres_database), "import", "acme", light_copy, about=about, watched=watched
    )


def _spoil(folder: Path, file: str, change: Callable[[Tables], Any]) -> None:
    """Change the rows of a file; the numbers of rows are no longer known then."""

    def changed(tables: Tables) -> Tables:
        change(tables)
        return tables

    change_json(folder / file, changed)
    (folder / "stats.json").unlink()


def test_many_problems_are_said_at_once(
    zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    def change(tables: Tables) -> None:
        for row in tables["zerver_subscription"]:
            row["user_profile"] = NOBODY

    _spoil(light_copy, REALM, change)
    said = refuse(zops_here, "import", "acme", light_copy, about="problems", watched=watched)
    assert said.count("problem: ") == 2 * 20  # of each kind: they are all the same now, too
    assert "more" in said.splitlines()[-1]


def test_the_problems_as_json(zops_here: ZopsHere, watched: Watched, light_copy: Path) -> None:
    _spoil(light_copy, *BAD_ROWS["message from nobody"][:2])
    done = zops_here("--json", "import", "acme", light_copy, exit_code=3)
    assert done.stderr == ""
    assert done.json()["error"]["code"] == "bad-export"


# What the database itself refuses ---------------------------------------------------------------

BY_COLUMN = {
    "a second user of one address": (
        REALM,
        lambda tables: tables["zerver_userprofile"][1].update(
            delivery_email=tables["zerver_userprofile"][0]["delivery_email"].upper()
        ),
    ),
    "two subscriptions of one user": (REALM, _repeat_as("zerver_subscription")),
    "a second channel of one name": (
        REALM,
        lambda tables: tables["zerver_stream"][1].update(
            name=tables["zerver_stream"][0]["name"].upper()
        ),
    ),
    "a role below zero": (REALM, _set("zerver_userprofile", "role", -1)),
    "two identical reactions": (REALM, _repeat_as("zerver_reaction")),
    "a reaction that stands there twice": (REALM, _repeat("zerver_reaction")),
    "a second count without a subgroup": (ANALYTICS, _count_again),
    "a second row of defaults": (REALM, _repeat_as("zerver_realmuserdefault")),
    "two names for one group": (REALM, _repeat_as("zerver_namedusergroup", name="again")),
    "two groups of the same people": (REALM, _group_again),
    "a message that is linked twice": (
        ATTACHMENTS,
        lambda tables: tables["zerver_attachment"][0].update(
            messages=tables["zerver_attachment"][0]["messages"] * 2
        ),
    ),
    "a text that no index holds": (REALM, _set("zerver_realmfilter", "pattern", UNPACKABLE)),
    "a user who is a system bot": (
        REALM,
        lambda tables: tables["zerver_userprofile_crossrealm"][0].update(
            id=tables["zerver_userprofile"][0]["id"]
        ),
    ),
    "a recipient that is nothing": (REALM, _set("zerver_recipient", "type", 9)),
    "a uuid that is none": (REALM, _set("zerver_realm", "uuid", "none")),
    "a number beyond 64 bits": (REALM, _set("zerver_userprofile", "role", 2**63)),
    "a moment beyond all calendars": (MESSAGES, _set("zerver_message", "date_sent", 1e15)),
    "a moment before all calendars": (MESSAGES, _set("zerver_message", "date_sent", -1e15)),
    "a NUL in a text": (MESSAGES, _set("zerver_message", "content", "a\0b")),
    "a NUL inside JSON": (REALM, _set("zerver_realmauditlog", "extra_data", {"a": "\0"})),
}


@pytest.mark.parametrize(("file", "change"), BY_COLUMN.values(), ids=BY_COLUMN)
def test_what_a_database_would_refuse(
    file: str,
    change: Callable[[Tables], Any],
    zops_here: ZopsHere,
    watched: Watched,
    light_copy: Path,
) -> None:
    """Before it is asked: with the file and the row, among all else that is wrong."""
    _spoil(light_copy, file, change)
    refuse(zops_here, "import", "acme", light_copy, watched=watched)
    _assert_named(zops_here("--json", "import", "acme", light_copy, exit_code=3), file)


def test_a_user_message_that_is_there_twice(
    database: Database, zops_here: ZopsHere, light_copy: Path, temporary: Path
) -> None:
    """The database finds it, where nobody asks for a thorough look; then it is looked for."""
    _spoil(light_copy, MESSAGES, _repeat_as("zerver_usermessage"))
    watched = Watched(database, zops_here.home, zops_here.uploads, temporary)
    zops, words = zops_here.on(database), ("import", "acme", light_copy)
    refuse(zops, *words, about="zerver_usermessage", watched=watched)
    for more in ((), ("--dry-run",), ("--strict",)):
        _assert_named(zops("--json", *words, *more, exit_code=3), MESSAGES)


@pytest.mark.postgres
def test_words_for_a_search_that_are_none(
    postgres_database: Database, zops_here: ZopsHere, light_copy: Path, temporary: Path
) -> None:
    """PostgreSQL finds it, and then it is looked for."""
    _spoil(light_copy, MESSAGES, _set("zerver_message", "search_tsvector", "'not closed"))
    watched = Watched(postgres_database, zops_here.home, zops_here.uploads, temporary)
    zops = zops_here.on(postgres_database)
    refuse(zops, "import", "acme", light_copy, about="zerver_message", watched=watched)
    _assert_named(zops("--json", "import", "acme", light_copy, exit_code=3), MESSAGES)


def _assert_named(done: Completed, file: str) -> None:
    (problem,) = done.json()["error"]["problems"]
    assert problem["where"] == file
    assert problem["row"].startswith(("zerver_", "analytics_"))
    assert problem["hint"]
    assert problem["code"] in ("bad-value", "duplicate-row", "duplicate-id")


def test_what_the_database_refuses_is_taken_back(
    database: Database, zops_here: ZopsHere, light_copy: Path, temporary: Path
) -> None:
    """Exit 1: it was begun, and everything has been taken back."""
    with database.writer() as writer:  # a rule of this database alone
        sql = "CREATE UNIQUE INDEX one_of_each ON zerver_stream (invite_only)"
        writer.connection.exec_driver_sql(sql)
    watched = Watched(database, zops_here.home, zops_here.uploads, temporary)
    refuse(zops_here.on(database), "import", "acme", light_copy, exit_code=1, watched=watched)


# What is only found, and left out ---------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["../../../../etc/passwd", "/etc/passwd", "", ".", "4/no/such/file"]
)
def test_a_record_that_names_no_file_of_the_export(
    path: str, zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    """Whatever a record says, no other file of this machine becomes an upload."""

    def change(records: list[Row]) -> None:
        records[0].update(path=path)

    change_json(light_copy / "uploads" / "records.json", change)
    done = zops_here("--json", "import", "acme", light_copy, exit_code=5)
    assert [finding["code"] for finding in done.json()["findings"]] == ["missing-file"]
    stored = list((zops_here.uploads / "files").rglob("passwd"))
    assert stored == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("avatars", {"realm_id": "../../x"}),
        ("avatars", {"user_profile_id": NOBODY}),
        ("avatars", {"user_profile_id": "11"}),
        ("avatars", {"avatar_version": "1/../../../x"}),
        ("emoji", {"file_name": "../../../x.png"}),
        ("realm_icons", {"realm_id": "../../x"}),
    ],
)
def test_a_record_that_points_outside(
    kind: str, change: Row, zops_here: ZopsHere, watched: Watched, light_copy: Path, tmp_path: Path
) -> None:
    change_json(light_copy / kind / "records.json", lambda records: records[0].update(change))
    before = {path.name for path in tmp_path.iterdir()}
    done = zops_here("import", "acme", light_copy, check=False)
    assert done.exit_code in (0, 5)
    assert {path.name for path in tmp_path.iterdir()} == before | {"uploads", zops_here.home.name}
    assert {path.name for path in zops_here.uploads.iterdir()} == {"files", "avatars"}


def test_names_in_the_export_are_shown_on_one_line(zops_here: ZopsHere, light_copy: Path) -> None:
    _spoil(light_copy, REALM, _set("zerver_stream", "a\nzops: error: b\x1b[2J", 1))
    said = zops_here("import", "acme", light_copy, exit_code=5).stderr
    assert "\x1b" not in said
    assert "\nzops: error: b" not in said
    assert "zops does not know zerver_stream.a zops: error: b" in said
