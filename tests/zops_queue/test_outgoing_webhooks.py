"""Queue `outgoing_webhooks`: bots that are called over real sockets, and what they answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.web_server import Received, Response, WebServer
from tests.zops_queue.working import as_command
from tests.zops_realm.realm_state import insert, rows
from zcore.broker import Event, WorkContext, encode_event, utc_now
from zcore.errors import Unreachable
from zcore.schema import tables
from zcore.testing import settings_of
from zops_queue.mail.marks import Marks
from zops_queue.web.addresses import read_networks
from zops_queue.web.connecting import Way
from zops_queue.webhooks.message import link_to, read_call
from zops_queue.webhooks.serving import Serving, WebhookDelayed
from zops_queue.workers.fields import BadField

if TYPE_CHECKING:
    from zcore.database import Database
    from zcore.testing import SampleRealm, StubBroker, ZopsInProcess

GENERIC, SLACK = 1, 2
TOKEN, KEY, LOGIN = "the token", "k" * 32, "helper@acme.test"
SENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Bots:
    """A bot of an organization, where it is called, and the server that it answers through."""

    def __init__(self, database: Database, realm: SampleRealm) -> None:
        self.database = database
        self.realm = realm
        self.hook = WebServer()
        self.api = WebServer()
        self.published: list[tuple[str, Mapping[str, Any]]] = []
        settings = settings_of(
            ZOPS_EXTERNAL_HOST="chat.test", ZOPS_BROKER="amqp://nobody@127.0.0.1/"
        )
        self.work = WorkContext(settings, self._publish, utc_now, lambda: database)
        self.serving = self.another()
        users = tables["zerver_userprofile"]
        with database.begin() as connection:
            bot = sa.update(users).where(users.c.id == realm.bot.user_id)
            connection.execute(bot.values(api_key=KEY, delivery_email=LOGIN))

    def another(self, **changes: Any) -> Serving:
        """What a worker of another process has."""
        wanted = {
            "way": Way(allowed=read_networks(["127.0.0.0/8"])),
            "api_url": self.api.url,
            "seconds": 0.5,
            "most_tries": 4,
            "marks": Marks(self.database, "webhooks"),
        }
        return Serving(**{**wanted, **changes})

    def _publish(self, queue: str, payload: Mapping[str, Any]) -> None:
        self.published.append((queue, payload))

    def add_service(self, interface: int = GENERIC, url: str = "") -> int:
        return insert(
            self.database,
            "zerver_service",
            user_profile_id=self.realm.bot.user_id,
            name="hook",
            base_url=url or f"{self.hook.url}/hook",
            token=TOKEN,
            interface=interface,
        )

    def event(self, *, direct: bool = False, attempts: int = 0, **changes: Any) -> Event:
        """A member has called the bot."""
        payload = {
            "user_profile_id": self.realm.bot.user_id,
            "trigger": "direct_message" if direct else "mention",
            "message": self.message(direct=direct),
            **changes,
        }
        body = encode_event(payload)
        return Event(
            queue="outgoing_webhooks",
            body=body,
            tag=1,
            attempts=attempts,
            payload=json.loads(body),
        )

    def message(self, *, direct: bool) -> dict[str, Any]:
        mia, channel = self.realm.members[0], self.realm.public_channel
        people = [{"id": one.user_id, "email": one.email} for one in (mia, self.realm.bot)]
        where = {"type": "stream", "stream_id": channel.channel_id, "subject": "1.5 %"}
        return {
            "id": channel.message_ids[0],
            "sender_id": mia.user_id,
            "content": "@**helper** hi",
            "rendered_content": "<p>hi</p>",
            "recipient_id": self.realm.bot.recipient_id if direct else channel.recipient_id,
            "recipient_type": 1 if direct else 2,
            "timestamp": int(SENT.timestamp()),
            "sender_full_name": mia.full_name,
            "sender_delivery_email": "Mia@acme.test",
            "sender_avatar_source": "G",
            "sender_avatar_version": 3,
            "sender_recipient_id": mia.recipient_id,
            "sender_email_address_visibility": 1,
            "display_recipient": people if direct else channel.name,
            **({"type": "private", "subject": ""} if direct else where),
        }

    def serve(self, event: Event | None = None, serving: Serving | None = None) -> None:
        (serving or self.serving).serve(event or self.event(), self.work)

    def said(self) -> list[dict[str, str]]:
        """What the bot has said through the API."""
        return [request.form for request in self.api.received]


@pytest.fixture
def bots(sqlite_database: Database, sqlite_realm: SampleRealm) -> Iterator[Bots]:
    found = Bots(sqlite_database, sqlite_realm)
    with as_command(sqlite_database, found.work.settings):
        yield found
    found.hook.close()
    found.api.close()


def test_a_generic_bot_is_shown_the_message_and_answers(bots: Bots) -> None:
    bots.add_service()
    bots.hook.answer = Response(b'{"content": "Hello.", "widget_content": {"poll": 1}}')
    bots.serve()
    (called,) = bots.hook.received
    assert (called.method, called.path) == ("POST", "/hook")
    assert called.headers["content-type"] == "application/json"
    assert called.headers["user-agent"] == "ZulipOutgoingWebhook/10.0"
    assert called.headers["accept-encoding"] == "gzip, deflate"
    message = called.json.pop("message")
    bot, channel = bots.realm.bot, bots.realm.public_channel
    assert {name: called.json[name] for name in called.json if name != "message"} == {
        "data": "@**helper** hi",
        "bot_email": bot.email,
        "bot_full_name": bot.full_name,
        "token": TOKEN,
        "trigger": "mention",
    }
    assert message["rendered_content"] == "<p>hi</p>"
    assert message["content_type"] == "text/x-markdown"
    assert message["avatar_url"].endswith("?d=identicon&version=3")
    assert not {"sender_delivery_email", "recipient_type", "sender_avatar_source"} & set(message)
    (said,) = bots.api.received
    assert said.path == "/api/v1/messages"
    login = base64.b64encode(f"{LOGIN}:{KEY}".encode()).decode()
    assert said.headers["authorization"] == f"Basic {login}"
    assert said.headers["user-agent"].startswith("OutgoingWebhookResponse/")
    assert said.headers["host"] == "acme.chat.test"
    assert said.form == {
        "type": "stream",
        "to": str(channel.channel_id),
        "topic": "1.5 %",
        "content": "Hello.",
        "widget_content": '{"poll": 1}',
    }


def test_a_direct_message_is_answered_to_the_others(bots: Bots) -> None:
    bots.add_service()
    bots.hook.answer = Response(b'{"response_string": "Yes."}')
    bots.serve(bots.event(direct=True))
    mia = bots.realm.members[0]
    assert bots.hook.received[0].json["message"]["recipient_id"] == mia.recipient_id
    assert bots.said() == [{"type": "private", "to": f"[{mia.user_id}]", "content": "Yes."}]


def test_a_bot_in_the_format_of_slack(bots: Bots) -> None:
    bots.add_service(SLACK)
    bots.hook.answer = Response(b'{"text": "Aye."}')
    bots.serve()
    mia, channel = bots.realm.members[0], bots.realm.public_channel
    assert bots.hook.received[0].form == {
        "token": TOKEN,
        "team_id": f"T{bots.realm.realm_id}",
        "team_domain": "acme.chat.test",
        "channel_id": f"C{channel.channel_id}",
        "channel_name": channel.name,
        "thread_ts": str(int(SENT.timestamp())),
        "timestamp": str(int(SENT.timestamp())),
        "user_id": f"U{mia.user_id}",
        "user_name": mia.full_name,
        "text": "@**helper** hi",
        "trigger_word": "mention",
        "service_id": str(bots.realm.bot.user_id),
    }
    assert [said["content"] for said in bots.said()] == ["Aye."]
    bots.api.received.clear()
    bots.serve(bots.event(direct=True), bots.another(marks=Marks(bots.database, "others")))
    assert len(bots.hook.received) == 1
    (said,) = bots.said()
    assert said["content"] == "Failure! Webhooks in the format of Slack take no direct messages."


@pytest.mark.parametrize(
    "body",
    [
        b'{"response_not_required": true, "content": "x"}',
        b"{}",
        b'""',
        b'{"content": "  "}',
        b'{"text": "for Slack"}',
    ],
)
def test_a_bot_need_not_say_anything(bots: Bots, body: bytes) -> None:
    bots.add_service()
    bots.hook.answer = Response(body)
    bots.serve()
    assert (len(bots.hook.received), bots.said()) == (1, [])


@pytest.mark.parametrize(
    ("answer", "here", "owner"),
    [
        (Response(b"no `json`", 200), "could not be used: the answer is no JSON", "'no `json`'"),
        (Response(b"[1]", 200), "the answer is no JSON object", "'[1]'"),
        (Response(b"[" * 50_000), "the answer is no JSON", "'[[["),
        (Response(b'{"content": "\\ud800"}'), "half a character", "half a character"),
        (Response(b"gone", 404), "The webhook answered with 404.", "status code *404*"),
        (Response(b"", 500), "The webhook answered with 500.", "status code *500*"),
        (Response(b"", 407), "private network", "private network"),
        (Response(b"", 302, {"Location": "ftp://x"}), "cannot be called", "no address of the web"),
        (Response(b"", 302, {"Location": "http://10.0.0.1/"}), "private network", "not allowed"),
    ],
    ids=["no JSON", "no object", "deep", "half", "404", "500", "407", "no web", "private"],
)
def test_trouble_is_said_here_and_to_the_owner(
    bots: Bots, answer: Response, here: str, owner: str
) -> None:
    bots.add_service()
    bots.hook.answer = answer
    bots.serve()
    in_channel, to_owner = bots.said()
    assert in_channel["content"].startswith("Failure! ")
    assert here in in_channel["content"]
    assert (in_channel["type"], to_owner["type"]) == ("stream", "private")
    assert json.loads(to_owner["to"]) == [bots.realm.admin.user_id]
    assert owner in to_owner["content"]
    channel = bots.realm.public_channel
    link = f"channel/{channel.channel_id}/topic/1.2E5.20.25/near/{channel.message_ids[0]}"
    assert f"[A message](https://acme.chat.test/#narrow/{link})" in to_owner["content"]


def test_a_service_in_a_private_network_is_not_called(bots: Bots) -> None:
    bots.add_service()
    bots.serve(serving=bots.another(way=Way()))
    assert bots.hook.received == []
    assert "private network" in bots.said()[0]["content"]


def test_what_cannot_be_reached_is_tried_four_times(bots: Bots) -> None:
    bots.add_service(url="http://127.0.0.1:1/hook")
    for attempts in range(3):
        with pytest.raises(WebhookDelayed, match="refused"):
            bots.serve(bots.event(attempts=attempts))
    assert bots.said() == []
    bots.serve(bots.event(attempts=3))
    here, owner = bots.said()
    assert here["content"] == "Failure! The bot cannot be reached."
    assert "could not be reached: " in owner["content"]


def test_tries_of_a_servers_worker_count(bots: Bots) -> None:
    bots.add_service(url="http://127.0.0.1:1/hook")
    with pytest.raises(WebhookDelayed):
        bots.serve(bots.event(failed_tries=1, attempts=1))
    bots.serve(bots.event(failed_tries=2, attempts=1))
    assert len(bots.said()) == 2


def test_a_slow_service_is_tried_again_and_the_others_are_left_alone(bots: Bots) -> None:
    slow = WebServer(Response(raw=[b"HTTP/1.1 200 OK\r\n"] * 50, pause=0.1))
    bots.add_service()
    bots.add_service(url=slow.url)
    with pytest.raises(WebhookDelayed, match="a timeout occurred"):
        bots.serve()
    slow.answer = Response(b'{"content": "Late."}')
    bots.serve(bots.event(attempts=1), bots.another())
    slow.close()
    assert len(bots.hook.received) == 1
    assert len(slow.received) == 2
    assert [said["content"] for said in bots.said()] == ["Late."]


def test_an_answer_waits_for_a_server_that_is_away(
    bots: Bots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zops_queue.webhooks.api.PAUSES", (0, 0))
    bots.add_service()
    bots.hook.answer = Response(b'{"content": "Hello."}')
    bots.api.answer = Response(b"busy", 502)
    with pytest.raises(Unreachable, match="status code 502"):
        bots.serve()
    assert len(bots.api.received) == 3
    bots.api.answer = Response()
    bots.serve()
    assert len(bots.hook.received) == 1
    assert len(bots.api.received) == 4


def test_what_the_server_does_not_let_the_bot_say(
    bots: Bots, capsys: pytest.CaptureFixture[str]
) -> None:
    bots.add_service()
    bots.hook.answer = Response(b'{"content": "Hello."}')

    def refuse(received: Received) -> Response:
        if received.form["type"] == "private":
            return Response()
        return Response(b'{"msg": "No such channel", "result": "error"}', 400)

    bots.api.answer = refuse
    bots.serve()
    assert [said["type"] for said in bots.said()] == ["stream", "stream", "private"]
    assert "did not let the bot say it (No such channel)" in bots.said()[-1]["content"]
    assert "cannot be said in the conversation: No such channel" in capsys.readouterr().err


def test_the_message_is_read_by_the_bot_at_the_end(bots: Bots) -> None:
    bots.add_service()
    event = bots.event()
    message, bot = bots.realm.public_channel.message_ids[0], bots.realm.bot.user_id
    row = {"user_profile_id": bot, "message_id": message, "flags": 0}
    insert(bots.database, "zerver_usermessage", **row)
    bots.serve(event)
    (mine,) = rows(bots.database, "zerver_usermessage", user_profile_id=bot, message_id=message)
    assert mine["flags"] == 1
    ((queue, told),) = bots.published
    assert (queue, told["users"]) == ("notify_tornado", [bot])
    assert told["event"]["messages"] == [message]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"message": None}, "message is not an object"),
        ({"message": {"type": "letter"}}, "of no known type"),
        ({"user_profile_id": 999_999}, "no bot 999999"),
        ({"trigger": 5}, "trigger is not a text"),
        ({"failed_tries": "x"}, "failed_tries is not a whole number"),
    ],
)
def test_what_is_no_call_of_a_bot(bots: Bots, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadField, match=reason):
        bots.serve(bots.event(**changes))


def test_a_person_is_no_bot(bots: Bots) -> None:
    with pytest.raises(BadField, match="no bot"):
        bots.serve(bots.event(user_profile_id=bots.realm.owner.user_id))


def test_the_address_of_a_direct_message(bots: Bots) -> None:
    event = bots.event(direct=True)
    ids = ",".join(map(str, sorted((bots.realm.members[0].user_id, bots.realm.bot.user_id))))
    link = link_to(read_call(event), "https://acme.chat.test")
    message = bots.realm.public_channel.message_ids[0]
    assert link == f"https://acme.chat.test/#narrow/dm/{ids}/near/{message}"


def test_from_the_queue_to_the_answer(
    bots: Bots,
    zops_in_process: ZopsInProcess,
    stub_broker: StubBroker,
    zops_environment: dict[str, str],
) -> None:
    bots.add_service()
    bots.hook.answer = Response(b'{"content": "Hello."}')
    refused = zops_in_process("process-queue", "outgoing_webhooks", exit_code=3)
    assert "the server's host name is not known" in refused.stderr
    zops_environment |= {
        "ZOPS_QUEUE_API_URL": bots.api.url,
        "ZOPS_QUEUE_WEBHOOK_NETWORKS": "127.0.0.1",
    }
    bad = bots.event(trigger=None)
    stub_broker.publish("outgoing_webhooks", [bots.event().body, bad.body])
    zops_in_process("process-queue", "outgoing_webhooks", "--drain", exit_code=5)
    assert [said["content"] for said in bots.said()] == ["Hello."]
    (dead,) = stub_broker.dead_letters("outgoing_webhooks", 9)
    assert dead.failure.error == "trigger is not a text"
    zops_environment["ZOPS_QUEUE_WEBHOOK_NETWORKS"] = "everywhere"
    refused = zops_in_process("process-queue", "outgoing_webhooks", exit_code=3)
    assert "the setting webhook_networks" in refused.stderr
