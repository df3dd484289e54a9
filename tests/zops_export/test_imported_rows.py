"""Rows of imports that are not what the export says, read back from the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tests.zops_export.spoiling import change_json
from zcore.organizations.codes import Role
from zcore.schema import tables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database

realms, users, emoji, attachments, clients = (
    tables[name]
    for name in (
        "zerver_realm",
        "zerver_userprofile",
        "zerver_realmemoji",
        "zerver_attachment",
        "zerver_client",
    )
)


def test_texts_and_owners_of_the_organization(
    zops_here: ZopsHere, sqlite_database: Database, light_copy: Path
) -> None:
    """Links in its description lead to uploads here; emoji that are nobody's are an owner's."""
    old: dict[str, str] = {}

    def take_path(content: dict[str, Any]) -> None:
        first = content["zerver_attachment"][0]
        old["path"], old["name"] = first["path_id"], first["file_name"]

    def change(content: dict[str, Any]) -> None:
        content["zerver_realm"][0]["description"] = f"see /user_uploads/{old['path']}"
        for row in content["zerver_realmemoji"]:
            row["author"] = None

    change_json(light_copy / "attachment.json", take_path)
    change_json(light_copy / "realm.json", change)
    zops_here.on(sqlite_database)("import", "acme", light_copy)
    with sqlite_database.read() as connection:
        mine = realms.c.string_id == "acme"
        number, description = connection.execute(
            sa.select(realms.c.id, realms.c.description).where(mine)
        ).one()
        path = connection.scalar(
            sa.select(attachments.c.path_id).where(attachments.c.file_name == old["name"])
        )
        owner = connection.scalar(
            sa.select(users.c.id).where(users.c.role == Role.OWNER, users.c.realm_id == number)
        )
        authors = set(connection.scalars(sa.select(emoji.c.author_id)))
    assert description == f"see /user_uploads/{path}"
    assert authors == {owner}


def test_two_rows_of_one_client(
    zops_here: ZopsHere, sqlite_database: Database, light_copy: Path
) -> None:
    """As in exports that were put together: what either did is of the one that is here."""
    number = 987_654_321
    name = ""

    def change(content: dict[str, Any]) -> None:
        nonlocal name
        row = content["zerver_useractivity"][0]
        (client,) = (one for one in content["zerver_client"] if one["id"] == row["client"])
        content["zerver_client"].append(dict(client, id=number))
        name, row["client"] = client["name"], number
        stats["zerver_client"] = len(content["zerver_client"])

    stats: dict[str, int] = {}
    change_json(light_copy / "realm.json", change)
    change_json(light_copy / "stats.json", lambda counts: counts["realm"].update(stats))
    zops_here.on(sqlite_database)("import", "acme", light_copy)
    with sqlite_database.read() as connection:
        names = sa.select(clients.c.name).where(clients.c.name == name)
        assert connection.scalars(names).all() == [name]
