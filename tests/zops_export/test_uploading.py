"""Exports that go to an object store while they are made, and to where a server keeps exports."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import shutil
import stat
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.interop.comparing import differences_by_id
from tests.interop.reading import WholeExport
from tests.zops_export.conftest import ZopsHere
from tests.zops_export.faulty_s3 import ALWAYS, Fault, FaultyS3
from tests.zops_export.spoiling import Watched, assert_said_no, refuse
from tests.zops_realm.realm_state import rows
from zcore.crash_points import CRASHED, VARIABLE
from zcore.database import Database
from zcore.schema.files import zerver_attachment as attachments
from zops_export import s3_sink
from zops_export.s3_destination import S3Destination

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zcore.testing.commands import Zops
    from zcore.testing.s3 import S3Buckets

MB = 1 << 20
SMALLEST_PARTS = 5 * MB


@pytest.fixture(scope="module")
def imported(sqlite_template: Path, light: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database that has the organization `acme`, and its uploads.

    These are enough for three of the smallest parts.
    """
    folder = tmp_path_factory.mktemp("imported")
    shutil.copyfile(sqlite_template, folder / "acme.db")
    with contextlib.closing(Database.connect(f"sqlite:///{folder / 'acme.db'}")) as database:
        zops = ZopsHere(folder)
        zops.on(database)("import", "acme", light)
        with database.read() as connection:
            for path in connection.scalars(sa.select(attachments.c.path_id)):
                noise = random.Random(path).randbytes(3 * MB)  # noqa: S311  # no secret
                (zops.uploads / "files" / path).write_bytes(noise)
    return folder


@pytest.fixture
def database(imported: Path, tmp_path: Path) -> Iterator[Database]:
    """A copy of that database; the uploads are beside it, to be replaced, not changed."""
    shutil.copyfile(imported / "acme.db", tmp_path / "acme.db")
    shutil.copytree(imported / "uploads", tmp_path / "uploads", copy_function=os.link)
    with contextlib.closing(Database.connect(f"sqlite:///{tmp_path / 'acme.db'}")) as database:
        yield database


@pytest.fixture
def acme(zops_here: ZopsHere, database: Database, monkeypatch: pytest.MonkeyPatch) -> ZopsHere:
    """`zops` on the copy, in this process."""
    monkeypatch.setattr(s3_sink, "FIRST_PARTS", SMALLEST_PARTS)
    return zops_here.on(database)


@pytest.fixture
def watched(acme: ZopsHere, database: Database, tmp_path: Path) -> Watched:
    """Sees what `acme` leaves behind."""
    return Watched(database, acme.home, acme.uploads, tmp_path / "temporary")


@pytest.fixture
def bucket(acme: ZopsHere, s3: S3Buckets, tmp_path: Path) -> str:
    """The bucket for exports, which `acme` knows; its files are in a folder."""
    acme.environment["ZOPS_CONFIG"] = str(s3.write_settings(tmp_path / "zops.toml"))
    return s3.exports


@pytest.fixture
def faulty(acme: ZopsHere, bucket: str, s3: S3Buckets, tmp_path: Path) -> Iterator[FaultyS3]:
    """What `acme` goes through to the bucket now, without much patience."""
    with FaultyS3(s3.account.endpoint_url) as faulty:
        path = s3.write_settings(tmp_path / "zops.toml", endpoint_url=faulty.url)
        with path.open("a") as file:
            file.write("timeout = 2\nattempts = 2\n")
        yield faulty


def fetched(s3: S3Buckets, bucket: str, key: str, folder: Path) -> Path:
    """An object, as a file."""
    path = folder / "fetched.tar.gz"
    path.write_bytes(s3.client.get_object(Bucket=bucket, Key=key)["Body"].read())
    return path


def assert_whole(acme: ZopsHere, path: Path, done: dict[str, Any]) -> None:
    """It is what `done` says, and agrees with an export that is made now."""
    assert path.stat().st_size == done["bytes"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == done["sha256"]
    assert acme("--json", "verify", path).json()["problems"] == []
    acme("export", "-r", "acme", "--output", path.with_name("now"))
    now = WholeExport.read(path.with_name("now"))
    found = WholeExport.read(path)
    about_exports = frozenset({"zerver_realmauditlog", "zerver_realmexport"})
    assert not differences_by_id(now, found, about_exports)
    assert found.files == now.files


def assert_nothing_left(acme: ZopsHere, s3: S3Buckets, bucket: str) -> None:
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=bucket)
    assert list((acme.home / "exports").iterdir()) == []


