"""An import looks before it writes: what it finds, what it mends, and what it plans."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_export.spoiling import change_json, refuse, replace
from zcore.schema import tables
from zops_export import row_shapes
from zops_export.import_space import OVERRIDE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from tests.zops_export.spoiling import Row, Watched
    from zcore.database import Database

Tables = dict[str, list["Row"]]
NOBODY = 987_654_321
REALM, MESSAGES = "realm.json", "messages-000002.json"


def _spoil(folder: Path, file: str, change: Callable[[Tables], Any]) -> None:
    def changed(document: Tables) -> Tables:
        change(document)
        return document

    change_json(folder / file, changed)
    (folder / "stats.json").unlink(missing_ok=True)


# What can be mended -----------------------------------------------------------------------------


def _history(tables: Tables) -> None:
    message = tables["zerver_message"][-1]
    history = [{"user_id": NOBODY, "timestamp": 1, "prev_content": "before"}]
    message["edit_history"] = json.dumps(history)


def _scheduled(tables: Tables) -> None:
    template = tables["zerver_scheduledmessage"][0]
    lost = {**template, "id": 77, "recipient": NOBODY, "stream": None}
    tables["zerver_scheduledmessage"].append(lost)


MENDED: dict[str, tuple[str, Callable[[Tables], Any], str]] = {
    "an edit by nobody": (MESSAGES, _history, "zerver_message"),
    "a reaction to nothing": (
        REALM,
        lambda rows: rows["zerver_reaction"][-1].update(message=NOBODY),
        "zerver_reaction",
    ),
    "a reaction of somebody elsewhere": (
        REALM,
        lambda rows: rows["zerver_reaction"][-1].update(user_profile=NOBODY),
        "zerver_reaction",
    ),
    "a reaction with no emoji": (
        REALM,
        lambda rows: rows["zerver_reaction"][-1].update(
            reaction_type="realm_emoji", emoji_code=str(NOBODY)
        ),
        "zerver_reaction",
    ),
    "a scheduled message to nobody": (REALM, _scheduled, "zerver_scheduledmessage"),
}


@pytest.mark.parametrize(("file", "change", "table"), MENDED.values(), ids=MENDED)
def test_what_can_be_mended(
    file: str,
    change: Callable[[Tables], Any],
    table: str,
    zops_here: ZopsHere,
    watched: Watched,
    light_copy: Path,
) -> None:
    """It is named by a dry run and by the import, and refused when that is asked for."""
    _spoil(light_copy, file, change)
    plan = zops_here("--json", "import", "acme", light_copy, "--dry-run", exit_code=5).json()
    (mended,) = plan["mended"]
    assert mended["where"] == file
    assert mended["row"].startswith(f"{table} ")
    refuse(zops_here, "import", "acme", light_copy, "--strict", about=table, watched=watched)
    done = zops_here("--json", "import", "acme", light_copy, exit_code=5).json()
    assert [finding["message"] for finding in done["findings"]] == [mended["message"]]


def test_what_is_left_after_mending(
    database: Database, zops_here: ZopsHere, light_copy: Path
) -> None:
    for file, change, _ in MENDED.values():
        _spoil(light_copy, file, change)
    done = zops_here.on(database)("--json", "import", "acme", light_copy, exit_code=5).json()
    before = json.loads((light_copy / REALM).read_bytes())
    assert done["rows"]["zerver_reaction"] == len(before["zerver_reaction"]) - 1
    assert done["rows"]["zerver_scheduledmessage"] == len(before["zerver_scheduledmessage"]) - 1
    messages = tables["zerver_message"].c
    with database.read() as connection:
        query = sa.select(messages.edit_history).where(messages.edit_history.is_not(None))
        authors = {
            entry["user_id"]
            for history in connection.execute(query).scalars()
            for entry in json.loads(history)
        }
    assert None in authors
    assert NOBODY not in authors


def test_a_strict_import_takes_no_lost_file_and_no_unknown_key(
    zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    strict = ("import", "acme", light_copy, "--strict")
    _spoil(light_copy, REALM, lambda rows: rows["zerver_stream"][0].update(colour="red"))
    refuse(zops_here, *strict, about="zerver_stream.colour", watched=watched)
    _spoil(light_copy, REALM, lambda rows: rows["zerver_stream"][0].pop("colour"))
    _spoil(light_copy, REALM, lambda rows: rows.update(zerver_channelfolder=[{"id": 1}]))
    refuse(zops_here, *strict, about="zerver_channelfolder", watched=watched)
    _spoil(light_copy, REALM, lambda rows: rows.pop("zerver_channelfolder"))
    next(path for path in (light_copy / "uploads").rglob("*.*") if path.suffix != ".json").unlink()
    refuse(zops_here, *strict, about="uploads/", watched=watched)
    zops_here("import", "acme", light_copy, exit_code=5)


def test_files_that_are_not_as_their_records_say(zops_here: ZopsHere, light_copy: Path) -> None:
    records = light_copy / "uploads" / "records.json"
    change_json(records, lambda rows: rows[0].update(size=1))
    change_json(records, lambda rows: rows.append(dict(rows[1])))
    plan = zops_here("--json", "import", "acme", light_copy, "--dry-run", exit_code=5).json()
    assert [finding["code"] for finding in plan["findings"]] == ["wrong-size", "duplicate-record"]
    zops_here("import", "acme", light_copy, "--strict", exit_code=3)
    done = zops_here("--json", "import", "acme", light_copy, exit_code=5).json()
    assert done["findings"] == plan["findings"]


# All problems at once ---------------------------------------------------------------------------


def test_everything_that_is_wrong_is_said_at_once(
    zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    _spoil(light_copy, REALM, lambda rows: rows["zerver_stream"][0].update(name="x" * 61))
    _spoil(light_copy, MESSAGES, lambda rows: rows["zerver_message"][0].update(sender=NOBODY))
    _spoil(
        light_copy,
        "messages-000003.json",
        lambda rows: rows["zerver_usermessage"][0].update(message=NOBODY),
    )
    _spoil(
        light_copy,
        "attachment.json",
        lambda rows: rows["zerver_attachment"].append(
            {**rows["zerver_attachment"][0], "id": NOBODY}
        ),
    )
    bots = "zerver_userprofile_crossrealm"
    _spoil(light_copy, REALM, lambda rows: rows[bots][0].update(email="robot@zulip.com"))
    words = ("import", "www", light_copy)
    refuse(zops_here, *words, about="www", watched=watched)
    done = zops_here("--json", *words, "--dry-run", exit_code=3).json()
    problems = done["error"]["problems"]
    found = {
        (problem["code"], problem["where"], problem["row"].partition(" ")[0])
        for problem in problems
    }
    assert found == {
        ("subdomain-unusable", "", ""),
        ("no-bot", REALM, "zerver_userprofile_crossrealm"),
        ("bad-value", REALM, "zerver_stream"),
        ("dangling-reference", MESSAGES, "zerver_message"),
        ("dangling-reference", "messages-000003.json", "zerver_usermessage"),
        ("duplicate-row", "attachment.json", "zerver_attachment"),
    }
    assert all(problem["hint"] or problem["code"] == "no-bot" for problem in problems)
    assert done["problem_counts"]["dangling-reference"] == 2
    assert done["versions"]["export"] == "10.0"  # what else the plan says is there, too
    assert done["rows"]["zerver_realm"] == 1


def test_what_is_said_of_an_export_is_looked_at_with_all_else(
    zops_here: ZopsHere, light_copy: Path
) -> None:
    """A message file that was lost at the end, counts and versions that are none."""
    (light_copy / "messages-000003.json").unlink()
    change_json(light_copy / REALM, lambda rows: rows["zerver_stream"][0].update(name="x" * 61))
    replace(light_copy / "migration_status.json", b"[]")
    words = ("--json", "import", "acme", light_copy)
    for more in ((), ("--dry-run",)):
        problems = zops_here(*words, *more, exit_code=3).json()["error"]["problems"]
        places = {(problem["code"], problem["where"]) for problem in problems}
        assert places >= {
            ("message-file-missing", "messages-000003.json"),
            ("bad-value", REALM),
            ("not-json", "migration_status.json"),
        }
    replace(light_copy / "stats.json", b"7")
    problems = zops_here(*words, exit_code=3).json()["error"]["problems"]
    assert ("not-json", "stats.json") in {(one["code"], one["where"]) for one in problems}
    assert ("bad-value", REALM) in {(one["code"], one["where"]) for one in problems}


def test_files_that_cannot_be_read_are_all_named(
    zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    for name in (REALM, "attachment.json", "emoji/records.json"):
        replace(light_copy / name, b"{")
    said = refuse(zops_here, "import", "acme", light_copy, watched=watched)
    for name in (REALM, "attachment.json", "emoji/records.json"):
        assert f"problem: {name}" in said


def test_a_user_message_may_come_before_or_after_its_message(
    zops_here: ZopsHere, light_copy: Path
) -> None:
    """Whatever file it is in: all of them are known when it is written."""
    first, second = light_copy / "messages-000001.json", light_copy / MESSAGES
    one, other = json.loads(first.read_bytes()), json.loads(second.read_bytes())
    one["zerver_usermessage"], other["zerver_usermessage"] = (
        other["zerver_usermessage"],
        one["zerver_usermessage"],
    )
    replace(first, json.dumps(one).encode())
    replace(second, json.dumps(other).encode())
    zops_here("import", "acme", light_copy, "--dry-run")


# The plan ---------------------------------------------------------------------------------------


def test_what_the_plan_says(zops_here: ZopsHere, light_copy: Path) -> None:
    change_json(
        light_copy / "migration_status.json",
        lambda said: said["migrations_by_app"]["zerver"].append("[X] 0999_later") or said,
    )
    _spoil(light_copy, REALM, lambda rows: rows["zerver_stream"][0].pop("deactivated"))
    words = ("import", "acme", light_copy, "--dry-run")
    plan = zops_here("--json", *words).json()
    assert plan["versions"] == {
        "export": "10.0",
        "server": "10.0",
        "known_by": "the version that zops is made for",
        "migrations_only_in_export": [],
        "migrations_only_on_server": [],
    }
    of_table = {table["table"]: table for table in plan["tables"]}
    assert of_table["zerver_message"]["ids"] == "renumbered"
    assert of_table["zerver_usermessage"]["ids"] == "new"
    assert of_table["zerver_client"]["ids"] == "found here"
    assert of_table["zerver_realmexport"]["ids"] == "skipped"
    assert {"rendered_content", "edit_history"} <= set(of_table["zerver_message"]["rewritten"])
    assert plan["defaulted"] == {"zerver_stream.deactivated": 1}
    assert plan["adapted"] == {}
    assert plan["estimated_seconds"] > 0
    text = zops_here(*words).stdout
    assert "made by Zulip 10.0; this server is Zulip 10.0" in text
    assert "rows passed over: zerver_realmexport (" in text
    assert "rows with the server's default: zerver_stream.deactivated (1)" in text


def test_the_plan_says_who_was_staff(zops_here: ZopsHere, light_copy: Path) -> None:
    """As the import will; a strict one does not take them."""
    _spoil(light_copy, REALM, lambda rows: rows["zerver_userprofile"][0].update(is_staff=True))
    words = ("--json", "import", "acme", light_copy)
    plan = zops_here(*words, "--dry-run", exit_code=5).json()
    assert [finding["code"] for finding in plan["findings"]] == ["server-staff"]
    assert plan["may_change_rows"] == []
    (problem,) = zops_here(*words, "--strict", exit_code=3).json()["error"]["problems"]
    assert problem["code"] == "server-staff"
    assert zops_here(*words, "--dry-run", "--like-server").json()["ok"]


def test_migrations_of_another_version(
    zops_here: ZopsHere, sqlite_database: Database, light_copy: Path
) -> None:
    def change(said: dict[str, Any]) -> dict[str, Any]:
        names = said["migrations_by_app"]["zerver"]
        names.remove("[X] 0690_message_is_channel_message")
        names.append("[X] 0999_later")
        return said | {"zulip_version": "11.0"}

    change_json(light_copy / "migration_status.json", change)
    zops = zops_here.on(sqlite_database)
    plan = zops("--json", "import", "acme", light_copy, "--dry-run").json()
    assert plan["versions"]["export"] == "11.0"
    assert plan["versions"]["migrations_only_in_export"] == ["0999_later"]
    assert plan["versions"]["migrations_only_on_server"] == ["0690_message_is_channel_message"]
    zops("import", "acme", light_copy)


# Room, and sums ---------------------------------------------------------------------------------


def test_a_disk_without_room(
    zops_here: ZopsHere, small_disk: Callable[[int], Path], light: Path, tmp_path: Path
) -> None:
    disk = small_disk(100)
    zops_here.environment["ZOPS_UPLOADS"] = str(disk / "uploads")
    refused = zops_here("--json", "import", "acme", light, "--dry-run", exit_code=3).json()
    (problem,) = refused["error"]["problems"]
    assert (problem["code"], problem["override"]) == ("no-space", OVERRIDE)
    assert str(disk) in problem["message"]
    zops_here("import", "acme", light, "--dry-run", OVERRIDE)


@pytest.mark.parametrize("name", ["realm.json", "messages-000001.json", "avatars"])
def test_what_is_not_as_the_manifest_says(
    name: str, zops_here: ZopsHere, light: Path, tmp_path: Path
) -> None:
    zops_here("import", "acme", light)
    copy = tmp_path / "copy"
    zops_here("export", "-r", "acme", "--output", copy)
    zops_here("import", "again", copy, "--dry-run")
    file = copy / name
    if file.is_dir():
        file = next(path for path in file.rglob("*.png"))
        file.write_bytes(file.read_bytes() + b"!")
    else:  # as many bytes as before, and JSON
        file.write_bytes(file.read_bytes().replace(b"e", b"f", 1))
    refused = zops_here("--json", "import", "again", copy, exit_code=3).json()
    what = "bytes" if file.suffix == ".png" else "checksum"
    assert any(
        problem["code"] == "changed-file" and what in problem["message"]
        for problem in refused["error"]["problems"]
    )


def test_a_file_that_was_changed_is_found_on_its_way(
    zops_here: ZopsHere, watched: Watched, light: Path, tmp_path: Path
) -> None:
    """It has as many bytes as before: a dry run reads it, an import when it is stored."""
    zops_here("import", "acme", light)
    copy = tmp_path / "copy"
    zops_here("export", "-r", "acme", "--output", copy)
    file = next(path for path in (copy / "uploads").rglob("*") if path.suffix == ".txt")
    file.write_bytes(b"!" * file.stat().st_size)
    for more in ([], ["--dry-run"]):
        said = refuse(zops_here, "import", "again", copy, *more, about=file.name, watched=watched)
        assert "its checksum differs" in said


# Shapes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zerver_message", "zerver_usermessage"])
def test_the_shape_of_rows_fits_a_real_export(name: str, unpacked: Callable[[str], Path]) -> None:
    """So that the quick way is taken, and not each row looked at."""
    decoder = row_shapes.rows_decoder(tables[name])
    for path in unpacked("full").glob("messages-*.json"):
        rows = json.loads(path.read_bytes())[name]
        assert len(decoder.decode(json.dumps(rows).encode())) == len(rows)
