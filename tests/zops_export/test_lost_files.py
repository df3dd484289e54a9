"""Files that an export cannot have: left out and named; a store that is gone ends the export."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.reading import WholeExport
from tests.zops_export.faulty_s3 import ALWAYS, STOPS_WAITING, Fault, FaultyS3
from tests.zops_export.spoiling import Watched, assert_said_no
from zcore.schema import tables
from zcore.schema.files import zerver_attachment as attachments
from zcore.schema.users import zerver_userprofile as users
from zops_export import file_copying, s3_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database
    from zcore.testing.commands import Zops
    from zcore.testing.s3 import S3Buckets

SECONDS = 60
Findings = list[tuple[str, str]]


def exported(
    zops: ZopsHere, path: Path, *words: str, exit_code: int = 5
) -> tuple[WholeExport, Findings]:
    """An export of `acme` with its findings: their codes and places."""
    done = zops(
        "--json", "export", "-r", "acme", "--output", path, *words, exit_code=exit_code
    ).json()
    found = [(finding["code"], finding["where"]) for finding in done.get("findings", [])]
    return WholeExport.read(path), found


def assert_can_be_imported(zops: ZopsHere, path: Path) -> None:
    assert zops("--json", "verify", path).json()["problems"] == []
    zops("import", "again", path)


@pytest.fixture
def in_folder(zops_here: ZopsHere, sqlite_database: Database, light: Path) -> ZopsHere:
    """`zops_here` with the organization `acme`, whose files are in a folder."""
    zops_here.on(sqlite_database)("import", "acme", light)
    return zops_here


def paths(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(attachments.c.path_id).order_by("path_id")))


# In a folder ------------------------------------------------------------------------------------


def spoil_by_link(place: Path) -> None:
    place.unlink()
    place.symlink_to("/etc/passwd")


def spoil_by_loop(place: Path) -> None:
    place.unlink()
    place.symlink_to(place.name)


def spoil_by_folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda place: place.unlink(), "missing-file"),
        (spoil_by_folder, "missing-file"),
        (spoil_by_link, "unreadable-file"),
        (spoil_by_loop, "unreadable-file"),
    ],
)
def test_an_upload_is_left_out_with_its_row(
    spoil: Callable[[Path], None],
    code: str,
    in_folder: ZopsHere,
    sqlite_database: Database,
    tmp_path: Path,
) -> None:
    lost, *others = paths(sqlite_database)
    spoil(in_folder.uploads / "files" / lost)
    export, found = exported(in_folder, tmp_path / "acme")
    assert found == [(code, lost)]
    assert sorted(row["path_id"] for row in export.rows("zerver_attachment")) == others
    assert [record["s3_path"] for record in export.records["uploads"]] == others
    assert_can_be_imported(in_folder, tmp_path / "acme")


def test_a_path_that_leads_outside_is_left_out(
    in_folder: ZopsHere, sqlite_database: Database, tmp_path: Path
) -> None:
    bad = "../../../../etc/passwd"
    lost, *others = paths(sqlite_database)
    with sqlite_database.begin() as connection:
        connection.execute(
            sa.update(attachments).where(attachments.c.path_id == lost).values(path_id=bad)
        )
    export, found = exported(in_folder, tmp_path / "acme")
    assert found == [("unreadable-file", bad)]
    assert [record["s3_path"] for record in export.records["uploads"]] == others


def test_avatars_and_emoji_leave_their_rows(
    in_folder: ZopsHere, sqlite_database: Database, tmp_path: Path
) -> None:
    """The server's importer needs the rows of emoji for reactions, and no file for either."""
    emoji = tables["zerver_realmemoji"]
    with sqlite_database.read() as connection:
        realm_id, file_name = connection.execute(
            sa.select(emoji.c.realm_id, emoji.c.file_name).order_by(emoji.c.id).limit(1)
        ).one()
    pictures = in_folder.uploads / "avatars" / str(realm_id)
    (pictures / "emoji" / "images" / file_name).unlink()
    first, second = sorted(pictures.glob("*.original"))[:2]
    for path in (first, first.with_suffix(".png"), second.with_suffix(".png")):
        path.unlink()
    export, found = exported(in_folder, tmp_path / "acme")
    where = f"{realm_id}/emoji/images/{file_name}"
    assert set(found) == {
        ("missing-file", where),
        ("missing-file", f"{realm_id}/{first.stem}"),
    }
    assert file_name in {row["file_name"] for row in export.rows("zerver_realmemoji")}
    asking = [
        row["path"] for row in export.records["avatars"] if "importer_should_thumbnail" in row
    ]
    assert asking == [f"{realm_id}/{second.name}"]
    assert_can_be_imported(in_folder, tmp_path / "acme")


