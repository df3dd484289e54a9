"""What `--dry-run` says of an export and of an import, and that it writes nothing."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.interop.reading import WholeExport
from tests.zops_export.spoiling import Row, Watched, change_json, refuse
from zops_export.export_layout import FILE_FOLDERS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database

EXPORT_STAGES = {
    "analytics",
    "attachments",
    "avatars",
    "emoji",
    "messages",
    "migration-status",
    "realm",
    "realm-icons",
    "stats",
    "uploads",
}
ROW_STAGES = {"realm", "messages", "analytics", "attachments"}
ROW_FILES = ("realm.json", "attachment.json", "analytics.json", "messages-000001.json")


@pytest.fixture
def acme(zops_here: ZopsHere, database: Database, light: Path) -> ZopsHere:
    """`zops` on a database of each kind with the organization `acme`."""
    zops_here.on(database)("import", "acme", light)
    return zops_here


def test_the_plan_of_an_export(acme: ZopsHere, database: Database, tmp_path: Path) -> None:
    output = tmp_path / "acme"
    words = ("export", "-r", "acme", "--output", output)
    shutil.rmtree(acme.home, ignore_errors=True)
    del acme.environment["ZOPS_AVATAR_SALT"]  # it is not made for a look
    with Watched(database, tmp_path).unchanged():
        done = acme("--json", *words, "--dry-run").json()
        text = acme(*words, "--dry-run").stdout
    acme.environment["ZOPS_AVATAR_SALT"] = "a-salt-for-tests"
    made = acme("--json", *words).json()
    plan = {stage["stage"]: stage for stage in done["plan"]}
    assert plan.keys() == EXPORT_STAGES
    assert all(stage["plugin"] == "export" and stage["help"] for stage in plan.values())
    assert plan["attachments"]["needs"] == ["uploads"]
    assert done["rows"] == {key: made["rows"].get(key, 0) for key in done["rows"]}
    rows = {stage["name"]: stage["rows"] for stage in made["stages"] if "rows" in stage}
    assert {name: plan[name]["rows"] for name in rows} == rows
    everything = [path for path in output.rglob("*") if path.is_file()]
    assert sum(stage["files"] for stage in plan.values()) == len(everything) - 1  # the manifest
    copied = [path for path in everything if path.relative_to(output).parts[0] in FILE_FOLDERS]
    size = sum(path.stat().st_size for path in copied if path.name != "records.json")
    assert (
        sum(plan[name]["bytes"] for name in plan.keys() - ROW_STAGES if plan[name]["bytes"]) == size
    )
    size = sum((output / name).stat().st_size for name in ROW_FILES)
    estimate = sum(plan[name]["bytes"] for name in ROW_STAGES)
    assert size / 2 < estimate < size * 2
    assert "These are estimates" in text
    assert text.splitlines()[2].split()[:3] == ["stage", "plugin", "rows"]
    assert f"{sum(done['rows'].values()):,} rows" in text.splitlines()[0]


def test_the_plan_of_an_import(zops_here: ZopsHere, light: Path, tmp_path: Path) -> None:
    """On nothing: there is no database yet, and none is made."""
    with Watched(None, tmp_path).unchanged():
        done = zops_here("--json", "import", "acme", light, "--dry-run").json()
        text = zops_here("import", "acme", light, "--dry-run").stdout
    plan = {stage["stage"]: stage for stage in done["plan"]}
    assert list(plan) == ["realm-rows", "message-rows", "finish-rows", "files", "settle-rows"]
    assert plan["files"]["needs"] == ["finish-rows"]
    made = zops_here("--json", "import", "acme", light).json()
    stages = (plan[name]["rows"] for name in ("realm-rows", "message-rows"))
    links = ("zerver_attachment_messages", "zerver_attachment_scheduled_messages")
    written = {table: count for table, count in made["rows"].items() if table not in links}
    assert sum(stages) == sum(written.values())
    whole = WholeExport.read(light)
    assert plan["files"]["files"] == made["files"] == len(whole.files)
    assert plan["files"]["bytes"] == sum(
        path.stat().st_size
        for kind in FILE_FOLDERS
        for path in (light / kind).rglob("*")
        if path.is_file() and path.name != "records.json"
    )
    assert "files         export" in text


def test_a_dry_run_refuses_what_the_export_would(
    with_realm: ZopsHere, watched: Watched, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    for output, code in (("taken", "exists"), ("nowhere/acme", "no-folder")):
        words = ("export", "-r", "acme", "--output", tmp_path / output, "--dry-run")
        refuse(with_realm, *words, watched=watched)
        assert with_realm("--json", *words, exit_code=3).codes() == {code}


@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_a_system_bot_that_this_server_has_not(
    words: list[str], zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    """Where there are organizations already, and where the first one comes."""

    def rename(realm: dict[str, list[Row]]) -> None:
        realm["zerver_userprofile_crossrealm"][0]["email"] = "robot@zulip.com"

    change_json(light_copy / "realm.json", rename)
    import_it = ("--json", "import", "other", light_copy, *words)
    for _ in range(2):
        with watched.unchanged():
            refused = zops_here(*import_it, exit_code=3)
        assert refused.codes() == {"no-bot"}
        assert "robot@zulip.com" in refused.stdout
        owner = ("olive@example.test", "Olive", "--no-password")
        zops_here("create-realm", "Acme", *owner, "--string-id", "acme", check=False)
