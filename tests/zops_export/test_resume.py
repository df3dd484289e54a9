"""Exports that were killed or stopped, and what `zops export --resume` makes of what they left."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.interop.comparing import MARK, differences_by_id
from tests.interop.reading import WholeExport
from tests.zops_export.conftest import ZopsHere
from tests.zops_export.spoiling import EXPORTS
from tests.zops_export.test_interruptions import Held
from zcore.crash_points import CRASHED, VARIABLE
from zcore.database import Database
from zcore.schema.files import zerver_attachment as attachments
from zcore.schema.users import zerver_userprofile as users
from zcore.testing.plugins import TemporaryPlugins
from zops_export.claimed_folder import ClaimedFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zcore.testing.commands import Completed, Zops

KEEPING = """
    from zcore import Stage, hookimpl

    @hookimpl
    def zops_export_stages():
        return [Stage("notes", "dist_of_other.work:notes", before=("uploads",), keeps=True)]
"""
NOTES = """
    import os
    from zcore import Finding

    def notes(job):
        with job.open("notes/of-process.txt") as file:
            file.write(str(os.getpid()).encode())
        job.find(Finding("note", "seen by a stranger"))
        return {"files": 1}
"""


@pytest.fixture(scope="module")
def imported(sqlite_template: Path, light: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database that has the organization `acme`, and its uploads."""
    folder = tmp_path_factory.mktemp("imported")
    shutil.copyfile(sqlite_template, folder / "acme.db")
    with contextlib.closing(Database.connect(f"sqlite:///{folder / 'acme.db'}")) as database:
        ZopsHere(folder).on(database)("import", "acme", light)
    return folder


@pytest.fixture
def database(imported: Path, tmp_path: Path) -> Iterator[Database]:
    """A copy of that database; the uploads are beside it."""
    shutil.copyfile(imported / "acme.db", tmp_path / "acme.db")
    shutil.copytree(imported / "uploads", tmp_path / "uploads", copy_function=shutil.copy2)
    with contextlib.closing(Database.connect(f"sqlite:///{tmp_path / 'acme.db'}")) as database:
        yield database


@pytest.fixture
def here(zops_here: ZopsHere, database: Database) -> ZopsHere:
    """`zops` on the copy, in this process."""
    return zops_here.on(database)


@pytest.fixture
def acme(zops: Zops, here: ZopsHere) -> Zops:
    """The installed command on the copy: a process that can be killed."""
    zops.environment |= here.environment
    (zops.folder / "out").mkdir()
    return zops


@pytest.fixture
def out(acme: Zops) -> Path:
    """The folder that exports are made in."""
    return acme.folder / "out"


def export(zops: Zops | ZopsHere, output: Path, *words: str, exit_code: int = 0) -> Completed:
    """`zops export` of the organization."""
    return zops("--json", "export", "-r", "acme", "--output", output, *words, exit_code=exit_code)


def kill(zops: Zops, output: Path, where: str, *words: str) -> Path:
    """Let an export die at a crash point; the folder that it left."""
    words = ("export", "-r", "acme", "--output", str(output), *words)
    zops(*words, env={VARIABLE: where}, exit_code=CRASHED)
    left = output.with_name(f".{output.name}.partial")
    assert not output.exists()
    assert left.is_dir()
    return left


def assert_same(one: Path, other: Path) -> None:
    """Both exports have the same rows, records and files, but for those about exports."""
    first, second = WholeExport.read(one), WholeExport.read(other)
    for export in (first, second):
        export.tables["zerver_realmauditlog"] = [
            row for row in export.tables["zerver_realmauditlog"] if row["event_type"] != MARK
        ]
    found = differences_by_id(first, second, frozenset({EXPORTS}))
    assert not found, "\n".join(found)
    assert first.records == second.records
    assert first.files == second.files


def uploads(database: Database) -> list[str]:
    with database.read() as connection:
        query = sa.select(attachments.c.path_id).order_by(attachments.c.path_id)
        return [f"uploads/{path}" for path in connection.scalars(query)]


