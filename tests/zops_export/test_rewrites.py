"""What plugins change in an export and leave out of it, as SQL."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.interop.comparing import MARK
from tests.interop.reading import WholeExport
from tests.zops_export.spoiling import assert_said_no
from zcore.testing.plugins import TemporaryPlugins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database
    from zcore.testing.commands import Zops

PLUGIN = """
    from zcore import Rewrite, hookimpl

    @hookimpl
    def zops_export_stages():
        return [{rewrites}]
"""
WORK = """
    from datetime import datetime, UTC
    import sqlalchemy as sa
    from zcore.schema import tables

    users = tables["zerver_userprofile"]
    channels = tables["zerver_stream"]
    recipients = tables["zerver_recipient"]
"""

Install = Callable[..., None]


@pytest.fixture
def install(zops: Zops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install(("zerver_realm", "name", "sa.literal('x')"), ...)`: a plugin that rewrites so."""
    site = TemporaryPlugins(tmp_path / "site", zops.environment)
    monkeypatch.syspath_prepend(site.folder)

    def install_plugin(*rewrites: tuple[str, str | None, str], name: str = "other") -> None:
        declared, work = [], WORK
        for number, (table, column, expression) in enumerate(rewrites):
            target = f"dist_of_{name}.work:rewrite_{number}"
            declared.append(f"Rewrite({table!r}, {column!r}, {target!r}, help='by order')")
            work += f"\n    def rewrite_{number}(table):\n        return {expression}\n"
        site.install(name, PLUGIN.format(rewrites=", ".join(declared)), work=work)

    yield install_plugin
    for name in [name for name in sys.modules if name.startswith("dist_of_")]:
        del sys.modules[name]


@pytest.fixture
def acme(zops_here: ZopsHere, database: Database, light: Path) -> ZopsHere:
    """`zops` on a database of each kind with the organization `acme`."""
    zops_here.on(database)("import", "acme", light)
    return zops_here


@pytest.fixture
def export(acme: ZopsHere, tmp_path: Path) -> Callable[..., WholeExport]:
    """`export("name", "--public-only")`: the organization, exported and found to be coherent."""

    def make(name: str, *words: str) -> WholeExport:
        acme("export", "-r", "acme", "--output", tmp_path / name, *words)
        assert acme("--json", "verify", tmp_path / name).json()["problems"] == []
        return WholeExport.read(tmp_path / name)

    return make


MOMENT = datetime(2020, 2, 29, 12, 30, 15, 250000, tzinfo=UTC)
WILD = "a 'quoted' \"line\" \\ \n, 漢😀 and % :x {0}"
UUID = "0000000a-0000-4000-8000-000000000000"
VALUES: dict[tuple[str, str], tuple[str, object]] = {  # the expression, what the export has
    ("zerver_userprofile", "full_name"): (f"sa.literal({WILD!r})", WILD),
    ("zerver_userprofile", "tos_version"): ("sa.null()", None),
    ("zerver_userprofile", "email"): ("sa.literal('of ') + table.c.full_name", "of {full_name}"),
    ("zerver_userprofile", "date_joined"): (
        f"sa.literal(datetime.fromisoformat('{MOMENT.isoformat()}'))",
        MOMENT.timestamp(),
    ),
    ("zerver_userprofile", "avatar_source"): ("sa.literal('G')", "G"),
    ("zerver_userprofile", "long_term_idle"): ("sa.true()", True),
    ("zerver_userprofile", "last_active_message_id"): ("sa.literal(17)", 17),
    ("zerver_userprofile", "bot_owner_id"): ("sa.null()", None),
    ("zerver_realm", "uuid"): (f"sa.literal('{UUID.upper()}')", UUID),
    ("zerver_stream", "description"): ("table.c.name + '!'", "{name}!"),
    ("zerver_customprofilefield", "hint"): ("sa.literal('')", ""),
    ("zerver_useractivity", "last_visit"): ("sa.literal(datetime.now(UTC))", NOW := object()),
    ("zerver_realmauditlog", "extra_data"): (
        "sa.literal({'a': [1, None]}, table.c.extra_data.type)",
        {"a": [1, None]},
    ),
}
REFERENCES = ("bot_owner_id",)


