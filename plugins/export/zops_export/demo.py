"""`zops demo`: the main job, shown with the real commands on throw-away data.

Every step is a `zops` of its own, run as a user would run it, on the embedded defaults: one SQLite
file, one folder of files, the embedded broker. Nothing of the user's own settings takes part.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from zcore import Context, Failed, Refused, Result
from zcore.database import Database
from zcore.schema import tables
from zops_export.json_rows import JsonRow

if TYPE_CHECKING:
    from zcore.console import Progress

BUNDLED = "small-public.tar.gz"
EVENTS = 1000
STEPS = 8
STEP_SECONDS = 300
QUEUE = "user_activity"
# Rows that an import adds or leaves out by its rules; all others must come out as they went in.
CHANGED_BY_IMPORT = ("zerver_realmauditlog", "zerver_client", "zerver_realmexport")

Words = Sequence[str]


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the demonstration, and what came of it."""

    words: Words
    seconds: float
    result: JsonRow
    outcome: str


class Demo:
    """A folder of its own, and the steps that were done in it."""

    def __init__(self, context: Context, folder: Path, progress: Progress) -> None:
        self.context = context
        self.folder = folder
        self.progress = progress
        self.steps: list[Step] = []
        configuration = folder / "zops.toml"
        configuration.touch(mode=0o600)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ZOPS_")}
        self.environment: Mapping[str, str] = kept | {
            "ZOPS_HOME": str(folder / "home"),
            "ZOPS_CONFIG": str(configuration),
        }

    def run(self, words: Words, stdin: str = "") -> JsonRow:
        """Run `zops WORDS`; its JSON. Raises `Failed` when it does not end well."""
        self.context.stop.check()
        command = [sys.executable, "-m", "zcore", "--json", *words]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        self.context.stop.check()  # a signal of the terminal reaches the command as well
        if done.returncode:
            raise Failed(
                f"'zops {shlex.join(words)}' ended with {done.returncode}: {_reason(done.stdout)}",
                hint=f"what there is so far is in {self.folder}",
            )
        return msgspec.json.decode(done.stdout, type=JsonRow)

    def step(self, words: Words, outcome: str, stdin: str = "") -> JsonRow:
        """Run a command and keep it as a step; `outcome` may name keys of its result in braces."""
        started = time.monotonic()
        result = self.run(words, stdin)
        seconds = time.monotonic() - started
        said = outcome.format(**{**result, "row_count": _row_count(result)})
        self.steps.append(Step(words, seconds, result, said))
        self.progress.advance()
        return result

    def database(self) -> Database:
        """The database that the steps work on."""
        return Database.connect(f"sqlite:///{self.folder / 'home' / 'zops.db'}")


def _reason(stdout: str) -> str:
    """What the command says of its failure."""
    try:
        error = msgspec.json.decode(stdout, type=JsonRow).get("error")
    except msgspec.DecodeError:
        error = None
    return str(error["message"]) if isinstance(error, dict) else "it says nothing"


def run_demo(context: Context, folder: Path | None) -> Result:
    """Do all of it in `folder`, which must be new (None: a new one in the temporary folder)."""
    started = time.monotonic()
    with context.console.progress("demonstration", total=STEPS) as progress:
        demo = Demo(context, _new_folder(folder), progress)
        _people(demo)
        _there_and_back(demo)
        _queue(demo)
    seconds = time.monotonic() - started
    data = {
        "folder": str(demo.folder),
        "seconds": round(seconds, 3),
        "steps": [
            {
                "command": ["zops", *step.words],
                "seconds": round(step.seconds, 3),
                "outcome": step.outcome,
            }
            for step in demo.steps
        ],
    }
    return Result(data, _report(demo, seconds))


def _new_folder(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="zops-demo-"))
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise Refused(f"cannot make the folder {folder}: {error.strerror}") from error
    return folder.absolute()