def test_nothing_is_left_out_when_that_is_said(
    in_folder: ZopsHere, sqlite_database: Database, tmp_path: Path
) -> None:
    lost = paths(sqlite_database)[0]
    (in_folder.uploads / "files" / lost).unlink()
    target = tmp_path / "out" / "acme.tar.gz"
    target.parent.mkdir()
    words = ("export", "-r", "acme", "--output", target, "--on-missing-file", "fail")
    done = in_folder(*words, exit_code=1)
    assert_said_no(done.stderr, about=lost)
    assert list(target.parent.iterdir()) == []


@pytest.mark.postgres
def test_rows_are_left_out_on_a_server_too(
    zops_here: ZopsHere, postgres_database: Database, tmp_path: Path, light: Path
) -> None:
    zops_here.on(postgres_database)("import", "acme", light)
    *lost, kept = paths(postgres_database)
    for path in lost:
        (zops_here.uploads / "files" / path).unlink()
    export, found = exported(zops_here, tmp_path / "acme")
    assert sorted(found) == sorted(("missing-file", path) for path in lost)
    assert [row["path_id"] for row in export.rows("zerver_attachment")] == [kept]


# In S3 ------------------------------------------------------------------------------------------


@pytest.fixture
def in_s3(
    zops_here: ZopsHere, sqlite_database: Database, s3: S3Buckets, tmp_path: Path, light: Path
) -> ZopsHere:
    """`zops_here` with the organization `acme`, whose files are in buckets."""
    path = s3.write_settings(tmp_path / "zops.toml")
    zops_here.environment |= {"ZOPS_UPLOADS": "s3", "ZOPS_CONFIG": str(path)}
    zops_here.on(sqlite_database)("import", "acme", light)
    return zops_here


@pytest.fixture
def faulty(
    in_s3: ZopsHere, s3: S3Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultyS3]:
    """What `in_s3` goes through to its buckets now, without much patience."""
    monkeypatch.setattr(s3_content, "FIRST_PAUSE", 0.01)
    with FaultyS3(s3.account.endpoint_url) as faulty:
        path = s3.write_settings(tmp_path / "zops.toml", endpoint_url=faulty.url)
        with path.open("a") as file:
            file.write("timeout = 0.5\nattempts = 2\n")
        yield faulty


def test_a_store_with_its_bad_moments(
    in_s3: ZopsHere,
    faulty: FaultyS3,
    s3: S3Buckets,
    sqlite_database: Database,
    tmp_path: Path,
    light: Path,
) -> None:
    """Errors, cut connections and stalls pass; one object that is lost is the only finding."""
    lost, *others = paths(sqlite_database)
    s3.client.delete_object(Bucket=s3.uploads, Key=lost)
    picture = next(key for key in s3.keys(s3.avatars) if key.endswith(".original"))
    faulty.faults += [
        Fault("error", others[0]),
        Fault("cut", others[1], times=2),
        Fault("stall", others[2]),
        Fault("hang up", picture),
        Fault("stall", "/emoji/images/"),
        Fault("error", "list-type"),
    ]
    export, found = exported(in_s3, tmp_path / "acme")
    assert not any(fault.times for fault in faulty.faults)
    assert found == [("missing-file", lost)]
    assert [record["s3_path"] for record in export.records["uploads"]] == others
    contents = set(WholeExport.read(light).files.values())
    assert set(export.files.values()) <= contents
    assert len(export.files) == len(WholeExport.read(light).files) - 1
    assert_can_be_imported(in_s3, tmp_path / "acme")


