"""Beside a running server: what it is told after a change, and what `doctor --server` says."""

from __future__ import annotations

import os
import secrets
from contextlib import closing
from typing import TYPE_CHECKING

import pika
import pytest
import sqlalchemy as sa

from tests.zops_realm.beside_server import BesideServer, published
from zcore import Change, Context
from zcore.console import Console
from zcore.database import Database
from zcore.plugins import Plugins
from zcore.schema.realms import zerver_realm
from zcore.settings import Settings
from zcore.testing.memcached import MemcachedServer
from zops_queue.names import SERVER_QUEUES
from zops_realm.server.telling import tell

if TYPE_CHECKING:
    from zcore.testing.commands import Zops

QUEUES = (*SERVER_QUEUES, "notify_tornado")
NOBODY = MemcachedServer("memcached://127.0.0.1:1")


@pytest.fixture
def beside(zops: Zops, postgres_url: str) -> BesideServer:
    """A server's database with an organization; zops is not told of anything else."""
    return BesideServer(zops, postgres_url, secrets.token_hex(8))


def realm_id_of(url: str) -> int:
    with closing(Database.connect(url)) as database, database.read() as connection:
        chosen = sa.select(zerver_realm.c.id).where(zerver_realm.c.string_id == "acme")
        return connection.scalar(chosen) or 0


def test_the_server_is_told_of_a_new_account(
    beside: BesideServer, postgres_url: str, memcached: MemcachedServer, rabbitmq_url: str
) -> None:
    realm = realm_id_of(postgres_url)
    beside.deploy()
    beside.tell(memcached, rabbitmq_url)
    lists = ("realm_user_dicts", "active_user_ids", "active_non_guest_user_ids")
    stale = [f":1:{prefix}{name}:{realm}".encode() for prefix in beside.prefixes for name in lists]
    others = [
        f":1:{beside.prefixes[0]}{name}".encode()
        for name in (f"realm_user_dicts:{realm + 1}", f"realm_alert_words:{realm}")
    ]
    memcached.put([*stale, *others])

    made = beside.create_user("Mo", "-v", "--json")
    user_id = made.json()["user_id"]

    assert memcached.there([*stale, *others]) == set(others)
    assert f"deleted {len(stale)} of " in made.stderr
    told = published(rabbitmq_url, "notify_tornado")
    assert {mode for _, mode in told} == {2}
    events = [body["event"] for body, _ in told]
    assert [(event["type"], event["op"]) for event in events] == [
        ("realm_user", "add"),
        ("user_group", "add_members"),
        ("user_group", "add_members"),
        ("subscription", "peer_add"),
    ]
    assert events[0]["person"]["full_name"] == "Mo Lee"
    assert [event.get("user_ids") for event in events] == [None, *[[user_id]] * 3]
    everybody = [body["users"] for body, _ in told]
    assert everybody[0] == everybody[1] == everybody[2] == [*everybody[3], user_id]
    assert "flush-memcached" not in made.stderr


def test_each_account_has_its_tornado_process(beside: BesideServer, rabbitmq_url: str) -> None:
    (beside.zops.folder / "sharding.json").write_text(
        '{"shard_map": {"acme.chat.test": [9801, 9802]}}'
    )
    sharding = 'tornado_sharding = "sharding.json"\ntornado_ports = [9800, 9801, 9802]\n'
    beside.tell(None, rabbitmq_url, sharding)

    user_id = beside.create_user("Mo", "--json").json()["user_id"]

    by_queue = {
        port: [body for body, _ in published(rabbitmq_url, f"notify_tornado_port_{port}")]
        for port in (9800, 9801, 9802)
    }
    assert by_queue[9800] == []
    added = {port: bodies[0] for port, bodies in by_queue.items() if bodies}
    assert {body["event"]["op"] for body in added.values()} == {"add"}
    mine = 9801 + user_id % 2
    assert user_id in added[mine]["users"]
    assert all(number % 2 == port - 9801 for port in added for number in added[port]["users"])


def test_the_push_service_is_told_of_numbers(
    beside: BesideServer, postgres_url: str, rabbitmq_url: str
) -> None:
    beside.tell(None, rabbitmq_url)
    beside.create_user("Ann")
    assert published(rabbitmq_url, "deferred_work") == []

    beside.tell(None, rabbitmq_url, "push_service = true\n")
    beside.create_user("Mo")
    realm_id = realm_id_of(postgres_url)
    beside.zops("realm", "deactivate", "acme")
    beside.zops("realm", "reactivate", "acme")

    update = {"type": "push_bouncer_update_for_realm", "realm_id": realm_id}
    assert published(rabbitmq_url, "deferred_work") == [(update, 2)] * 3


def test_a_server_that_does_not_answer_is_warned_of(beside: BesideServer) -> None:
    beside.deploy()
    beside.tell(NOBODY, "amqp://u:secret-word@127.0.0.1:1/")

    made = beside.create_user("Mo")

    cache, clients = (line for line in made.stderr.splitlines() if "warning" in line)
    assert "memcached at 127.0.0.1:1" in cache
    assert "7 days" in cache
    assert "scripts/setup/flush-memcached" in cache
    assert "RabbitMQ at amqp://" in clients
    assert "until they are reloaded" in clients
    assert "created the member mo@a.test" in made.stdout


def test_a_cache_whose_prefixes_are_unknown_is_warned_of(
    beside: BesideServer, memcached: MemcachedServer
) -> None:
    beside.tell(memcached, "")
    (warning,) = (
        line for line in beside.create_user("Mo").stderr.splitlines() if "warning" in line
    )
    assert str(beside.deployments) in warning
    assert "flush-memcached" in warning


