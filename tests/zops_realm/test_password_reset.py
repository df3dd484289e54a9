"""`zops user send-password-reset`: links as a server signs them, mailed by the server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore.schema.users import zerver_userprofile
from zops_realm.reset_links import Resetting, reset_link

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing.commands import Zops

SEND = ("user", "send-password-reset", "-r", "acme")
URL = "https://acme.chat.test/accounts/password/reset"


@pytest.fixture
def zops_with_key(zops_on_sqlite: Zops, tmp_path: Path) -> Zops:
    """An organization of two, and the settings that links need."""
    zops_on_sqlite("create-realm", "A", "o@a.test", "Ol O", "--string-id=acme", "--no-password")
    zops_on_sqlite("create-user", "mo@a.test", "Mo Lee", "-r", "acme", "--no-password", "--bare")
    tmp_path.joinpath("key").write_text("s3cret-key\n")
    toml = f'[server]\nexternal_host = "chat.test"\nsecret_key_file = "{tmp_path}/key"\n'
    tmp_path.joinpath("links.toml").write_text(toml)
    zops_on_sqlite.environment["ZOPS_CONFIG"] = str(tmp_path / "links.toml")
    return zops_on_sqlite


def test_a_link_is_what_the_server_makes() -> None:
    """The expected one was made by Django 5.1.7, which the server checks it with."""
    login = datetime(2026, 3, 4, 5, 6, 7, 891, tzinfo=UTC)
    user = Resetting(17, "argon2$abc", login, "user17@acme.example")

    link = reset_link("https://x", user, "s3cret-key", datetime(2026, 6, 1, 12, tzinfo=UTC))

    token = "d9htc0-ab379f94f2e7c8a8d799d0d65e65e566"  # noqa: S105  # of no server
    assert link == f"https://x/accounts/password/reset/MTc/{token}/"


def test_the_server_is_asked_to_mail_them(zops_with_key: Zops, rabbitmq_url: str) -> None:
    zops_with_key.environment["ZOPS_BROKER"] = rabbitmq_url

    sent = zops_with_key("--json", *SEND, "MO@a.test").json()

    assert sent["sent"] == 1
    (event,) = zops_with_key("--json", "queue", "peek", "email_senders").json()["events"]
    mail = event["event"]
    assert mail["context"].pop("reset_url").startswith(f"{URL}/OQ/")
    assert mail == {
        "template_prefix": "zerver/emails/password_reset",
        "to_user_ids": [9],
        "to_emails": None,
        "from_name": "chat.test account security",
        "from_address": "TOKENIZED_NO_REPLY",
        "language": None,
        "context": {
            "email": "mo@a.test",
            "realm_url": "https://acme.chat.test",
            "realm_name": "A",
            "active_account_in_realm": True,
        },
    }


def test_links_to_hand_out(zops_with_key: Zops) -> None:
    links = zops_with_key("--json", *SEND, "--all-users", "--show").json()["links"]

    assert links.keys() == {"o@a.test", "mo@a.test"}
    assert all(link.startswith(URL) for link in links.values())


def test_only_those_who_never_logged_in(zops_with_key: Zops, sqlite_database: Database) -> None:
    users = zerver_userprofile
    with sqlite_database.begin() as connection:
        mo = users.c.delivery_email == "mo@a.test"
        connection.execute(sa.update(users).where(mo).values(tos_version=None))

    only = ("--all-users", "--only-never-logged-in")
    counted = zops_with_key("--json", *SEND, *only, "--show", "--dry-run").json()
    links = zops_with_key("--json", *SEND, *only, "--show").json()["links"]

    assert (counted["to_send"], counted["sent"], "links" in counted) == (1, 0, False)
    assert links.keys() == {"o@a.test"}


@pytest.mark.parametrize(
    ("change", "words", "code"),
    [
        ({}, ("mo@a.test",), "no-broker"),
        ({"ZOPS_CONFIG": ""}, ("mo@a.test", "--show"), "no-external-host"),
        ({"ZOPS_CONFIG": "", "ZOPS_EXTERNAL_HOST": "a.test"}, ("mo@a.test",), "no-secret-key"),
        ({}, ("nobody@a.test", "--show"), "no-user"),
    ],
)
def test_what_it_says_without_what_it_needs(
    zops_with_key: Zops, change: dict[str, str], words: tuple[str, ...], code: str
) -> None:
    zops_with_key.environment |= change
    if change.get("ZOPS_CONFIG") == "":
        del zops_with_key.environment["ZOPS_CONFIG"]

    zops_with_key("--json", *SEND, *words, check=False).assert_refused(code)


def test_deactivated_accounts_get_none(zops_with_key: Zops) -> None:
    zops_with_key("user", "deactivate", "-r", "acme", "mo@a.test")

    zops_with_key("--json", *SEND, "mo@a.test", "--show", check=False).assert_refused(
        "user-deactivated"
    )
    links = zops_with_key("--json", *SEND, "--all-users", "--show").json()["links"]
    assert links.keys() == {"o@a.test"}
    zops_with_key(*SEND, exit_code=2)
