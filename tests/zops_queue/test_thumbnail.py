"""Queue `thumbnail`: files, rows and messages, on both databases, in a folder and in S3."""

from __future__ import annotations

import io
import re
import secrets
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from PIL import Image

from tests.zops_queue.test_thumbnail_html import DONE, WAITING, block
from tests.zops_queue.working import as_command
from tests.zops_realm.beside_server import published
from tests.zops_realm.realm_state import insert, rows, update
from zcore.database import Database
from zcore.testing import settings_of, work
from zops_queue.thumbnails.formats import Picture
from zops_queue.thumbnails.making import READABLE
from zops_queue.workers.thumbnail import UNREADABLE, handle, partial, ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zcore.testing import SampleRealm, StubBroker, Worked, Zops, ZopsInProcess
    from zcore.testing.memcached import MemcachedServer
    from zcore.testing.s3 import S3Buckets

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def image(kind: str, width: int, height: int, frames: int = 1) -> bytes:
    """An image of stripes; of several frames each is another one."""
    made = []
    for number in range(frames):
        frame = Image.new("RGB", (width, height), (200, 30 * number % 255, 0))
        frame.paste((0, 90, 30 * number % 255), (0, 0, width // 2, height // 3))
        made.append(frame)
    file = io.BytesIO()
    more: dict[str, Any] = {"save_all": True, "append_images": made[1:]} if frames > 1 else {}
    made[0].save(file, kind, **more)
    return file.getvalue()


class Gallery:
    """An organization whose first message shows an image that has no thumbnails yet."""

    def __init__(self, database: Database, realm: SampleRealm, uploads: Path) -> None:
        self.database = database
        self.realm = realm
        self.uploads = uploads
        self.path_id = realm.file.path_id
        self.message_id = realm.file.message_id
        self.settings = settings_of(
            ZOPS_UPLOADS=str(uploads),
            ZOPS_AVATAR_SALT="salt",
            ZOPS_BROKER="amqp://nobody@127.0.0.1/",
        )

    def add(
        self,
        content: bytes,
        kind: str | None = "image/png",
        size: tuple[int, int] = (1000, 500),
        frames: int = 1,
    ) -> int:
        """The image is uploaded, and its message sent. Returns its number."""
        self.file.write_bytes(content)
        update(
            self.database,
            "zerver_message",
            self.message_id,
            rendered_content=f"<p>see</p>\n{block(WAITING, self.path_id)}",
        )
        return insert(
            self.database,
            "zerver_imageattachment",
            realm_id=self.realm.realm_id,
            path_id=self.path_id,
            content_type=kind,
            original_width_px=size[0],
            original_height_px=size[1],
            frames=frames,
            thumbnail_metadata=[],
        )

    @property
    def file(self) -> Path:
        return self.uploads / "files" / self.path_id

    def thumbnail(self, name: str) -> Image.Image:
        path = self.uploads / "files" / "thumbnail" / self.path_id / name
        return Image.open(io.BytesIO(path.read_bytes()))

    def work(self, *numbers: object) -> Worked:
        events = [{"id": number} for number in numbers]
        settings, database = self.settings, self.database
        return work(handle, events, database=database, settings=settings, clock=lambda: NOW)

    def entries(self) -> list[dict[str, Any]]:
        """What the database says of the thumbnails."""
        (row,) = rows(self.database, "zerver_imageattachment")
        return list(row["thumbnail_metadata"])

    def html(self) -> str:
        (row,) = rows(self.database, "zerver_message", id=self.message_id)
        return str(row["rendered_content"])


@pytest.fixture
def gallery(database: Database, realm: SampleRealm, uploads: Path) -> Iterator[Gallery]:
    found = Gallery(database, realm, uploads)
    with as_command(database, found.settings):
        yield found


def test_a_still_image(gallery: Gallery) -> None:
    number = gallery.add(image("PNG", 1000, 500))
    done = gallery.work(number)
    assert done.rejected == ()
    made = gallery.thumbnail("840x560.webp")
    assert (made.format, made.size) == ("WEBP", (840, 420))
    size = (gallery.uploads / "files" / "thumbnail" / gallery.path_id / "840x560.webp").stat()
    assert gallery.entries() == [
        {
            "extension": "webp",
            "max_width": 840,
            "max_height": 560,
            "animated": False,
            "content_type": "image/webp",
            "width": 840,
            "height": 420,
            "byte_size": size.st_size,
        }
    ]
    src = f"/user_uploads/thumbnail/{gallery.path_id}/840x560.webp"
    tag = DONE.replace("632x861", "1000x500").replace("/user_uploads/thumbnail/x/840x560.webp", src)
    html = f"<p>see</p>\n{block(tag, gallery.path_id)}"
    assert gallery.html() == html
    ((queue, told),) = done.published
    (message,) = rows(gallery.database, "zerver_message", id=gallery.message_id)
    assert queue == "notify_tornado"
    assert told["event"] == {
        "type": "update_message",
        "user_id": None,
        "edit_timestamp": int(NOW.timestamp()),
        "message_id": gallery.message_id,
        "message_ids": [gallery.message_id],
        "content": message["content"],
        "rendered_content": html,
        "rendering_only": True,
    }
    people = (gallery.realm.owner, gallery.realm.admin, *gallery.realm.members)
    ids = sorted(person.user_id for person in people)
    assert told["users"] == [{"id": each, "flags": ["read"]} for each in ids]
    again = gallery.work(number)
    assert (again.published, again.rejected, gallery.html()) == ((), (), html)


def test_a_small_image_stays_as_small_as_it_is(gallery: Gallery) -> None:
    gallery.work(gallery.add(image("JPEG", 30, 20), "image/jpeg", (30, 20)))
    assert gallery.thumbnail("840x560.webp").size == (30, 20)


def test_an_image_that_moves(gallery: Gallery) -> None:
    gallery.work(gallery.add(image("GIF", 90, 60, 4), "image/gif", (90, 60), 4))
    assert getattr(gallery.thumbnail("840x560-anim.webp"), "n_frames", 1) == 4
    assert getattr(gallery.thumbnail("840x560.webp"), "n_frames", 1) == 1
    assert [(each["animated"], each["width"]) for each in gallery.entries()] == [
        (True, 90),
        (False, 90),
    ]
    assert '<img data-animated="true"' in gallery.html()
    assert "840x560-anim.webp" in gallery.html()


@pytest.mark.parametrize(
    ("size", "name"), [((1200, 800), "4032x3024.webp"), ((800, 1200), "3024x4032.webp")]
)
def test_an_image_that_browsers_cannot_show(
    gallery: Gallery, size: tuple[int, int], name: str
) -> None:
    gallery.work(gallery.add(image("TIFF", *size), "image/tiff", size))
    assert gallery.thumbnail(name).size == size
    assert f'data-transcoded-image="{name}"' in gallery.html()
    assert "/840x560.webp" in gallery.html()


def test_what_is_no_image_is_taken_out_of_its_messages(gallery: Gallery) -> None:
    done = gallery.work(gallery.add(b"\x89PNG\r\n\x1a\nand no more"))
    assert done.rejected == ()
    assert rows(gallery.database, "zerver_imageattachment") == []
    assert gallery.html() == "<p>see</p>"
    assert done.published[0][1]["event"]["rendered_content"] == "<p>see</p>"


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"anything", "image/heic", "only the server can read an image of the type image/heic"),
        (b"\0\0\0\x18ftypheic", "image/png", "only the server can read an image of the type"),
    ],
)
def test_what_only_the_server_can_read_is_left_to_it(
    gallery: Gallery, content: bytes, kind: str, reason: str
) -> None:
    (said,) = gallery.work(gallery.add(content, kind)).reasons
    assert reason in said
    assert gallery.entries() == []
    assert WAITING in gallery.html()


