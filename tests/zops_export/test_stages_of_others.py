"""Stages of other plugins take part in imports and exports, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.reading import WholeExport
from tests.zops_export.spoiling import Watched, assert_said_no
from zcore.schema.realms import zerver_realm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database
    from zcore.testing.plugins import TemporaryPlugins

PLUGIN = """
    from zcore import Stage, Validator, hookimpl

    @hookimpl
    def zops_import_stages():
        return [Stage("greet", "dist_of_other.work:greet", needs=("finish-rows",))]

    @hookimpl
    def zops_export_stages():
        return [Stage("notes", "dist_of_other.work:notes", before=("stats",))]

    @hookimpl
    def zops_validators():
        return [
            Validator("no-fridays", "export.request", "dist_of_other.work:not_on_friday"),
            Validator("small", "import.source", "dist_of_other.work:is_small"),
        ]
"""
WORK = """
    import sqlalchemy as sa
    from zcore import Finding, Problem, Refused
    from zcore.schema.realms import zerver_realm

    def not_on_friday(values, context):
        for request in values:
            if "friday" in request.target:
                yield Problem("friday", f"no {{request.mode}} export of {{request.string_id}}")

    def is_small(values, context):
        for source in values:
            if source.string_id == "small-only":
                yield Problem("large", f"{{source.realm['name']}}: {{source.files}} files")

    def greet(job):
        assert job.new_id("zerver_realm", 4711) is None
        assert job.new_id("zerver_realm", {old_realm}) == job.realm_id
        change = sa.update(zerver_realm).where(zerver_realm.c.id == job.realm_id)
        job.writer.connection.execute(change.values(description="imported by a stranger"))
        {greet}
        return {{"rows": 1}}

    def notes(job):
        with job.open("notes.json") as file:
            file.write(b'["of a stranger"]')
        job.find(Finding("note", "seen by a stranger", where="everywhere"))
        {notes}
"""


Install = Callable[..., None]


@pytest.fixture
def zops_on(zops_here: ZopsHere, database: Database) -> ZopsHere:
    """`zops` on a database of each kind."""
    return zops_here.on(database)


@pytest.fixture
def install(temporary_plugins: TemporaryPlugins) -> Install:
    """`install(greet="...", notes="...")`: the plugin, with more to do in its two stages."""

    def install_plugin(*, greet: str = "pass", notes: str = "pass") -> None:
        source = WORK.format(greet=greet, notes=notes, old_realm=4)
        temporary_plugins.install("other", PLUGIN, work=source)

    return install_plugin


def test_they_take_part(
    install: Install, zops_on: ZopsHere, database: Database, light: Path, tmp_path: Path
) -> None:
    install()
    zops_on("import", "acme", light)
    with database.read() as connection:
        query = sa.select(zerver_realm.c.description).where(zerver_realm.c.string_id == "acme")
        assert connection.execute(query).scalar_one() == "imported by a stranger"
    output = tmp_path / "acme"
    done = zops_on("--json", "export", "-r", "acme", "--output", output, exit_code=5).json()
    assert "notes" in [stage["name"] for stage in done["stages"]]
    assert [finding["where"] for finding in done["findings"]] == ["everywhere"]
    assert json.loads((output / "notes.json").read_bytes()) == ["of a stranger"]
    assert "notes.json" in json.loads((output / "zops-manifest.json").read_bytes())["files"]
    assert zops_on("--json", "verify", output).json()["problems"] == []


def test_some_wait_to_be_asked_for(
    temporary_plugins: TemporaryPlugins, with_realm: ZopsHere, tmp_path: Path
) -> None:
    stages = ("always", ""), ("asked", "extra"), ("never", "other")
    declared = [
        f"Stage({name!r}, 'dist_of_other.work:work', only_with={extra!r})" for name, extra in stages
    ]
    plugin = f"""
        from zcore import Stage, hookimpl

        @hookimpl
        def zops_export_stages():
            return [{", ".join(declared)}]
    """
    temporary_plugins.install("other", plugin, work="def work(job): pass")
    words = ("--json", "export", "-r", "acme", "--with", "extra", "--output", tmp_path / "out")
    ran = {stage["name"] for stage in with_realm(*words).json()["stages"]}
    assert ran & {"always", "asked", "never"} == {"always", "asked"}


FAILURES = {
    "a refusal": ("raise Refused('not on a Friday', hint='wait')", 3, "not on a Friday"),
    "a bug": ("raise ValueError('oops')", 1, "oops"),
    "bad SQL": (
        "job.writer.connection.execute(sa.text('SELECT no_such_column FROM zerver_realm'))",
        3,
        "no_such_column",
    ),
    "a row that cannot be": (
        "job.writer.connection.execute(sa.update(zerver_realm).values(string_id=None))",
        1,
        "string_id",
    ),
    "a reference to nothing": (
        "job.writer.connection.execute("
        "sa.update(zerver_realm).values(moderation_request_channel_id=987654321))",
        1,
        "refused a row",
    ),
}


@pytest.mark.parametrize(("body", "exit_code", "about"), FAILURES.values(), ids=FAILURES)
def test_an_import_that_they_fail_is_taken_back(
    body: str,
    exit_code: int,
    about: str,
    install: Install,
    zops_on: ZopsHere,
    database: Database,
    light: Path,
) -> None:
    """The last one only fails at the commit, when all files are there already."""
    install(greet=body)
    with Watched(database, zops_on.uploads).unchanged():
        done = zops_on("import", "acme", light, exit_code=exit_code)
    assert_said_no(done.stderr, about=about)


REWRITING = """
    from zcore import Stage, hookimpl

    @hookimpl
    def zops_import_stages():
        return [Stage("move", "dist_of_mover.work:move", before=("realm-rows",))]
