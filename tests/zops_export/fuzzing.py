"""Imports of exports that somebody spoilt by dice, each in a process of its own with its limits.

A case is named after its change and a number, `swap-value:17`, and is the same each time. It must
end in a refusal that leaves no trace, or in an import that leaves a sound database; in one line of
error, never a traceback; within its time and its memory.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tests.zops_export.hostile_files import FILE_CHANGES, PACKS
from tests.zops_export.hostile_rows import ROW_CHANGES, forget_counts, several
from tests.zops_export.lightening import Kept
from tests.zops_export.spoiling import LINE_STARTS
from zcore.database import Database
from zcore.errors import ExitCode
from zcore.schema import metadata, tables
from zcore.testing.in_process import ZopsInProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

REALM, OTHER_REALM = "spoilt", "vale"
SMALL = Kept(attachments=3, messages=10, user_messages=15, others=3, avatars=2)
"""What the exports that are spoilt keep: the smaller, the more of them a second."""
ALLOWED_CODES = frozenset({0, 1, 3, 5})  # whole, taken back, refused, whole but for findings
TAKEN_IN = frozenset({0, 5})
DRY_RUN = "--dry-run"
OPTIONS = {DRY_RUN: 0.1, "--like-server": 0.08, "--exclusive": 0.04}
"""How often each is tried."""
SECONDS = 60
MEGABYTE = 1 << 20
MOST_MORE = 400 * MEGABYTE  # of address space, beyond what the process had at the start
MOST_MORE_RESIDENT = 200 * MEGABYTE
MOST_SAID = 600
FINDING = "zops: finding: "
WARNING = "zops: warning: "

# What was found with these cases has been mended: packed streams that refer to what was before
# their beginning. Every campaign has them first.
KEPT = ("spoiled-archive:1", "spoiled-archive:3", "spoiled-archive:5", "spoiled-archive:8")

CHANGES = {**ROW_CHANGES, "several": several, **FILE_CHANGES}
KINDS = (*ROW_CHANGES, *ROW_CHANGES, "several", "several", *FILE_CHANGES, *PACKS)
"""What is done, in turns: rows are where most of an import's rules are."""


def case_names(count: int) -> Iterator[str]:
    """The first so many cases of a campaign."""
    numbers: dict[str, int] = {}
    for place in range(count):
        kind = KINDS[place % len(KINDS)]
        numbers[kind] = numbers.get(kind, 0) + 1
        yield f"{kind}:{numbers[kind]}"


def options_of(name: str) -> tuple[str, ...]:
    """With which options the case is imported; mostly none."""
    dice = random.Random(f"options of {name}")  # noqa: S311  # no secret
    chosen = dice.random()
    for option, share in OPTIONS.items():
        if chosen < share:
            return (option,)
        chosen -= share
    return ()


