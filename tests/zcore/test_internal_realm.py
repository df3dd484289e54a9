"""The internal realm is the one that a server makes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.zops_realm.normalized_rows import all_rows, normalized, server_rows
from zcore import Refused
from zcore.internal_realm import ensure_internal_realm, find_internal_realm
from zcore.organizations.group_settings import CHANNEL_GROUP_SETTINGS, REALM_GROUP_SETTINGS
from zcore.organizations.system_bots import SYSTEM_BOTS
from zcore.organizations.system_groups import GROUP_PERMISSIONS
from zcore.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.database import Database


def test_an_empty_database_gets_the_rows_of_a_server(database: Database) -> None:
    with database.begin() as connection:
        internal = ensure_internal_realm(connection)

    rows = all_rows(database)
    assert normalized(rows, rows) == server_rows("internal realm")
    assert internal.created
    assert internal.bot_ids == {
        row["delivery_email"]: row["id"] for row in rows["zerver_userprofile"]
    }


def test_it_is_made_only_once(database: Database) -> None:
    with database.begin() as connection:
        first = ensure_internal_realm(connection)
    before = all_rows(database)

    with database.begin() as connection:
        second = ensure_internal_realm(connection)

    assert all_rows(database) == before
    assert (second.realm_id, second.bot_ids) == (first.realm_id, first.bot_ids)
    assert not second.created


def test_clients_that_are_there_are_left_alone(database: Database) -> None:
    client = tables["zerver_client"]
    with database.begin() as connection:
        connection.execute(sa.insert(client), [{"name": "website"}])
        ensure_internal_realm(connection)

    with database.read() as connection:
        names = connection.scalars(sa.select(client.c.name).order_by(client.c.id)).all()
    assert names == ["website", "Internal", "ZulipMobile", "ZulipElectron"]


def test_nothing_is_left_of_it_when_the_transaction_fails(database: Database) -> None:
    with contextlib.suppress(KeyError), database.begin() as connection:
        ensure_internal_realm(connection)
        raise KeyError

    assert not any(all_rows(database).values())


def test_realms_without_the_internal_one_are_refused(database: Database) -> None:
    with database.begin() as connection:
        ensure_internal_realm(connection)
        users = tables["zerver_userprofile"]
        connection.execute(sa.update(users).values(is_bot=False))

    with pytest.raises(Refused, match="not the internal one"), database.begin() as connection:
        ensure_internal_realm(connection)


def test_it_is_found_in_the_database_of_a_server(restored_dump: Callable[[str], str]) -> None:
    from zcore.database import Database

    with (
        contextlib.closing(Database.connect(restored_dump("zulip10-base"))) as database,
        database.read() as connection,
    ):
        found = find_internal_realm(connection)

    assert found is not None
    assert (found.realm_id, set(found.bot_ids)) == (1, set(SYSTEM_BOTS))


@pytest.mark.parametrize(
    ("table", "settings"),
    [
        ("zerver_realm", set(REALM_GROUP_SETTINGS)),
        ("zerver_stream", set(CHANNEL_GROUP_SETTINGS)),
        ("zerver_namedusergroup", set(GROUP_PERMISSIONS)),
    ],
)
def test_every_permission_column_has_a_default(table: str, settings: set[str]) -> None:
    to_groups = {
        column.name
        for column in tables[table].columns
        if any(key.target_fullname == "zerver_usergroup.id" for key in column.foreign_keys)
    }
    assert to_groups - {"usergroup_ptr_id"} == settings