def test_values(install: Install, export: Callable[..., WholeExport]) -> None:
    """Each is encoded as its column is, also in the records of files."""
    before = export("before")
    install(*((table, column, sql) for (table, column), (sql, _) in VALUES.items()))
    after = export("after")
    for (table, column), (_, wanted) in VALUES.items():
        key = column.removesuffix("_id") if column in REFERENCES else column
        # The second export has one row more of those about the first.
        pairs = zip(before.rows(table), after.rows(table), strict=table != "zerver_realmauditlog")
        for old, new in pairs:
            if table == "zerver_realmauditlog" and old["event_type"] == MARK:
                continue  # where the database has none, an export adds it
            assert old["id"] == new["id"]
            if wanted is NOW:
                assert new[key] > old[key]
            else:
                text = isinstance(wanted, str) and wanted is not WILD
                assert new[key] == (wanted.format(**old) if text else wanted), column
    assert after.records["avatars"] == []  # nobody has one any more
    emails = {row["id"]: row["email"] for row in after.rows("zerver_userprofile")}
    assert after.records["uploads"]
    for record in after.records["uploads"]:
        assert record["user_profile_email"] == emails[record["user_profile_id"]]
    for table in ("zerver_message", "zerver_usermessage", "zerver_recipient", "zerver_reaction"):
        assert after.tables[table] == before.tables[table]


def test_rows_are_left_out_with_what_belongs_to_them(
    install: Install, export: Callable[..., WholeExport], acme: ZopsHere, tmp_path: Path
) -> None:
    """Conditions of several plugins all count; what is left can be imported."""
    before = export("before")
    middle = sorted(row["id"] for row in before.tables["zerver_message"])[40]
    install(("zerver_message", None, f"table.c.id >= {middle}"))
    install(
        ("zerver_message", None, "table.c.id % 3 != 0"),
        ("zerver_useractivity", None, "sa.false()"),
        name="third",
    )
    after = export("after")
    kept = {
        row["id"]
        for row in before.tables["zerver_message"]
        if row["id"] >= middle and row["id"] % 3
    }
    assert kept
    assert {row["id"] for row in after.tables["zerver_message"]} == kept
    for table in ("zerver_usermessage", "zerver_reaction"):
        expected = [row for row in before.tables[table] if row["message"] in kept]
        assert after.tables[table] == expected
    assert after.tables["zerver_useractivity"] == []
    linked = {id for row in before.tables["zerver_attachment"] for id in row["messages"]}
    files = [row for row in before.tables["zerver_attachment"] if kept & set(row["messages"])]
    assert linked - kept
    assert [row["id"] for row in after.tables["zerver_attachment"]] == [row["id"] for row in files]
    assert sorted(record["path"] for record in after.records["uploads"]) == sorted(
        row["path_id"] for row in files
    )
    acme("import", "again", tmp_path / "after")
    manifest = json.loads((tmp_path / "after" / "zops-manifest.json").read_bytes())
    asked = {(one["table"], one["column"]): one["by"] for one in manifest["rewrites"]}
    assert "'third'" in asked["zerver_useractivity", None]


def test_a_channel_is_left_out_with_all_that_is_in_it(
    install: Install, export: Callable[..., WholeExport]
) -> None:
    before = export("before", "--public-only")
    messages = before.tables["zerver_message"]
    of_channel = {
        row["id"]: row["type_id"] for row in before.tables["zerver_recipient"] if row["type"] == 2
    }
    unused = _channels_that_are_only_written_to(before)
    busy = max(
        unused, key=lambda channel: [of_channel[m["recipient"]] for m in messages].count(channel)
    )
    install(
        ("zerver_stream", None, f"table.c.id != {busy}"),
        *(
            (table, None, f"table.c.stream_id != {busy}")
            for table in ("zerver_defaultstream", "zerver_usertopic", "analytics_streamcount")
        ),
        (
            "zerver_realmauditlog",
            None,
            f"sa.func.coalesce(table.c.modified_stream_id, 0) != {busy}",
        ),
    )
    after = export("after", "--public-only")
    wanted = [row for row in messages if of_channel[row["recipient"]] != busy]
    assert len(wanted) < len(messages)
    assert after.tables["zerver_message"] == wanted
    assert busy not in {row["id"] for row in after.tables["zerver_stream"]}


