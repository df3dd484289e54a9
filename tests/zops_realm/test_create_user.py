"""`zops create-user` makes what a server makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_realm.normalized_rows import all_rows
from zcore.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.database import Database
    from zcore.testing.commands import Runner, Zops

FIRST = ("create-realm", "First Realm", "olive@example.test", "Olive Owner", "--string-id=first")
UNA = ("create-user", "una@example.test", "Una User", "-r", "first")


@pytest.fixture
def zops_with_realm(
    zops_here: Runner, database: Database, make_realm: Callable[[Database, str], int]
) -> Runner:
    """The command on a database with the organization `first`."""
    make_realm(database, "first")
    return zops_here


@pytest.fixture
def sqlite_with_realm(
    zops_on_sqlite: Runner, sqlite_database: Database, make_realm: Callable[[Database, str], int]
) -> Runner:
    """The command on a SQLite database with the organization `first`."""
    make_realm(sqlite_database, "first")
    return zops_on_sqlite


def user(database: Database, email: str) -> Any:
    users = tables["zerver_userprofile"]
    with database.read() as connection:
        return connection.execute(sa.select(users).where(users.c.delivery_email == email)).one()


def change(database: Database, table: str, **values: object) -> None:
    """Set columns of every row that belongs to the organization `first`."""
    realms = tables["zerver_realm"]
    realm_id = sa.select(realms.c.id).where(realms.c.string_id == "first").scalar_subquery()
    changed = tables[table]
    owner = changed.c.id if changed is realms else changed.c.realm_id
    with database.begin() as connection:
        connection.execute(sa.update(changed).where(owner == realm_id).values(**values))


def groups_of(database: Database, email: str) -> set[str]:
    memberships, groups = tables["zerver_usergroupmembership"], tables["zerver_namedusergroup"]
    names = (
        sa.select(groups.c.name)
        .join_from(memberships, groups, groups.c.usergroup_ptr_id == memberships.c.user_group_id)
        .where(memberships.c.user_profile_id == user(database, email).id)
    )
    with database.read() as connection:
        return set(connection.scalars(names))


def test_the_result_names_the_account(zops_with_realm: Runner, database: Database) -> None:
    result = zops_with_realm("--json", *UNA, "--no-password").json()

    una = user(database, "una@example.test")
    assert result == {
        "ok": True,
        "user_id": una.id,
        "email": "una@example.test",
        "created": True,
    }


@pytest.mark.parametrize("reference", ["first", "id:2"])
def test_the_organization_by_subdomain_or_number(
    sqlite_with_realm: Runner, sqlite_database: Database, reference: str
) -> None:
    sqlite_with_realm("create-user", "a@example.test", "Al Lee", "-r", reference, "--no-password")

    assert user(sqlite_database, "a@example.test").realm_id == 2


def test_the_root_organization_is_the_empty_subdomain(
    zops_on_sqlite: Runner, sqlite_database: Database, make_realm: Callable[[Database, str], int]
) -> None:
    make_realm(sqlite_database, "")

    zops_on_sqlite("create-user", "a@example.test", "Al Lee", "-r", "", "--no-password")

    assert user(sqlite_database, "a@example.test").realm_id == 2


@pytest.mark.parametrize("reference", ["nowhere", "", "id:99999999999999999999"])
def test_an_organization_that_is_not_there_is_refused(
    zops_with_realm: Runner, reference: str
) -> None:
    zops_with_realm(
        "--json",
        "create-user",
        "a@example.test",
        "Al Lee",
        "-r",
        reference,
        "--no-password",
        check=False,
    ).assert_refused("no-realm")


def test_a_number_that_is_none_is_a_usage_error(sqlite_with_realm: Runner) -> None:
    sqlite_with_realm(
        "create-user", "a@example.test", "Al Lee", "-r", "id:x", "--no-password", exit_code=2
    )


@pytest.mark.parametrize(
    ("role", "number", "groups"),
    [
        ("owner", 100, {"role:owners"}),
        ("admin", 200, {"role:administrators"}),
        ("moderator", 300, {"role:moderators"}),
        ("member", 400, {"role:members", "role:fullmembers"}),
        ("guest", 600, {"role:everyone"}),
    ],
)
def test_a_role_has_its_groups(
    sqlite_with_realm: Runner,
    sqlite_database: Database,
    role: str,
    number: int,
    groups: set[str],
) -> None:
    sqlite_with_realm(*UNA, "--no-password", "--role", role)

    assert user(sqlite_database, "una@example.test").role == number
    assert groups_of(sqlite_database, "una@example.test") == groups


def test_the_audit_log_counts_the_newcomer(
    sqlite_with_realm: Runner, sqlite_database: Database
) -> None:
    sqlite_with_realm(*UNA, "--no-password", "--role=guest")

    entries = all_rows(sqlite_database)["zerver_realmauditlog"]
    created = [row for row in entries if row["event_type"] == 101][-1]
    humans = {"100": 1, "200": 0, "300": 0, "400": 0, "600": 1}
    assert created["extra_data"] == {"10": {"11": humans, "12": 0}}


def test_with_a_waiting_period_a_member_is_not_a_full_member_yet(
    sqlite_with_realm: Runner, sqlite_database: Database
) -> None:
    change(sqlite_database, "zerver_realm", waiting_period_threshold=3)

    sqlite_with_realm(*UNA, "--no-password")

    assert groups_of(sqlite_database, "una@example.test") == {"role:members"}


def test_settings_come_from_the_organization_but_for_some(
    zops_with_realm: Runner, database: Database
) -> None:
    change(database, "zerver_realm", default_language="fr")
    change(
        database,
        "zerver_realmuserdefault",
        default_language="de",
        enable_login_emails=False,
        enable_marketing_emails=False,
        twenty_four_hour_time=True,
        web_font_size_px=18,
    )

    zops_with_realm(*UNA, "--no-password")

    una = user(database, "una@example.test")
    assert (una.twenty_four_hour_time, una.web_font_size_px) == (True, 18)
    assert (una.default_language, una.enable_login_emails) == ("fr", True)
    assert una.enable_marketing_emails is True


def test_a_hidden_address_gets_one_to_show(zops_with_realm: Runner, database: Database) -> None:
    change(database, "zerver_realmuserdefault", email_address_visibility=3)

    zops_with_realm(*UNA, "--no-password", env={"ZOPS_EXTERNAL_HOST": "chat.test:8443"})

    una = user(database, "una@example.test")
    assert (una.email, una.email_address_visibility) == (f"user{una.id}@first.chat.test", 3)


def test_a_hidden_address_needs_the_host(
    sqlite_with_realm: Runner, sqlite_database: Database
) -> None:
    change(sqlite_database, "zerver_realmuserdefault", email_address_visibility=3)

    refused = sqlite_with_realm(*UNA, "--no-password", exit_code=3)

    assert "ZOPS_EXTERNAL_HOST" in refused.stderr


def test_an_address_that_is_there_is_refused_in_any_case(
    zops_with_realm: Runner, database: Database
) -> None:
    refused = zops_with_realm(
        "--json",
        "create-user",
        "OLIVE@example.test",
        "Olive Two",
        "-r",
        "first",
        "--no-password",
        check=False,
    ).assert_refused("email-taken")

    olive = user(database, "olive@example.test")
    assert f"(Olive Owner, id {olive.id})" in refused.json()["error"]["message"]


def test_the_address_shown_for_somebody_else_is_refused(
    sqlite_with_realm: Runner, sqlite_database: Database
) -> None:
    change(sqlite_database, "zerver_userprofile", email="user8@first.chat.test")

    sqlite_with_realm(
        "--json",
        "create-user",
        "user8@first.chat.test",
        "Not Olive",
        "-r",
        "first",
        "--no-password",
        check=False,
    ).assert_refused("email-taken")


def test_if_not_exists_accepts_the_account(zops_with_realm: Runner, database: Database) -> None:
    made = zops_with_realm("--json", *UNA, "--no-password").json()
    before = all_rows(database)

    again = zops_with_realm(
        "--json",
        "create-user",
        "Una@EXAMPLE.test",
        "Una User",
        "-r",
        "first",
        "--no-password",
        "--if-not-exists",
    ).json()

    assert again == made | {"created": False}
    assert all_rows(database) == before


@pytest.mark.usefixtures("zops_with_realm")
def test_if_not_exists_at_the_same_moment_makes_one(zops: Zops, database: Database) -> None:
    arguments = ("--json", *UNA, "--no-password", "--if-not-exists")
    running = [zops.start(*arguments) for _ in range(2)]

    assert [process.wait(60) for process in running] == [0, 0]
    assert len(all_rows(database)["zerver_userprofile"]) == 7 + 2


@pytest.mark.parametrize(
    ("values", "code", "hint"),
    [
        ({"is_active": False}, "user-deactivated", "zops user reactivate"),
        ({"is_active": False, "is_mirror_dummy": True}, "user-placeholder", "signing up"),
        ({"is_bot": True}, "user-bot", "another address"),
    ],
)
def test_an_account_that_cannot_be_used_is_refused_with_a_reason(
    sqlite_with_realm: Runner,
    sqlite_database: Database,
    values: dict[str, bool],
    code: str,
    hint: str,
) -> None:
    change(sqlite_database, "zerver_userprofile", **values)

    refused = sqlite_with_realm(
        "--json",
        "create-user",
        "olive@example.test",
        "Olive",
        "--realm=first",
        "--no-password",
        "--if-not-exists",
        check=False,
    ).assert_refused(code)
    assert hint in refused.json()["error"]["hint"]


def test_a_deactivated_organization_is_refused(
    sqlite_with_realm: Runner, sqlite_database: Database
) -> None:
    change(sqlite_database, "zerver_realm", deactivated=True)

    refused = sqlite_with_realm("--json", *UNA, "--no-password", check=False)

    refused.assert_refused("realm-deactivated")
    assert "zops realm reactivate" in refused.json()["error"]["hint"]


def test_without_a_database_there_is_no_organization_and_none_is_made(zops: Zops) -> None:
    zops("--json", *UNA, "--no-password", check=False).assert_refused("no-realm")

    assert not list(zops.folder.rglob("*.db"))


def test_the_internal_organization_is_refused(sqlite_with_realm: Runner) -> None:
    sqlite_with_realm(
        "--json",
        "create-user",
        "a@example.test",
        "Al Lee",
        "--realm=zulipinternal",
        "--no-password",
        check=False,
    ).assert_refused("internal-realm")


def test_the_address_of_a_system_bot_is_refused(
    zops_with_realm: Runner, database: Database
) -> None:
    before = all_rows(database)

    zops_with_realm(
        "--json",
        "create-user",
        "Welcome-Bot@zulip.com",
        "Wel Come",
        "--realm=first",
        "--no-password",
        check=False,
    ).assert_refused("email-system-bot")

    assert all_rows(database) == before


def test_a_name_that_is_there_is_refused_where_names_are_unique(
    zops_with_realm: Runner, database: Database
) -> None:
    change(database, "zerver_realm", require_unique_names=True)

    zops_with_realm(
        "--json",
        "create-user",
        "a@example.test",
        "OLIVE owner",
        "--realm=first",
        "--no-password",
        check=False,
    ).assert_refused("full-name-taken")


def test_a_dry_run_writes_nothing(zops_with_realm: Runner, database: Database) -> None:
    before = all_rows(database)

    result = zops_with_realm("--json", *UNA, "--no-password", "--dry-run").json()

    assert (result["dry_run"], result["user_id"], result["created"]) == (True, None, False)
    assert all_rows(database) == before


def test_on_the_database_of_a_server_its_caches_are_mentioned(
    zops: Zops, restored_dump: Callable[[str], str]
) -> None:
    zops.environment["ZOPS_DATABASE"] = restored_dump("zulip10-base")

    told = zops("create-user", "new@example.test", "New Lee", "-r", "second", "--no-password")

    assert "flush-memcached" in told.stderr
