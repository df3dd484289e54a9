"""`zops realm change-subdomain` moves an organization and leaves one behind that redirects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sessions_of_django import log_in, sessions
from tests.zops_realm.normalized_rows import added, all_rows, changed, normalized
from tests.zops_realm.realm_state import audit, realm_row, rows
from zcore.testing.plugins import hooks
from zops_realm.realm_subdomain import SubdomainRequest, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore import Change, Context
    from zcore.database import Database
    from zcore.testing.commands import Runner

MOVE = ("--json", "realm", "change-subdomain")
NOBODY = {"10": {"11": {"100": 0, "200": 0, "300": 0, "400": 0, "600": 0}, "12": 0}}
# What an organization has from its owner and not by itself.
OWNERS_TABLES = {
    "confirmation_confirmation",
    "zerver_onboardingstep",
    "zerver_subscription",
    "zerver_usergroupmembership",
    "zerver_userprofile",
}


@pytest.fixture
def zops_with_acme(zops_here: Runner, make_realm: Callable[..., int], database: Database) -> int:
    """The id of the organization `acme`, on a server that is called chat.test."""
    zops_here.environment["ZOPS_EXTERNAL_HOST"] = "chat.test"
    return make_realm(database, "acme")


def test_the_former_place_redirects(
    zops_here: Runner, database: Database, zops_with_acme: int
) -> None:
    (owner,) = rows(database, "zerver_userprofile", realm_id=zops_with_acme)
    log_in(database, owner["id"], "here")

    moved = zops_here(*MOVE, "acme", "sons").json()

    assert (moved["url"], moved["old_string_id"]) == ("https://sons.chat.test", "acme")
    assert realm_row(database, zops_with_acme)["string_id"] == "sons"
    assert audit(database, zops_with_acme, 214) == [
        {"old_subdomain": "acme", "new_subdomain": "sons"}
    ]
    placeholder = realm_row(database, moved["placeholder_id"])
    assert (placeholder["string_id"], placeholder["name"]) == ("acme", "Acme Realm")
    assert placeholder["deactivated_redirect"] == "https://sons.chat.test"
    assert audit(database, moved["placeholder_id"], 201) == [
        {**NOBODY, "deactivation_reason": "subdomain_change"}
    ]
    assert sessions(database) == set()

    zops_here(*MOVE, "sons", "daughters")

    again = realm_row(database, moved["placeholder_id"])
    assert again["deactivated_redirect"] == "https://daughters.chat.test"


def test_plugins_are_told(
    sqlite_database: Database, context_of: Callable[..., Context], make_realm: Callable[..., int]
) -> None:
    """Of the one that stays: that it is new. Nobody has seen it active."""
    realm_id = make_realm(sqlite_database, "acme")
    told: list[Change] = []
    listener = hooks(zops_committed=lambda change: told.append(change))
    context = context_of(sqlite_database, {"x": listener}, external_host="chat.test")

    moved = run(context, SubdomainRequest(realm="acme", string_id="sons"))

    assert [(change.kind, change.realm_id, change.string_id) for change in told] == [
        ("realm.subdomain_changed", realm_id, "sons"),
        ("realm.created", moved.data["placeholder_id"], "acme"),
    ]


def test_the_one_that_stays_is_whole_but_for_people(
    zops_here: Runner, database: Database, zops_with_acme: int
) -> None:
    """It has the rows of any new organization; these are compared with a server's elsewhere."""
    before = all_rows(database)
    zops_here(*MOVE, "acme", "sons")
    left = all_rows(database)
    zops_here(
        *("create-realm", "Acme Realm", "o@a.test", "Olive O", "--string-id=whole", "--bare"),
        "--no-password",
    )
    whole = all_rows(database)

    assert changed(before, left) == {"zerver_realm": [zops_with_acme]}
    ours = normalized(added(before, left), left)
    usual = normalized(added(left, whole), whole)
    assert usual.keys() - ours.keys() == OWNERS_TABLES - {"confirmation_confirmation"}
    for table in ours.keys() - {"zerver_realm", "zerver_realmauditlog", "zerver_recipient"}:
        assert str(ours[table]).replace("acme", "whole") == str(usual[table]), table
    (realm,), (usual_realm,) = ours["zerver_realm"], usual["zerver_realm"]
    assert realm.pop("deactivated_redirect") == "https://sons.chat.test"
    assert str(realm | {"deactivated": False}).replace("acme", "whole") == str(usual_realm)


def test_without_a_host_there_is_nowhere_to_redirect_to(
    zops_here: Runner, database: Database, zops_with_acme: int
) -> None:
    zops_here.environment["ZOPS_EXTERNAL_HOST"] = ""
    before = all_rows(database)
    zops_here(*MOVE, "acme", "sons", check=False).assert_refused("no-external-host")
    assert all_rows(database) == before

    moved = zops_here(*MOVE, "acme", "sons", "--skip-redirect").json()

    assert (moved["placeholder_id"], moved["url"]) == (None, None)
    assert rows(database, "zerver_realm", string_id="acme") == []
    assert realm_row(database, zops_with_acme)["string_id"] == "sons"


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("acme", "subdomain-same"),
        ("zulipinternal", "subdomain-taken"),
        ("A b", "subdomain-characters"),
        ("support", "subdomain-reserved"),
    ],
)
def test_what_the_rules_refuse(
    new: str, code: str, zops_here: Runner, database: Database, zops_with_acme: int
) -> None:
    before = all_rows(database)

    zops_here(*MOVE, "acme", new, check=False).assert_refused(code)
    zops_here(*MOVE, "acme", "sons", "--dry-run")

    assert all_rows(database) == before


def test_a_reserved_word_is_taken_when_asked_for(
    zops_here: Runner, database: Database, zops_with_acme: int
) -> None:
    zops_here(*MOVE, f"id:{zops_with_acme}", "support", "--allow-reserved-subdomain")

    assert realm_row(database, zops_with_acme)["string_id"] == "support"
    refused = zops_here("--json", "realm", "reactivate", "acme", check=False)
    refused.assert_refused("realm-empty")
