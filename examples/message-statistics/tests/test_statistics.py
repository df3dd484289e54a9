"""The plugin in use, through the installed command."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore.schema.activity import zerver_client
from zcore.schema.channels import zerver_stream
from zcore.schema.messages import zerver_message
from zcore.schema.users import zerver_userprofile

if TYPE_CHECKING:
    from zcore.database import Database
    from zcore.testing.commands import Zops

QUEUE = "message_statistics"
SENT = [
    ("general", datetime(2025, 3, 14, 0, 0, tzinfo=UTC)),
    ("general", datetime(2025, 3, 14, 23, 59, 59, tzinfo=UTC)),
    ("sandbox", datetime(2025, 3, 14, 12, 0, tzinfo=UTC)),
    ("general", datetime(2025, 3, 15, 0, 0, tzinfo=UTC)),
    ("secret", datetime(2025, 3, 14, 12, 0, tzinfo=UTC)),
]
FIRST_DAY = "2025-03-14,general,2\n2025-03-14,sandbox,1\n"


@pytest.fixture
def acme(zops: Zops, sqlite_database: Database) -> Zops:
    """`zops` with an organization in which something was said."""
    zops.environment["ZOPS_DATABASE"] = str(sqlite_database.url)
    owner = ["olga@acme.example", "Olga Owner"]
    zops("create-realm", "Acme", *owner, "--string-id", "acme", "--no-password", "--bare")
    with sqlite_database.begin() as connection:
        hide_one_channel(connection)
        for channel, moment in SENT:
            send(connection, channel, moment)
    return zops


def hide_one_channel(connection: sa.Connection) -> None:
    change = sa.update(zerver_stream).where(zerver_stream.c.name == "Zulip")
    connection.execute(change.values(name="secret", invite_only=True))


def send(connection: sa.Connection, channel: str, moment: datetime) -> None:
    channels, users, clients = zerver_stream.c, zerver_userprofile.c, zerver_client.c
    found = sa.select(channels.realm_id, channels.recipient_id).where(channels.name == channel)
    realm_id, recipient_id = connection.execute(found).one()
    sender = sa.select(users.id).where(users.delivery_email == "olga@acme.example")
    connection.execute(
        sa.insert(zerver_message).values(
            realm_id=realm_id,
            sender_id=connection.execute(sender).scalar_one(),
            recipient_id=recipient_id,
            sending_client_id=connection.execute(sa.select(sa.func.min(clients.id))).scalar_one(),
            subject="topic",
            content="something",
            date_sent=moment,
        )
    )


def test_the_file_is_in_the_export(acme: Zops, tmp_path: Path) -> None:
    exported = acme("--json", "export", "-r", "acme", "--output", tmp_path / "export").json()
    text = (tmp_path / "export" / "message-statistics.csv").read_text()
    assert text == f"day,channel,messages\n{FIRST_DAY}2025-03-15,general,1\n"
    (stage,) = [one for one in exported["stages"] if one["name"] == "message-statistics"]
    assert (stage["rows"], stage["files"], stage["bytes"]) == (3, 1, len(text))
    acme("verify", tmp_path / "export")


def test_the_worker_writes_one_day(acme: Zops, tmp_path: Path) -> None:
    acme.environment["ZOPS_MESSAGE_STATISTICS_FOLDER"] = str(tmp_path / "statistics")
    good = {"realm": "acme", "day": "2025-03-14"}
    bad = [
        {"realm": "acme"},
        {"realm": "acme", "day": "today"},
        {"realm": "no", "day": "2025-03-14"},
    ]
    acme("queue", "publish", QUEUE, stdin="".join(f"{json.dumps(one)}\n" for one in [*bad, good]))
    done = acme("--json", "process-queue", QUEUE, "--drain", exit_code=5).json()
    assert (done["processed"], done["dead"]) == (1, 3)
    (written,) = (tmp_path / "statistics").iterdir()
    assert written.name == "acme-2025-03-14.csv"
    assert written.read_text() == f"day,channel,messages\n{FIRST_DAY}"
    dead = acme("--json", "queue", "dead", QUEUE).json()["dead_letters"]
    assert sorted(letter["error"] for letter in dead) == [
        "Invalid isoformat string: 'today'",
        "it does not say 'day' in text",
        "there is no organization 'no'",
    ]
