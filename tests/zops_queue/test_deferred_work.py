"""Queue `deferred_work`: the kinds of work that change the database, on both of them."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_queue.working import as_command
from tests.zops_realm.realm_state import insert, rows, update
from zcore.broker import Event, WorkContext, encode_event
from zcore.database import Database
from zcore.errors import Unreachable
from zcore.schema import tables
from zcore.testing import settings_of, work
from zops_queue.deferred.counts import end_of_hour
from zops_queue.deferred.reactivation import Span, Turn, spans
from zops_queue.workers.deferred_work import handle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zcore import Context
    from zcore.testing import SampleRealm, Worked

NOW = datetime(2026, 3, 4, 5, 30, tzinfo=UTC)
READ, STARRED, HISTORICAL, PUSHED = 1, 2, 1024, 4096
CREATED, ACTIVATED, DEACTIVATED = 301, 302, 303
SERVER = "amqp://nobody@127.0.0.1/"  # named, and never connected to
NO_SERVICE: Any = {"origins": {"push_service": "file zops.toml"}}  # said to be false there


@pytest.fixture
def here(database: Database) -> Iterator[Context]:
    with as_command(database, settings_of(ZOPS_BROKER=SERVER)) as context:
        yield context


@pytest.fixture
def do(here: Context, database: Database) -> Any:
    """Does the work of some events, a moment after another."""
    moments = iter(NOW + timedelta(seconds=each) for each in range(0, 10_000, 9))

    def run(*payloads: dict[str, object], settings: Any = None) -> Worked:
        used = settings or here.settings
        return work(handle, payloads, database=database, settings=used, clock=lambda: next(moments))

    return run


def flags(database: Database, user_id: int, *message_ids: int) -> list[int | None]:
    """The flags of a user's messages; None where there is no row."""
    found = {
        row["message_id"]: row["flags"]
        for row in rows(database, "zerver_usermessage", user_profile_id=user_id)
    }
    return [found.get(message_id) for message_id in message_ids]


def set_flags(
    database: Database, value: int, *message_ids: int, user_id: int | None = None
) -> None:
    mine = tables["zerver_usermessage"]
    which = [mine.c.message_id.in_(message_ids)]
    if user_id is not None:
        which.append(mine.c.user_profile_id == user_id)
    with database.begin() as connection:
        connection.execute(sa.update(mine).where(*which).values(flags=value))


def counted(database: Database, user_id: int) -> dict[tuple[str, datetime], int]:
    found = rows(database, "analytics_usercount", user_id=user_id)
    return {(row["property"], row["end_time"]): row["value"] for row in found}


def leave(user_id: int, *recipient_ids: int) -> dict[str, object]:
    return {
        "type": "mark_stream_messages_as_read",
        "user_profile_id": user_id,
        "stream_recipient_ids": list(recipient_ids),
    }


def test_what_is_unread_in_channels_becomes_read(
    do: Any, database: Database, realm: SampleRealm
) -> None:
    mia, mo = realm.members
    first, second, third = realm.public_channel.message_ids
    private = realm.private_channel
    set_flags(database, 0, second)
    set_flags(database, STARRED | PUSHED, third, private.message_ids[0])
    done = do(leave(mia.user_id, realm.public_channel.recipient_id, private.recipient_id))
    assert flags(database, mia.user_id, first, second, third) == [
        READ,
        READ,
        READ | STARRED | PUSHED,
    ]
    assert flags(database, mo.user_id, second, third) == [0, STARRED | PUSHED]
    read = {
        "type": "update_message_flags",
        "op": "add",
        "operation": "add",
        "flag": "read",
        "all": False,
    }
    pushed = {"type": "remove", "user_profile_id": mia.user_id}
    assert done.published == (
        ("notify_tornado", told(mia.user_id, {**read, "messages": [second, third]})),
        (PUSH, {**pushed, "message_ids": [third]}),
        ("notify_tornado", told(mia.user_id, {**read, "messages": [private.message_ids[0]]})),
        (PUSH, {**pushed, "message_ids": [private.message_ids[0]]}),
    )
    hour = datetime(2026, 3, 4, 6, tzinfo=UTC)
    assert counted(database, mia.user_id) == {
        ("messages_read::hour", hour): 3,
        ("messages_read_interactions::hour", hour): 2,
    }
    again = do(leave(mia.user_id, realm.public_channel.recipient_id, private.recipient_id))
    assert (again.published, again.rejected) == ((), ())
    assert counted(database, mia.user_id)["messages_read::hour", hour] == 3


