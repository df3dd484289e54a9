"""Every kind of damage to an export is one problem with a code, a file, a row, and a hint.

The exports are a server's, made lighter, and one of zops with its manifest.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.zops_export.spoiling import Row, change_json, pack, replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere

    Damage = Callable[[Path], object]
    Tables = dict[str, list[Row]]

NOBODY = 987_654_321
REALM, ATTACHMENTS = "realm.json", "attachment.json"
FIRST, SECOND, THIRD = (f"messages-{number:06d}.json" for number in (1, 2, 3))
COUNTED = "stats.json"


def _changed(file: str, change: Callable[[Tables], Any], *, counted: bool = True) -> Damage:
    """A change of rows; `counted`: the numbers of rows are right all the same."""

    def damage(folder: Path) -> None:
        def changed(tables: Tables) -> Tables:
            change(tables)
            return tables

        change_json(folder / file, changed)
        if counted:
            tables = json.loads((folder / file).read_bytes())
            numbers = {table: len(rows) for table, rows in tables.items()}
            change_json(
                folder / COUNTED, lambda stats: stats | {file.removesuffix(".json"): numbers}
            )

    return damage


def _set(file: str, table: str, **values: object) -> Damage:
    return _changed(file, lambda tables: tables[table][-1].update(values))


def _repeat(file: str, table: str, **values: object) -> Damage:
    return _changed(file, lambda tables: tables[table].append({**tables[table][0], **values}))


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
    _changed(SECOND, lambda tables: moved.append(tables["zerver_usermessage"].pop()))(folder)
    _changed(FIRST, lambda tables: tables["zerver_usermessage"].extend(moved))(folder)


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


# name -> what is done, the code, the file (or what its path ends in), the row (or its table)
DAMAGES: dict[str, tuple[Damage, str, str, str]] = {
    # structure
    "a file of messages is missing": (
        lambda folder: (folder / SECOND).unlink(),
        "message-file-missing",
        SECOND,
        "",
    ),
    "the last file of messages is missing": (
        lambda folder: (folder / THIRD).unlink(),
        "message-file-missing",
        THIRD,
        "",
    ),
    "a file is not finished": (
        lambda folder: (folder / "messages-000004.json.partial").write_text("{}"),
        "unfinished-export",
        "messages-000004.json.partial",
        "",
    ),
    "the attachments are missing": (
        lambda folder: (folder / ATTACHMENTS).unlink(),
        "missing-file",
        ATTACHMENTS,
        "",
    ),
    "nothing says which version": (
        lambda folder: (folder / "migration_status.json").unlink(),
        "missing-file",
        "migration_status.json",
        "",
    ),
    "a version that is a number": (
        lambda folder: change_json(
            folder / "migration_status.json", lambda said: said | {"zulip_version": 10}
        ),
        "not-json",
        "migration_status.json",
        "",
    ),
    "a table is missing": (
        _changed(REALM, lambda tables: tables.pop("zerver_stream")),
        "missing-table",
        REALM,
        "",
    ),
    "a table stands twice": (_twice, "not-json", REALM, ""),
    "two organizations": (_repeat(REALM, "zerver_realm", id=NOBODY), "one-realm", REALM, ""),
    "the realm ends in the middle": (_cut(REALM, 0.7), "not-json", REALM, ""),
    "messages end in the middle": (_cut(SECOND, 0.5), "not-json", SECOND, ""),
    "user messages end in the middle": (_cut(SECOND, 0.999), "not-json", SECOND, ""),
    "records that end in the middle": (
        _cut("emoji/records.json", 0.5),
        "not-json",
        "emoji/records.json",
        "",
    ),
    # references
    "a channel of no organization": (
        _set(REALM, "zerver_stream", realm=NOBODY),
        "dangling-reference",
        REALM,
        "zerver_stream",
    ),
    "a recipient of nobody": (
        _set(REALM, "zerver_recipient", type_id=NOBODY),
        "dangling-reference",
        REALM,
        "zerver_recipient",
    ),
    "a message from nobody": (
        _set(SECOND, "zerver_message", sender=NOBODY),
        "dangling-reference",
        SECOND,
        "zerver_message",
    ),
    "a user message of nothing": (
        _set(SECOND, "zerver_usermessage", message=NOBODY),
        "dangling-reference",
        SECOND,
        "zerver_usermessage",
    ),
    "a user message of nobody": (
        _set(THIRD, "zerver_usermessage", user_profile=NOBODY),
        "dangling-reference",
        THIRD,
        "zerver_usermessage",
    ),
    "a reaction to nothing": (
        _set(REALM, "zerver_reaction", message=NOBODY),
        "dangling-reference",
        REALM,
        "zerver_reaction",
    ),
    "an attachment of nothing": (
        _set(ATTACHMENTS, "zerver_attachment", messages=[NOBODY]),
        "dangling-reference",
        ATTACHMENTS,
        "zerver_attachment",
    ),
    "a user message before its message": (
        _too_early,
        "row-too-early",
        FIRST,
        "zerver_usermessage",
    ),
    # rows
    "a row is gone": (
        _changed(REALM, lambda tables: tables["zerver_reaction"].pop(), counted=False),
        "rows-missing",
        REALM,
        "zerver_reaction",
    ),
    "a user message is gone": (
        _changed(SECOND, lambda tables: tables["zerver_usermessage"].pop(), counted=False),
        "rows-missing",
        SECOND,
        "zerver_usermessage",
    ),
    "a record is gone": (
        lambda folder: change_json(
            folder / COUNTED, lambda stats: stats | {"emoji_records": stats["emoji_records"] + 1}
        ),
        "rows-missing",
        "emoji/records.json",
        "",
    ),
    "a channel with two rows": (
        _repeat(REALM, "zerver_stream"),
        "duplicate-id",
        REALM,
        "zerver_stream",
    ),
    "a reaction with two rows": (
        _repeat(REALM, "zerver_reaction"),
        "duplicate-id",
        REALM,
        "zerver_reaction",
    ),
    "a message with two rows": (
        _repeat(SECOND, "zerver_message"),
        "duplicate-id",
        SECOND,
        "zerver_message",
    ),
    "a user message with two rows": (
        _repeat(SECOND, "zerver_usermessage", id=NOBODY),
        "duplicate-row",
        SECOND,
        "zerver_usermessage",
    ),
    "a row without id": (
        _changed(REALM, lambda tables: tables["zerver_stream"][0].pop("id")),
        "not-json",
        REALM,
        "",
    ),
    "a value of another kind": (
        _set(REALM, "zerver_stream", invite_only="no"),
        "bad-value",
        REALM,
        "zerver_stream",
    ),
    "a user message with flags that are text": (
        _set(SECOND, "zerver_usermessage", flags_mask="read"),
        "bad-value",
        SECOND,
        "zerver_usermessage",
    ),
    "a history that is no JSON": (
        _set(SECOND, "zerver_message", edit_history="[{"),
        "bad-row",
        SECOND,
        "zerver_message",
    ),
    "a key that no server writes": (
        _set(REALM, "zerver_stream", colour="red"),
        "unknown-key",
        REALM,
        "zerver_stream",
    ),
    "a key that is missing": (
        _changed(REALM, lambda tables: tables["zerver_stream"][-1].pop("realm")),
        "missing-key",
        REALM,
        "zerver_stream",
    ),
    # files
    "an uploaded file is gone": (
        lambda folder: _first("uploads", folder).unlink(),
        "missing-file",
        ".txt",
        "",
    ),
    "an uploaded file is shorter": (
        lambda folder: replace(_first("uploads", folder), b"x"),
        "wrong-size",
        ".txt",
        "",
    ),
    "a picture is gone": (
        lambda folder: _first("avatars", folder).unlink(),
        "missing-file",
        "avatars/",
        "",
    ),
    "a picture of nobody": (
        _record("avatars", lambda records: records[0].update(user_profile_id=NOBODY)),
        "orphan-file",
        "avatars/",
        "",
    ),
    "two records of one file": (
        _record("emoji", lambda records: records.append(records[0])),
        "duplicate-record",
        "emoji/",
        "",
    ),
    "a file that nothing names": (
        lambda folder: (folder / "uploads/4/notes.txt").write_text("buy milk"),
        "extra-file",
        "uploads/4/notes.txt",
        "",
    ),
    "a file beside the others": (
        lambda folder: (folder / "dump.sql").write_text("-- PostgreSQL database dump"),
        "extra-file",
        "dump.sql",
        "",
    ),
    "a link": (
        lambda folder: (folder / "uploads/link").symlink_to("/etc/passwd"),
        "unsafe-member",
        "",
        "",
    ),
    "a pipe": (lambda folder: os.mkfifo(folder / "uploads/pipe"), "unsafe-member", "", ""),
    "a name that is not UTF-8": (
        lambda folder: (folder / "uploads" / os.fsdecode(b"\xff.txt")).touch(),
        "unsafe-member",
        "",
        "",
    ),
    # secrets
    "a password": (
        _set(REALM, "zerver_userprofile", password="argon2$argon2id$v=19$..."),  # noqa: S106
        "secret",
        REALM,
        "zerver_userprofile",
    ),
    "an API key": (
        _set(REALM, "zerver_userprofile", api_key="a" * 32),
        "secret",
        REALM,
        "zerver_userprofile",
    ),
    "a token of another table": (
        _set(REALM, "zerver_stream", email_token="b" * 32),
        "secret",
        REALM,
        "zerver_stream",
    ),
    "a secret in a user message": (
        _set(SECOND, "zerver_usermessage", session_key="c" * 32),
        "secret",
        SECOND,
        "zerver_usermessage",
    ),
    "links of invitations": (
        _changed(REALM, lambda tables: tables.update(zerver_multiuseinvite=[{"id": 1}])),
        "secret",
        REALM,
        "zerver_multiuseinvite",
    ),
    "a secret in a record": (
        _record("emoji", lambda records: records[0].update(secret_key="d" * 32)),
        "secret",
        "emoji/",
        "",
    ),
}


def _problems(zops: ZopsHere, path: Path, *words: str) -> list[dict[str, str]]:
    done = zops("--json", "verify", path, *words, exit_code=5).json()
    assert done["problem_count"] == sum(done["problem_counts"].values())
    assert [finding["code"] for finding in done["findings"]] == [
        problem["code"] for problem in done["problems"]
    ]
    problems: list[dict[str, str]] = done["problems"]
    return problems


@pytest.mark.parametrize(("damage", "code", "file", "row"), DAMAGES.values(), ids=DAMAGES)
def test_a_damage(
    damage: Damage, code: str, file: str, row: str, zops_here: ZopsHere, light_copy: Path
) -> None:
    damage(light_copy)
    (problem,) = _problems(zops_here, light_copy)
    assert problem["code"] == code, problem
    assert file in problem["where"]
    assert problem["row"].startswith(row)
    assert bool(problem["row"]) == bool(row)
    assert problem["message"]
    assert problem["hint"]


def test_the_light_export_is_whole(zops_here: ZopsHere, light: Path) -> None:
    assert zops_here("--json", "verify", light).json()["problems"] == []


def test_a_damaged_archive_is_said_to_be_damaged_in_the_same_words(
    zops_here: ZopsHere, light_copy: Path, tmp_path: Path
) -> None:
    DAMAGES["a message from nobody"][0](light_copy)
    DAMAGES["a file that nothing names"][0](light_copy)
    of_folder = _problems(zops_here, light_copy)
    of_archive = _problems(zops_here, pack(light_copy, tmp_path / "acme.tar"))
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
        _changed(REALM, lambda tables: tables["zerver_realmdomain"].clear(), counted=False),
        {"changed-file"},
    ),
    "a row is gone, and the numbers are right": (
        _changed(REALM, lambda tables: tables["zerver_defaultstream"].clear()),
        {"changed-file", "rows-missing"},
    ),
}


@pytest.mark.parametrize(("damage", "codes"), OF_ZOPS.values(), ids=OF_ZOPS)
def test_a_damage_to_an_export_of_zops(
    damage: Damage, codes: set[str], with_realm: ZopsHere, with_manifest: Path
) -> None:
    damage(with_manifest)
    assert {problem["code"] for problem in _problems(with_realm, with_manifest)} == codes


# Many problems ----------------------------------------------------------------------------------


def test_many_problems_are_counted_and_a_few_are_shown(
    zops_here: ZopsHere, light_copy: Path
) -> None:
    def change(tables: Tables) -> None:
        for row in tables["zerver_subscription"]:
            row["user_profile"] = NOBODY

    _changed(REALM, change)(light_copy)
    (light_copy / "dump.sql").write_text("")
    number = len(json.loads((light_copy / REALM).read_bytes())["zerver_subscription"])
    done = zops_here("verify", light_copy, exit_code=5)
    assert f"{number} dangling-reference" in done.stdout
    assert f"21 of {number + 1} problems are shown" in done.stdout
    assert done.stderr.count("zops: finding: ") == 21
    assert "dump.sql" in done.stderr


# Archives of somebody who means harm --------------------------------------------------------------


def _member(name: str, content: bytes = b"", **values: object) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in values.items():
        setattr(member, key, value)
    header = member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return header + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _pax(records: bytes, size: int | None = None) -> bytes:
    """A header that says more about the next member; `size`: what it says of itself."""
    member = tarfile.TarInfo("more")
    member.type = tarfile.XHDTYPE
    member.size = len(records) if size is None else size
    return member.tobuf(tarfile.GNU_FORMAT) + records + bytes(-len(records) % tarfile.BLOCKSIZE)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "a link": (_member("x/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "unsafe-member"),
    "a hard link": (
        _member("x/link", type=tarfile.LNKTYPE, linkname="export/realm.json"),
        "unsafe-member",
    ),
    "a device": (_member("x/device", type=tarfile.CHRTYPE), "unsafe-member"),
    "a pipe": (_member("x/pipe", type=tarfile.FIFOTYPE), "unsafe-member"),
    "a way out": (_member("export/../../evil"), "unsafe-member"),
    "an absolute path": (_member("/tmp/evil"), "unsafe-member"),  # noqa: S108  # in an archive
    "a way out in a longer header": (
        _pax(b"26 path=export/../../evil\n") + _member("x"),
        "unsafe-member",
    ),
    "a name that is not UTF-8": (_member("export/\udcff.txt"), "unsafe-member"),
    "a file twice": (_member("export/realm.json"), "duplicate-member"),
    "a file of holes": (_member("x/holes", type=tarfile.GNUTYPE_SPARSE), "unsafe-member"),
    "holes in a longer header": (
        _pax(b"22 GNU.sparse.major=1\n") + _member("x/holes"),
        "unsafe-member",
    ),
    "a header without end": (_pax(b"9 a=b\n"), "damaged-archive"),
    "a header as long as a film": (_pax(b"", 1 << 33), "damaged-archive"),
    "a name as long as a film": (
        _member("name", type=tarfile.GNUTYPE_LONGNAME, size=1 << 33),
        "damaged-archive",
    ),
    "a file larger than the archive": (
        _member("x/large", size=1 << 40),
        "damaged-archive",
    ),
}


@pytest.mark.parametrize(("members", "code"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("packed", [False, True], ids=["tar", "tar.gz"])
def test_a_hostile_archive(
    members: bytes, code: str, packed: bool, zops_here: ZopsHere, light: Path, tmp_path: Path
) -> None:
    whole = pack(light, tmp_path / "acme.tar").read_bytes()
    end = whole.rstrip(b"\0")
    content = whole[: -(-len(end) // 512) * 512] + members + bytes(1024)
    path = tmp_path / "hostile"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    (problem,) = _problems(zops_here, path)
    assert problem["code"] == code, problem
    assert problem["hint"]


def test_an_archive_that_grows_without_end_is_not_kept(
    zops_here: ZopsHere, light: Path, tmp_path: Path, temporary: Path
) -> None:
    """A few kilobytes that unpack to 64 megabytes of nothing, in the place of a row."""
    folder = tmp_path / "export"
    shutil.copytree(light, folder, copy_function=os.link)
    zeros = b'{"zerver_message": [{"id": 1, "content": "' + b"0" * (1 << 27)
    replace(folder / THIRD, zeros)
    path = tmp_path / "bomb.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.add(folder, "export")
    shutil.rmtree(folder)
    (problem,) = _problems(zops_here, path)
    assert problem["code"] == "not-json"
    assert "larger than" in problem["message"]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("tail", [b"garbage", b"\x1f\x8b", b"0" * 4096])
def test_garbage_behind_an_archive(
    tail: bytes, zops_here: ZopsHere, light: Path, tmp_path: Path
) -> None:
    path = tmp_path / "acme.tar.gz"
    path.write_bytes(gzip.compress(pack(light, tmp_path / "acme.tar").read_bytes(), 1) + tail)
    (problem,) = _problems(zops_here, path)
    assert problem["code"] == "damaged-archive"


def test_an_archive_of_many_members_of_gzip(
    zops_here: ZopsHere, light: Path, tmp_path: Path
) -> None:
    """As `cat` makes them of several, and parallel programs of one; blocks end anywhere."""
    content = pack(light, tmp_path / "acme.tar").read_bytes()
    parts = [content[start : start + 10_007] for start in range(0, len(content), 10_007)]
    path = tmp_path / "acme.tar.gz"
    path.write_bytes(b"".join(gzip.compress(part, 1) for part in parts))
    assert zops_here("--json", "verify", path).json()["problems"] == []
    path.write_bytes(b"".join(gzip.compress(part, 1) for part in parts[:-2]))
    (problem,) = _problems(zops_here, path)
    assert problem["code"] == "damaged-archive"


# An import that is tried --------------------------------------------------------------------------

REFUSED_BY_THE_DATABASE = {
    "two users of one address": _changed(
        REALM,
        lambda tables: tables["zerver_userprofile"][1].update(
            delivery_email=tables["zerver_userprofile"][0]["delivery_email"].upper()
        ),
    ),
    "two subscriptions of one user": _changed(
        REALM,
        lambda tables: tables["zerver_subscription"].append(
            {**tables["zerver_subscription"][-1], "id": NOBODY}
        ),
    ),
}


@pytest.mark.parametrize("damage", REFUSED_BY_THE_DATABASE.values(), ids=REFUSED_BY_THE_DATABASE)
def test_what_only_a_database_finds(
    damage: Damage, zops_here: ZopsHere, light_copy: Path, temporary: Path
) -> None:
    damage(light_copy)
    assert zops_here("--json", "verify", light_copy).json()["problems"] == []
    (problem,) = _problems(zops_here, light_copy, "--deep")
    assert problem["code"] == "import-refused"
    assert list(temporary.iterdir()) == []


def test_an_import_that_is_tried_leaves_nothing(
    zops_here: ZopsHere, light: Path, temporary: Path
) -> None:
    before = sorted(zops_here.home.rglob("*"))
    done = zops_here("--json", "verify", light, "--deep").json()
    assert done["problems"] == []
    messages = [json.loads((light / name).read_bytes()) for name in (FIRST, SECOND, THIRD)]
    for table in ("zerver_message", "zerver_usermessage"):
        assert done["imported"][table] == sum(len(tables[table]) for tables in messages)
    assert list(temporary.iterdir()) == []
    assert sorted(zops_here.home.rglob("*")) == before
