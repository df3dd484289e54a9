"""Several organizations in one call: each whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.zops_export.spoiling import Watched, assert_said_no, change_json
from zcore.testing.in_process import ZopsInProcess
from zcore.testing.plugins import TemporaryPlugins

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing import Zops

PLUGIN = """
    from zcore import Stage, hookimpl

    @hookimpl
    def zops_import_stages():
        return [Stage("stumble", "dist_of_stumble.work:stumble", needs=("files",))]
"""
STUMBLE = """
    import os
    import zcore

    def stumble(job):
        if job.options.subdomain == os.environ.get("STUMBLES"):
            if os.environ["HOW"] == "dies":
                os._exit(137)
            raise getattr(zcore, os.environ["HOW"])("something is wrong with it")
"""


@pytest.fixture
def here(zops: Zops, sqlite_database: Database, tmp_path: Path) -> ZopsInProcess:
    """`zops` on a SQLite database, with a stage that fails where it is told to."""
    places = {"ZOPS_UPLOADS": str(tmp_path / "uploads"), "ZOPS_AVATAR_SALT": "a-salt"}
    zops.on(sqlite_database).environment |= places
    plugins = TemporaryPlugins(tmp_path / "site", zops.environment)
    plugins.install("stumble", PLUGIN, work=STUMBLE)
    return ZopsInProcess(tmp_path, zops.environment)


def subdomains(here: ZopsInProcess) -> set[str]:
    return {realm["string_id"] for realm in here("--json", "realm", "list").json()["realms"]}


def test_each_is_imported(here: ZopsInProcess, light: Path) -> None:
    done = here("--json", "import", f"one={light}", f"two={light}").json()
    first, second = done["organizations"]
    assert (first["string_id"], second["string_id"]) == ("one", "two")
    assert first["realm_id"] != second["realm_id"]
    assert first["rows"]["zerver_message"] == second["rows"]["zerver_message"] > 0
    assert {first["state"], second["state"]} == {"imported"}
    assert {"one", "two"} <= subdomains(here)


def test_all_are_looked_at_before_one_is_written(
    here: ZopsInProcess, sqlite_database: Database, light: Path, light_copy: Path, tmp_path: Path
) -> None:
    change_json(light_copy / "realm.json", lambda tables: tables | {"zerver_realm": []})
    with Watched(sqlite_database, tmp_path / "uploads").unchanged():
        done = here(
            "import", f"one={light}", f"two={light_copy}", f"three={tmp_path}/no", exit_code=3
        )
        dry = here("import", f"one={light}", f"two={light_copy}", "--dry-run", exit_code=3)
    assert_said_no(done.stderr, about="2 of 3 organizations cannot be imported, and none was")
    assert f"'three': there is no export {tmp_path}/no" in done.stderr
    assert_said_no(dry.stderr, about="1 of 2 organizations cannot be imported")


def test_a_plan_of_each(here: ZopsInProcess, light: Path) -> None:
    done = here("--json", "import", f"one={light}", f"two={light}", "--dry-run").json()
    assert done["dry_run"]
    assert [one["string_id"] for one in done["organizations"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("how", "exit_code", "states"),
    [
        ("Failed", 1, ["imported", "failed", "imported"]),
        ("Unreachable", 4, ["imported", "failed", "not-begun"]),
    ],
)
def test_one_fails(
    how: str, exit_code: int, states: list[str], here: ZopsInProcess, light: Path
) -> None:
    """The next is imported all the same, unless the same would happen to it."""
    words = [f"{name}={light}" for name in ("one", "two", "three")]
    env = {"STUMBLES": "two", "HOW": how}
    failed = here("--json", "import", *words, env=env, exit_code=exit_code).json()
    error = failed["error"]
    assert [one["state"] for one in failed["organizations"]] == states
    assert (
        f"{3 - states.count('imported')} of 3 organizations were not imported" in error["message"]
    )
    assert "'two': something is wrong with it" in error["message"]
    there = subdomains(here)
    assert "two" not in there
    assert ("three" in there) == (states[2] == "imported")


def test_one_is_killed(here: ZopsInProcess, zops: Zops, light: Path) -> None:
    env = {"STUMBLES": "two", "HOW": "dies"}
    zops("import", f"one={light}", f"two={light}", f"three={light}", env=env, exit_code=137)
    assert subdomains(here) & {"one", "two", "three"} == {"one"}
    here("import", "two", "--resume")
    here("import", "three", light)
    assert subdomains(here) >= {"one", "two", "three"}


@pytest.mark.parametrize(
    ("words", "about"),
    [
        ((), "SUBDOMAIN and PATH are missing"),
        (("acme",), "PATH is missing"),
        (("acme", "/a", "/b"), "'/b' is one word too many"),
        (("acme=/a", "/b"), "each organization is to be written as SUBDOMAIN=PATH"),
        (("acme=", "beta=/b"), "each organization is to be written as SUBDOMAIN=PATH"),
        (("acme=/a", "acme=/b"), "subdomain 'acme' is given twice"),
        (("acme=/a", "beta=/b", "--name", "Both"), "--name is for one organization"),
        (("acme=/a", "--resume"), "each for one import"),
        (("acme", "/a", "--yes"), "--destroy and --yes are for --destroy-rebuild-database"),
    ],
)
def test_words_that_do_not_fit_together(
    words: tuple[str, ...], about: str, here: ZopsInProcess
) -> None:
    assert about in here("import", *words, exit_code=2).stderr


def test_paths_may_have_an_equals_sign(here: ZopsInProcess, light: Path, tmp_path: Path) -> None:
    (tmp_path / "a=b").symlink_to(light)
    here("import", "one", tmp_path / "a=b")
    here("import", f"two={tmp_path}/a=b")
