"""Which version of the server an export is of, and the migrations that it lists."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore.schema.server import django_migrations
from zops_export.migration_files import Migration, read_app, read_deployment
from zops_export.server_version import ServerVersion, built_in_migrations, built_in_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database

    Files = Mapping[str, tuple[Sequence[str], Sequence[str]]]  # parents, what it replaces

VERSION = """
ZULIP_VERSION = "10.7"
ZULIP_VERSION_WITHOUT_COMMIT = ZULIP_VERSION
ZULIP_VERSION = lines.pop(0).strip()
raise SystemExit("this is not to be run")
"""
MIGRATION = """
from django.db import migrations
raise SystemExit("this is not to be run")

class Migration(migrations.Migration):
    {}
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL), {}]
    operations = [migrations.RunPython(this is never parsed)]
"""


def _migration(app: str, parents: Sequence[str] = (), replaces: Sequence[str] = ()) -> str:
    pairs = ", ".join(f'("{app}", "{name}")' for name in parents)
    replaced = ", ".join(f'("{app}", "{name}")' for name in replaces)
    return MIGRATION.format(f"replaces = [{replaced}]" if replaces else "", pairs)


def _write(
    folder: Path, app: str, files: Mapping[str, tuple[Sequence[str], Sequence[str]]]
) -> None:
    (folder / "migrations").mkdir(parents=True)
    for name, (parents, replaces) in files.items():
        (folder / "migrations" / f"{name}.py").write_text(_migration(app, parents, replaces))
    (folder / "migrations" / "__init__.py").touch()


ZERVER: Files = {
    "0001_squashed_0003": ((), ("0001_initial", "0002_more", "0003_most")),
    "0002_more": (("0001_initial",), ()),
    "0004_one": (("0003_most",), ()),
    "0005_two": (("0004_one",), ()),
    "0006_backport": (("0003_most",), ()),
    "0007_merge": (("0005_two", "0006_backport"), ()),
}
AS_LISTED = ["0001_squashed_0003", "0006_backport", "0004_one", "0005_two", "0007_merge"]


@pytest.fixture
def deployments(tmp_path: Path) -> Path:
    """A folder with the files of a server that is not there."""
    folder = tmp_path / "deployments" / "current"
    _write(folder / "zerver", "zerver", ZERVER)
    _write(folder / "zilencer", "zilencer", {"0001_initial": ((), ())})
    (folder / "version.py").write_text(VERSION)
    packages = folder / ".venv/lib/python3.12/site-packages"
    _write(packages / "social_django", "social_django", {"0001_initial": ((), ())})
    return folder.parent


def test_the_order_is_the_servers(deployments: Path) -> None:
    """What a merge brings in stands before what it is merged into, as in real lists."""
    found = read_app("zerver", deployments / "current/zerver/migrations")
    assert [migration.name for migration in found] == AS_LISTED
    assert found[0].squashed == 3


BACKPORTED = {  # migrations that 9.x has too, each before the next, and what merges them
    "0576_backfill_imageattachment": "0577_merge_20240829_0153",
    "0622_backfill_imageattachment_again": "0623_merge_20241030_1835",
    "0639_zh_hant_tw_rename": "0640_merge_20241211_1953",
}


def test_the_real_order_comes_of_the_same_rule(tmp_path: Path) -> None:
    """The list of 10.0 again, out of what its migrations depend on."""
    names = [migration.name for migration in built_in_migrations("10.0")["zerver"]]
    parents: dict[str, list[str]] = {names[0]: []}
    for some in ([names[0], *BACKPORTED], [one for one in names if one not in BACKPORTED]):
        parents |= {name: [before] for before, name in pairwise(some)}
    for backported, merge in BACKPORTED.items():
        parents[merge].append(backported)
    _write(tmp_path, "zerver", {name: (parents[name], ()) for name in names})
    assert [one.name for one in read_app("zerver", tmp_path / "migrations")] == names


def test_the_version_of_what_was_made_from_git(deployments: Path) -> None:
    (deployments / "current" / "zulip-git-version").write_text("11.0-dev-5-gabc\nmerge base\n")
    found = read_deployment(deployments / "current")
    assert found is not None
    assert found.version == "11.0-dev-5-gabc"


@pytest.mark.parametrize("spoil", ["version.py", "zerver"])
def test_a_folder_that_is_no_deployment(spoil: str, deployments: Path) -> None:
    (deployments / "current" / spoil).rename(deployments / "elsewhere")
    assert read_deployment(deployments / "current") is None


@pytest.mark.parametrize(
    ("applied", "mark"),
    [
        ({}, "X"),
        ({"zerver": ["0001_squashed_0003"]}, "X"),
        ({"zerver": ["0001_initial", "0002_more", "0003_most"]}, "-"),
        ({"zerver": ["0001_initial"]}, " "),
        ({"auth": ["0001_initial"]}, " "),
    ],
)
def test_the_marks(applied: dict[str, list[str]], mark: str) -> None:
    replaced = frozenset(("zerver", name) for name in ZERVER["0001_squashed_0003"][1])
    squashed = Migration("0001_squashed_0003", 3, replaced)
    server = ServerVersion("10.0", "", {"zerver": (squashed,)}, applied, exact=True)
    lists = {"zerver": [f"[{mark}] 0001_squashed_0003 (3 squashed migrations)"]}
    assert server.status()["migrations_by_app"] == lists


def _on_the_server(zops: ZopsHere, deployments: Path) -> None:
    """`zops` finds the deployments there from now on."""
    configuration = deployments.parent / "deployed.toml"
    configuration.write_text(f'[server]\ndeployments = "{deployments}"\n')
    configuration.chmod(0o600)
    zops.environment["ZOPS_CONFIG"] = str(configuration)


def _of_a_server(database: Database, names: Sequence[str]) -> None:
    rows = [{"app": "zerver", "name": name, "applied": sa.func.now()} for name in names]
    with database.begin() as connection:
        for row in rows:
            connection.execute(sa.insert(django_migrations).values(row))


def _status(zops: ZopsHere, output: Path, *words: str, exit_code: int = 0) -> dict[str, object]:
    zops("export", "-r", "acme", "--output", output, *words, exit_code=exit_code)
    status: dict[str, object] = json.loads((output / "migration_status.json").read_bytes())
    return status


def test_an_export_says_what_the_deployment_says(
    with_realm: ZopsHere, sqlite_database: Database, deployments: Path, tmp_path: Path
) -> None:
    _on_the_server(with_realm, deployments)
    _of_a_server(sqlite_database, AS_LISTED[:-1])
    status = _status(with_realm, tmp_path / "acme")
    lists = status["migrations_by_app"]
    assert isinstance(lists, dict)
    assert status["zulip_version"] == "10.7"
    squashed, *others, last = lists["zerver"]
    assert squashed == "[X] 0001_squashed_0003 (3 squashed migrations)"
    assert others == [f"[X] {name}" for name in AS_LISTED[1:-1]]
    assert last == "[ ] 0007_merge"
    assert lists["social_django"] == ["[ ] 0001_initial"]
    assert lists["two_factor"] == ["(no migrations)"]
    assert "zilencer" not in lists  # the database has had none of its migrations


def test_a_database_of_no_server_has_no_deployment(
    with_realm: ZopsHere, deployments: Path, tmp_path: Path
) -> None:
    _on_the_server(with_realm, deployments)
    assert _status(with_realm, tmp_path / "acme")["zulip_version"] == "10.0"


def test_the_version_that_is_asked_for(
    with_realm: ZopsHere, sqlite_database: Database, deployments: Path, tmp_path: Path
) -> None:
    _on_the_server(with_realm, deployments)
    _of_a_server(sqlite_database, ["0001_initial", "0697_newest"])
    words = ("--zulip-version", "10.0")
    status = _status(with_realm, tmp_path / "acme", *words, exit_code=5)
    lists = status["migrations_by_app"]
    assert isinstance(lists, dict)
    assert lists["zerver"][-1] == "[X] 0697_newest"


def test_a_version_that_is_not_known(
    with_realm: ZopsHere, sqlite_database: Database, deployments: Path, tmp_path: Path
) -> None:
    _on_the_server(with_realm, deployments)
    _of_a_server(sqlite_database, AS_LISTED)
    words = ("--output", tmp_path / "acme", "--zulip-version", "9.9")
    done = with_realm("export", "-r", "acme", *words, exit_code=3)
    for version in (*built_in_versions(), "10.7"):
        assert version in done.stderr
    assert not (tmp_path / "acme").exists()
