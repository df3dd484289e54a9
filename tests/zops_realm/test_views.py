"""`zops realm list|show` and `zops user list|show` tell what is there, and write nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore.organizations.codes import Role
from zcore.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.database import Database
    from zcore.testing.commands import Runner


@pytest.fixture
def zops_with_people(
    zops_here: Runner,
    database: Database,
    make_realm: Callable[[Database, str], int],
    make_user: Callable[[Database, int, str, Role], int],
) -> Runner:
    """The command on a database with an organization of four."""
    realm_id = make_realm(database, "acme")
    make_user(database, realm_id, "gus@a.test", Role.GUEST)
    make_user(database, realm_id, "mo@a.test", Role.MEMBER)
    gone = make_user(database, realm_id, "dee@a.test", Role.MEMBER)
    users = tables["zerver_userprofile"]
    with database.begin() as connection:
        connection.execute(sa.update(users).where(users.c.id == gone).values(is_active=False))
    return zops_here


def test_realm_list(zops_with_people: Runner) -> None:
    listed = zops_with_people("--json", "realm", "list", env={"ZOPS_EXTERNAL_HOST": "c.test"})

    internal, acme = listed.json()["realms"]
    assert internal["string_id"] == "zulipinternal"
    assert acme.pop("date_created").endswith("+00:00")
    assert acme == {
        "realm_id": 2,
        "string_id": "acme",
        "name": "Acme Realm",
        "url": "https://acme.c.test",
        "deactivated": False,
        "users": 3,
    }


def test_realm_show(zops_with_people: Runner) -> None:
    shown = zops_with_people("--json", "realm", "show", "acme")

    acme = shown.json()
    assert acme["owners"] == ["olive@example.test"]
    assert acme["users"] == {"owner": 1, "admin": 0, "moderator": 0, "member": 1, "guest": 1}
    assert (acme["deactivated_users"], acme["bots"]) == (1, 0)
    assert (acme["channels"], acme["messages"]) == (3, 0)
    assert "zuliprealm_" not in shown.stdout


def test_user_list(zops_with_people: Runner) -> None:
    active = zops_with_people("--json", "user", "list", "-r", "acme").json()["users"]
    everyone = zops_with_people("--json", "user", "list", "-r", "acme", "--all").json()["users"]

    assert [user["email"] for user in active] == ["olive@example.test", "gus@a.test", "mo@a.test"]
    assert [user["role"] for user in active] == ["owner", "guest", "member"]
    assert [user["email"] for user in everyone if not user["is_active"]] == ["dee@a.test"]


@pytest.mark.parametrize("account", ["GUS@a.test", "id:9"])
def test_user_show(zops_with_people: Runner, account: str) -> None:
    shown = zops_with_people("--json", "user", "show", "-r", "acme", account).json()

    assert (shown["user_id"], shown["email"], shown["role"]) == (9, "gus@a.test", "guest")


def test_people_get_tables(zops_with_people: Runner) -> None:
    realms = zops_with_people("realm", "list").stdout.splitlines()
    users = zops_with_people("user", "list", "-r", "acme").stdout.splitlines()
    shown = zops_with_people("realm", "show", "acme").stdout

    assert realms[0].split() == ["ID", "SUBDOMAIN", "NAME", "USERS", "STATE", "URL"]
    assert realms[2].split() == ["2", "acme", "Acme", "Realm", "3", "active"]
    assert users[2].split()[1:4] == ["gus@a.test", "Gus", "Lee"]
    assert "owner 1, admin 0, moderator 0, member 1, guest 1" in shown


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("realm", "show", "nowhere"), "no-realm"),
        (("user", "list", "-r", "nowhere"), "no-realm"),
        (("user", "show", "-r", "zulipinternal", "nobody@a.test"), "no-user"),
        (("user", "show", "-r", "zulipinternal", "id:8"), "no-user"),
    ],
)
def test_what_is_not_there_is_refused(
    zops_on_sqlite: Runner,
    sqlite_database: Database,
    make_realm: Callable[[Database, str], int],
    arguments: tuple[str, ...],
    code: str,
) -> None:
    make_realm(sqlite_database, "acme")

    zops_on_sqlite("--json", *arguments, check=False).assert_refused(code)