def test_what_is_done_and_the_word_of_it_are_one(
    here: Context, database: Database, realm: SampleRealm
) -> None:
    """What clients are told is published before; when somebody else has the event, nothing is."""
    mia, _ = realm.members
    first = realm.public_channel.message_ids[0]
    set_flags(database, 0, first)
    payload = leave(mia.user_id, realm.public_channel.recipient_id)
    body = encode_event(payload)
    event = Event(queue="deferred_work", body=body, tag=1, payload=payload)
    seen: list[object] = []

    def publish(queue: str, _: object) -> None:
        seen.append(queue)

    def complete(_: object, events: Sequence[Event]) -> None:
        seen.append([each.tag for each in events])
        if len(seen) < 3:
            raise Unreachable("somebody else has it")

    context = WorkContext(here.settings, publish, lambda: NOW, lambda: database, complete=complete)
    with pytest.raises(Unreachable):
        handle([event], context)
    assert flags(database, mia.user_id, first) == [0]
    handle([event], context)
    assert flags(database, mia.user_id, first) == [READ]
    assert seen == ["notify_tornado", [1]] * 2


PUSH = "missedmessage_mobile_notifications"


def told(user_id: int, event: dict[str, object]) -> dict[str, object]:
    return {"event": event, "users": [user_id]}


def test_without_a_server_nobody_is_told(do: Any, database: Database, realm: SampleRealm) -> None:
    mia, _ = realm.members
    set_flags(database, PUSHED, *realm.public_channel.message_ids)
    done = do(leave(mia.user_id, realm.public_channel.recipient_id), settings=settings_of())
    assert done.published == ()
    assert flags(database, mia.user_id, realm.public_channel.message_ids[0]) == [READ | PUSHED]


def everyone(recipient_id: int, **more: object) -> dict[str, object]:
    kind = "mark_stream_messages_as_read_for_everyone"
    return {"type": kind, "stream_recipient_id": recipient_id, **more}


