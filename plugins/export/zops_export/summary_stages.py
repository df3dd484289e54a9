"""The stages that say what is in an export: migrations, statistics."""

from __future__ import annotations

import re
from collections import defaultdict
from importlib import resources
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from zcore.schema import SERVER_VERSION
from zcore.schema.server import django_migrations

if TYPE_CHECKING:
    from zops_export.export_job import ExportJob

SQUASHED = re.compile(r"^\[.\] (?P<name>\S+)(?P<squashed> \(\d+ squashed migrations\))?$")
NUMBER = re.compile(r"(?:\d+_squashed_)?(\d+)_")

MigrationLists = dict[str, list[str]]


def write_migration_status(job: ExportJob) -> None:
    """`migration_status.json`, by which the server's importer knows what it can read.

    The server makes the list from its own source files; it stands here as data for the version
    that zops knows, marked with what the connected database has, and continued with migrations
    of its that are newer.
    """
    query = sa.select(django_migrations.c.app, django_migrations.c.name)
    with job.read() as reader:
        if not sa.inspect(reader.connection).has_table(django_migrations.name):
            applied = {}
        else:
            rows = reader.connection.execute(query.order_by(django_migrations.c.id)).all()
            applied = _by_app([(app, name) for app, name in rows])
    status = {
        "migrations_by_app": _marked(_known_lists(), applied),
        "zulip_version": SERVER_VERSION,
    }
    with job.open("migration_status.json") as file:
        file.write(msgspec.json.format(msgspec.json.encode(status), indent=2))


def _known_lists() -> MigrationLists:
    data = resources.files("zops_export") / "data" / f"migration_status_{SERVER_VERSION}.json"
    known = msgspec.json.decode(data.read_bytes(), type=dict[str, MigrationLists | str])
    lists = known["migrations_by_app"]
    if isinstance(lists, str):
        raise TypeError("migrations_by_app must be an object")
    return lists


def _by_app(rows: list[tuple[str, str]]) -> MigrationLists:
    found: MigrationLists = defaultdict(list)
    for app, name in rows:
        found[app].append(name)
    return found


def _marked(known: MigrationLists, applied: MigrationLists) -> MigrationLists:
    """The known lists as the connected server would print them."""
    if not applied:
        return known
    return {app: _marked_app(lines, applied.get(app, [])) for app, lines in known.items()}


def _marked_app(lines: list[str], applied: list[str]) -> list[str]:
    marked = []
    last = ""
    for line in lines:
        match = SQUASHED.match(line)
        if match is None:
            marked.append(line)
            continue
        last = match["name"]
        squashed = match["squashed"] or ""
        mark = "X" if last in applied else "-" if squashed else " "
        marked.append(f"[{mark}] {last}{squashed}")
    newer = [name for name in applied if last and _number(name) > _number(last)]
    return marked + [f"[X] {name}" for name in newer]


def _number(name: str) -> int:
    """The number of a migration; of one that stands for several, the last of theirs.

    A server that was upgraded knows those that it stands for too, and does not list them.
    """
    match = NUMBER.match(name)
    return int(match[1]) if match else 0


def write_stats(job: ExportJob) -> None:
    """`stats.json`: how many rows and file records there are, as the server counts them."""
    stats: dict[str, object] = {}
    for file, counts in sorted(job.rows.items()):
        stats[file] = counts[file[: -len("_records")]] if file.endswith("_records") else counts
    with job.open("stats.json") as out:
        out.write(msgspec.json.format(msgspec.json.encode(stats, order="sorted"), indent=2))
