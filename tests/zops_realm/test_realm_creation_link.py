"""`zops realm creation-link`: a key in the database of a server that has a name."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.testing.commands import Zops

LINK = ("--json", "realm", "creation-link")


def test_the_key_of_the_link_is_the_servers(
    zops: Zops, restored_dump: Callable[[str], str]
) -> None:
    zops.environment["ZOPS_DATABASE"] = url = restored_dump("zulip10-base")
    zops(*LINK, check=False).assert_refused("no-external-host")

    made = zops(*LINK, env={"ZOPS_EXTERNAL_HOST": "chat.test"}).json()

    found = re.fullmatch(r"https://chat\.test/new/([a-z2-7]{24})", made["url"])
    assert found is not None
    with closing(Database.connect(url)) as database, database.read() as connection:
        rows = connection.execute(sa.text("SELECT * FROM confirmation_realmcreationkey")).mappings()
        (row,) = rows.all()
    assert (row["creation_key"], row["presume_email_valid"]) == (found[1], True)
    expires = datetime.fromisoformat(made["expires"])
    assert row["date_created"] + timedelta(days=7) == expires
    assert datetime.now(UTC) < expires


def test_without_a_server_nobody_opens_it(zops_on_sqlite: Zops) -> None:
    refused = zops_on_sqlite(*LINK, env={"ZOPS_EXTERNAL_HOST": "chat.test"}, check=False)

    refused.assert_refused("no-server")
