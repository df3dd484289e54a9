"""Stages of other plugins take part in imports and exports, all or nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.zcore.conftest import InstalledPlugins
from tests.zops_export.spoiling import Watched, assert_said_no
from zcore.schema.realms import zerver_realm

if TYPE_CHECKING:
    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database
    from zcore.testing.commands import Zops

PLUGIN = """
    from zcore import Stage, hookimpl

    @hookimpl
    def zops_import_stages():
        return [Stage("greet", "dist_of_other.work:greet", needs=("finish-rows",))]

    @hookimpl
    def zops_export_stages():
        return [Stage("notes", "dist_of_other.work:notes", before=("stats",))]
"""
WORK = """
    import sqlalchemy as sa
    from zcore import Finding, Refused
    from zcore.schema.realms import zerver_realm

    def greet(job):
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
def install(zops: Zops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install(greet="...", notes="...")`: the plugin, with more to do in its two stages."""

    def install_plugin(*, greet: str = "pass", notes: str = "pass") -> None:
        site = tmp_path / "site"
        source = WORK.format(greet=greet, notes=notes)
        InstalledPlugins(site, zops).install("other", PLUGIN, work=source)
        monkeypatch.syspath_prepend(site)

    yield install_plugin
    for name in [name for name in sys.modules if name.startswith("dist_of_other")]:
        del sys.modules[name]


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


FAILURES = {
    "a refusal": ("raise Refused('not on a Friday', hint='wait')", 3, "not on a Friday"),
    "a bug": ("raise ValueError('oops')", 1, "oops"),
    "bad SQL": (
        "job.writer.connection.execute(sa.text('SELECT no_such_column FROM zerver_realm'))",
        1,
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
    with watched.unchanged():
        output = tmp_path / "out" / "acme"
        done = with_realm("export", "-r", "acme", "--output", output, exit_code=exit_code)
    assert_said_no(done.stderr, about=about)
