"""Imports into buckets and exports from them: laid out as a server does, whole or not at all."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.comparing import assert_agree
from tests.interop.reading import REAL_EXPORTS, WholeExport
from tests.zops_export.breaking import BreakingProxy
from tests.zops_export.spoiling import Watched, assert_said_no, change_json, refuse
from zcore.schema.files import zerver_attachment as attachments
from zcore.schema.users import zerver_userprofile as users
from zops_export import s3_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database
    from zcore.testing.plugins import TemporaryPlugins
    from zcore.testing.s3 import S3Buckets

PLUGIN = """
    from zcore import Refused, Stage, hookimpl

    @hookimpl
    def zops_import_stages():
        return [Stage("late", f"{__name__}:refuse", needs=("files",))]

    def refuse(job):
        raise Refused("not on a Friday")
"""


@pytest.fixture
def in_s3(
    zops_here: ZopsHere, sqlite_database: Database, s3: S3Buckets, tmp_path: Path
) -> ZopsHere:
    """`zops_here` on a SQLite database, with its files in buckets."""
    path = s3.write_settings(tmp_path / "zops.toml")
    zops_here.environment |= {"ZOPS_UPLOADS": "s3", "ZOPS_CONFIG": str(path)}
    return zops_here.on(sqlite_database)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_there_and_back(
    kind: str,
    request: pytest.FixtureRequest,
    in_s3: ZopsHere,
    s3: S3Buckets,
    tmp_path: Path,
    originals: Callable[[str], WholeExport],
) -> None:
    """With what else is in the buckets of a server."""
    if kind == "postgresql":
        in_s3.on(request.getfixturevalue("postgres_database"))
    done = in_s3("--json", "import", "acme", REAL_EXPORTS["full"]).json()
    assert done["files"] == len(originals("full").files)
    (uploaded, *_) = s3.keys(s3.uploads)
    s3.client.put_object(Bucket=s3.uploads, Key=f"{uploaded}.info", Body=b"{}")  # of tusd
    s3.client.put_object(Bucket=s3.avatars, Key=f"{done['realm_id']}/realm/")  # of a console
    in_s3("export", "-r", "acme", "--output", tmp_path / "again.tar.gz")
    assert_agree(
        originals("full"), WholeExport.read(tmp_path / "again.tar.gz"), other_database=True
    )


def test_the_layout_is_that_of_a_server(
    in_s3: ZopsHere, s3: S3Buckets, sqlite_database: Database, light: Path
) -> None:
    export = WholeExport.read(light)
    realm = in_s3("--json", "import", "acme", light).json()["realm_id"]
    with sqlite_database.read() as connection:
        paths = set(connection.scalars(sa.select(attachments.c.path_id)))
        people = set(connection.scalars(sa.select(users.c.id).where(users.c.realm_id == realm)))
    assert set(s3.keys(s3.uploads)) == paths
    assert all(re.fullmatch(rf"{realm}/[\w-]{{24}}/[^/]+", path) for path in paths)
    counted = {kind: len(records) for kind, records in export.records.items()}
    layout = {
        "avatars": rf"{realm}/[0-9a-f]{{40}}\.(original|png)",
        "emoji": rf"{realm}/emoji/images/[^/]+",
        "realm_icons": rf"{realm}/realm/(icon|logo|night_logo)\.(original|png)",
    }
    for kind, form in layout.items():
        keys = [key for key in s3.keys(s3.avatars) if re.fullmatch(form, key)]
        assert len(keys) == counted[kind] > 0
    made = rf"{realm}/([0-9a-f]{{40}}-medium|emoji/images/still/[^/]+)\.png"
    others = {key for key in s3.keys(s3.avatars) if not re.fullmatch(made, key)}
    assert len(others) == sum(counted[kind] for kind in layout)
    for bucket in (s3.uploads, s3.avatars):
        for key in s3.keys(bucket):
            entries = s3.client.head_object(Bucket=bucket, Key=key)["Metadata"]
            assert entries["realm_id"] == str(realm), key
            assert int(entries["user_profile_id"]) in people, key


def test_what_is_kept_beside_the_files(
    in_s3: ZopsHere, s3: S3Buckets, sqlite_database: Database, light_copy: Path
) -> None:
    """Whose it is by its new number; the type as recorded, where that is safe, else by the name."""
    records = {kind: light_copy / kind / "records.json" for kind in ("uploads", "avatars", "emoji")}
    for kind, path in records.items():
        recorded = {"uploads": "text/x-of-mine", "avatars": "text/html"}.get(kind)
        change_json(path, lambda rows, new=recorded: [{**row, "content_type": new} for row in rows])
    change_json(records["uploads"], lambda rows: [{**rows[0], "content_type": "a\nb"}, *rows[1:]])
    realm = in_s3("--json", "import", "acme", light_copy).json()["realm_id"]
    with sqlite_database.read() as connection:
        query = sa.select(users.c.id, users.c.avatar_version).where(
            users.c.realm_id == realm, users.c.avatar_source == "U"
        )
        pictured = set(map(tuple, connection.execute(query)))
    uploaded = [s3.client.head_object(Bucket=s3.uploads, Key=key) for key in s3.keys(s3.uploads)]
    types = sorted(answer["ContentType"] for answer in uploaded)
    assert types.count("text/x-of-mine") == len(types) - 1
    assert all("orig_last_modified" in answer["Metadata"] for answer in uploaded)
    owners = set()
    for key in s3.keys(s3.avatars):
        answer = s3.client.head_object(Bucket=s3.avatars, Key=key)
        entries = answer["Metadata"]
        png, original = key.endswith(".png"), key.endswith(".original")
        if key.startswith(f"{realm}/emoji/"):
            assert answer["ContentType"].startswith("image/")
            assert answer["CacheControl"] == "public, max-age=31536000, immutable"
            assert entries.keys() == {"realm_id", "user_profile_id"}
            continue
        made = key.endswith("-medium.png")
        assert ("CacheControl" in answer) == made
        assert png or original
        assert answer["ContentType"] == "image/png" or (original and "/realm/" in key)
        assert ("orig_last_modified" in entries) != made
        if not key.startswith(f"{realm}/realm/"):
            owners.add((int(entries["user_profile_id"]), int(entries["avatar_version"])))
    assert owners == pictured != set()


def test_the_type_of_an_upload_is_kept(
    in_s3: ZopsHere, s3: S3Buckets, light: Path, tmp_path: Path
) -> None:
    in_s3("import", "acme", light)
    key = s3.keys(s3.uploads)[0]
    s3.client.put_object(Bucket=s3.uploads, Key=key, Body=b"x", ContentType="text/x-of-mine")
    in_s3("export", "-r", "acme", "--output", tmp_path / "acme")
    (record,) = [
        one for one in WholeExport.read(tmp_path / "acme").records["uploads"] if one["path"] == key
    ]
    assert record["content_type"] == "text/x-of-mine"


def test_a_lost_object_is_left_out_and_listed(
    in_s3: ZopsHere, s3: S3Buckets, light: Path, tmp_path: Path
) -> None:
    in_s3("import", "acme", light)
    lost = s3.keys(s3.uploads)[0]
    s3.client.delete_object(Bucket=s3.uploads, Key=lost)
    done = in_s3("--json", "export", "-r", "acme", "--output", tmp_path / "a", exit_code=5).json()
    assert [finding["where"] for finding in done["findings"]] == [lost]


def test_an_import_that_fails_takes_its_objects_back(
    in_s3: ZopsHere,
    s3: S3Buckets,
    sqlite_database: Database,
    light: Path,
    temporary_plugins: TemporaryPlugins,
) -> None:
    """And nobody else's: the next number has files, of an import that was killed."""
    in_s3("import", "first", light)
    before = {bucket: s3.keys(bucket) for bucket in (s3.uploads, s3.avatars)}
    temporary_plugins.install("late", PLUGIN)
    with Watched(sqlite_database).unchanged():
        done = in_s3("import", "acme", light, exit_code=3)
    assert_said_no(done.stderr, about="not on a Friday")
    assert {bucket: s3.keys(bucket) for bucket in before} == before