def test_beside_a_server_all_leaves_the_queue_alone(gallery: Gallery) -> None:
    assert UNREADABLE not in READABLE
    with as_command(gallery.database, gallery.settings) as context:
        assert UNREADABLE in partial(context)
        assert ready(context) == ""
    with as_command(gallery.database, settings_of()) as context:
        assert partial(context) == ""


def test_a_file_that_is_not_there(gallery: Gallery) -> None:
    number = gallery.add(b"")
    gallery.file.unlink()
    assert gallery.work(number).reasons == [f"there is no file '{gallery.path_id}'"]
    assert gallery.entries() == []


def test_rows_that_are_gone_and_events_that_are_none(gallery: Gallery) -> None:
    assert gallery.work(999_999, "x").reasons == ["id is not a whole number"]


def test_messages_that_were_deleted(gallery: Gallery) -> None:
    """Only a server has their tables; made by hand here."""
    tables = {
        "zerver_archivedmessage": "id integer, realm_id integer, rendered_content text",
        "zerver_archivedattachment": "id integer, path_id text",
        "zerver_archivedattachment_messages": (
            "archivedattachment_id integer, archivedmessage_id integer"
        ),
    }
    html = block(WAITING, gallery.path_id)
    with gallery.database.begin() as connection:
        for name, columns in tables.items():
            connection.execute(sa.text(f"CREATE TABLE {name} ({columns})"))
        message = sa.text("INSERT INTO zerver_archivedmessage VALUES (5, :realm, :html)")
        connection.execute(message, {"realm": gallery.realm.realm_id, "html": html})
        file = sa.text("INSERT INTO zerver_archivedattachment VALUES (6, :path)")
        connection.execute(file, {"path": gallery.path_id})
        connection.execute(sa.text("INSERT INTO zerver_archivedattachment_messages VALUES (6, 5)"))
    gallery.work(gallery.add(image("PNG", 10, 10), size=(10, 10)))
    with gallery.database.read() as connection:
        found = connection.scalar(sa.text("SELECT rendered_content FROM zerver_archivedmessage"))
    assert "placeholder" not in found
    assert "840x560.webp" in found


