"""Every kind of damage to an export is one problem with a code, a file, a row, and a hint.

The exports are a server's, made lighter, and one of zops with its manifest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.zops_export.spoiling import Row, change_json, changed_rows, pack, problems_of, replace

if TYPE_CHECKING:
    from tests.zops_export.conftest import ZopsHere

Damage = Callable[[Path], object]
Tables = dict[str, list[Row]]

NOBODY = 987_654_321
REALM, ATTACHMENTS = "realm.json", "attachment.json"
FIRST, SECOND, THIRD = (f"messages-{number:06d}.json" for number in (1, 2, 3))
COUNTED = "stats.json"


def _set(file: str, table: str, **values: object) -> Damage:
    return changed_rows(file, lambda tables: tables[table][-1].update(values))


def _repeat(file: str, table: str, **values: object) -> Damage:
    return changed_rows(file, lambda tables: tables[table].append({**tables[table][0], **values}))


def _record(kind: str, change: Callable[[list[Row]], object]) -> Damage:
    def damage(folder: Path) -> None:
        def changed(records: list[Row]) -> list[Row]:
            change(records)
            return records

        change_json(folder / kind / "records.json", changed)
        number = len(json.loads((folder / kind / "records.json").read_bytes()))
        change_json(folder / COUNTED, lambda stats: stats | {f"{kind}_records": number})

    return damage


def _too_early(folder: Path) -> None:
    """A user message moves to the file before the one of its message."""
    moved: list[Row] = []
    changed_rows(SECOND, lambda tables: moved.append(tables["zerver_usermessage"].pop()))(folder)
    changed_rows(FIRST, lambda tables: tables["zerver_usermessage"].extend(moved))(folder)


def _twice(folder: Path) -> None:
    text = (folder / REALM).read_text()
    replace(folder / REALM, f'{text.rstrip()[:-1]}, "zerver_reaction": []}}'.encode())


def _cut(name: str, share: float) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        replace(folder / name, content[: int(len(content) * share)])

    return damage


def _first(kind: str, folder: Path) -> Path:
    """The first of the uploaded files, or pictures."""
    records = json.loads((folder / kind / "records.json").read_bytes())
    return folder / kind / str(records[0]["path"])


class Case(NamedTuple):
    """What is done to an export, and the problem that is found: its code, what is in its path, and
    the table of its row."""

    damage: Damage
    code: str
    file: str = ""
    table: str = ""


DAMAGES = {
    # structure
    "a file of messages is missing": Case(
        lambda folder: (folder / SECOND).unlink(), "message-file-missing", SECOND
    ),
    "the last file of messages is missing": Case(
        lambda folder: (folder / THIRD).unlink(), "message-file-missing", THIRD
    ),
    "a file is not finished": Case(
        lambda folder: (folder / "messages-000004.json.partial").write_text("{}"),
        "unfinished-export",
        "messages-000004.json.partial",
    ),
    "the attachments are missing": Case(
        lambda folder: (folder / ATTACHMENTS).unlink(), "missing-file", ATTACHMENTS
    ),
    "nothing says which version": Case(
        lambda folder: (folder / "migration_status.json").unlink(),
        "missing-file",
        "migration_status.json",
    ),
    "a version that is a number": Case(
        lambda folder: change_json(
            folder / "migration_status.json", lambda said: said | {"zulip_version": 10}
        ),
        "not-json",
        "migration_status.json",
    ),
    "a table is missing": Case(
        changed_rows(REALM, lambda tables: tables.pop("zerver_stream")), "missing-table", REALM
    ),
    "a table stands twice": Case(_twice, "not-json", REALM),
    "two organizations": Case(_repeat(REALM, "zerver_realm", id=NOBODY), "one-realm", REALM),
    "the realm ends in the middle": Case(_cut(REALM, 0.7), "not-json", REALM),
    "messages end in the middle": Case(_cut(SECOND, 0.5), "not-json", SECOND),
    "user messages end in the middle": Case(_cut(SECOND, 0.999), "not-json", SECOND),
    "records that end in the middle": Case(
        _cut("emoji/records.json", 0.5), "not-json", "emoji/records.json"
    ),
    # references
    "a channel of no organization": Case(
        _set(REALM, "zerver_stream", realm=NOBODY), "dangling-reference", REALM, "zerver_stream"
    ),
    "a recipient of nobody": Case(
        _set(REALM, "zerver_recipient", type_id=NOBODY),
        "dangling-reference",
        REALM,
        "zerver_recipient",
    ),
    "a message from nobody": Case(
        _set(SECOND, "zerver_message", sender=NOBODY),
        "dangling-reference",
        SECOND,
        "zerver_message",
    ),
    "a user message of nothing": Case(
        _set(SECOND, "zerver_usermessage", message=NOBODY),
        "dangling-reference",
        SECOND,
        "zerver_usermessage",
    ),
    "a user message of nobody": Case(
        _set(THIRD, "zerver_usermessage", user_profile=NOBODY),
        "dangling-reference",
        THIRD,
        "zerver_usermessage",
    ),
    "a reaction to nothing": Case(
        _set(REALM, "zerver_reaction", message=NOBODY),
        "dangling-reference",
        REALM,
        "zerver_reaction",
    ),
    "an attachment of nothing": Case(
        _set(ATTACHMENTS, "zerver_attachment", messages=[NOBODY]),
        "dangling-reference",
        ATTACHMENTS,
        "zerver_attachment",
    ),
    "a user message before its message": Case(
        _too_early, "row-too-early", FIRST, "zerver_usermessage"
    ),
    # rows
    "a row is gone": Case(
        changed_rows(REALM, lambda tables: tables["zerver_reaction"].pop(), counted=False),
        "rows-missing",
        REALM,
        "zerver_reaction",
    ),
    "a user message is gone": Case(
        changed_rows(SECOND, lambda tables: tables["zerver_usermessage"].pop(), counted=False),
        "rows-missing",
        SECOND,
        "zerver_usermessage",
    ),
    "a record is gone": Case(
        lambda folder: change_json(
            folder / COUNTED, lambda stats: stats | {"emoji_records": stats["emoji_records"] + 1}
        ),
        "rows-missing",
        "emoji/records.json",
    ),
    "a channel with two rows": Case(
        _repeat(REALM, "zerver_stream"), "duplicate-id", REALM, "zerver_stream"
    ),
    "a reaction with two rows": Case(
        _repeat(REALM, "zerver_reaction"), "duplicate-id", REALM, "zerver_reaction"
    ),
    "a message with two rows": Case(
        _repeat(SECOND, "zerver_message"), "duplicate-id", SECOND, "zerver_message"
    ),
    "a user message with two rows": Case(
        _repeat(SECOND, "zerver_usermessage", id=NOBODY),
        "duplicate-row",
        SECOND,
        "zerver_usermessage",
    ),
    "a row without id": Case(
        changed_rows(REALM, lambda tables: tables["zerver_stream"][0].pop("id")), "not-json", REALM
    ),
    "a value of another kind": Case(
        _set(REALM, "zerver_stream", invite_only="no"), "bad-value", REALM, "zerver_stream"
    ),
    "a user message with flags that are text": Case(
        _set(SECOND, "zerver_usermessage", flags_mask="read"),
        "bad-value",
        SECOND,
        "zerver_usermessage",
    ),
    "a history that is no JSON": Case(
        _set(SECOND, "zerver_message", edit_history="[{"), "bad-row", SECOND, "zerver_message"
    ),
    "a key that no server writes": Case(
        _set(REALM, "zerver_stream", colour="red"), "unknown-key", REALM, "zerver_stream"
    ),
    "a key that is missing": Case(
        changed_rows(REALM, lambda tables: tables["zerver_stream"][-1].pop("realm")),
        "missing-key",
        REALM,
        "zerver_stream",
    ),
    # files
    "an uploaded file is gone": Case(
        lambda folder: _first("uploads", folder).unlink(), "missing-file", ".txt"
    ),
    "an uploaded file is shorter": Case(
        lambda folder: replace(_first("uploads", folder), b"x"), "wrong-size", ".txt"
    ),
    "a picture is gone": Case(
        lambda folder: _first("avatars", folder).unlink(), "missing-file", "avatars/"
    ),
    "a picture of nobody": Case(
        _record("avatars", lambda records: records[0].update(user_profile_id=NOBODY)),
        "orphan-file",
        "avatars/",
    ),
    "two records of one file": Case(
        _record("emoji", lambda records: records.append(records[0])), "duplicate-record", "emoji/"
    ),
    "a file that nothing names": Case(
        lambda folder: (folder / "uploads/4/notes.txt").write_text("buy milk"),
        "extra-file",
        "uploads/4/notes.txt",
    ),
    "a file beside the others": Case(
        lambda folder: (folder / "dump.sql").write_text("-- PostgreSQL database dump"),
        "extra-file",
        "dump.sql",
    ),
    "a link": Case(
        lambda folder: (folder / "uploads/link").symlink_to("/etc/passwd"), "unsafe-member"
    ),
    "a pipe": Case(lambda folder: os.mkfifo(folder / "uploads/pipe"), "unsafe-member", ""),
    "a name that is not UTF-8": Case(
        lambda folder: (folder / "uploads" / os.fsdecode(b"\xff.txt")).touch(), "unsafe-member"
    ),
    # secrets
    "a password": Case(
        _set(REALM, "zerver_userprofile", password="argon2$argon2id$v=19$..."),  # noqa: S106
        "secret",
        REALM,
        "zerver_userprofile",
    ),
    "an API key": Case(
        _set(REALM, "zerver_userprofile", api_key="a" * 32), "secret", REALM, "zerver_userprofile"
    ),
    "a token of another table": Case(
        _set(REALM, "zerver_stream", email_token="b" * 32), "secret", REALM, "zerver_stream"
    ),
    "a secret in a user message": Case(
        _set(SECOND, "zerver_usermessage", session_key="c" * 32),
        "secret",
        SECOND,
        "zerver_usermessage",
    ),
    "links of invitations": Case(
        changed_rows(REALM, lambda tables: tables.update(zerver_multiuseinvite=[{"id": 1}])),
        "secret",
        REALM,
        "zerver_multiuseinvite",
    ),
    "a secret in a record": Case(
        _record("emoji", lambda records: records[0].update(secret_key="d" * 32)), "secret", "emoji/"
    ),
}


@pytest.mark.parametrize("case", DAMAGES.values(), ids=DAMAGES)
def test_a_damage(case: Case, zops_here: ZopsHere, light_copy: Path) -> None:
    case.damage(light_copy)
    (problem,) = problems_of(zops_here, light_copy)
    assert problem["code"] == case.code, problem
    assert case.file in problem["where"]
    assert problem["row"].partition(" ")[0] == case.table
    assert problem["message"]
    assert problem["hint"]


def test_the_light_export_is_whole(zops_here: ZopsHere, light: Path) -> None:
    assert zops_here("--json", "verify", light).json()["problems"] == []


def test_a_damaged_archive_is_said_to_be_damaged_in_the_same_words(
    zops_here: ZopsHere, light_copy: Path, tmp_path: Path
) -> None:
    DAMAGES["a message from nobody"].damage(light_copy)
    DAMAGES["a file that nothing names"].damage(light_copy)
    of_folder = problems_of(zops_here, light_copy)
    of_archive = problems_of(zops_here, pack(light_copy, tmp_path / "acme.tar"))
    assert of_archive == of_folder
    assert {problem["code"] for problem in of_folder} == {"dangling-reference", "extra-file"}


# An export of zops ------------------------------------------------------------------------------


@pytest.fixture
def with_manifest(with_realm: ZopsHere, tmp_path: Path) -> Path:
    """The folder of an export that zops made."""
    folder = tmp_path / "ours"
    with_realm("export", "-r", "acme", "--output", folder)
    assert with_realm("--json", "verify", folder).json()["problems"] == []
    return folder


def _replaced(file: str, old: bytes, new: bytes) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / file).read_bytes()
        assert old in content
        (folder / file).write_bytes(content.replace(old, new))

    return damage


OF_ZOPS: dict[str, tuple[Damage, set[str]]] = {
    "another letter in a text": (_replaced(REALM, b"Olive", b"Oliva"), {"changed-file"}),
    "one more space": (_replaced(ATTACHMENTS, b"{", b"{ "), {"changed-file"}),
    "a file that the manifest lists is gone": (
        lambda folder: (folder / "stats.json").unlink(),
        {"missing-file"},
    ),
    "a manifest that is none": (
        lambda folder: (folder / "zops-manifest.json").write_text("[]"),
        {"not-json"},
    ),
    "a row is gone": (
        changed_rows(REALM, lambda tables: tables["zerver_realmdomain"].clear(), counted=False),
        {"changed-file"},
    ),
    "a row is gone, and the numbers are right": (
        changed_rows(REALM, lambda tables: tables["zerver_defaultstream"].clear()),
        {"changed-file", "rows-missing"},
    ),
}


@pytest.mark.parametrize(("damage", "codes"), OF_ZOPS.values(), ids=OF_ZOPS)
def test_a_damage_to_an_export_of_zops(
    damage: Damage, codes: set[str], with_realm: ZopsHere, with_manifest: Path
) -> None:
    damage(with_manifest)
    assert {problem["code"] for problem in problems_of(with_realm, with_manifest)} == codes


def test_keys_of_newer_servers_are_counted(zops_here: ZopsHere, light_copy: Path) -> None:
    DAMAGES["a key that no server writes"].damage(light_copy)
    change_json(light_copy / "migration_status.json", lambda said: said | {"zulip_version": "11.2"})
    done = zops_here("--json", "verify", light_copy).json()
    assert done["unknown_keys"] == {"zerver_stream.colour": 1}
    DAMAGES["an API key"].damage(light_copy)
    (problem,) = problems_of(zops_here, light_copy)
    assert problem["code"] == "secret"


# Many problems ----------------------------------------------------------------------------------


def test_many_problems_are_counted_and_a_few_are_shown(
    zops_here: ZopsHere, light_copy: Path
) -> None:
    def change(tables: Tables) -> None:
        for row in tables["zerver_subscription"]:
            row["user_profile"] = NOBODY

    changed_rows(REALM, change)(light_copy)
    (light_copy / "dump.sql").write_text("")
    number = len(json.loads((light_copy / REALM).read_bytes())["zerver_subscription"])
    done = zops_here("verify", light_copy, exit_code=5)
    assert f"{number} dangling-reference" in done.stdout
    assert f"21 of {number + 1} problems are shown" in done.stdout
    assert done.stderr.count("zops: finding: ") == 21
    assert "dump.sql" in done.stderr
