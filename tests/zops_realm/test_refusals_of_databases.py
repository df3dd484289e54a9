"""What a database says no to: one line with what is wrong, nothing written, and it works later."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.zops_realm.normalized_rows import all_rows
from zcore import Context, Refused, Result, Unreachable, ZopsError
from zcore.organizations.codes import Role
from zops_realm import channel_create, channel_subscribe, realm_deactivate
from zops_realm.channels import NewChannel
from zops_realm.new_password import NewPassword
from zops_realm.realm_rename import rename
from zops_realm.user_deactivate import deactivate_user
from zops_realm.user_delete import delete_user
from zops_realm.user_identity import change_email, change_name
from zops_realm.user_password import change_password
from zops_realm.user_role import change_role

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore.database import Database

MO = "mo@a.test"
PLANS = NewChannel(name="plans")
CHANGES: dict[str, Callable[[Context], Result]] = {
    "change-role": lambda context: change_role(context, "acme", MO, Role.MODERATOR),
    "change-name": lambda context: change_name(context, "acme", MO, "Mo Moore"),
    "change-email": lambda context: change_email(context, "acme", MO, "moore@a.test"),
    "change-password": lambda context: change_password(
        context, "acme", "id:9", NewPassword(None).begin()
    ),
    "create": lambda context: channel_create.run(
        context, channel_create.ChannelRequest(realm="acme", channel=PLANS)
    ),
    "subscribe": lambda context: channel_subscribe.run(
        context,
        channel_subscribe.SubscriptionRequest(realm="acme", channel="plans", users=["id:9"]),
    ),
    "deactivate": lambda context: deactivate_user(context, "acme", "id:9"),
    "delete": lambda context: delete_user(context, "acme", "id:9", is_sure=True),
    "rename": lambda context: rename(context, "acme", "Acme and Sons"),
    "close": lambda context: realm_deactivate.run(
        context, realm_deactivate.DeactivationRequest(realm="acme")
    ),
}


@pytest.fixture
def acme(
    postgres_database: Database,
    make_realm: Callable[[Database, str], int],
    make_user: Callable[[Database, int, str, Role], int],
) -> Database:
    """A database with an organization of two: Olive and Mo (id 9)."""
    assert make_user(postgres_database, make_realm(postgres_database, "acme"), MO, Role.MEMBER) == 9
    return postgres_database


def context_with(context_of: Callable[..., Context], database: Database, options: str) -> Context:
    """A run whose connections have these options of PostgreSQL."""

    class Place:
        url = database.url.update_query_dict({"options": options})

    return context_of(Place, external_host="chat.test")


def test_a_role_that_may_only_read(acme: Database, context_of: Callable[..., Context]) -> None:
    before = all_rows(acme)
    reader = context_with(context_of, acme, "-crole=pg_read_all_data")

    for name, change in CHANGES.items():
        with pytest.raises(Refused) as refused:
            change(reader)
        if name != "subscribe":  # there is no such channel yet
            assert "permission denied" in refused.value.message, name
    assert all_rows(acme) == before

    writer = context_of(acme, external_host="chat.test")
    for change in CHANGES.values():
        change(writer)


def test_a_column_that_is_not_there(acme: Database, context_of: Callable[..., Context]) -> None:
    with acme.begin() as connection:
        connection.execute(sa.text("ALTER TABLE zerver_realmauditlog RENAME extra_data TO gone"))
    context = context_of(acme, external_host="chat.test")

    for name in ("change-role", "change-name", "deactivate", "rename", "create", "close"):
        with pytest.raises(Refused, match='"extra_data"'):
            CHANGES[name](context)
    with acme.read() as connection:
        left = connection.execute(
            sa.text("SELECT role, full_name, is_active FROM zerver_userprofile WHERE id = 9")
        ).one()
    assert tuple(left) == (400, "Mo Lee", True)


def test_nobody_at_the_place(context_of: Callable[..., Context], tmp_path: Path) -> None:
    class Place:
        url = sa.make_url("postgresql://zops@127.0.0.1:1/zulip")

    context = context_of(Place, external_host="chat.test")
    for change in CHANGES.values():
        with pytest.raises(Unreachable):
            change(context)


def test_a_row_that_a_constraint_refuses(
    acme: Database, context_of: Callable[..., Context]
) -> None:
    """Somebody else was faster, in a way that no rule of ours could see."""
    with acme.begin() as connection:
        connection.execute(
            sa.text("ALTER TABLE zerver_userprofile ADD CONSTRAINT no_moore CHECK (role <> 300)")
        )
    with pytest.raises(ZopsError) as refused:
        CHANGES["change-role"](context_of(acme))
    assert (refused.value.code, "no_moore" in refused.value.message) == ("integrity", True)
    with closing(context_of(acme)) as context:
        CHANGES["change-name"](context)
