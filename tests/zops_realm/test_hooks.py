"""Plugins write with what is created, in its transaction, and can take it all back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_realm.normalized_rows import all_rows
from zcore import Failed, Refused
from zcore.organizations.codes import Role
from zcore.schema import tables
from zcore.testing.plugins import hooks
from zops_realm import create_realm, create_user
from zops_realm.new_password import NewPassword

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore import Context, RealmCreated, UsersCreated
    from zcore.database import Database

NO_PASSWORD = NewPassword(None)
REALM = create_realm.RealmRequest(
    name="Acme", string_id="acme", email="olive@a.test", full_name="Olive O", password=NO_PASSWORD
)
USER = create_user.UserRequest(
    realm="acme", email="una@a.test", full_name="Una U", password=NO_PASSWORD, role=Role.GUEST
)


def described(created: RealmCreated) -> None:
    realms = tables["zerver_realm"]
    update = sa.update(realms).where(realms.c.id == created.realm_id)
    created.connection.execute(update.values(description=f"of {created.owner.full_name}"))


def test_both_hooks_are_called_inside_the_transaction(
    sqlite_database: Database, context_of: Callable[..., Context]
) -> None:
    told: list[Any] = []

    def users(created: UsersCreated, context: Context) -> None:
        rows = tables["zerver_subscription"].c
        mine = sa.select(sa.func.count()).where(rows.user_profile_id == created.users[0].user_id)
        told.append((created.users, created.realm_creation, created.connection.scalar(mine)))

    acme = hooks(zops_realm_created=described, zops_user_created=users)
    context = context_of(sqlite_database, plugins={"acme": acme})

    create_realm.run(context, REALM)
    create_user.run(context, USER)

    rows = all_rows(sqlite_database)
    assert rows["zerver_realm"][-1]["description"] == "of Olive O"
    (olive,), is_creation, subscriptions = told[0]
    assert (olive.email, olive.role, is_creation, subscriptions) == ("olive@a.test", 100, True, 4)
    (una,), is_creation, subscriptions = told[1]
    assert (una.full_name, una.role, is_creation, subscriptions) == ("Una U", 600, False, 4)
    recipients = {row["id"]: row["type_id"] for row in rows["zerver_recipient"]}
    assert recipients[una.recipient_id] == una.user_id


def test_a_dry_run_calls_nobody(
    sqlite_database: Database, context_of: Callable[..., Context]
) -> None:
    def never(created: RealmCreated) -> None:
        raise AssertionError

    context = context_of(sqlite_database, plugins={"acme": hooks(zops_realm_created=never)})
    request = create_realm.RealmRequest(
        name="Acme",
        string_id="acme",
        email="o@a.test",
        full_name="O O",
        password=NO_PASSWORD,
        dry_run=True,
    )

    create_realm.run(context, request)


def refuse(created: Any) -> None:
    raise Refused("not on a Tuesday", hint="wait", code="tuesday")


def stumble(created: Any) -> None:
    raise KeyError("lost")


def leave(created: Any) -> None:
    raise SystemExit(3)


def spoil(created: Any) -> None:
    created.connection.execute(sa.insert(tables["zerver_client"]), {"name": "Internal"})


@pytest.mark.parametrize("hook", ["zops_realm_created", "zops_user_created"])
@pytest.mark.parametrize(
    ("implementation", "kind", "said"),
    [
        (refuse, Refused, "not on a Tuesday"),
        (stumble, Failed, "KeyError: 'lost'"),
        (leave, Failed, "SystemExit: 3"),
        (spoil, Failed, "the database refused a row"),
    ],
)
def test_what_a_plugin_raises_takes_everything_back(
    hook: str,
    implementation: Any,
    kind: type[Exception],
    said: str,
    database: Database,
    context_of: Callable[..., Context],
) -> None:
    context = context_of(database, plugins={"acme": hooks(**{hook: implementation})})

    with pytest.raises(kind) as raised:
        create_realm.run(context, REALM)

    message = str(getattr(raised.value, "message", ""))
    assert message.startswith("plugin 'acme'")
    assert said in message
    assert not any(all_rows(database).values())
