"""What a new user finds in their first channels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from zcore.organizations.codes import Role
from zcore.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.database import Database

READ, STARRED, HISTORICAL = 1, 2, 1024


@pytest.fixture
def realm_id(sqlite_database: Database, make_realm: Callable[[Database, str], int]) -> int:
    """An organization."""
    return make_realm(sqlite_database, "acme")


@pytest.fixture
def join(
    realm_id: int, sqlite_database: Database, make_user: Callable[[Database, int, str, Role], int]
) -> Callable[[Role], int]:
    """`join(role)` makes a new account in the organization."""
    return lambda role: make_user(sqlite_database, realm_id, "new@a.test", role)


def say(database: Database, channel: str, count: int) -> list[int]:
    """Write `count` messages of the owner into `channel`; return their ids."""
    streams, users, messages = (
        tables[name] for name in ("zerver_stream", "zerver_userprofile", "zerver_message")
    )
    with database.begin() as connection:
        recipient_id, realm_id = connection.execute(
            sa.select(streams.c.recipient_id, streams.c.realm_id).where(streams.c.name == channel)
        ).one()
        sender_id = connection.scalar(sa.select(users.c.id).where(users.c.role == 100))
        row: dict[str, Any] = {
            "realm_id": realm_id,
            "recipient_id": recipient_id,
            "sender_id": sender_id,
            "sending_client_id": 1,
            "subject": "a topic",
            "content": "something",
            "date_sent": datetime.now(UTC),
            "is_channel_message": True,
        }
        return [
            connection.execute(sa.insert(messages), row).inserted_primary_key[0]
            for _ in range(count)
        ]


def given(database: Database) -> dict[int, int]:
    """Flags by message id, of the newest account."""
    rows = tables["zerver_usermessage"].c
    newest = sa.select(sa.func.max(tables["zerver_userprofile"].c.id)).scalar_subquery()
    with database.read() as connection:
        chosen = sa.select(rows.message_id, rows.flags).where(rows.user_profile_id == newest)
        return dict(connection.execute(chosen).all())


def test_the_newest_twenty_are_unread(
    join: Callable[[Role], int], sqlite_database: Database
) -> None:
    said = say(sqlite_database, "general", 15) + say(sqlite_database, "sandbox", 10)

    join(Role.MEMBER)

    flags = given(sqlite_database)
    assert [flags[message] for message in said[:5]] == [HISTORICAL | READ] * 5
    assert [flags[message] for message in said[5:]] == [HISTORICAL] * 20


def test_with_an_introduction_only_that_is_unread(
    realm_id: int, join: Callable[[Role], int], sqlite_database: Database
) -> None:
    other, first, second = say(sqlite_database, "general", 3)
    introduction = tables["zerver_onboardingusermessage"]
    with sqlite_database.begin() as connection:
        connection.execute(
            sa.insert(introduction),
            [
                {"realm_id": realm_id, "message_id": first, "flags": 6},
                {"realm_id": realm_id, "message_id": second, "flags": 2},
            ],
        )

    join(Role.MEMBER)

    assert given(sqlite_database) == {
        other: HISTORICAL | READ,
        first: HISTORICAL | STARRED,
        second: HISTORICAL,
    }


@pytest.mark.parametrize(
    ("channel", "role", "readable"),
    [
        ({"history_public_to_subscribers": False}, Role.MEMBER, True),
        ({"history_public_to_subscribers": False}, Role.GUEST, False),
        ({"history_public_to_subscribers": False, "invite_only": True}, Role.MEMBER, False),
        ({"invite_only": True}, Role.GUEST, True),
        ({"history_public_to_subscribers": False, "is_web_public": True}, Role.GUEST, True),
    ],
)
def test_only_history_that_the_user_may_read(
    join: Callable[[Role], int],
    sqlite_database: Database,
    channel: dict[str, bool],
    role: Role,
    readable: bool,
) -> None:
    said = say(sqlite_database, "general", 1)
    streams = tables["zerver_stream"]
    with sqlite_database.begin() as connection:
        connection.execute(sa.update(streams).where(streams.c.name == "general").values(channel))

    join(role)

    assert list(given(sqlite_database)) == (said if readable else [])


def test_no_more_than_a_thousand(join: Callable[[Role], int], sqlite_database: Database) -> None:
    said = say(sqlite_database, "general", 1003)

    join(Role.MEMBER)

    assert sorted(given(sqlite_database)) == said[3:]


def test_a_channel_that_is_no_default_is_not_joined(
    join: Callable[[Role], int], sqlite_database: Database
) -> None:
    streams = tables["zerver_stream"]
    with sqlite_database.begin() as connection:
        archived = sa.update(streams).where(streams.c.name == "general")
        connection.execute(archived.values(deactivated=True))
    say(sqlite_database, "general", 1)

    join(Role.MEMBER)

    assert given(sqlite_database) == {}
