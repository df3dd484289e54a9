"""A running server is asked for the mail to somebody new, after the commit."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from zcore.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.testing.commands import Zops

QUEUE = "deferred_email_senders"
USER = ("create-user", "nora@example.test", "Nora New", "-r", "first", "--no-password")


@pytest.fixture
def zops_at_server(zops: Zops, restored_dump: Callable[[str], str]) -> Zops:
    """The command on the database of a server."""
    zops.environment["ZOPS_DATABASE"] = restored_dump("zulip10-base")
    zops.environment["ZOPS_EXTERNAL_HOST"] = "peer.example.test"
    return zops


def published(zops: Zops) -> list[dict[str, object]]:
    shown = zops("--json", "queue", "peek", QUEUE).json()
    return [event["event"] for event in shown["events"]]


def test_the_mail_to_a_new_user(zops_at_server: Zops, rabbitmq_url: str) -> None:
    zops_at_server.environment["ZOPS_BROKER"] = rabbitmq_url

    made = zops_at_server("--json", *USER).json()

    assert published(zops_at_server) == [
        {
            "template_prefix": "zerver/emails/account_registered",
            "from_name": None,
            "from_address": "SUPPORT",
            "language": None,
            "to_user_ids": [made["user_id"]],
            "to_emails": None,
            "context": {
                "realm_url": "https://first.peer.example.test",
                "realm_name": "First Realm",
                "root_domain_url": "https://peer.example.test",
                "external_url_scheme": "https://",
                "external_host": "peer.example.test",
                "user_name": "Nora New",
                "corporate_enabled": False,
                "realm_creation": False,
                "email": "nora@example.test",
                "is_realm_admin": False,
                "is_demo_organization": False,
                "getting_organization_started_link": (
                    "https://first.peer.example.test/help/moving-to-zulip"
                ),
                "getting_user_started_link": (
                    "https://first.peer.example.test/help/getting-started-with-zulip"
                ),
            },
        }
    ]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ZOPS_BROKER": "amqp://127.0.0.1:9/"}, "no connection to RabbitMQ"),
        ({}, "set ZOPS_BROKER"),
        ({"ZOPS_EXTERNAL_HOST": ""}, "set ZOPS_EXTERNAL_HOST"),
    ],
    ids=["away", "not named", "no host"],
)
def test_one_line_when_it_cannot_be_asked(
    environment: dict[str, str], said: str, zops_at_server: Zops
) -> None:
    """With what else the server is not told, where that is so for the same reason."""
    told = zops_at_server(*USER, env=environment)

    lines = told.stderr.splitlines()
    (mails,) = (line for line in lines if "mail" in line)
    assert mails.startswith("zops: warning")
    assert said in mails
    assert "until they are reloaded" in mails
    assert len(lines) == 1 + ("ZOPS_BROKER" in environment)  # of the cache, known to be unknown
    with closing(Database.connect(zops_at_server.environment["ZOPS_DATABASE"])) as database:
        assert database.is_server