def test_objects_of_nobody_are_in_nobody_s_way(in_s3: ZopsHere, s3: S3Buckets, light: Path) -> None:
    for number in (2, 3, 4):
        s3.client.put_object(Bucket=s3.avatars, Key=f"{number}/realm/icon.png", Body=b"x")
    assert in_s3("--json", "import", "acme", light).json()["realm_id"] > 4


@pytest.fixture
def proxy(
    in_s3: ZopsHere, s3: S3Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BreakingProxy]:
    """What `in_s3` goes through to its buckets now, without trying again."""
    monkeypatch.setattr(s3_client, "ATTEMPTS", 1)
    with BreakingProxy(s3.account.endpoint_url) as proxy:
        s3.write_settings(tmp_path / "zops.toml", endpoint_url=proxy.url)
        yield proxy


def test_the_store_goes_away_in_the_middle(
    in_s3: ZopsHere,
    proxy: BreakingProxy,
    s3: S3Buckets,
    sqlite_database: Database,
    light: Path,
) -> None:
    """What cannot be taken back then is said, and can be later."""
    proxy.goes_down_at = b"/emoji/images/"
    with Watched(sqlite_database).unchanged():
        done = in_s3("import", "acme", light, exit_code=4)
    warning, error = done.stderr.splitlines()
    assert error.startswith("zops: error: cannot write '")
    assert proxy.url in error
    assert "the import into 'acme' is left unfinished: cannot delete" in warning
    assert "'zops import acme --abandon'" in warning
    proxy.down = False
    assert in_s3("--json", "import", "acme", "--abandon").json()["files"] > 0
    assert not s3.keys(s3.uploads) + s3.keys(s3.avatars)


