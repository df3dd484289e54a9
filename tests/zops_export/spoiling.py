"""Spoiling copies of real exports, and seeing that nothing was written."""

from __future__ import annotations

import json
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zcore.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database

Row = dict[str, Any]
Tables = dict[str, list[Row]]
EXPORTS = "zerver_realmexport"
FAILED = 4
LINE_STARTS = ("zops: error: ", "hint: ", "problem: ")


def change_json(path: Path, change: Callable[[Any], Any]) -> None:
    """Replace a JSON file by what `change` makes of its content (None: changed in place)."""
    document = json.loads(path.read_bytes())
    changed = change(document)
    replace(path, json.dumps(document if changed is None else changed).encode())


def replace(path: Path, content: bytes) -> None:
    """Give `path` a new content, leaving alone the file that it may be a hard link to."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def pack(folder: Path, archive: Path, members: Iterable[tarfile.TarInfo] = ()) -> Path:
    """Make an archive of an export's folder, with more `members` (without content) behind."""
    with tarfile.open(archive, "w") as packed:
        packed.add(folder, "export")
        for member in members:
            packed.addfile(member)
    return archive


@dataclass(frozen=True)
class Traces:
    """Everything that a command could leave behind."""

    rows: dict[str, list[tuple[Any, ...]]]
    files: frozenset[str]


class Watched:
    """A database, and folders: what is in them."""

    def __init__(self, database: Database | None, *folders: Path) -> None:
        self.database = database
        self.folders = folders

    def look(self) -> Traces:
        """What is there now."""
        files = [str(path) for folder in self.folders for path in folder.rglob("*")]
        return Traces(self._rows(), frozenset(files))

    def _rows(self) -> dict[str, list[tuple[Any, ...]]]:
        if self.database is None:
            return {}
        with self.database.read() as connection:
            return {
                name: sorted(
                    map(tuple, connection.exec_driver_sql(f'SELECT * FROM "{name}"')),  # noqa: S608
                    key=repr,
                )
                for name in metadata.tables
            }

    @contextmanager
    def unchanged(self, *, apart_from: str = "") -> Iterator[None]:
        """What is done inside must leave no trace, apart from rows in that table."""
        before = self.look()
        yield
        after = self.look()
        assert after.files == before.files
        for table, rows in after.rows.items():
            assert table == apart_from or rows == before.rows[table], f"{table} has changed"

    @contextmanager
    def unchanged_but_for_the_failure(self) -> Iterator[None]:
        """What is done inside must leave no trace but a row about an export that failed."""
        with self.unchanged(apart_from=EXPORTS):
            yield
        assert self.export_states()[-1:] == [FAILED]

    def export_states(self) -> list[int]:
        """The states of all exports that the database knows of, oldest first."""
        rows = sorted(self._rows()[EXPORTS], key=lambda row: int(row[0]))
        status = list(metadata.tables[EXPORTS].c.keys()).index("status")
        return [row[status] for row in rows]


def assert_said_no(stderr: str, *, about: str = "") -> None:
    """One error in one line, hints and problems in lines of their own, and nothing else."""
    lines = stderr.splitlines()
    assert lines, "nothing was said"
    assert all(line.startswith(LINE_STARTS) for line in lines), stderr
    assert [line.startswith("zops: error: ") for line in lines].count(True) == 1, stderr
    assert lines[0].startswith("zops: error: "), stderr
    assert about in stderr, stderr


def find_damage(zops: ZopsHere, path: Path, about: str, watched: Watched) -> None:
    """`zops verify` must say that this is no export (3), or what is wrong with it (5)."""
    with watched.unchanged():
        done = zops("verify", path, check=False)
    assert done.exit_code in (3, 5), done
    lines = done.stderr.splitlines()
    assert lines[0].startswith("zops: error: " if done.exit_code == 3 else "zops: finding: "), done
    assert about in done.stdout + done.stderr, done


def refuse(
    zops: ZopsHere, *arguments: str | Path, exit_code: int = 3, about: str = "", watched: Watched
) -> str:
    """Run a command that must end with `exit_code`, one error, and no trace; returns stderr.

    An export that fails (1) leaves a row that says so.
    """
    begun = exit_code == 1 and arguments[0] == "export"
    with watched.unchanged_but_for_the_failure() if begun else watched.unchanged():
        done = zops(*arguments, exit_code=exit_code)
    assert done.stdout == ""
    assert_said_no(done.stderr, about=about)
    return done.stderr


def changed_rows(
    file: str, change: Callable[[dict[str, list[Row]]], Any], *, counted: bool = True
) -> Callable[[Path], None]:
    """A change of rows; `counted`: the numbers of rows are right all the same."""

    def damage(folder: Path) -> None:
        def changed(tables: Tables) -> Tables:
            change(tables)
            return tables

        change_json(folder / file, changed)
        if counted:
            tables = json.loads((folder / file).read_bytes())
            numbers = {table: len(rows) for table, rows in tables.items()}
            change_json(
                folder / "stats.json", lambda stats: stats | {file.removesuffix(".json"): numbers}
            )

    return damage


def problems_of(zops: ZopsHere, path: Path, *words: str) -> list[dict[str, str]]:
    """What `zops verify` finds, which must be something."""
    done = zops("--json", "verify", path, *words, exit_code=5).json()
    assert done["problem_count"] == sum(done["problem_counts"].values())
    assert [finding["code"] for finding in done["findings"]] == [
        problem["code"] for problem in done["problems"]
    ]
    problems: list[dict[str, str]] = done["problems"]
    return problems
