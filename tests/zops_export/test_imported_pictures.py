"""Pictures that an import makes, what it notes of images, and what it does with hostile ones."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from PIL import Image

from tests.interop.reading import REAL_EXPORTS
from tests.zops_export.spoiling import Watched, change_json, replace
from zcore.schema import tables
from zops_export import file_storing

if TYPE_CHECKING:
    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database
    from zcore.testing.s3 import S3Buckets

SEEN_BY_A_SERVER = {  # the size in pixels that a Zulip server noted of each uploaded image
    "sensor-отчёт-3.png": (146, 636),
    "instance-final-8.png": (632, 861),
    "magnet-report-10.jpg": (517, 349),
    "buffer-отчёт-12.jpg": (102, 304),
    "create-report-13.png": (674, 439),
    "daily-отчёт-14.png": (215, 305),
    "global-отчёт-18.jpg": (954, 422),
    "elegant-отчёт-22.jpg": (1236, 314),
    "anchor-отчёт-23.png": (100, 126),
    "ladder-größe-24.jpg": (1363, 890),
}
GIF = "066aeb6c.gif"
BROKEN = b"\x89PNG\r\n\x1a\nand nothing of a picture"
users, emoji, images, audit = (
    tables[name]
    for name in (
        "zerver_userprofile",
        "zerver_realmemoji",
        "zerver_imageattachment",
        "zerver_realmauditlog",
    )
)


def kind_and_size(path: Path) -> tuple[str | None, tuple[int, int], int]:
    with Image.open(path) as image:
        return image.format, image.size, getattr(image, "n_frames", 1)


def rows(database: Database, query: sa.Select[Any]) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def records_of(export: Path, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((export / kind / "records.json").read_bytes())
    return found


def keep(export: Path, kind: str, is_kept: Callable[[str], bool]) -> None:
    """Take out the other files of that kind."""
    for record in records_of(export, kind):
        if not is_kept(record["path"]):
            (export / kind / record["path"]).unlink()
    path = export / kind / "records.json"
    change_json(path, lambda found: [one for one in found if is_kept(one["path"])])
    change_json(export / "stats.json", lambda stats: stats.pop(f"{kind}_records", None) and None)


def findings(done: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["code"], one["where"]) for one in done.get("findings", ())]


@pytest.fixture
def acme(zops_here: ZopsHere, sqlite_database: Database) -> ZopsHere:
    return zops_here.on(sqlite_database)


def pictures(zops: ZopsHere, realm: int, pattern: str) -> Iterator[Path]:
    yield from sorted((zops.uploads / "avatars" / str(realm)).glob(pattern))


@pytest.mark.parametrize("processes", ["1", "5"])
def test_what_a_server_has_and_exports_lack(
    processes: str, acme: ZopsHere, sqlite_database: Database
) -> None:
    path = REAL_EXPORTS["full"]
    done = acme("--json", "import", "acme", path, "--processes", processes).json()
    realm = done["realm_id"]
    originals = list(pictures(acme, realm, "*.original"))
    assert len(originals) == 17
    for original in originals:
        medium = original.with_name(original.name.replace(".original", "-medium.png"))
        assert kind_and_size(medium) == ("PNG", (500, 500), 1)
    (still,) = pictures(acme, realm, "emoji/images/still/*")
    assert still.name == "066aeb6c.png"
    assert kind_and_size(still) == ("PNG", (64, 64), 1)
    query = sa.select(images).where(images.c.realm_id == realm)
    with sqlite_database.read() as connection:
        noted = connection.execute(query).all()
    seen = {
        row.path_id.rpartition("/")[2]: (row.original_width_px, row.original_height_px)
        for row in noted
    }
    assert seen == SEEN_BY_A_SERVER
    assert all((row.frames, row.thumbnail_metadata) == (1, []) for row in noted)
    assert {row.content_type for row in noted} == {"image/png", "image/jpeg"}
    assert all((acme.uploads / "files" / row.path_id).exists() for row in noted)


def test_what_only_originals_are_there_of_is_made(acme: ZopsHere, light_copy: Path) -> None:
    """As exports of servers with an object store are."""
    for kind in ("avatars", "emoji", "realm_icons"):
        keep(light_copy, kind, lambda path: path.endswith(".original"))
    done = acme("--json", "import", "acme", light_copy).json()
    realm = done["realm_id"]
    originals = list(pictures(acme, realm, "*.original"))
    small = [kind_and_size(path.with_suffix(".png")) for path in originals]
    assert small == [("PNG", (100, 100), 1)] * len(originals) != []
    (icon,) = pictures(acme, realm, "realm/icon.png")
    assert kind_and_size(icon) == ("PNG", (100, 100), 1)
    moving = next(pictures(acme, realm, f"emoji/images/{GIF}"))
    kind, size, frames = kind_and_size(moving)
    assert (kind, size) == ("GIF", (64, 64))
    assert frames == kind_and_size(moving.with_name(f"{GIF}.original"))[2] > 1
    assert len(list(pictures(acme, realm, "emoji/images/*.png"))) == 6


def test_without_its_original_a_small_avatar_gives_the_larger_one(
    acme: ZopsHere, light_copy: Path
) -> None:
    keep(light_copy, "avatars", lambda path: path.endswith(".png"))
    realm = acme("--json", "import", "acme", light_copy).json()["realm_id"]
    made = [kind_and_size(path) for path in pictures(acme, realm, "*-medium.png")]
    assert made == [("PNG", (500, 500), 1)] * 2


def test_an_emoji_that_moves_is_noted_as_such(
    acme: ZopsHere, sqlite_database: Database, light_copy: Path
) -> None:
    """Older servers did not know it."""

    def forget(tables: dict[str, Any]) -> None:
        for row in tables["zerver_realmemoji"]:
            row["is_animated"] = False

    change_json(light_copy / "realm.json", forget)
    acme("import", "acme", light_copy)
    moving = sa.select(emoji.c.file_name).where(emoji.c.is_animated)
    assert rows(sqlite_database, moving) == [(GIF,)]


def test_an_avatar_that_is_no_picture_is_left_out(
    acme: ZopsHere, sqlite_database: Database, light_copy: Path
) -> None:
    spoiled = next(
        one for one in records_of(light_copy, "avatars") if one["path"].endswith(".original")
    )
    replace(light_copy / "avatars" / spoiled["path"], BROKEN)
    done = acme("--json", "import", "acme", light_copy, exit_code=5).json()
    where = f"avatars/{spoiled['path']}"
    assert findings(done) == [("wrong-size", where), ("unusable-image", where)]
    query = sa.select(users.c.id, users.c.avatar_source, users.c.avatar_version).where(
        users.c.realm_id == done["realm_id"],
        users.c.delivery_email == spoiled["user_profile_email"],
    )
    ((user_id, source, version),) = rows(sqlite_database, query)
    assert (source, version) == ("G", spoiled["avatar_version"] + 1)
    logged = sa.select(audit.c.modified_user_id, audit.c.extra_data).where(
        audit.c.event_type == 123, audit.c.realm_id == done["realm_id"]
    )
    assert (user_id, {"avatar_source": "G"}) in rows(sqlite_database, logged)


def test_other_pictures_that_are_none_are_copied_and_named(
    acme: ZopsHere, sqlite_database: Database, light_copy: Path
) -> None:
    upload = next(one for one in records_of(light_copy, "uploads") if ".png" in one["path"])
    names = [
        f"emoji/4/emoji/images/{GIF}.original",
        "realm_icons/4/icon.original",
        f"uploads/{upload['path']}",
    ]
    keep(light_copy, "realm_icons", lambda path: path.endswith(".original"))
    for name in names:
        replace(light_copy / name, BROKEN)
    done = acme("--json", "import", "acme", light_copy, exit_code=5).json()
    assert sorted(findings(done)) == [
        *(("unusable-image", name) for name in names),
        ("wrong-size", names[-1]),  # the only one of them with a size in its record
    ]
    realm = done["realm_id"]
    copied = [path for path in acme.uploads.rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in copied].count(BROKEN) == 3
    assert rows(sqlite_database, sa.select(images).where(images.c.realm_id == realm)) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("emoji", "4/emoji/images/page.html"),
        ("emoji", "4/emoji/images/drawing.svg.original"),
        ("realm_icons", "4/login.html"),
        ("realm_icons", "4/icon.svg"),
    ],
)
def test_what_a_browser_takes_for_a_page_is_left_out(
    kind: str, name: str, acme: ZopsHere, light_copy: Path
) -> None:
    (light_copy / kind / name).write_bytes(b"<script>alert(1)</script>")
    record = {"realm_id": 4, "path": name, "s3_path": name, "file_name": name.rpartition("/")[2]}
    change_json(light_copy / kind / "records.json", lambda found: [*found, record])
    change_json(
        light_copy / "stats.json", lambda stats: stats.pop(f"{kind}_records", None) and None
    )
    done = acme("--json", "import", "acme", light_copy, exit_code=5).json()
    assert findings(done) == [("unsafe-file", f"{kind}/{name}")]
    assert not list(acme.uploads.rglob(name.rpartition("/")[2]))


@pytest.mark.parametrize("packed", [False, True])
def test_files_too_large_to_wait_are_stored_as_they_are_read(
    packed: bool,
    acme: ZopsHere,
    light: Path,
    monkeypatch: pytest.MonkeyPatch,
    temporary: Path,
) -> None:
    monkeypatch.setattr(file_storing, "MOST_HELD", 1)
    done = acme("--json", "import", "acme", REAL_EXPORTS["full"] if packed else light).json()
    stored = [path for path in (acme.uploads / "files").rglob("*") if path.is_file()]
    assert len(stored) == (25 if packed else 4)
    assert done["files"] > len(stored)


def test_what_is_kept_beside_pictures_that_were_made(
    zops_here: ZopsHere,
    sqlite_database: Database,
    s3: S3Buckets,
    light: Path,
    tmp_path: Path,
) -> None:
    """And beside originals, of which local exports say no type."""
    settings = s3.write_settings(tmp_path / "zops.toml")
    zops_here.environment |= {"ZOPS_UPLOADS": "s3", "ZOPS_CONFIG": str(settings)}
    zops_here.on(sqlite_database)
    realm = zops_here("--json", "import", "acme", light).json()["realm_id"]
    mediums = [key for key in s3.keys(s3.avatars) if key.endswith("-medium.png")]
    assert len(mediums) == 2
    for key in [*mediums, f"{realm}/emoji/images/still/066aeb6c.png"]:
        answer = s3.client.head_object(Bucket=s3.avatars, Key=key)
        assert answer["ContentType"] == "image/png"
        assert answer["CacheControl"] == "public, max-age=31536000, immutable"
        assert answer["Metadata"]["realm_id"] == str(realm)
        assert answer["Metadata"]["user_profile_id"]
        original = key.replace("-medium.png", ".original")
        if original != key:
            assert answer["Metadata"]["avatar_version"]
            answer = s3.client.head_object(Bucket=s3.avatars, Key=original)
            body = s3.client.get_object(Bucket=s3.avatars, Key=original)["Body"].read()
            with Image.open(io.BytesIO(body)) as image:
                assert answer["ContentType"] == Image.MIME[str(image.format)]
    types = {
        s3.client.head_object(Bucket=s3.uploads, Key=key)["ContentType"]
        for key in s3.keys(s3.uploads)
    }
    assert types <= {"application/pdf", "application/zip", "image/png", "text/plain"}


def test_nothing_is_left_where_a_store_fails_half_way(
    acme: ZopsHere, watched: Watched, light: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zcore import Failed
    from zcore.files import LocalStore

    put, count = LocalStore.put, iter(range(100))

    def failing(self: LocalStore, *arguments: Any, **named: Any) -> int:
        if next(count) == 9:
            raise Failed("no more")
        return put(self, *arguments, **named)

    monkeypatch.setattr(LocalStore, "put", failing)
    with watched.unchanged():
        done = acme("import", "acme", light, exit_code=1)
    assert "no more" in done.stderr
