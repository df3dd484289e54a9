"""Databases of other versions of the server: columns and tables that zops does not know."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.reading import WholeExport
from tests.zops_export.building import Builder
from zcore.database import Database
from zcore.schema import tables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere

TYPES = {  # by dialect, the types of what is added to zerver_realm
    "postgresql": {
        "colour": "text",
        "uid": "uuid",
        "moderated": "boolean",
        "moderated_until": "timestamp with time zone",
        "rules": "jsonb",
        "notes": "json",
        "share": "numeric(4, 2)",
        "words": "text[]",
    },
    "sqlite": {
        "colour": "text",
        "uid": "varchar(36)",
        "moderated": "boolean",
        "moderated_until": "timestamp",
        "rules": "json",
        "notes": "json",
        "share": "real",
        "words": "json",
    },
}
VALUES = {
    "colour": "'bl\"ue'",
    "uid": "'b8a52bd0-1e3c-4f3c-9b1e-0f0d5a4f8a11'",
    "moderated": "true",
    "moderated_until": "'2025-03-14 15:09:26.500000+00'",
    "rules": "'{\"strict\": [1, 2]}'",
    "notes": "'{\"a\":\n1}'",
    "share": "0.25",
    "words": "'{a,b}'",
}
IN_JSON = {
    "colour": 'bl"ue',
    "uid": "b8a52bd0-1e3c-4f3c-9b1e-0f0d5a4f8a11",
    "moderated": True,
    "moderated_until": 1741964966.5,
    "rules": {"strict": [1, 2]},
    "notes": {"a": 1},
    "share": 0.25,
    "words": ["a", "b"],
}


def change(database: Database, *statements: str) -> None:
    with database.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture
def newer(database: Database, zops_here: ZopsHere) -> ZopsHere:
    """`zops` on the database of a newer server, with the organization `hill` in it."""
    types = TYPES[database.dialect]
    change(
        database,
        *(f"ALTER TABLE zerver_realm ADD COLUMN {name} {kind}" for name, kind in types.items()),
        "CREATE TABLE zerver_channelfolder"
        " (id bigint PRIMARY KEY, realm_id bigint REFERENCES zerver_realm (id))",
        "CREATE TABLE acme_label (folder_id bigint REFERENCES zerver_channelfolder (id))",
        "CREATE TABLE acme_setting (id bigint PRIMARY KEY)",
        "CREATE TABLE social_auth_acme (user_id bigint REFERENCES zerver_userprofile (id))",
        "ALTER TABLE zerver_stream ADD COLUMN folder_id bigint"
        " REFERENCES zerver_channelfolder (id)",
        "ALTER TABLE zerver_message ADD COLUMN mood smallint",
        "ALTER TABLE zerver_attachment ADD COLUMN thumbnails integer",
        "ALTER TABLE zerver_userprofile ADD COLUMN bio text",
        "ALTER TABLE zerver_userprofile ADD COLUMN acme_token text",
    )
    values = VALUES | ({"words": '\'["a","b"]\''} if database.dialect == "sqlite" else {})
    with database.begin() as connection:
        build = Builder(connection, zops_here.uploads)
        build.realm("hill")
        build.user("ann", "hill", role=100, avatar_source="G")
        build.channel("town", "hill")
        build.message("said", "ann", "#town", ["ann"], realm="hill", has_attachment=True)
        build.attachment("plan", "ann", ["said"])
    change(
        database,
        *(f"UPDATE zerver_realm SET {key} = {values[key]}" for key in types),  # noqa: S608 # ours
        "UPDATE zerver_message SET mood = 7",
        "UPDATE zerver_attachment SET thumbnails = 3",
        "UPDATE zerver_userprofile SET bio = 'of the hill', acme_token = 'hush'",
        "INSERT INTO zerver_channelfolder SELECT 5, max(id) FROM zerver_realm",
        "UPDATE zerver_stream SET folder_id = 5",
    )
    return zops_here.on(database)


def test_columns_of_a_newer_server_are_exported_like_the_others(
    newer: ZopsHere, tmp_path: Path
) -> None:
    done = newer("--json", "export", "-r", "hill", "--output", tmp_path / "hill", exit_code=5)
    assert {(one["code"], one["where"]) for one in done.json()["findings"]} == {
        ("unknown-table", "zerver_channelfolder"),
        ("unknown-table", "acme_label"),
        ("unknown-column", "zerver_userprofile.acme_token"),
    }
    found = WholeExport.read(tmp_path / "hill").tables
    (realm,) = found["zerver_realm"]
    assert {key: realm[key] for key in IN_JSON} == IN_JSON
    assert [row["folder"] for row in found["zerver_stream"]] == [5]
    assert [row["mood"] for row in found["zerver_message"]] == [7]
    assert [row["thumbnails"] for row in found["zerver_attachment"]] == [3]
    assert [row["bio"] for row in found["zerver_userprofile"]] == ["of the hill"]
    assert "hush" not in (tmp_path / "hill" / "realm.json").read_text()


def test_strict_privacy_takes_no_column_of_people_that_it_does_not_know(
    newer: ZopsHere, tmp_path: Path
) -> None:
    words = ("export", "-r", "hill", "--output", tmp_path / "hill", "--privacy", "strict")
    done = newer("--json", *words, exit_code=5)
    columns = {one["where"] for one in done.json()["findings"] if one["code"] == "unknown-column"}
    assert columns == {"zerver_userprofile.acme_token", "zerver_userprofile.bio"}
    found = WholeExport.read(tmp_path / "hill").tables
    assert "bio" not in found["zerver_userprofile"][0]
    assert found["zerver_realm"][0]["colour"] == IN_JSON["colour"]


def test_what_a_check_of_the_database_says_of_an_export(newer: ZopsHere) -> None:
    done = newer("--json", "db", "check", exit_code=5)
    said = {one["where"]: one["hint"] for one in done.json()["findings"]}
    assert said["zerver_realm.colour"] == "an export has it as it is; an import passes over it"
    assert said["acme_label"] == (
        "its rows belong to organizations (by zerver_channelfolder); no export has them"
    )
    assert said["zerver_userprofile.acme_token"].endswith("no export has it")
    assert "acme_setting" not in said
    assert "social_auth_acme" not in said


def test_a_known_column_that_may_be_empty_here(
    postgres_database: Database, zops_here: ZopsHere, tmp_path: Path
) -> None:
    change(postgres_database, "ALTER TABLE zerver_stream ALTER COLUMN description DROP NOT NULL")
    with postgres_database.begin() as connection:
        build = Builder(connection, zops_here.uploads)
        build.realm("hill")
        build.user("ann", "hill", role=100, avatar_source="G")
        build.channel("town", "hill")
    change(postgres_database, "UPDATE zerver_stream SET description = NULL")
    zops_here.on(postgres_database)("export", "-r", "hill", "--output", tmp_path / "hill")
    (channel,) = WholeExport.read(tmp_path / "hill").tables["zerver_stream"]
    assert channel["description"] is None


def test_what_an_older_server_lacks_is_all_said(
    sqlite_database: Database, zops_here: ZopsHere, tmp_path: Path
) -> None:
    change(
        sqlite_database,
        "DROP TABLE zerver_savedsnippet",
        "ALTER TABLE zerver_stream RENAME COLUMN creator_id TO made_by_id",
    )
    zops = zops_here.on(sqlite_database)
    done = zops("--json", "export", "-r", "hill", "--output", tmp_path / "hill", exit_code=3)
    said = [one["message"] for one in done.json()["error"]["problems"]]
    assert len(said) == 2
    assert said[0].endswith("table zerver_savedsnippet is missing")
    assert "column zerver_stream.creator_id (" in said[1]
    assert said[1].endswith("is missing")


def test_an_export_of_a_newer_server_can_be_imported(newer: ZopsHere, tmp_path: Path) -> None:
    newer("export", "-r", "hill", "--output", tmp_path / "hill", exit_code=5)
    newer("verify", tmp_path / "hill")
    with closing(Database.connect(f"sqlite:///{tmp_path}/other.db", create=True)) as other:
        zops = newer.on(other)
        zops("import", "hill", tmp_path / "hill", "--dry-run", exit_code=5)
        done = zops("--json", "import", "hill", tmp_path / "hill", exit_code=5)
        unknown = {one["where"] for one in done.json()["findings"] if one["code"] == "unknown-key"}
        assert unknown == {f"zerver_realm.{key}" for key in IN_JSON} | {
            "zerver_attachment.thumbnails",
            "zerver_message.mood",
            "zerver_stream.folder",
            "zerver_userprofile.bio",
        }
        with other.read() as connection:
            users = tables["zerver_userprofile"]
            assert "ann" in connection.scalars(sa.select(users.c.full_name)).all()