def test_a_channel_becomes_read_for_everyone(
    do: Any, database: Database, realm: SampleRealm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zops_queue.deferred.reading.MESSAGES_AT_ONCE", 2)
    channel, other = realm.public_channel, realm.private_channel
    set_flags(database, STARRED, *channel.message_ids, *other.message_ids)
    done = do(everyone(channel.recipient_id))
    assert (done.published, done.rejected) == ((), ())
    for user in (realm.owner, realm.admin, *realm.members):
        found = flags(database, user.user_id, *channel.message_ids)
        assert found == [READ | STARRED] * 3
    assert flags(database, realm.owner.user_id, *other.message_ids) == [STARRED] * 2


def test_the_rest_of_a_large_channel_has_to_wait(
    do: Any, database: Database, realm: SampleRealm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zops_queue.deferred.reading.MESSAGES_AT_ONCE", 2)
    monkeypatch.setattr("zops_queue.deferred.reading.LONGEST", timedelta(seconds=5))
    first, second, third = realm.public_channel.message_ids
    set_flags(database, 0, first, second, third)
    (event,) = [each for _, each in do(everyone(realm.public_channel.recipient_id)).published]
    assert event == everyone(realm.public_channel.recipient_id, min_id=second)
    assert flags(database, realm.owner.user_id, first, second, third) == [READ, READ, 0]
    (event,) = [each for _, each in do(event).published]
    assert flags(database, realm.owner.user_id, first, second, third) == [READ] * 3
    assert do(event).published == ()


def test_a_stop_leaves_the_rest_in_the_queue(
    do: Any, here: Context, database: Database, realm: SampleRealm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zops_queue.deferred.reading.MESSAGES_AT_ONCE", 1)
    here.stop.set()
    (published,) = do(everyone(realm.public_channel.recipient_id)).published
    assert published[0] == "test"  # the queue that the event came from
    # done already, so that it does not matter whether who goes on begins with it or after it
    assert published[1]["min_id"] == realm.public_channel.message_ids[0]


def test_push_tokens_are_forgotten(
    do: Any, here: Context, database: Database, realm: SampleRealm
) -> None:
    for user in (realm.owner, realm.admin):
        token = {"kind": 2, "token": "x" * 20, "last_updated": NOW}
        insert(database, "zerver_pushdevicetoken", user_id=user.user_id, **token)
    event = {"type": "clear_push_device_tokens", "user_profile_id": realm.owner.user_id}
    (said,) = do(event).reasons
    assert said.endswith("(set push_service = false under [server] where there is none)")
    assert do(event, settings=replace(here.settings, **NO_SERVICE)).rejected == ()
    (left,) = rows(database, "zerver_pushdevicetoken")
    assert left["user_id"] == realm.admin.user_id


@pytest.mark.parametrize(
    ("turns", "subscribed", "expected"),
    [
        ([(5, True)], True, [(5, None)]),
        ([(5, True), (9, False)], False, [(5, 9)]),
        ([(5, True), (9, False), (12, True)], True, [(5, 9), (12, None)]),
        ([(9, False)], False, [(0, 9)]),
        ([(5, True), (5, False)], False, []),
        ([(5, False), (5, True)], True, [(0, 5), (5, None)]),
        ([(5, True), (7, False), (9, False)], False, [(5, 7), (5, 9)]),
        ([(5, True), (8, True)], True, [(8, None)]),
        ([], True, [(0, None)]),
        ([], False, []),
    ],
)
def test_when_somebody_was_subscribed(
    turns: list[tuple[int, bool]], subscribed: bool, expected: list[tuple[int, int | None]]
) -> None:
    found = list(spans([Turn(*turn) for turn in turns], is_subscribed=subscribed))
    assert found == [Span(*span) for span in expected]


def test_somebody_comes_back(
    do: Any, database: Database, realm: SampleRealm, monkeypatch: pytest.MonkeyPatch
) -> None:
    mia, _ = realm.members
    first, second, third = realm.public_channel.message_ids
    shown, hidden = realm.private_channel.message_ids
    idle = {"long_term_idle": True, "last_active_message_id": first}
    update(database, "zerver_userprofile", mia.user_id, **idle)
    mine = tables["zerver_usermessage"]
    with database.begin() as connection:
        forgotten = mine.c.message_id.in_([second, third, hidden, shown])
        connection.execute(sa.delete(mine).where(mine.c.user_profile_id == mia.user_id, forgotten))
    insert(
        database, "zerver_usermessage", user_profile_id=mia.user_id, message_id=third, flags=STARRED
    )
    turn(database, realm, realm.public_channel.channel_id, CREATED, second)
    turn(database, realm, realm.private_channel.channel_id, CREATED, first - 1)
    turn(database, realm, realm.private_channel.channel_id, DEACTIVATED, shown)
    event = {"type": "soft_reactivate", "user_profile_id": mia.user_id}
    assert do(event).rejected == ()
    found = flags(database, mia.user_id, first, second, third, shown, hidden)
    assert found == [READ, None, STARRED, 0, None]
    (row,) = rows(database, "zerver_userprofile", id=mia.user_id)
    assert (row["long_term_idle"], row["last_active_message_id"]) == (False, shown)
    entries = rows(database, "zerver_realmauditlog", event_type=120)
    assert [entry["modified_user_id"] for entry in entries] == [mia.user_id]
    do(event)
    assert len(rows(database, "zerver_realmauditlog", event_type=120)) == 1


def test_everybody_gets_back_what_a_server_gave_them(restored_dump: Callable[[str], str]) -> None:
    """Of a server's database, what people received in channels is taken away and worked out."""
    mine, messages, recipients = (
        tables[f"zerver_{name}"].c for name in ("usermessage", "message", "recipient")
    )
    in_channels = sa.select(messages.id).where(
        messages.recipient_id == recipients.id, recipients.type == 2
    )
    onboarding = sa.select(sa.func.max(tables["zerver_onboardingusermessage"].c.message_id))
    received = sa.and_(
        mine.message_id.in_(in_channels),
        mine.flags.op("&")(HISTORICAL) == 0,
        mine.message_id > onboarding.scalar_subquery(),  # what was there before everybody
    )
    chosen = sa.select(mine.user_profile_id, mine.message_id).where(received)
    with (
        closing(Database.connect(restored_dump("zulip10-small"))) as database,
        as_command(database, settings_of()),
    ):
        with database.begin() as connection:
            before = sorted(map(tuple, connection.execute(chosen)))
            connection.execute(sa.delete(tables["zerver_usermessage"]).where(received))
            idle = {"long_term_idle": True, "last_active_message_id": connection.scalar(onboarding)}
            connection.execute(sa.update(tables["zerver_userprofile"]).values(idle))
        everybody = {user_id for user_id, _ in before}
        events = [{"type": "soft_reactivate", "user_profile_id": each} for each in everybody]
        assert work(handle, events, database=database).rejected == ()
        with database.read() as connection:
            after = sorted(map(tuple, connection.execute(chosen)))
    assert len(before) > 10_000
    assert after == before


def turn(database: Database, realm: SampleRealm, channel: int, kind: int, last: int) -> None:
    insert(
        database,
        "zerver_realmauditlog",
        realm_id=realm.realm_id,
        event_type=kind,
        event_time=NOW,
        modified_user_id=realm.members[0].user_id,
        modified_stream_id=channel,
        event_last_message_id=last,
        backfilled=False,
        extra_data={},
    )


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({}, "there is no type"),
        ({"type": 7}, "type is not a text"),
        ({"type": "dance"}, "nobody knows what work of the type 'dance' is"),
        ({"type": "scrub_deactivated_realm", "realm_id": 1}, "only be done by the server's own"),
        ({"type": "reupload_realm_emoji", "realm_id": 1}, "only be done by the server's own"),
        (leave(999_999, 1), "no user 999999"),
        ({**leave(1), "stream_recipient_ids": [1, "x"]}, r"stream_recipient_ids\[1\] is not a"),
        ({**leave(1), "stream_recipient_ids": 5}, "stream_recipient_ids is not a list"),
        ({"type": "soft_reactivate", "user_profile_id": 999_999}, "no user 999999"),
        ({"type": "realm_export", "user_profile_id": 1, "id": 4}, "there is no realm_export_id"),
    ],
)
def test_what_can_never_be_done_says_why(
    do: Any, realm: SampleRealm, event: dict[str, object], reason: str
) -> None:
    (said,) = do(event).reasons
    assert re.search(reason, said)


def test_what_a_push_service_has_to_be_told(do: Any, here: Context, realm: SampleRealm) -> None:
    event = {"type": "push_bouncer_update_for_realm", "realm_id": realm.realm_id}
    assert do(event, settings=replace(here.settings, **NO_SERVICE)).rejected == ()
    (said,) = do(event, settings=replace(here.settings, push_service=True)).reasons
    assert said == "only the server can tell its mobile push service"
    (said,) = do(event).reasons
    assert said.endswith("(set push_service = false under [server] where there is none)")


@pytest.mark.parametrize(
    ("now", "end"),
    [(NOW, datetime(2026, 3, 4, 6, tzinfo=UTC)), *[(datetime(2026, 3, 4, 6, tzinfo=UTC),) * 2]],
)
def test_an_hour_ends_at_its_end(now: datetime, end: datetime) -> None:
    assert end_of_hour(now) == end
