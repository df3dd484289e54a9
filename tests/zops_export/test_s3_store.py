"""Buckets as file stores: whole objects, all pages, bounded parts, errors in one line."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.zcore.test_files import OUTSIDE
from tests.zops_export.breaking import BreakingProxy
from zcore.errors import Failed, Refused, Unreachable, ZopsError
from zcore.files import Metadata, StoredFile
from zcore.settings import Settings
from zcore.testing.processes import free_ports
from zops_export import s3_client, s3_store
from zops_export.s3_store import S3Store, open_stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zcore.testing.s3 import S3Buckets, S3Server

MB = 1 << 20


def settings(s3: S3Buckets, folder: Path, **changes: str) -> Settings:
    path = s3.write_settings(folder / "zops.toml", **changes)
    return Settings.load({}, {"ZOPS_HOME": str(folder / "home"), "ZOPS_CONFIG": str(path)}, folder)


@pytest.fixture(scope="module")
def client(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> object:
    """The connection that settings make: once, because it takes longer than a test with it."""
    buckets = s3_server.new_buckets()
    buckets.remove()
    return s3_client.connect(settings(buckets, tmp_path_factory.mktemp("settings")))


@pytest.fixture
def store(s3: S3Buckets, client: object) -> S3Store:
    """The bucket of uploads."""
    return S3Store(client, s3.uploads)


@pytest.fixture
def proxy(s3: S3Buckets) -> Iterator[BreakingProxy]:
    """A way to the server that can be cut."""
    with BreakingProxy(s3.account.endpoint_url) as found:
        yield found


@pytest.fixture
def by_proxy(s3: S3Buckets, tmp_path: Path, proxy: BreakingProxy) -> S3Store:
    """The same bucket as `store`, through `proxy`."""
    uploads = open_stores("s3", settings(s3, tmp_path, endpoint_url=proxy.url)).uploads
    assert isinstance(uploads, S3Store)
    return uploads


class Stream(io.RawIOBase):
    """Bytes that can be read once, in short reads; remembers the largest, and may fail."""

    def __init__(self, content: bytes, fails_after: int | None = None) -> None:
        self.largest = 0
        self._content = io.BytesIO(content)
        self._fails_after = fails_after

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "everything was asked for at once"
        self.largest = max(self.largest, size)
        if self._fails_after is not None and self._content.tell() >= self._fails_after:
            raise Failed("the archive is damaged")
        return self._content.read(min(size, 700_001))

    def seekable(self) -> bool:
        return False


def put(store: S3Store, *keys: str) -> None:
    for key in keys:
        store.put(key, io.BytesIO(key.encode()))


def read(store: S3Store, key: str) -> bytes:
    with store.open(key) as content:
        return content.read()


def some_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311  # no secret


def assert_one_line(error: ZopsError, *parts: str) -> None:
    assert "\n" not in error.message
    for part in parts:
        assert part in error.message


# --- objects


@pytest.mark.parametrize(
    "key", ["2/a", "2/tök en/ä b+c%2F?#&<>'\".txt", "2/日本.png", "2/a/./b//c"]
)
def test_an_object_comes_back(store: S3Store, s3: S3Buckets, key: str) -> None:
    content = some_bytes(3 * MB + 7)
    assert store.find(key) is None
    assert store.put(key, io.BytesIO(content)) == len(content)
    assert read(store, key) == content
    plain = key.replace("./", "").replace("//", "/")
    assert s3.keys(s3.uploads) == [plain]
    found = store.find(key)
    assert found is not None
    answer = s3.client.head_object(Bucket=s3.uploads, Key=plain)
    assert (found.key, found.size) == (plain, len(content))
    assert found.modified == answer["LastModified"].timestamp()


def test_an_object_is_read_in_blocks_and_can_be_left(store: S3Store) -> None:
    content = some_bytes(3 * MB)
    store.put("2/a", io.BytesIO(content))
    with store.open("2/a") as stream:
        assert stream.read(5) == content[:5]
        assert stream.read(MB) == content[5 : MB + 5]
    with store.open("2/a") as stream:
        blocks = list(iter(lambda: stream.read(MB), b""))
    assert b"".join(blocks) == content
    assert max(map(len, blocks)) == MB


def test_what_is_kept_beside_an_object(store: S3Store, s3: S3Buckets) -> None:
    entries = {"user_profile_id": "11", "realm_id": "2"}
    store.put("2/a", io.BytesIO(b"x"), metadata=Metadata("image/png", "no-cache", entries))
    answer = s3.client.head_object(Bucket=s3.uploads, Key="2/a")
    assert (answer["ContentType"], answer["CacheControl"]) == ("image/png", "no-cache")
    assert answer["Metadata"] == entries
    found = store.find("2/a")
    assert found is not None
    assert found.content_type == "image/png"
    store.put("2/a", io.BytesIO(b"x"))
    assert s3.client.head_object(Bucket=s3.uploads, Key="2/a")["Metadata"] == {}


@pytest.mark.parametrize("size", [0, 1, 8 * MB - 1, 8 * MB, 20 * MB])
def test_a_stream_of_unknown_size_is_sent_in_parts(
    store: S3Store, s3: S3Buckets, size: int
) -> None:
    content = some_bytes(size)
    stream = Stream(content)
    assert store.put("2/big", stream) == size
    assert hashlib.sha256(read(store, "2/big")).digest() == hashlib.sha256(content).digest()
    assert stream.largest <= MB
    tag = s3.client.head_object(Bucket=s3.uploads, Key="2/big")["ETag"].strip('"')
    assert tag.partition("-")[2] == {8 * MB: "1", 20 * MB: "3"}.get(size, "")


@pytest.mark.parametrize("fails_after", [0, 1, 8 * MB, 16 * MB])
def test_a_stream_that_breaks_leaves_nothing(
    store: S3Store, s3: S3Buckets, fails_after: int
) -> None:
    put(store, "2/a")
    for key in ("2/a", "2/b"):
        with pytest.raises(Failed, match="the archive is damaged"):
            store.put(key, Stream(bytes(20 * MB), fails_after))
    assert s3.keys(s3.uploads) == ["2/a"]
    assert read(store, "2/a") == b"2/a"
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=s3.uploads)


def test_parts_that_a_killed_process_left_are_deleted(store: S3Store, s3: S3Buckets) -> None:
    put(store, "2/a")
    for key in ("2/ab/x", "2/y", "22/z"):
        s3.client.create_multipart_upload(Bucket=s3.uploads, Key=key)
    store.drop_unfinished("2")
    (left,) = s3.client.list_multipart_uploads(Bucket=s3.uploads)["Uploads"]
    assert left["Key"] == "22/z"
    store.delete("22")
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=s3.uploads)
    assert s3.keys(s3.uploads) == ["2/a"]


@pytest.mark.parametrize(
    ("status", "code"), [(404, "NoSuchKey"), (405, "MethodNotAllowed"), (501, "NotImplemented")]
)
def test_a_store_that_tells_nothing_of_parts(
    store: S3Store, s3: S3Buckets, client: Any, status: int, code: str
) -> None:
    """Not all that speak the protocol do; files can be deleted there as well."""
    put(store, "2/a")
    event = "before-call.s3.ListMultipartUploads"
    answer = (SimpleNamespace(status_code=status), {"Error": {"Code": code}})

    def say_no(**_: object) -> object:
        return answer

    client.meta.events.register(event, say_no)
    try:
        store.delete("2")
    finally:
        client.meta.events.unregister(event, say_no)
    assert s3.keys(s3.uploads) == []


def test_a_key_that_names_nothing_inside_is_refused(store: S3Store, s3: S3Buckets) -> None:
    put(store, "a/b")
    for use in (
        store.open,
        store.find,
        store.delete,
        lambda key: put(store, key),
        lambda key: list(store.list(key)),
    ):
        for key in OUTSIDE:
            with pytest.raises(Refused):
                use(key)
    assert s3.keys(s3.uploads) == ["a/b"]


def test_what_is_not_there(store: S3Store) -> None:
    put(store, "2/a/b")
    for key in ("2/a", "2", "3/a", "2/a/b/c"):
        assert store.find(key) is None
        with pytest.raises(FileNotFoundError):
            store.open(key)
    store.delete("3")
    assert list(store.list("3")) == []
    assert list(store.list("2/a/b")) == []


# --- folders


def test_a_list_has_every_page_in_order(
    store: S3Store, s3: S3Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "PAGE", 3)
    inside = ["2/Z", "2/a", "2/a.b", "2/a/b", "2/a/c", "2/ä", "2/日"]
    put(store, *reversed(inside), "2", "2.x", "20/a", "1/z")
    s3.client.put_object(Bucket=s3.uploads, Key="2/folder/")  # as consoles make folders
    assert [found.key for found in store.list("2")] == inside
    assert [found.key for found in store.list("2/a")] == ["2/a/b", "2/a/c"]
    first = next(store.list("2/"))
    assert first == StoredFile("2/Z", 3, first.modified, bucket=s3.uploads)


def test_deleting_takes_every_page_and_no_neighbour(
    store: S3Store, s3: S3Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "PAGE", 3)
    outside = ["1/z", "2.x", "20/a"]
    put(store, "2", *(f"2/{number}/ö" for number in range(10)), *outside)
    s3.client.put_object(Bucket=s3.uploads, Key="2/folder/")
    store.delete("2/5/ö")
    assert len(s3.keys(s3.uploads)) == 14
    store.delete("2")
    assert s3.keys(s3.uploads) == outside


def test_some_stores_want_the_old_checksum_of_a_deletion(
    by_proxy: S3Store, proxy: BreakingProxy, s3: S3Buckets
) -> None:
    put(by_proxy, "2/a", "2/b")
    by_proxy.delete("2")
    assert s3.keys(s3.uploads) == []
    (deletion,) = [sent for sent in proxy.requests if sent.startswith(b"POST")]
    assert b"\r\nContent-MD5: " in deletion


@pytest.fixture
def undeletable(s3: S3Buckets) -> Iterator[str]:
    """A key that nobody may delete, until the end of the test."""
    rule = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": f"arn:aws:s3:::{s3.uploads}/2/held",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
    s3.client.put_bucket_policy(Bucket=s3.uploads, Policy=policy)
    yield "2/held"
    s3.client.delete_bucket_policy(Bucket=s3.uploads)


def test_what_may_not_be_deleted_does_not_keep_the_rest(
    store: S3Store, s3: S3Buckets, undeletable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "PAGE", 2)
    put(store, "2/a", undeletable, "2/x", "2/y", "2/z")
    with pytest.raises(Unreachable) as caught:
        store.delete("2")
    assert_one_line(caught.value, f"cannot delete '{undeletable}'", s3.uploads, "AccessDenied")
    assert s3.keys(s3.uploads) == [undeletable]
    with pytest.raises(Unreachable, match="403"):
        store.delete(undeletable)


def test_threads_share_a_store(store: S3Store, s3: S3Buckets) -> None:
    start = threading.Barrier(8)

    def work(number: int) -> bytes:
        start.wait()
        content = some_bytes(100_000 + number)
        store.put(f"2/{number}", io.BytesIO(content))
        assert read(store, f"2/{number}") == content
        return content

    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(work, range(8)))
    assert [found.size for found in store.list("2")] == [len(content) for content in done]


# --- what can be wrong


def test_a_bucket_that_is_not_there(s3: S3Buckets, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="there is no such bucket") as caught:
        open_stores("s3", settings(s3, tmp_path, avatar_bucket="zops-test-nothing"))
    assert_one_line(caught.value, "'zops-test-nothing'")


@pytest.mark.parametrize("changed", ["access_key", "secret_key"])
def test_a_key_that_is_wrong(s3: S3Buckets, tmp_path: Path, changed: str) -> None:
    with pytest.raises(Unreachable) as caught:
        open_stores("s3", settings(s3, tmp_path, **{changed: "wrong-as-can-be"}))
    assert_one_line(caught.value, s3.uploads)
    assert "files.s3.secret_key" in caught.value.hint
    assert "wrong-as-can-be" not in caught.value.message
    assert s3.account.secret_key not in caught.value.message


def test_nobody_answers(s3: S3Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "ATTEMPTS", 2)
    (port,) = free_ports(1)
    with pytest.raises(Unreachable) as caught:
        open_stores("s3", settings(s3, tmp_path, endpoint_url=f"http://me:hush@127.0.0.1:{port}"))
    assert_one_line(caught.value, s3.uploads, f"127.0.0.1:{port}", "Connection refused")
    assert "hush" not in caught.value.message


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"avatar_bucket": ""}, "files.s3.avatar_bucket"),
        ({"auth_uploads_bucket": ""}, "files.s3.auth_uploads_bucket"),
        ({"secret_key": ""}, "files.s3.secret_key"),
        ({"endpoint_url": "somewhere"}, "somewhere"),
        ({"access_key": "", "secret_key": ""}, "no key"),
    ],
)
def test_settings_that_do_not_say_enough(
    s3: S3Buckets,
    tmp_path: Path,
    changes: dict[str, str],
    part: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Refused) as caught:
        open_stores("s3", settings(s3, tmp_path, **changes))
    assert_one_line(caught.value, part)
    assert caught.value.hint or "somewhere" in changes.values()


def test_a_bucket_in_the_place_of_files(s3: S3Buckets, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="for S3 it is 's3'"):
        open_stores(f"s3://{s3.uploads}", settings(s3, tmp_path))


def test_a_name_that_no_bucket_can_have(s3: S3Buckets, tmp_path: Path) -> None:
    with pytest.raises(Failed) as caught:
        open_stores("s3", settings(s3, tmp_path, auth_uploads_bucket="a b"))
    assert_one_line(caught.value, "'a b'")


def test_a_server_says_where_its_buckets_are(s3: S3Buckets, tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(
        f"S3_AUTH_UPLOADS_BUCKET = {s3.uploads!r}\nS3_AVATAR_BUCKET = {s3.avatars!r}\n"
        f"S3_ENDPOINT_URL = {s3.account.endpoint_url!r}\nS3_REGION = 'us-east-1'\n"
    )
    (tmp_path / "zulip-secrets.conf").write_text(
        f"[secrets]\ns3_key = {s3.account.access_key}\ns3_secret_key = {s3.account.secret_key}\n"
    )
    environment = {"ZOPS_HOME": str(tmp_path), "ZOPS_ZULIP_CONF": str(tmp_path)}
    found = Settings.load({}, environment, tmp_path)
    stores = open_stores(found.uploads, found)
    stores.uploads.put("2/a", io.BytesIO(b""))
    stores.avatars.put("2/b", io.BytesIO(b""))
    assert (s3.keys(s3.uploads), s3.keys(s3.avatars)) == (["2/a"], ["2/b"])


# --- connections that break


def test_a_connection_that_breaks_is_gone_on_with(
    store: S3Store, by_proxy: S3Store, proxy: BreakingProxy
) -> None:
    content = some_bytes(3 * MB)
    store.put("2/a", io.BytesIO(content))
    with by_proxy.open("2/a") as stream:
        whole = stream.read()
    assert whole == content
    proxy.cuts += [MB, 2 * MB // 3]
    with by_proxy.open("2/a") as stream:
        assert b"".join(iter(lambda: stream.read(MB // 2), b"")) == content
    assert not proxy.cuts


def test_a_connection_that_keeps_breaking(
    store: S3Store, by_proxy: S3Store, proxy: BreakingProxy
) -> None:
    store.put("2/a", io.BytesIO(bytes(3 * MB)))
    proxy.cuts += [10_000] * 5
    with by_proxy.open("2/a") as stream, pytest.raises(Unreachable) as caught:
        stream.read()
    assert_one_line(caught.value, "cannot read '2/a'", store.bucket)


@pytest.mark.parametrize(
    ("new", "reason"), [(b"\1" * 3 * MB, "PreconditionFailed"), (None, "was deleted meanwhile")]
)
def test_an_object_that_is_another_one_by_now(
    new: bytes | None, reason: str, store: S3Store, by_proxy: S3Store, proxy: BreakingProxy
) -> None:
    store.put("2/a", io.BytesIO(bytes(3 * MB)))
    proxy.cuts.append(MB)
    with by_proxy.open("2/a") as stream:
        stream.read(1)
        if new is None:
            store.delete("2/a")
        else:
            store.put("2/a", io.BytesIO(new))
        with pytest.raises(Unreachable, match=reason):
            stream.read()


def test_a_put_is_tried_again(store: S3Store, by_proxy: S3Store, proxy: BreakingProxy) -> None:
    proxy.cuts.append(3)
    stream = Stream(b"content")
    assert by_proxy.put("2/a", stream) == 7
    assert not proxy.cuts
    assert read(store, "2/a") == b"content"


def test_a_store_that_goes_away(
    by_proxy: S3Store, proxy: BreakingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(by_proxy, "2/a")
    proxy.down = True
    for use in (
        lambda: read(by_proxy, "2/a"),
        lambda: by_proxy.find("2/a"),
        lambda: list(by_proxy.list("2")),
        lambda: put(by_proxy, "2/b"),
    ):
        with pytest.raises(Unreachable) as caught:
            use()
        assert_one_line(caught.value, by_proxy.bucket, proxy.url)
