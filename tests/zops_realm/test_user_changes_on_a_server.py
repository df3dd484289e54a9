"""Accounts of a real server's database can be changed: with all its tables and constraints."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.database import Database
from zcore.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.testing.commands import Zops

CSV = "email,name,channels\nann@new.test,Ann Ames,general\nbob@new.test,Bob Boyle,\n"
HOST = {"ZOPS_EXTERNAL_HOST": "peer.example.test"}


def test_every_command_on_everybody(zops: Zops, restored_dump: Callable[[str], str]) -> None:
    """Whoever has written, reacted, uploaded, and owns bots is deleted, too."""
    url = restored_dump("zulip10-small")
    zops.environment |= HOST | {"ZOPS_DATABASE": url}
    users, messages = tables["zerver_userprofile"], tables["zerver_message"]
    with closing(Database.connect(url)) as database:
        with database.read() as connection:
            busy = sa.select(users.c.id, users.c.realm_id).where(
                sa.not_(users.c.is_bot), users.c.is_active, users.c.role >= 400
            )
            people = connection.execute(busy.order_by(users.c.id)).all()
            before = connection.scalar(sa.select(sa.func.count()).select_from(messages))
        realm = f"id:{people[0].realm_id}"
        zops("create-user", "-r", realm, "--from", "-", "--no-password", "--bare", stdin=CSV)
        mine = ("-r", realm, f"id:{people[0].id}")
        zops("user", "change-role", *mine, "admin")
        zops("user", "change-email", *mine, "other@new.test")
        zops("user", "deactivate", *mine)
        zops("user", "reactivate", *mine)
        zops("channel", "create", realm, "brand new")
        zops("channel", "subscribe", realm, "brand new", "--all-users")
        for user_id in [row.id for row in people[:3] if row.realm_id == people[0].realm_id]:
            zops("user", "delete", "-r", realm, f"id:{user_id}", "--yes")

        with database.read() as connection:
            after = connection.scalar(sa.select(sa.func.count()).select_from(messages))
    assert after == before
