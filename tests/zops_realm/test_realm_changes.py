"""`zops realm rename|deactivate|reactivate` write what a server writes, and tell of it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.sessions_of_django import log_in, sessions
from tests.zops_realm.normalized_rows import all_rows
from tests.zops_realm.realm_state import audit, insert, realm_row, rows
from zcore import Refused
from zcore.organizations.lookup import find_realm
from zcore.schema.users import zerver_userprofile
from zcore.testing.plugins import hooks
from zops_realm.changing import Work
from zops_realm.deactivation_mails import mail_owners
from zops_realm.outbox import Outbox
from zops_realm.realm_deactivate import DeactivationRequest, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore import Change, Context
    from zcore.database import Database
    from zcore.testing.commands import Runner, Zops

NO_BOTS = {"12": 0}
ONE_OWNER = {"10": {"11": {"100": 1, "200": 0, "300": 0, "400": 0, "600": 0}, "12": 0}}


@pytest.fixture
def realm_id(database: Database, make_realm: Callable[[Database, str], int]) -> int:
    """An organization `acme`, and another one that nothing may happen to."""
    made = make_realm(database, "acme")
    make_realm(database, "other")
    return made


def owner_of(database: Database, realm_id: int) -> int:
    (owner,) = rows(database, "zerver_userprofile", realm_id=realm_id)
    return int(owner["id"])


def schedule_email(database: Database, realm_id: int) -> None:
    email = {"type": 1, "scheduled_timestamp": datetime.now(UTC), "data": "{}"}
    email_id = insert(database, "zerver_scheduledemail", realm_id=realm_id, **email)
    insert(
        database,
        "zerver_scheduledemail_users",
        scheduledemail_id=email_id,
        userprofile_id=owner_of(database, realm_id),
    )


def test_rename(zops_here: Runner, database: Database, realm_id: int) -> None:
    renamed = zops_here("--json", "realm", "rename", "acme", "  Acme & Sons ").json()

    assert (renamed["name"], renamed["old_name"]) == ("Acme & Sons", "Acme Realm")
    row = realm_row(database, realm_id)
    assert (row["name"], row["string_id"]) == ("Acme & Sons", "acme")
    assert audit(database, realm_id, 207) == [
        {"1": "Acme Realm", "2": "Acme & Sons", "property": "name"}
    ]


def test_a_name_that_the_rules_refuse(zops_here: Runner, database: Database, realm_id: int) -> None:
    before = all_rows(database)

    for name in ("", "N" * 41, "two\nlines"):
        zops_here("realm", "rename", "acme", name, exit_code=3)
    zops_here("realm", "rename", "acme", "Acme Realm")  # as it is called
    zops_here("realm", "rename", "acme", "Other", "--dry-run")

    assert all_rows(database) == before


def test_deactivate_and_reactivate(zops_here: Runner, database: Database, realm_id: int) -> None:
    (other,) = rows(database, "zerver_realm", string_id="other")
    for each in (realm_id, other["id"]):
        schedule_email(database, each)
        log_in(database, owner_of(database, each), f"session-{each}")
    untouched = realm_row(database, realm_id)

    zops_here(
        *("realm", "deactivate", "acme", "--reason", "self_hosting_migration"),
        *("--redirect", "https://new.test", "--deletion-delay-days", "30"),
    )

    row = realm_row(database, realm_id)
    in_days = row["scheduled_deletion_date"] - datetime.now(UTC)
    assert (row["deactivated"], row["deactivated_redirect"]) == (True, "https://new.test")
    assert timedelta(days=29, hours=23) < in_days < timedelta(days=30, hours=1)
    assert audit(database, realm_id, 201) == [
        {**ONE_OWNER, "deactivation_reason": "self_hosting_migration"}
    ]
    assert sessions(database) == {f"session-{other['id']}"}
    assert [email["realm_id"] for email in rows(database, "zerver_scheduledemail")] == [other["id"]]
    assert len(rows(database, "zerver_scheduledemail_users")) == 1
    assert rows(database, "zerver_userprofile", realm_id=realm_id)[0]["is_active"]

    zops_here("realm", "reactivate", "acme")

    now = realm_row(database, realm_id)
    assert now == untouched | {"deactivated_redirect": "https://new.test"}
    assert audit(database, realm_id, 202) == [ONE_OWNER]


def test_what_is_so_already_is_refused(
    zops_here: Runner, database: Database, realm_id: int
) -> None:
    zops_here("--json", "realm", "reactivate", "acme", check=False).assert_refused("realm-active")
    zops_here("realm", "deactivate", "acme")
    again = ("--json", "realm", "deactivate", "acme")
    zops_here(*again, check=False).assert_refused("realm-deactivated")

    zops_here(*again, "--redirect-url", "https://late.test")  # that can still be said

    assert realm_row(database, realm_id)["deactivated_redirect"] == "https://late.test"
    assert len(audit(database, realm_id, 201)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("rename", "zulipinternal", "Other"),
        ("deactivate", "zulipinternal"),
        ("change-subdomain", "zulipinternal", "robots", "--skip-redirect"),
        ("delete", "zulipinternal", "--yes-delete", "zulipinternal"),
        ("auth", "disable", "zulipinternal", "Email"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_the_internal_realm_stays(
    arguments: tuple[str, ...], zops_here: Runner, database: Database, realm_id: int
) -> None:
    before = all_rows(database)

    zops_here("--json", "realm", *arguments, check=False).assert_refused("internal-realm")

    assert all_rows(database) == before


@pytest.mark.parametrize(
    "url", ["new.test", "javascript:alert(1)", "https://", "https://a b", "https://x/" + "y" * 120]
)
def test_a_redirect_that_leads_nowhere_is_refused(url: str, context_of: Any) -> None:
    with pytest.raises(Refused):
        run(context_of, DeactivationRequest(realm="acme", redirect=url))


def test_dry_runs_make_no_database(zops_in_process: Runner) -> None:
    zops = zops_in_process

    for command in (("deactivate",), ("reactivate",), ("delete",), ("rename", "Other")):
        words = ("--json", "realm", command[0], "acme", *command[1:], "--dry-run")
        zops(*words, check=False).assert_refused("no-realm")

    assert not list(zops.home.rglob("*.db"))


def test_a_dry_run_says_what_would_be(zops_here: Runner, database: Database, realm_id: int) -> None:
    before = all_rows(database)

    planned = zops_here("--json", "realm", "deactivate", "acme", "--dry-run").json()

    assert (planned["dry_run"], planned["reason"]) == (True, "owner_request")
    assert all_rows(database) == before


def test_plugins_are_told(
    sqlite_database: Database,
    context_of: Callable[..., Context],
    make_realm: Callable[[Database, str], int],
) -> None:
    realm_id = make_realm(sqlite_database, "acme")
    log_in(sqlite_database, owner_of(sqlite_database, realm_id), "here")
    told: list[Change] = []
    listener = hooks(zops_committed=lambda change: told.append(change))

    run(context_of(sqlite_database, plugins={"x": listener}), DeactivationRequest(realm="acme"))

    (change,) = told
    assert (change.kind, change.string_id) == ("realm.deactivated", "acme")
    assert change.details == {"session_keys": ["here"]}


def test_the_server_is_asked_to_mail_the_owners_and_to_delete_at_once(
    zops: Zops, restored_dump: Callable[[str], str], rabbitmq_url: str
) -> None:
    zops.environment |= {"ZOPS_DATABASE": restored_dump("zulip10-small")}
    words = ("--json", "realm", "deactivate", "small", "--deletion-delay-days", "0")
    zops(*words, "--email-owners", check=False).assert_refused("no-broker")
    zops.environment["ZOPS_BROKER"] = rabbitmq_url

    done = zops(*words, "--email-owners").json()

    (deletion,) = queued(zops, "deferred_work")
    assert deletion == {"type": "scrub_deactivated_realm", "realm_id": 4}
    (mail,) = queued(zops, "email_senders")
    today = datetime.now(UTC).date()
    nearby = {str(today + timedelta(days=days)) for days in (-1, 0, 1)}  # it is the owners' day
    assert mail["context"].pop("event_date") in nearby
    assert mail == {
        "template_prefix": "zerver/emails/realm_deactivated",
        "to_user_ids": None,
        "to_emails": ["owner@small.example.test"],
        "from_name": None,
        "from_address": "SUPPORT",
        "language": "de",
        "context": {
            "realm_name": "Small Realm",
            "acting_user": False,
            "initiated_deactivation": False,
            "data_already_deleted": True,
            "scheduled_deletion_date": None,
        },
        "realm_id": 4,
    }
    assert done["owners_mailed"] == 1


def queued(zops: Zops, queue: str) -> list[dict[str, Any]]:
    """The events in a queue."""
    return [event["event"] for event in zops("--json", "queue", "peek", queue).json()["events"]]


def test_dates_in_a_mail_are_those_of_the_owner(
    sqlite_database: Database,
    context_of: Callable[..., Context],
    make_realm: Callable[[Database, str], int],
) -> None:
    realm_id = make_realm(sqlite_database, "acme")
    context = context_of(sqlite_database, external_host="chat.test")
    with sqlite_database.begin() as connection, closing(Outbox()) as outbox:
        realm = find_realm(connection, f"id:{realm_id}")
        now = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
        connection.execute(sa.update(zerver_userprofile).values(timezone="Asia/Tokyo"))
        mail_owners(Work(context, connection, now, outbox), realm, now + timedelta(days=1))
        connection.execute(sa.update(zerver_userprofile).values(timezone="Nowhere/Land"))
        mail_owners(Work(context, connection, now, outbox), realm, None)
        mails = list(outbox.events_of("email_senders"))

    dates = [
        (mail["context"]["event_date"], mail["context"]["scheduled_deletion_date"])
        for mail in mails
    ]
    assert dates == [("2026-03-02", "2026-03-03"), ("2026-03-01", None)]
    assert {mail["from_name"] for mail in mails} == {"chat.test account security"}


def test_without_a_server_nobody_mails(
    zops_here: Runner, database: Database, realm_id: int
) -> None:
    words = ("--json", "realm", "deactivate", "acme", "--email-owners")
    zops_here(*words, check=False).assert_refused("no-server")
    assert not realm_row(database, realm_id)["deactivated"]