def parts_sent(faulty: FaultyS3) -> list[int]:
    """The numbers of the parts that were sent, in order."""
    found = [re.search(r"partNumber=(\d+)", path) for _, path in faulty.seen]
    faulty.seen.clear()
    return sorted(int(match[1]) for match in found if match)


# To any object ----------------------------------------------------------------------------------


def test_an_archive_is_streamed_to_an_object(
    acme: ZopsHere, bucket: str, s3: S3Buckets, tmp_path: Path
) -> None:
    done = acme("--json", "export", "-r", "acme", "--output", f"s3://{bucket}/a/acme.tar.gz").json()
    assert (done["path"], done["url"]) == (f"s3://{bucket}/a/acme.tar.gz", None)
    assert s3.keys(bucket) == ["a/acme.tar.gz"]
    found = s3.client.head_object(Bucket=bucket, Key="a/acme.tar.gz")
    assert found["ETag"].endswith('-3"')
    assert found["ContentType"] == "application/gzip"
    assert_nothing_left(acme, s3, bucket)
    assert_whole(acme, fetched(s3, bucket, "a/acme.tar.gz", tmp_path), done)


def test_parts_grow_so_that_ten_thousand_are_enough() -> None:
    """Parts have 5 MiB at least; an object has 5 TiB at most."""
    sizes = [s3_sink.part_size(number) for number in range(1, 10_001)]
    assert min(sizes) >= SMALLEST_PARTS
    assert max(sizes) <= 5 << 30
    assert sum(sizes) >= 5 << 40