def _channels_that_are_only_written_to(export: WholeExport) -> set[int]:
    """Channels that no setting of the organization names."""
    (realm,) = export.tables["zerver_realm"]
    named = {value for key, value in realm.items() if "stream" in key or "channel" in key}
    return {row["id"] for row in export.tables["zerver_stream"]} - named


USERS = "zerver_userprofile"
OWN = "(sa.select(sa.func.min(users.c.id)).where(users.c.realm_id == 2).scalar_subquery())"
REFUSALS: dict[str, tuple[tuple[str, str | None, str], str, str]] = {
    "no table": (("zerver_users", None, "sa.true()"), "rewrite-unknown", "zerver_users"),
    "a table without rows of its own": (
        ("zerver_attachment_messages", None, "sa.true()"),
        "rewrite-unknown",
        "zerver_attachment_messages",
    ),
    "no column": ((USERS, "fullname", "sa.null()"), "rewrite-unknown", "did you mean 'full_name'"),
    "a secret column": ((USERS, "api_key", "sa.null()"), "rewrite-unknown", "api_key"),
    "a key": ((USERS, "id", "sa.literal(1)"), "rewrite-key", "find the row"),
    "the name of a file": (
        ("zerver_attachment", "path_id", "sa.literal('x')"),
        "rewrite-key",
        "path_id",
    ),
    "the column of another plugin": (
        ("zerver_realmauditlog", "acting_user_id", "sa.null()"),
        "rewrite-clash",
        "plugin 'export'",
    ),
    "nothing where something has to be": (
        (USERS, "full_name", "sa.null()"),
        "rewrite-null",
        "zerver_userprofile.full_name no value in",
    ),
    "a reference to nothing": (
        ("zerver_stream", "creator_id", "sa.literal(987654)"),
        "rewrite-reference",
        "lead to no row of zerver_userprofile",
    ),
    "wrong SQL": (
        (USERS, "tos_version", "sa.literal_column('no_such_column')"),
        "rewrite-failed",
        "no_such_column",
    ),
    "a wrong condition": (
        ("zerver_reaction", None, "sa.literal_column('no_such_column') == 1"),
        "rewrite-failed",
        "no_such_column",
    ),
    "no SQL": ((USERS, "tos_version", "'text'"), "rewrite-failed", "gave a str"),
    "a bug": ((USERS, "tos_version", "1 / 0"), "rewrite-failed", "ZeroDivisionError"),
    "rows that others need": (
        (USERS, None, f"table.c.id != {OWN}"),
        "left-out-row",
        "leads to rows of zerver_userprofile that plugin 'other'",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_before_anything_is_written(
    name: str, install: Install, acme: ZopsHere, tmp_path: Path
) -> None:
    rewrite, code, about = REFUSALS[name]
    install(rewrite)
    (tmp_path / "out").mkdir()
    words = ("export", "-r", "acme", "--output", tmp_path / "out" / "acme")
    for more in ([], ["--dry-run"]):
        done = acme("--json", *words, *more, check=False)
        assert done.exit_code == (1 if name in ("no SQL", "a bug") else 3)
        assert code in done.codes()
        assert "plugin 'other' (dist-of-other 1.0)" in done.stdout
    said = acme(*words, check=False).stderr
    assert_said_no(said, about=about)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_dry_run_lists_and_counts_them(install: Install, acme: ZopsHere) -> None:
    install(("zerver_useractivity", None, "sa.false()"))
    done = acme("--json", "export", "-r", "acme", "--dry-run").json()
    assert done["rows"]["zerver_useractivity"] == 0
    ours, others = sorted(done["rewrites"], key=lambda one: one["by"])
    assert (ours["table"], ours["column"]) == ("zerver_realmauditlog", "acting_user_id")
    assert others == {
        "table": "zerver_useractivity",
        "column": None,
        "by": "plugin 'other' (dist-of-other 1.0)",
        "help": "by order",
    }
    said = acme("export", "-r", "acme", "--dry-run").stdout
    assert "leaves rows out of zerver_useractivity: by order" in said
    assert "changes zerver_realmauditlog.acting_user_id: nobody, where" in said
