"""`zops realm list|show` and `zops user list|show` tell what is there, and write nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore.schema import tables

if TYPE_CHECKING:
    from zcore.database import Database
    from zcore.testing.commands import Zops


@pytest.fixture
def zops_with_people(zops_here: Zops, database: Database) -> Zops:
    """The command on a database with an organization of four."""
    zops_here(
        "create-realm", "Acme", "olive@a.test", "Olive O", "--string-id=acme", "--no-password"
    )
    for name, role in (("gus", "guest"), ("mo", "member"), ("dee", "member")):
        zops_here(
            "create-user",
            f"{name}@a.test",
            f"{name} X",
            "-racme",
            f"--role={role}",
            "--no-password",
        )
    users = tables["zerver_userprofile"]
    with database.begin() as connection:
        gone = sa.update(users).where(users.c.delivery_email == "dee@a.test")
        connection.execute(gone.values(is_active=False))
    return zops_here


def test_realm_list(zops_with_people: Zops) -> None:
    listed = zops_with_people("--json", "realm", "list", env={"ZOPS_EXTERNAL_HOST": "c.test"})

    internal, acme = listed.json()["realms"]
    assert internal["string_id"] == "zulipinternal"
    assert acme.pop("date_created").endswith("+00:00")
    assert acme == {
        "realm_id": 2,
        "string_id": "acme",
        "name": "Acme",
        "url": "https://acme.c.test",
        "deactivated": False,
        "users": 3,
    }


def test_realm_show(zops_with_people: Zops) -> None:
    shown = zops_with_people("--json", "realm", "show", "acme")

    acme = shown.json()
    assert acme["owners"] == ["olive@a.test"]
    assert acme["users"] == {"owner": 1, "admin": 0, "moderator": 0, "member": 1, "guest": 1}
    assert (acme["deactivated_users"], acme["bots"]) == (1, 0)
    assert (acme["channels"], acme["messages"]) == (3, 0)
    assert "zuliprealm_" not in shown.stdout


def test_user_list(zops_with_people: Zops) -> None:
    active = zops_with_people("--json", "user", "list", "-r", "acme").json()["users"]
    everyone = zops_with_people("--json", "user", "list", "-r", "acme", "--all").json()["users"]

    assert [user["email"] for user in active] == ["olive@a.test", "gus@a.test", "mo@a.test"]
    assert [user["role"] for user in active] == ["owner", "guest", "member"]
    assert [user["email"] for user in everyone if not user["is_active"]] == ["dee@a.test"]


@pytest.mark.parametrize("account", ["GUS@a.test", "id:9"])
def test_user_show(zops_with_people: Zops, account: str) -> None:
    shown = zops_with_people("--json", "user", "show", "-r", "acme", account).json()

    assert (shown["user_id"], shown["email"], shown["role"]) == (9, "gus@a.test", "guest")


def test_people_get_tables(zops_with_people: Zops) -> None:
    realms = zops_with_people("realm", "list").stdout.splitlines()
    users = zops_with_people("user", "list", "-r", "acme").stdout.splitlines()
    shown = zops_with_people("realm", "show", "acme").stdout

    assert realms[0].split() == ["ID", "SUBDOMAIN", "NAME", "USERS", "STATE", "URL"]
    assert realms[2].split() == ["2", "acme", "Acme", "3", "active"]
    assert users[2].split()[1:4] == ["gus@a.test", "gus", "X"]
    assert "owner 1, admin 0, moderator 0, member 1, guest 1" in shown


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("realm", "show", "nowhere"), "no-realm"),
        (("user", "list", "-r", "nowhere"), "no-realm"),
        (("user", "show", "-r", "acme", "nobody@a.test"), "no-user"),
        (("user", "show", "-r", "acme", "id:99"), "no-user"),
    ],
)
def test_what_is_not_there_is_refused(
    zops_with_people: Zops, arguments: tuple[str, ...], code: str
) -> None:
    zops_with_people("--json", *arguments, check=False).assert_refused(code)