"""
MOVES = """
    def move(job):
        job.rewrite("zerver_userprofile", at_acme)
        job.rewrite("zerver_usermessage", {change})

    def at_acme(row):
        name, _, _ = row["delivery_email"].partition("@")
        return row | {{"delivery_email": f"{{name}}@acme.test"}}

    def unread(row):
        return None if row["flags_mask"] & 1 else row

    def wrong(row):
        return row["no such key"]
"""


def test_they_change_rows_and_leave_some_out(
    temporary_plugins: TemporaryPlugins, zops_on: ZopsHere, light: Path, tmp_path: Path
) -> None:
    temporary_plugins.install("mover", REWRITING, work=MOVES.format(change="unread"))
    plan = zops_on("import", "acme", light, "--dry-run").stdout
    assert "stage 'move' of mover may change, leave out or refuse rows" in plan
    zops_on("import", "acme", light)
    zops_on("export", "-r", "acme", "--output", tmp_path / "acme")
    before, after = WholeExport.read(light), WholeExport.read(tmp_path / "acme")
    addresses = [row["delivery_email"] for row in after.rows("zerver_userprofile")]
    assert {address.partition("@")[2] for address in addresses} == {"acme.test"}
    assert len(addresses) == len(before.rows("zerver_userprofile"))
    rows = before.rows("zerver_usermessage")
    unread = sum(1 for row in rows if not row["flags_mask"] & 1)
    assert 0 < unread < len(rows)
    assert len(after.rows("zerver_usermessage")) == unread


@pytest.mark.parametrize("change", ["wrong", "lambda row: 7"])
def test_their_changes_fail(
    change: str,
    temporary_plugins: TemporaryPlugins,
    zops_on: ZopsHere,
    database: Database,
    light: Path,
) -> None:
    temporary_plugins.install("mover", REWRITING, work=MOVES.format(change=change))
    watched = Watched(database, zops_on.home, zops_on.uploads)
    with watched.unchanged():
        done = zops_on("import", "acme", light, exit_code=1)
    assert "the change of rows of zerver_usermessage by dist_of_mover.work failed" in done.stderr


@pytest.mark.parametrize("name", ["a refusal", "a bug"])
def test_an_export_that_they_fail_leaves_nothing(
    name: str,
    install: Install,
    with_realm: ZopsHere,
    watched: Watched,
    tmp_path: Path,
) -> None:
    body, exit_code, about = FAILURES[name]
    install(notes=body)
    (tmp_path / "out").mkdir()
    watched.folders = (*watched.folders, tmp_path / "out")
    with watched.unchanged_but_for_the_failure():
        output = tmp_path / "out" / "acme"
        done = with_realm("export", "-r", "acme", "--output", output, exit_code=exit_code)
    assert_said_no(done.stderr, about=about)


def test_their_rules_are_asked_with_ours(
    install: Install, with_realm: ZopsHere, watched: Watched, light: Path, tmp_path: Path
) -> None:
    """All problems come in one answer, also in a dry run; nothing is written."""
    install()
    (tmp_path / "friday").mkdir()
    for more in ([], ["--dry-run"]):
        with watched.unchanged():
            words = ("export", "-r", "acme", "--output", tmp_path / "friday", *more)
            refused = with_realm("--json", *words, exit_code=3)
            assert refused.codes() == {"invalid", "exists", "friday"}
            said = with_realm("import", "small-only", light, *more, exit_code=3).stderr
        assert "no full export of acme" in refused.stdout
        assert_said_no(said, about=f"{len(WholeExport.read(light).files)} files")


GRAPHS = {
    "a circle": (
        'Stage("notes", "x:y", needs=("stats",), before=("analytics",))',
        "stage-circle",
        "in a circle: analytics -> notes -> stats -> analytics",
    ),
    "what is not there": (
        'Stage("notes", "x:y", needs=("message",))',
        "stage-unknown",
        "did you mean 'messages'?",
    ),
    "what may not be replaced": (
        'Stage("notes", "x:y", replaces="messages")',
        "stage-not-replaceable",
        "replaces stage 'messages' of plugin 'export' (zops-cli",
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_that_cannot_be_is_shown(
    name: str, with_realm: ZopsHere, temporary_plugins: TemporaryPlugins
) -> None:
    stage, code, about = GRAPHS[name]
    temporary_plugins.install(
        "graph",
        f"""
        from zcore import Stage, hookimpl

        @hookimpl
        def zops_export_stages():
            return [{stage}]
        """,
    )
    refused = with_realm("--json", "export", "-r", "acme", exit_code=3).json()["error"]
    assert refused["code"] == code
    assert about in refused["message"] + refused["hint"]
    assert "plugin 'graph' (dist-of-graph 1.0)" in str(refused)
    if name == "a circle":
        lines = [problem["message"] for problem in refused["problems"]]
        assert "stage 'notes' of plugin 'graph' (dist-of-graph 1.0) waits for stats" in lines


def test_a_stage_in_place_of_ours(
    with_realm: ZopsHere, temporary_plugins: TemporaryPlugins, tmp_path: Path
) -> None:
    """With a rewrite beside it."""
    temporary_plugins.install(
        "faces",
        """
        from zcore import Rewrite, Stage, hookimpl

        @hookimpl
        def zops_export_stages():
            return [
                Stage("faces", "dist_of_faces.work:draw", replaces="avatars", help="drawn faces"),
                Rewrite("zerver_userprofile", "avatar_source", "dist_of_faces.work:drawn"),
            ]
        """,
        work="""
        import sqlalchemy as sa

        def draw(job):
            with job.open("avatars/records.json") as file:
                file.write(b"[]")
            job.advance(files=1)
            return {"files": 1}

        def drawn(table):
            return sa.literal("J")
        """,
    )
    done = with_realm("--json", "export", "-r", "acme", "--output", tmp_path / "out").json()
    names = [stage["name"] for stage in done["stages"]]
    assert "faces" in names
    assert "avatars" not in names
    exported = WholeExport.read(tmp_path / "out")
    assert {row["avatar_source"] for row in exported.tables["zerver_userprofile"]} == {"J"}
    assert exported.records["avatars"] == []