@pytest.mark.parametrize(
    ("kind", "size", "frames", "made", "names"),
    [
        ("image/png", (9, 9), 1, [], ["840x560.webp"]),
        ("image/gif", (9, 9), 3, [], ["840x560-anim.webp", "840x560.webp"]),
        ("image/tiff", (9, 8), 1, [], ["840x560.webp", "4032x3024.webp"]),
        ("image/tiff", (8, 9), 1, [], ["840x560.webp", "3024x4032.webp"]),
        (None, (9, 9), 1, [], ["840x560.webp", "4032x3024.webp"]),
        ("image/gif", (9, 9), 3, [(840, 560, True)], ["840x560.webp"]),
        ("image/gif", (9, 9), 3, [(840, 560, True), (840, 560, False)], []),
        ("image/png", (9, 9), 1, [(100, 75, False)], ["840x560.webp"]),
    ],
)
def test_which_thumbnails_there_are_to_be(
    kind: str | None,
    size: tuple[int, int],
    frames: int,
    made: list[tuple[int, int, bool]],
    names: list[str],
) -> None:
    there = [
        {"max_width": width, "max_height": height, "animated": moves, "extension": "webp"}
        for width, height, moves in made
    ]
    picture = Picture(1, 1, "p", kind, *size, frames, there)
    assert [each.name for each in picture.missing()] == names


@pytest.mark.s3
def test_thumbnails_in_s3(
    s3: S3Buckets,
    sqlite_realm: SampleRealm,
    sqlite_database: Database,
    uploads: Path,
    zops_in_process: ZopsInProcess,
    zops_environment: dict[str, str],
    stub_broker: StubBroker,
) -> None:
    gallery = Gallery(sqlite_database, sqlite_realm, uploads)
    number = gallery.add(image("PNG", 1000, 500))
    client = s3.account.client()
    client.put_object(Bucket=s3.uploads, Key=gallery.path_id, Body=gallery.file.read_bytes())
    zops_environment |= {"ZOPS_UPLOADS": "s3", "ZOPS_AVATAR_SALT": "salt"}
    s3.write_settings(zops_in_process.folder / "zops.toml")
    stub_broker.publish("thumbnail", [b'{"id": %d}' % number])
    zops_in_process("process-queue", "thumbnail", "--drain")
    key = f"thumbnail/{gallery.path_id}/840x560.webp"
    stored = client.get_object(Bucket=s3.uploads, Key=key)
    assert stored["ContentType"] == "image/webp"
    assert Image.open(io.BytesIO(stored["Body"].read())).size == (840, 420)