def test_a_file_is_taken_back_although_nobody_heard_that_it_was_stored(
    in_s3: ZopsHere, proxy: BreakingProxy, s3: S3Buckets, light: Path
) -> None:
    proxy.loses_answer_to = f"PUT /{s3.avatars}/".encode()
    done = in_s3("import", "acme", light, exit_code=4)
    assert_said_no(done.stderr, about="cannot write '")
    assert s3.keys(s3.uploads) == s3.keys(s3.avatars) == []


@pytest.mark.parametrize("command", ["import", "export"])
def test_a_store_that_is_not_there_is_said_before_anything_is_done(
    command: str,
    in_s3: ZopsHere,
    proxy: BreakingProxy,
    watched: Watched,
    light: Path,
    tmp_path: Path,
) -> None:
    words: tuple[str | Path, ...] = ("import", "acme", light)
    if command == "export":
        in_s3("import", "acme", light)
        words = ("export", "-r", "acme", "--output", tmp_path / "temporary" / "out")
    proxy.down = True
    refuse(in_s3, *words, exit_code=4, about=proxy.url, watched=watched)


def test_the_doctor_looks_at_the_buckets(in_s3: ZopsHere, s3: S3Buckets, tmp_path: Path) -> None:
    done = in_s3("--json", "doctor", check=False).json()
    (found,) = [check for check in done["checks"] if check["name"] == "files"]
    assert (found["status"], found["message"]) == ("ok", "s3 answers")
    s3.write_settings(tmp_path / "zops.toml", avatar_bucket="zops-test-nothing")
    done = in_s3("--json", "doctor", exit_code=5).json()
    (found,) = [check for check in done["checks"] if check["name"] == "files"]
    assert found["status"] == "failed"
    assert "'zops-test-nothing': there is no such bucket" in found["message"]


def test_files_in_a_folder_need_no_library_for_s3(
    zops_here: ZopsHere, sqlite_database: Database, light: Path, tmp_path: Path
) -> None:
    zops_here.on(sqlite_database)
    program = (
        "import sys; from zcore.program import run; code = run(sys.argv[1:]);"
        "print(*sys.modules); sys.exit(code)"
    )
    for words in (("import", "acme", light), ("export", "-r", "acme", "--output", tmp_path / "a")):
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            env=zops_here.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert not {"boto3", "botocore"} & set(done.stdout.split())
