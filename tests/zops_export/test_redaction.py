"""`zops export --redact-emails`: nobody's address leaves, and what is left can be used."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.interop.reading import WholeExport
from zcore.schema import tables
from zops_export.redaction import JSON, LEFT_OUT, TEXTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database

users = tables["zerver_userprofile"]
BOT_TABLES = (tables["zerver_botstoragedata"], tables["zerver_botconfigdata"])
LONGER = ("zerver_realmexport", "zerver_realmauditlog")
ANY_ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
WRITTEN = "Mail max@acme.test,<Ölaf.x+y@mail.Äcme.example> or\nmax@acme.test\\nmo@acme.test."
BLOTTED = "Mail [email],<[email]> or\n[email]\\[email]."
HARMLESS = "logo@2x.png, @**Max|7**, git@host, 1 @ 2, 请看@王, max@"
HISTORY = [{"prev_content": f"{WRITTEN} {HARMLESS} \\é\tmo@acme.test", "timestamp": 1}]


@pytest.fixture
def acme(zops_here: ZopsHere, database: Database, light: Path) -> ZopsHere:
    """`zops` on a database of each kind, with an organization full of addresses."""
    zops_here.on(database)("import", "acme", light)
    with database.begin() as connection:
        bots = sa.select(users.c.id, sa.literal("key"), sa.literal("")).where(users.c.bot_type == 3)
        columns = ("bot_profile_id", "key", "value")
        for table in BOT_TABLES:
            connection.execute(sa.insert(table).from_select(columns, bots.limit(1)))
        for table, column in (*TEXTS, *JSON, *LEFT_OUT):
            _put_address(connection, tables[table], column)
    return zops_here


def _put_address(connection: sa.Connection, table: sa.Table, column: str) -> None:
    """Into the last row of the table, which is made where there is none."""
    value: Any = {"topic_name": "of max@acme.test", "word": "max@acme.test"}.get(column, WRITTEN)
    if column == "edit_history":
        value = json.dumps(HISTORY, ensure_ascii=False)
    elif column == "extra_data":
        value = {"1": HISTORY}
    elif table in BOT_TABLES:
        value = json.dumps(WRITTEN)
    length = getattr(table.c[column].type, "length", None)
    value = value[:length] if length and isinstance(value, str) else value
    (key,) = table.primary_key
    last = sa.select(sa.func.max(key)).scalar_subquery()
    done = connection.execute(sa.update(table).values({column: value}).where(key == last))
    assert done.rowcount == 1, f"{table.name} is empty"


def exported(acme: ZopsHere, target: Path, *words: str) -> WholeExport:
    acme("export", "-r", "acme", "--output", target, *words)
    assert acme("--json", "verify", target).json()["problems"] == []
    return WholeExport.read(target)


def test_no_address_is_left(acme: ZopsHere, tmp_path: Path) -> None:
    """But of the server's own bots. Everything else is as it is without."""
    whole = exported(acme, tmp_path / "whole")
    target = tmp_path / "redacted"
    redacted = exported(acme, target, "--redact-emails")
    bots = {row["email"] for row in redacted.tables["zerver_userprofile_crossrealm"]}
    left = set()
    for path in target.rglob("*.json"):
        left |= set(
            ANY_ADDRESS.findall(json.dumps(json.loads(path.read_bytes()), ensure_ascii=False))
        )
    names = {row["delivery_email"] for row in redacted.rows("zerver_userprofile")}
    assert left - names == bots | {"logo@2x.png"}
    assert len(names) == len(redacted.rows("zerver_userprofile"))
    assert all(re.fullmatch(r"user\d+@redacted\.invalid", name) for name in names)
    for row in redacted.records["uploads"]:
        assert row["user_profile_email"] == f"user{row['user_profile_id']}@redacted.invalid"
    for table, rows in whole.tables.items():
        less = [column for name, column in LEFT_OUT if name == table]
        kept = [row for row in rows if not (less and "@" in row[less[0]])]
        found = [row["id"] for row in redacted.tables[table]]
        # The second export also tells of the first.
        assert [row["id"] for row in kept] == (found[: len(kept)] if table in LONGER else found)
        assert (len(kept) < len(rows)) == bool(less)


def test_it_goes_with_privacy(acme: ZopsHere, tmp_path: Path) -> None:
    """Who became a dummy has a pseudonym like everybody, and no other address."""
    words = ("--export-full-with-consent", "--privacy", "strict", "--redact-emails")
    redacted = exported(acme, tmp_path / "redacted", *words, "--allow-unusable")
    keys = ("zerver_userprofile", "zerver_userprofile_mirrordummy")
    users = [row for key in keys for row in redacted.tables[key]]
    assert any(row["is_mirror_dummy"] for row in users)
    for row in users:
        for column in ("email", "delivery_email"):
            assert row[column].endswith(".invalid"), row[column]
    assert len({row["delivery_email"] for row in users}) == len(users)
    asked = json.loads((tmp_path / "redacted" / "zops-manifest.json").read_bytes())
    assert asked["privacy"] == "strict"
    assert asked["rewrites"]


def test_texts_keep_everything_else(acme: ZopsHere, tmp_path: Path) -> None:
    redacted = exported(acme, tmp_path / "redacted", "--redact-emails", "--with", "redact-emails")
    last = redacted.rows("zerver_message")[-1]
    assert last["content"] == last["rendered_content"] == BLOTTED
    (entry,) = json.loads(last["edit_history"])
    assert entry == {"prev_content": f"{BLOTTED} {HARMLESS} \\é\t[email]", "timestamp": 1}
    assert {"1": [entry]} in [row["extra_data"] for row in redacted.rows("zerver_realmauditlog")]
    for table in BOT_TABLES:
        (row,) = redacted.rows(table.name)
        assert json.loads(row["value"]) == BLOTTED.replace("<", "<Ö")
    asked = json.loads((tmp_path / "redacted" / "zops-manifest.json").read_bytes())["rewrites"]
    assert {
        "table": "zerver_message",
        "column": "content",
        "by": "plugin 'export' (zops-cli)",
        "help": "addresses are blotted out",
    } in [one | {"by": re.sub(r" [\d.]+\w*\)", ")", str(one["by"]))} for one in asked]


def test_it_imports_and_names_stay(acme: ZopsHere, tmp_path: Path) -> None:
    """Another export gives everybody the same name; with it they are found after an import."""
    first, second = tmp_path / "first", tmp_path / "second"
    exported(acme, first, "--redact-emails")
    exported(acme, second, "--redact-emails")
    assert _names(first) == _names(second)
    acme("import", "again", first)
    users = acme("--json", "user", "list", "-r", "again").json()["users"]
    assert {user["email"] for user in users} <= set(_names(first).values())


def _names(export: Path) -> dict[int, str]:
    users = WholeExport.read(export).rows("zerver_userprofile")
    return {user["id"]: user["delivery_email"] for user in users}


def test_names_that_nobody_knows(acme: ZopsHere) -> None:
    done = acme("export", "-r", "acme", "--with", "nothing-of-it", exit_code=2)
    assert "no plugin has anything for --with nothing-of-it" in done.stderr
    assert "hint: there is redact-emails" in done.stderr