@pytest.mark.rabbitmq
def test_a_running_server_shows_them_at_once(
    postgres_realm: SampleRealm,
    postgres_database: Database,
    uploads: Path,
    memcached: MemcachedServer,
    rabbitmq_url: str,
    zops: Zops,
) -> None:
    gallery = Gallery(postgres_database, postgres_realm, uploads)
    number = gallery.add(image("PNG", 1000, 500))
    insert(postgres_database, "django_migrations", app="zerver", name="0001", applied=NOW)
    prefix = f"{secrets.token_hex(16)}:"
    deployments = zops.folder / "deployments"
    (deployments / "current" / "var").mkdir(parents=True)
    (deployments / "current" / "var" / "remote_cache_prefix").write_text(prefix)
    toml = f'[server]\ndeployments = "{deployments}"\n{memcached.toml}'
    (zops.folder / "zops.toml").write_text(toml)
    zops.environment |= {"ZOPS_BROKER": rabbitmq_url, "ZOPS_AVATAR_SALT": "salt"}
    old, other = (
        f":1:{prefix}message_dict:{each}".encode()
        for each in (gallery.message_id, gallery.message_id + 1)
    )
    memcached.put([old, other])
    zops("queue", "publish", "thumbnail", stdin=f'{{"id": {number}}}\n')
    zops("process-queue", "thumbnail", "--drain")
    assert memcached.there([old, other]) == {other}
    ((told, _),) = published(rabbitmq_url, "notify_tornado")
    assert told["event"]["rendered_content"] == gallery.html()
    assert gallery.thumbnail("840x560.webp").size == (840, 420)


def test_messages_become_what_a_server_made_of_them(
    restored_dump: Callable[[str], str], dumps: Path, tmp_path: Path
) -> None:
    """Of a server's database, all thumbnails are made once more."""
    with tarfile.open(dumps / "uploads-small.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    with closing(Database.connect(restored_dump("zulip10-small"))) as database:
        pictures = rows(database, "zerver_imageattachment")
        shown = [
            row
            for row in rows(database, "zerver_message", has_image=True)
            if "/user_uploads/thumbnail/" in row["rendered_content"]
        ]
        for row in shown:
            update(database, "zerver_message", row["id"], rendered_content=_waiting(row))
        for picture in pictures:
            update(database, "zerver_imageattachment", picture["id"], thumbnail_metadata=[])
        settings = settings_of(ZOPS_UPLOADS=str(tmp_path), ZOPS_AVATAR_SALT="salt")
        with as_command(database, settings):
            events = [{"id": picture["id"]} for picture in pictures]
            assert work(handle, events, database=database, settings=settings).rejected == ()
        for row in shown:
            (now,) = rows(database, "zerver_message", id=row["id"])
            assert now["rendered_content"] == row["rendered_content"]
        for before, now in zip(pictures, rows(database, "zerver_imageattachment"), strict=True):
            assert _but_size(now) == _but_size(before)
    assert len(shown) > 10
    assert len(pictures) == 10


def _waiting(row: dict[str, Any]) -> str:
    """The HTML of a message before there were thumbnails."""
    return re.sub(
        r'<img ([^>]*) src="/user_uploads/thumbnail/[^"]*">',
        r'<img class="image-loading-placeholder" \1 src="/static/images/loading/loader.svg">',
        row["rendered_content"],
    )


def _but_size(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**each, "byte_size": each["byte_size"] > 0} for each in row["thumbnail_metadata"]]