def test_a_killed_export_is_gone_on_with(
    acme: Zops, here: ZopsHere, out: Path, database: Database
) -> None:
    """Files that were copied are taken up, if they are what they were; rows are those of now."""
    first, second, third, *_ = uploads(database)
    output = out / "acme"
    left = kill(acme, output, "stage-done:uploads", "--threads", "1")
    numbers = {name: (left / "export" / name).stat().st_ino for name in (first, second, third)}
    (left / "export" / second).write_bytes(b"damaged")
    rename_users(database)
    again = kill(acme, output, "stage-done:stats", "--resume")
    kept = {name for name in numbers if (again / "export" / name).stat().st_ino == numbers[name]}
    assert kept == {first, third}
    assert_gone_on_with(here, output)


def test_a_killed_archive_is_gone_on_with(
    acme: Zops, here: ZopsHere, out: Path, database: Database
) -> None:
    """The same, packed: what is kept is taken out of the unfinished archive as it stands there."""
    first, second, third, *_ = uploads(database)
    output = out / "acme.tar.gz"
    left = kill(acme, output, "stage-done:uploads", "--threads", "1")
    assert not [path for path in left.iterdir() if path.is_dir()]
    places = places_in(left)
    spoil(left / "archive-1", places[second]["offset"] + places[second]["size"] // 2)
    stored = acme.folder / "uploads" / "files"
    original = swap_unseen(stored / first.removeprefix("uploads/"))
    (stored / third.removeprefix("uploads/")).write_bytes(b"new")
    rename_users(database)
    again = kill(acme, output, "stage-done:stats", "--resume", "--threads", "1")
    moved = places_in(again)
    assert {place["archive"] for place in moved.values()} == {"archive-2"}
    assert moved[first]["sha256"] == places[first]["sha256"]
    assert moved[third]["sha256"] != places[third]["sha256"]
    original()
    assert_gone_on_with(here, output)


def swap_unseen(path: Path) -> Callable[[], None]:
    """Put something else into a file that looks as it did; returns what takes it back."""
    content, before = path.read_bytes(), path.stat()

    def put(content: bytes) -> None:
        path.write_bytes(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    put(bytes(len(content)))
    return lambda: put(content)


def rename_users(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(sa.update(users).values(full_name="renamed since"))


def places_in(left: Path) -> dict[str, dict[str, Any]]:
    """Where each file of the unfinished archive stands last."""
    lines = map(json.loads, (left / "journal.jsonl").read_text().splitlines())
    return {line["placed"]: line["place"] for line in lines if "placed" in line}


def spoil(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(8))


def assert_gone_on_with(here: ZopsHere, output: Path) -> None:
    """What is made of the rest is what an export made at once is, and nothing else is left."""
    done = export(here, output, "--resume").json()
    whole = output.with_name("whole")
    assert done["files"] == export(here, whole).json()["files"]
    assert_same(whole, output)
    assert {path.name for path in output.parent.iterdir()} == {"whole", output.name}
    assert here("--json", "verify", output).json()["problems"] == []


def test_a_file_that_changed_in_the_store_is_copied_again(
    acme: Zops, here: ZopsHere, out: Path, database: Database
) -> None:
    name = uploads(database)[0]
    kill(acme, out / "acme", f"copied:{name}", "--threads", "1")
    stored = acme.folder / "uploads" / "files" / name.removeprefix("uploads/")
    stored.write_bytes(stored.read_bytes()[::-1])
    export(here, out / "acme", "--resume")
    assert (out / "acme" / name).read_bytes() == stored.read_bytes()


def test_a_stage_of_others_that_can_be_kept(acme: Zops, out: Path, tmp_path: Path) -> None:
    TemporaryPlugins(tmp_path / "site", acme.environment).install("other", KEEPING, work=NOTES)
    left = kill(acme, out / "acme", "stage-done:uploads")
    written = (left / "export/notes/of-process.txt").read_bytes()
    done = export(acme, out / "acme", "--resume", exit_code=5).json()
    stages = {stage["name"]: stage for stage in done["stages"]}
    assert (stages["notes"]["kept"], stages["notes"]["files"]) == (True, 1)
    assert "kept" not in stages["uploads"]
    assert [finding["message"] for finding in done["findings"]] == ["seen by a stranger"]
    assert (out / "acme/notes/of-process.txt").read_bytes() == written
    assert (
        "notes/of-process.txt"
        in json.loads((out / "acme/zops-manifest.json").read_bytes())["files"]
    )


def test_a_stage_whose_files_are_damaged_runs_again(acme: Zops, out: Path, tmp_path: Path) -> None:
    TemporaryPlugins(tmp_path / "site", acme.environment).install("other", KEEPING, work=NOTES)
    left = kill(acme, out / "acme", "stage-done:uploads")
    (left / "export/notes/of-process.txt").write_bytes(b"")
    done = export(acme, out / "acme", "--resume", exit_code=5).json()
    assert not any("kept" in stage for stage in done["stages"])
    assert (out / "acme/notes/of-process.txt").read_bytes().isdigit()


def test_what_is_left_is_no_export_and_is_thrown_away_by_the_next(
    acme: Zops, here: ZopsHere, out: Path
) -> None:
    left = kill(acme, out / "acme", "stage-done:stats")
    for path in (left, left / "export"):
        refused = here("--json", "import", "other", path, exit_code=3)
        assert refused.codes() == {"unfinished-export"}
    (left / "export" / "stray").touch()
    export(here, out / "acme")
    assert [path.name for path in out.iterdir()] == ["acme"]
    assert not (out / "acme" / "stray").exists()


def test_what_exports_named_by_the_time_left_is_removed(acme: Zops, out: Path) -> None:
    words = ("export", "-r", "acme")
    acme(*words, cwd=out, env={VARIABLE: "stage-done:realm"}, exit_code=CRASHED)
    (left,) = out.iterdir()
    others = [
        ClaimedFolder(out / f"zulip-export-{name}-20250314T150926Z.tar.gz").path
        for name in ("acme-2", "other")
    ]
    done = acme(*words, cwd=out)
    assert f"removed {left}, which an export that was killed had left" in done.stderr
    finished = [path for path in out.iterdir() if path not in others]
    assert [path.suffix for path in finished] == [".gz"]


def test_a_stopped_export_is_kept_when_it_may_be_resumed(
    acme: Zops, here: ZopsHere, out: Path, tmp_path: Path, database: Database
) -> None:
    held = Held(acme, tmp_path, "export", "uploads")
    words = ("export", "-r", "acme", "--output", out / "acme", "--resume")
    process = held.start(*words)
    busy = export(here, out / "acme", exit_code=3)
    assert busy.codes() == {"in-use"}
    code, _, stderr = held.stop(process, signal.SIGTERM)
    assert code == 130
    assert "what was done is kept" in stderr
    name = uploads(database)[0]
    number = (out / ".acme.partial/export" / name).stat().st_ino
    here("--disable-plugin", "hold", *words)
    assert (out / "acme" / name).stat().st_ino == number


def test_what_cannot_be_resumed(acme: Zops, here: ZopsHere, out: Path) -> None:
    usage = here("export", "-r", "acme", "--resume", exit_code=2)
    assert "--resume needs --output" in usage.stderr
    kill(acme, out / "acme", "stage-done:realm")
    other = export(here, out / "acme", "--resume", "--public-only", exit_code=3)
    assert other.codes() == {"other-job"}
    export(here, out / "acme", "--resume")  # what is left is still that of the first one
    again = export(here, out / "acme", "--resume", exit_code=3)
    assert again.codes() == {"exists"}
    export(here, out / "new", "--resume")  # nothing to go on with: from the beginning


def test_a_folder_that_others_can_look_into_is_not_used(here: ZopsHere, out: Path) -> None:
    """Whoever can write to the folder could have made it, and wait for what comes into it."""
    (out / ".acme.partial").mkdir(mode=0o755)
    (out / ".other.partial").symlink_to(out.parent)
    for name in ("acme", "other"):
        refused = export(here, out / name, exit_code=3)
        assert f"{out}" in refused.json()["error"]["message"]
    assert os.listdir(out / ".acme.partial") == []