def _people(demo: Demo) -> None:
    """An organization with an owner, and two users."""
    demo.step(
        [
            "create-realm",
            "Acme",
            "olga@example.com",
            "Olga Owner",
            "--string-id",
            "acme",
            "--no-password",
        ],
        "an organization, {string_id!r}, with an owner",
    )
    for email, name, role in (
        ("max@example.com", "Max Member", "member"),
        ("gina@example.com", "Gina Guest", "guest"),
    ):
        demo.step(
            ["create-user", email, name, "--realm", "acme", "--role", role, "--no-password"],
            f"a {role}: {{email}}",
        )


def _there_and_back(demo: Demo) -> None:
    """A real export in, out again, verified, and counted against what went in."""
    bundled = resources.files("zops_export") / "data" / BUNDLED
    copy = demo.folder / BUNDLED
    copy.touch(mode=0o600)
    copy.write_bytes(bundled.read_bytes())
    original = demo.run(["import", "sample", BUNDLED, "--dry-run"])
    demo.step(
        ["import", "sample", BUNDLED],
        "{row_count:,} rows and {files:,} files of a real Zulip export came in",
    )
    exported = demo.step(
        ["export", "--realm", "sample", "--output", "sample.tar.gz"],
        "{row_count:,} rows and {files:,} files went out again",
    )
    demo.step(
        ["verify", "sample.tar.gz"],
        "every reference, checksum and file is right: {problem_count} problems",
    )
    _compare_counts(_rows(original), _rows(exported))


def _compare_counts(original: Mapping[str, int], exported: Mapping[str, int]) -> None:
    """Every table must come out with as many rows as went in."""
    for table, count in original.items():
        if table not in CHANGED_BY_IMPORT and exported.get(table) != count:
            raise Failed(f"{table}: {count} rows went in, {exported.get(table)} came out")


def _queue(demo: Demo) -> None:
    """Events into a queue, and their effect in the database."""
    user, client = _somebody(demo)
    events = (
        {"user_profile_id": user, "client_id": client, "query": "demo", "time": 1_700_000_000 + n}
        for n in range(EVENTS)
    )
    lines = b"\n".join(msgspec.json.encode(event) for event in events).decode()
    demo.step(["queue", "publish", QUEUE, "-"], "{published:,} events in a queue", lines)
    demo.step(
        ["process-queue", "--queue-name", QUEUE, "--drain"],
        "{processed:,} events handled, {dead} dead letters",
    )
    activity = tables["zerver_useractivity"]
    query = sa.select(activity.c.count).where(activity.c.user_profile_id == user)
    database = demo.database()
    with database.read() as connection:
        counted = connection.execute(query.where(activity.c.query == "demo")).scalar_one_or_none()
    database.close()
    if counted != EVENTS:
        raise Failed(f"{EVENTS} events were handled, but {counted} were counted in the database")


def _somebody(demo: Demo) -> tuple[int, int]:
    """A user of the new organization, and a client."""
    users, clients = tables["zerver_userprofile"], tables["zerver_client"]
    query = sa.select(users.c.id).where(users.c.delivery_email == "max@example.com")
    database = demo.database()
    with database.read() as connection:
        user = connection.execute(query).scalar_one()
        client = connection.execute(sa.select(sa.func.min(clients.c.id))).scalar_one()
    database.close()
    return user, client


def _rows(result: JsonRow) -> dict[str, int]:
    return msgspec.convert(result.get("rows", {}), dict[str, int])


def _row_count(result: JsonRow) -> int:
    rows = result.get("rows")
    return sum(_rows(result).values()) if isinstance(rows, dict) else 0


def _report(demo: Demo, seconds: float) -> str:
    lines = [
        line
        for step in demo.steps
        for line in (
            f"$ zops {shlex.join(step.words)}",
            f"  {step.outcome} ({step.seconds:.2f} s)",
        )
    ]
    lines += [
        "",
        f"{len(demo.steps)} steps in {seconds:.1f} s; everything came back as it went in.",
        "",
        f"All of it is in {demo.folder}: the database home/zops.db, the files in",
        "home/uploads, the queues in home/queue.db, the export sample.tar.gz. Delete it when done.",
        f"Try: ZOPS_HOME={demo.folder}/home zops realm list",
    ]
    return "\n".join(lines)