def test_what_is_there_is_not_replaced(
    acme: ZopsHere, bucket: str, s3: S3Buckets, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before anything is done, and again when it appears meanwhile."""
    s3.client.put_object(Bucket=bucket, Key="acme.tar.gz", Body=b"mine")
    words = ("export", "-r", "acme", "--output", f"s3://{bucket}/acme.tar.gz")
    refuse(acme, *words, about="is already there", watched=watched)
    refuse(acme, *words, "--dry-run", about="is already there", watched=watched)
    monkeypatch.setattr(S3Destination, "require_free", lambda _destination: None)
    assert_said_no(acme(*words, exit_code=3).stderr, about="appeared while the export was made")
    assert fetched(s3, bucket, "acme.tar.gz", acme.folder).read_bytes() == b"mine"
    assert_nothing_left(acme, s3, bucket)


@pytest.mark.parametrize("place", ["s3://", "s3://bucket", "s3://bucket/", "s3://bucket/folder/"])
def test_an_address_that_names_no_object(place: str, acme: ZopsHere, watched: Watched) -> None:
    refuse(acme, "export", "-r", "acme", "--output", place, exit_code=2, watched=watched)


def test_a_bucket_that_is_not_there(acme: ZopsHere, bucket: str) -> None:
    words = ("export", "-r", "acme", "--output", f"s3://{bucket}-not/acme.tar.gz")
    assert_said_no(acme(*words, exit_code=4).stderr, about="there is no such bucket")


def test_bad_moments_pass(
    acme: ZopsHere, bucket: str, s3: S3Buckets, faulty: FaultyS3, tmp_path: Path
) -> None:
    """Also when the store has done the last thing, and nobody heard of it."""
    faulty.faults += [
        Fault("error", "uploads", "POST"),
        Fault("error", "partNumber=1", "PUT"),
        Fault("lost", "partNumber=2", "PUT"),
        Fault("lost", "uploadId=", "POST"),
    ]
    done = acme("--json", "export", "-r", "acme", "--output", f"s3://{bucket}/acme.tar.gz").json()
    assert not any(fault.times for fault in faulty.faults)
    assert_nothing_left(acme, s3, bucket)
    assert_whole(acme, fetched(s3, bucket, "acme.tar.gz", tmp_path), done)


def test_a_store_without_conditions(
    acme: ZopsHere, bucket: str, s3: S3Buckets, faulty: FaultyS3
) -> None:
    faulty.faults.append(Fault("not implemented", "uploadId=", "POST"))
    acme("export", "-r", "acme", "--output", f"s3://{bucket}/acme.tar.gz")
    assert s3.keys(bucket) == ["acme.tar.gz"]


def test_an_upload_that_fails_leaves_nothing(
    acme: ZopsHere, bucket: str, s3: S3Buckets, faulty: FaultyS3
) -> None:
    faulty.faults.append(Fault("error", "partNumber=3", "PUT", ALWAYS))
    words = ("export", "-r", "acme", "--output", f"s3://{bucket}/acme.tar.gz")
    assert_said_no(acme(*words, exit_code=4).stderr, about="cannot write 'acme.tar.gz'")
    assert s3.keys(bucket) == []
    assert_nothing_left(acme, s3, bucket)


# Going on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [None, "replaced"])
def test_stored_parts_are_not_sent_again(
    change: str | None,
    acme: ZopsHere,
    bucket: str,
    s3: S3Buckets,
    faulty: FaultyS3,
    database: Database,
    tmp_path: Path,
) -> None:
    words = ("export", "-r", "acme", "--output", f"s3://{bucket}/acme.tar.gz", "--resume")
    faulty.faults.append(Fault("error", "partNumber=3", "PUT", ALWAYS))
    assert "kept" in acme(*words, exit_code=4).stderr
    assert set(parts_sent(faulty)) >= {1, 2, 3}
    faulty.faults.clear()
    with database.read() as connection:
        path = str(connection.scalar(sa.select(sa.func.min(attachments.c.path_id))))
    if change is not None:
        (acme.uploads / "files" / path).unlink()
        (acme.uploads / "files" / path).write_bytes(b"new" * MB)
    done = acme("--json", *words).json()
    assert bool({1, 2} & set(parts_sent(faulty))) == (change is not None)
    assert_nothing_left(acme, s3, bucket)
    archive = fetched(s3, bucket, "acme.tar.gz", tmp_path)
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == done["sha256"]
    assert acme("--json", "verify", archive).json()["problems"] == []
    found = WholeExport.read(archive).files.get(f"uploads/{path}")
    assert change is None or found == hashlib.sha256(b"new" * MB).hexdigest()


def test_the_upload_of_a_killed_export_ends(
    zops: Zops, acme: ZopsHere, bucket: str, s3: S3Buckets
) -> None:
    """With the next export to there."""
    zops.environment = {**acme.environment, VARIABLE: "stage-done:uploads"}
    words = ("export", "-r", "acme", "--output", f"s3://{bucket}/acme.tar.gz")
    zops(*words, exit_code=CRASHED)
    assert len(s3.client.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
    acme(*words)
    assert s3.keys(bucket) == ["acme.tar.gz"]
    assert_nothing_left(acme, s3, bucket)


@pytest.mark.parametrize("upload", [False, True])
def test_an_export_that_was_killed_when_it_was_there(
    upload: bool,
    zops: Zops,
    acme: ZopsHere,
    s3: S3Buckets,
    bucket: str,
    database: Database,
    tmp_path: Path,
) -> None:
    """The object is the one that was sent: all that is left to do is to say so."""
    words = ["export", "-r", "acme", "--resume", "--output"]
    (copies := tmp_path / "copies").mkdir()
    words += [str(copies / "acme.tar.gz"), "--upload"] if upload else [f"s3://{bucket}/acme.tar.gz"]
    if upload:
        acme.environment["ZOPS_UPLOADS"] = "s3"
    zops.environment = {**acme.environment, VARIABLE: "published"}
    zops(*words, exit_code=CRASHED)
    (key,) = s3.keys(bucket)
    (started,) = rows(database, "zerver_realmexport")
    assert started["date_succeeded"] is None
    zops.environment = acme.environment
    done = zops("--json", *words).json()
    assert s3.keys(bucket) == [key]
    stored = s3.client.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert hashlib.sha256(stored).hexdigest() == done["sha256"]
    assert (f"/{key}" in (done["url"] or "")) == upload
    (succeeded,) = rows(database, "zerver_realmexport")
    assert succeeded["export_path"] == (f"/{key}" if upload else None)
    assert succeeded["date_succeeded"]
    assert [path.name for path in copies.iterdir()] == ["acme.tar.gz"] * upload
    (acme.home / "exports").mkdir(exist_ok=True)
    assert_nothing_left(acme, s3, bucket)


def test_an_object_of_somebody_else_is_not_taken_for_ours(
    zops: Zops, acme: ZopsHere, s3: S3Buckets, bucket: str
) -> None:
    words = ("export", "-r", "acme", "--resume", "--output", f"s3://{bucket}/acme.tar.gz")
    zops.environment = {**acme.environment, VARIABLE: "published"}
    zops(*words, exit_code=CRASHED)
    s3.client.put_object(Bucket=bucket, Key="acme.tar.gz", Body=b"of somebody else")
    assert "is already there" in acme(*words, exit_code=3).stderr


# To where a server keeps exports ----------------------------------------------------------------


def test_an_upload_to_a_folder(acme: ZopsHere, database: Database) -> None:
    acme.environment["ZOPS_EXTERNAL_HOST"] = "chat.example.test"
    done = acme("--json", "export", "-r", "acme", "--upload").json()
    (path,) = (acme.uploads / "avatars" / "exports").rglob("*.tar.gz")
    assert done["path"] == str(path)
    key = path.relative_to(acme.uploads / "avatars").as_posix()
    assert re.fullmatch(r"exports/\d+/[\w-]{24}/zulip-export-acme-\w+\.tar\.gz", key)
    assert done["url"] == f"https://acme.chat.example.test/user_avatars/{key}"
    (row,) = rows(database, "zerver_realmexport", id=done["export_id"])
    assert (row["status"], row["export_path"]) == (3, f"/user_avatars/{key}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert_whole(acme, path, done)


def test_an_upload_with_a_copy(acme: ZopsHere, tmp_path: Path) -> None:
    copy = tmp_path / "copy.tar.gz"
    done = acme("--json", "export", "-r", "acme", "--upload", "--output", copy).json()
    (path,) = (acme.uploads / "avatars" / "exports").rglob("*.tar.gz")
    assert done["path"] == str(copy)
    assert done["url"].endswith(f"/{path.parent.name}/copy.tar.gz")
    assert path.read_bytes() == copy.read_bytes()
    assert acme("--json", "verify", copy).json()["problems"] == []


def test_an_upload_to_a_folder_that_fails_leaves_nothing(
    acme: ZopsHere, database: Database
) -> None:
    with database.read() as connection:
        path = connection.scalar(sa.select(sa.func.max(attachments.c.path_id)))
    (acme.uploads / "files" / str(path)).unlink()
    acme("export", "-r", "acme", "--upload", "--on-missing-file", "fail", exit_code=1)
    assert not (acme.uploads / "avatars" / "exports").exists()


@pytest.mark.parametrize("own_bucket", [True, False])
def test_an_upload_to_s3(
    own_bucket: bool, zops_here: ZopsHere, acme: ZopsHere, s3: S3Buckets, tmp_path: Path
) -> None:
    """Where there is no bucket for exports, a server takes that of avatars, which all may read."""
    path = s3.write_settings(tmp_path / "zops.toml", export_bucket=s3.exports if own_bucket else "")
    acme.environment |= {"ZOPS_UPLOADS": "s3", "ZOPS_CONFIG": str(path)}
    done = acme("--json", "export", "-r", "acme", "--upload", exit_code=5).json()
    bucket = s3.exports if own_bucket else s3.avatars
    (key,) = s3.keys(bucket)
    folder = "" if own_bucket else "exports/"
    assert re.fullmatch(rf"{folder}[0-9a-f]{{32}}/zulip-export-acme-\w+\.tar\.gz", key)
    assert done["path"] == f"s3://{bucket}/{key}"
    assert f"/{bucket}/{key}" in done["url"]
    assert ("X-Amz-Signature=" in done["url"]) == own_bucket
    assert fetched(s3, bucket, key, tmp_path).stat().st_size == done["bytes"]
    assert_nothing_left(acme, s3, bucket)


@pytest.mark.parametrize("output", ["a-folder", "s3://bucket/acme.tar.gz"])
def test_an_upload_and_another_place(output: str, acme: ZopsHere, watched: Watched) -> None:
    words = ("export", "-r", "acme", "--upload", "--output", output)
    refuse(acme, *words, exit_code=2, watched=watched)