def spoil(name: str, export: Path, folder: Path) -> Path:
    """Make the case `name` of `export` in the empty `folder`; returns what is to be imported."""
    kind = name.partition(":")[0]
    dice = random.Random(name)  # noqa: S311  # no secret
    copy = folder / "export"
    shutil.copytree(export, copy, copy_function=os.link)
    forget_counts(dice, copy)
    if kind in PACKS:
        archive = folder / "export.tar.gz"
        PACKS[kind](dice, copy, archive)
        shutil.rmtree(copy)
        return archive
    with suppress(OSError):  # a name that this file system does not take
        CHANGES[kind](dice, copy)
    return copy


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be seen from outside: rows by table, and files."""

    rows: dict[str, list[str]]
    files: frozenset[str]


@dataclass(slots=True)
class Outcome:
    """How a case ended; `faults` are what must not be."""

    name: str
    exit_code: int
    said: str
    seconds: float
    more_resident: int  # bytes, beyond what this process had
    faults: list[str] = field(default_factory=list)

    @property
    def taken_in(self) -> bool:
        """Is the organization there now?"""
        return self.exit_code in TAKEN_IN and DRY_RUN not in options_of(self.name)


class SqlitePlace:
    """A SQLite file with another organization in it, and a copy of it as it was."""

    def __init__(self, export: Path, folder: Path) -> None:
        self._kept, self._used = folder / "kept.db", folder / "used.db"
        self.url = f"sqlite:///{self._used}"
        fill(self.url, export, folder)
        shutil.copyfile(self._used, self._kept)

    def renew(self) -> None:
        """Make it what it was."""
        for ending in ("-wal", "-shm"):
            self._used.with_name(self._used.name + ending).unlink(missing_ok=True)
        shutil.copyfile(self._kept, self._used)


def fill(database: str, export: Path, folder: Path) -> None:
    """Make the tables of `database`, and import another organization."""
    zops = ZopsInProcess(folder / "filling")
    (folder / "filling").mkdir()
    zops.environment |= {
        "ZOPS_DATABASE": database,
        "ZOPS_UPLOADS": str(folder / "filling" / "uploads"),
        "ZOPS_AVATAR_SALT": "salt",
    }
    zops("db", "init")
    zops("import", OTHER_REALM, export)


class Trials:
    """Imports spoilt copies of `export` into `database`, beside the organization that it holds.

    `folder` is private; the database has to be as it was after a refusal, and is replaced by
    the caller after `Outcome` says that something was taken in.
    """

    def __init__(self, export: Path, folder: Path) -> None:
        self._export = export
        self._folder = folder
        self._rows: dict[str, list[str]] | None = None  # of the database, while nobody changes it

    def run(self, name: str, database: str) -> Outcome:
        """Run one case."""
        place = Path(tempfile.mkdtemp(prefix="case-", dir=self._folder))
        for part in ("outside", "tmp", "home", "case"):
            (place / part).mkdir()
        try:
            path = spoil(name, self._export, place / "case")
            before = Seen(self._rows or rows_of(database), files_in(place))
            outcome = self._imported(name, path, place, database)
            after = Seen(rows_of(database), files_in(place))
            judge(outcome, before, after, database)
            self._rows = None if outcome.faults or outcome.taken_in else after.rows
        finally:
            shutil.rmtree(place)
        return outcome

    def _imported(self, name: str, path: Path, place: Path, database: str) -> Outcome:
        started, resident = time.monotonic(), _pages(1)
        said = self._folder / "said"
        child = os.fork()
        if not child:
            _be_the_import(path, place, database, options_of(name), said)
        status, usage = _ended(child, started + SECONDS)
        text = said.read_text(errors="replace") if said.exists() else ""
        said.unlink(missing_ok=True)
        return Outcome(
            name,
            os.waitstatus_to_exitcode(status),
            text,
            time.monotonic() - started,
            usage.ru_maxrss * 1024 - resident,
        )


def _pages(place: int) -> int:
    """How many bytes this process has: of address space (0), of memory (1)."""
    return int(Path("/proc/self/statm").read_text().split()[place]) * resource.getpagesize()


def _ended(child: int, deadline: float) -> tuple[int, resource.struct_rusage]:
    """Wait for the child, until `deadline` at most."""
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return status, usage
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            return status, usage
        time.sleep(0.005)


def _be_the_import(
    path: Path, place: Path, database: str, options: tuple[str, ...], said: Path
) -> None:
    """What the child does; never comes back."""
    code = 99
    try:
        most = _pages(0) + MOST_MORE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        tempfile.tempdir = str(place / "tmp")
        zops = ZopsInProcess(place / "home")
        zops.environment |= {
            "ZOPS_DATABASE": database,
            "ZOPS_UPLOADS": str(place / "home" / "uploads"),
            "ZOPS_AVATAR_SALT": "salt",
            "TMPDIR": str(place / "tmp"),
        }
        done = zops("import", REALM, path, *options, check=False)
        said.write_text(done.stderr, errors="surrogateescape")
        code = done.exit_code
    finally:
        os._exit(code)


def files_in(place: Path) -> frozenset[str]:
    """What is there, apart from the case itself; links are marked."""
    return frozenset(
        path.relative_to(place).as_posix() + ("@" if path.is_symlink() else "")
        for path in place.rglob("*")
        if not path.is_relative_to(place / "case") and not path.is_dir()
    )


def rows_of(database: str) -> dict[str, list[str]]:
    """All rows of all tables, as text, also of those that zops has for itself."""
    with closing(Database.connect(database)) as connected, connected.read() as connection:
        cursor = connection.connection.cursor()
        found: dict[str, list[str]] = {}
        for name in [*(f'"{name}"' for name in metadata.tables), *_own_tables(connection)]:
            cursor.execute(f"SELECT * FROM {name}")  # noqa: S608  # names of ours
            found[name.strip('"')] = sorted(map(repr, cursor.fetchall()))
        return found


def _own_tables(connection: sa.Connection) -> list[str]:
    """The tables that zops has for itself, as SQL."""
    inspector = sa.inspect(connection)
    if connection.dialect.name == "sqlite":
        return [f'"{name}"' for name in inspector.get_table_names() if name.startswith("zops_")]
    return [f'"zops"."{name}"' for name in inspector.get_table_names(schema="zops")]


def judge(outcome: Outcome, before: Seen, after: Seen, database: str) -> None:
    """Note what must not be."""
    outcome.faults += _said_badly(outcome)
    if outcome.more_resident > MOST_MORE_RESIDENT:
        outcome.faults.append(f"took {outcome.more_resident / MEGABYTE:.0f} MB")
    allowed = "home/uploads/" if outcome.taken_in else "home/no-such-folder"
    outcome.faults += [
        f"left the file {name}"
        for name in sorted(after.files - before.files)
        if not name.startswith((allowed, "home/zops-home/")) or name.endswith("@")
    ]
    if not outcome.taken_in:
        changed = [name for name, rows in after.rows.items() if before.rows.get(name, []) != rows]
        outcome.faults += [f"{name} has changed" for name in changed]
        return
    outcome.faults += [
        f"{name} has lost rows of others"
        for name, rows in before.rows.items()
        if name != "zerver_realm" and not set(rows) <= set(after.rows[name])
    ]
    outcome.faults += _unsound(database)


def _said_badly(outcome: Outcome) -> list[str]:
    """Is it one line of error, and no traceback?"""
    if outcome.exit_code not in ALLOWED_CODES:
        return [f"exit code {outcome.exit_code}"]  # a traceback is no surprise then
    starts = (FINDING, WARNING, *LINE_STARTS)
    lines = outcome.said.splitlines()
    odd = [line for line in lines if not line.startswith(starts)]
    errors = [line for line in lines if line.startswith(LINE_STARTS[0])]
    faults = [f"said {line[:200]!r}" for line in odd[:3]]
    if len(errors) != (outcome.exit_code not in TAKEN_IN):
        faults.append(f"{len(errors)} errors were said")
    return faults


def _unsound(database: str) -> Iterator[str]:
    """What an imported organization must not have: rows that point at nothing, or at others'."""
    with closing(Database.connect(database)) as connected, connected.read() as connection:
        if connected.dialect == "sqlite":
            for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
                yield f"{row[0]} points at no row of {row[2]}"
        realms = tables["zerver_realm"]
        mine = connection.scalar(sa.select(realms.c.id).where(realms.c.string_id == REALM))
        if mine is None:
            yield "there is no organization"
            return
        for table in metadata.tables.values():
            yield from _crossing(connection, table, mine)


def _crossing(connection: sa.Connection, table: sa.Table, mine: int) -> Iterator[str]:
    """Rows of the organization that lead to rows of another one; system bots are everybody's."""
    if "realm_id" not in table.c:
        return
    for key in table.foreign_keys:
        target = key.column.table
        if "realm_id" not in target.c or target.name in ("zerver_realm", "zerver_userprofile"):
            continue
        other = target.alias()
        query = (
            sa.select(sa.func.count())
            .select_from(table)
            .join(other, table.c[key.parent.name] == other.c[key.column.name])
            .where(table.c.realm_id == mine, other.c.realm_id != mine)
        )
        if connection.scalar(query):
            yield f"{table.name}.{key.parent.name} leads to another organization"


def as_line(outcome: Outcome) -> str:
    """For people: what is wrong with the case."""
    said = outcome.said[-MOST_SAID:] if outcome.exit_code == ExitCode.BUG else outcome.said
    return f"{outcome.name}: {'; '.join(outcome.faults[:5])}\n    {said[:MOST_SAID].strip()!r}"