def test_a_server_that_is_not_known_is_one_note(beside: BesideServer) -> None:
    (note,) = beside.create_user("Mo").stderr.splitlines()
    for said in ("memcached and RabbitMQ", "lists of users", "7 days", "flush-memcached", "reload"):
        assert said in note
    assert beside.create_user("Ann", "-q").stderr == ""
    second = (
        "create-realm",
        "Second",
        "o@b.test",
        "Ora O",
        "--string-id=second",
        "--no-password",
        "--bare",
    )
    assert beside.zops(*second).stderr == ""  # nobody has seen it before


def test_many_accounts_and_sessions(
    beside: BesideServer, memcached: MemcachedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    beside.deploy()
    beside.tell(memcached, "amqp://u:secret-word@127.0.0.1:1/")
    settings = Settings.load({}, beside.zops.environment, beside.zops.folder)
    session = f":1:django.contrib.sessions.cached_db{secrets.token_hex(16)}".encode()
    memcached.put([session])
    change = Change(
        "user.created", 2, "acme", tuple(range(101)), {"session_keys": [session.decode()[36:]]}
    )
    with closing(Context(settings, Console(), Plugins.load())) as context:
        tell(change, context)
    (warning,) = capsys.readouterr().err.splitlines()
    assert "more than 100 accounts" in warning
    assert memcached.there([session]) == set()


def test_where_there_is_no_server_nothing_is_said(zops_here: Zops) -> None:
    (zops_here.folder / "zops.toml").write_text(f"[server]\n{NOBODY.toml}")
    zops_here.environment["ZOPS_BROKER"] = "amqp://u:secret-word@127.0.0.1:1/"
    zops_here("create-realm", "Acme", "o@a.test", "Ora O", "--string-id=acme", "--no-password")
    made = zops_here("create-user", "mo@a.test", "Mo Lee", "-r", "acme", "--no-password")
    assert made.stderr == ""


class TestDoctor:
    """`zops doctor --server`."""

    @staticmethod
    def checked(zops: Zops) -> dict[str, tuple[str, str]]:
        """Status and message of each check about the server, by what it is about."""
        checks = zops("--json", "doctor", "--server", check=False).json()["checks"]
        return {
            check["name"].removeprefix("server-"): (check["status"], check["message"])
            for check in checks
            if check["name"].startswith("server-")
        }

    def test_a_server_in_order(
        self, beside: BesideServer, memcached: MemcachedServer, rabbitmq_url: str
    ) -> None:
        uploads = beside.zops.folder / "uploads"
        uploads.mkdir()
        beside.zops.environment["ZOPS_UPLOADS"] = str(uploads)
        beside.deploy()
        beside.tell(memcached, rabbitmq_url)
        connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
        channel = connection.channel()
        for queue in QUEUES:
            channel.queue_declare(queue, durable=True)
            channel.basic_consume(queue, print)

        found = self.checked(beside.zops)
        connection.close()

        assert {status for status, _ in found.values()} == {"ok"}, found
        assert "2 deployments" in found["memcached"][1]
        assert "14 queues" in found["broker"][1]
        assert set(found) == {"database", "files", "user", "memcached", "broker"}

    def test_a_server_that_is_not_known(self, beside: BesideServer) -> None:
        (beside.zops.folder / "zops.toml").write_text('[server]\ndeployments = "nowhere"\n')
        found = self.checked(beside.zops)
        assert {name: status for name, (status, _) in found.items()} == {
            "database": "ok",
            "files": "skipped",
            "user": "skipped",
            "memcached": "warning",
            "broker": "warning",
        }

    def test_what_is_wrong_is_named(self, beside: BesideServer, rabbitmq_url: str) -> None:
        beside.deploy()
        beside.tell(NOBODY, rabbitmq_url)
        empty = self.checked(beside.zops)
        connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
        channel = connection.channel()
        for queue in QUEUES:
            channel.queue_declare(queue, durable=True)
        idle = self.checked(beside.zops)
        channel.queue_delete("deferred_work")
        lacking = self.checked(beside.zops)
        connection.close()

        assert empty["memcached"][0] == "failed"
        assert empty["broker"][0] == "failed"
        assert idle["broker"][0] == "warning"
        assert "nobody works on" in idle["broker"][1]
        assert "lacks deferred_work" in lacking["broker"][1]

    def test_a_role_that_may_only_read(self, beside: BesideServer, postgres_url: str) -> None:
        beside.zops.environment["ZOPS_DATABASE"] = (
            f"{postgres_url}?options=-crole%3Dpg_read_all_data"
        )
        status, message = self.checked(beside.zops)["database"]
        assert status == "failed"
        assert "pg_read_all_data may not write" in message

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
    def test_files_of_another_user(self, beside: BesideServer) -> None:
        uploads = beside.zops.folder / "uploads"
        uploads.mkdir()
        os.chown(uploads, 12345, 12345)
        beside.zops.environment["ZOPS_UPLOADS"] = str(uploads)
        beside.deploy()
        beside.tell(None, "")
        os.chown(beside.deployments, 12345, 12345)
        found = self.checked(beside.zops)
        for name in ("files", "user"):
            assert found[name][0] == "warning"
            assert "user 12345" in found[name][1]
            assert "root" in found[name][1]

    def test_only_when_asked(self, zops_on_sqlite: Zops) -> None:
        checks = zops_on_sqlite("--json", "doctor", check=False).json()["checks"]
        assert not [check for check in checks if check["name"].startswith("server-")]
        assert self.checked(zops_on_sqlite)["database"][0] == "skipped"