def test_an_object_that_is_never_given(
    in_s3: ZopsHere, faulty: FaultyS3, sqlite_database: Database, tmp_path: Path
) -> None:
    bad, *others = paths(sqlite_database)
    faulty.faults.append(Fault("error", bad, times=ALWAYS))
    export, found = exported(in_s3, tmp_path / "acme")
    assert found == [("unreadable-file", bad)]
    assert [record["s3_path"] for record in export.records["uploads"]] == others


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("hang up", method="", times=ALWAYS), id="gone"),
        pytest.param(Fault("error", "/emoji/images/", times=ALWAYS), id="gives nothing"),
    ],
)
def test_a_store_that_is_gone_ends_the_export(
    fault: Fault,
    in_s3: ZopsHere,
    faulty: FaultyS3,
    s3: S3Buckets,
    sqlite_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After it was there at first; nothing is published, and nothing left."""
    monkeypatch.setattr(file_copying, "UNREADABLE_AT_FIRST", 2)
    if not fault.where:
        faulty.faults.append(Fault("", "list-type", times=2))  # the looks at the two buckets
    faulty.faults.append(fault)
    target = tmp_path / "out" / "acme.tar.gz"
    target.parent.mkdir()
    with Watched(sqlite_database).unchanged_but_for_the_failure():
        done = in_s3("export", "-r", "acme", "--output", target, exit_code=4)
    assert_said_no(done.stderr, about="bucket")
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("to_s3", [False, True])
def test_a_store_that_stalls_does_not_keep_an_export_from_stopping(
    to_s3: bool, zops: Zops, in_s3: ZopsHere, faulty: FaultyS3, s3: S3Buckets, tmp_path: Path
) -> None:
    """It would wait for as long as the settings say."""
    s3.write_settings(tmp_path / "zops.toml", endpoint_url=faulty.url)
    method, where = ("PUT", s3.exports) if to_s3 else ("GET", "/emoji/images/")
    faulty.faults.append(Fault("stall", where, method, times=ALWAYS))
    target = tmp_path / "out" / "acme.tar.gz"
    target.parent.mkdir()
    output = f"s3://{s3.exports}/acme.tar.gz" if to_s3 else target
    zops.environment = dict(in_s3.environment)
    process = zops.start("export", "-r", "acme", "--output", output)
    end = time.monotonic() + SECONDS
    while faulty.faults[0].times == ALWAYS:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=STOPS_WAITING / 2)
    assert process.returncode == 130, stderr
    assert list(target.parent.iterdir()) == s3.keys(s3.exports) == []
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=s3.exports)


def test_records_say_what_the_store_keeps(
    in_s3: ZopsHere, s3: S3Buckets, sqlite_database: Database, tmp_path: Path
) -> None:
    """As a server with its files in S3 writes them, also of objects that nothing is kept beside."""
    bare, *_ = paths(sqlite_database)
    s3.client.put_object(Bucket=s3.uploads, Key=bare, Body=b"bare")
    s3.client.put_object(Bucket=s3.uploads, Key=f"{bare}.info", Body=b"{}")
    icon = next(key for key in s3.keys(s3.avatars) if "/realm/" in key)
    foreign = {"user_profile_id": "999999", "realm_id": icon.split("/")[0]}
    s3.client.put_object(Bucket=s3.avatars, Key=icon, Body=b"icon", Metadata=foreign)
    export, _ = exported(in_s3, tmp_path / "acme", exit_code=0)
    records = {kind: {row["path"]: row for row in rows} for kind, rows in export.records.items()}
    with sqlite_database.read() as connection:
        query = sa.select(attachments.c.path_id, users.c.email).join(
            users, users.c.id == attachments.c.owner_id
        )
        owners = dict(map(tuple, connection.execute(query)))
    for path, record in records["uploads"].items():
        found = s3.client.head_object(Bucket=s3.uploads, Key=path)
        assert record["md5"] == found["ETag"]
        assert record["bucket"] == s3.uploads
        assert record["last_modified"] == found["LastModified"].isoformat()
        assert record["size"] == found["ContentLength"]
        assert record["content_type"] == found["ContentType"]
        assert record["user_profile_email"] == owners[path]
        assert isinstance(record["user_profile_id"], int)
        assert ("orig_last_modified" in record) == (path != bare)
    assert f"{bare}.info" not in json.dumps(records)
    (emoji, *_) = records["emoji"].values()
    assert {"author", "name", "deactivated", "file_name", "md5", "bucket"} <= emoji.keys()
    assert "user_profile_id" not in records["realm_icons"][icon]
    for kind in ("avatars", "realm_icons"):
        for path, record in records[kind].items():
            assert record["s3_path"] == path
            assert s3.client.head_object(Bucket=s3.avatars, Key=path)["ETag"] == record["md5"]
