"""Of which version an export is, and how that differs from the server that it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zcore.schema import SERVER_VERSION
from zops_export.json_rows import NotJson, read_document
from zops_export.server_version import LINE, find_server_version
from zops_export.survey import MIGRATIONS, version_in

if TYPE_CHECKING:
    from zcore import Context
    from zops_export.export_source import ExportSource

APP = "zerver"  # whose migrations make the tables that an export carries
DONE = ("[X]", "[-]")


@dataclass(frozen=True, slots=True)
class Versions:
    """The version of an export and of the server; what migrations only one of them has had.

    `known_by` says in words how the server's is known. Only migrations of the server's own tables
    count; where one stands for several, its name does.
    """

    export: str
    server: str
    known_by: str
    only_export: tuple[str, ...] = ()
    only_server: tuple[str, ...] = ()

    def as_data(self) -> dict[str, object]:
        """What `--json` shows."""
        return {
            "export": self.export,
            "server": self.server,
            "known_by": self.known_by,
            "migrations_only_in_export": list(self.only_export),
            "migrations_only_on_server": list(self.only_server),
        }

    def describe(self) -> str:
        """The same in a line."""
        line = f"made by Zulip {self.export}; this server is Zulip {self.server} ({self.known_by})"
        if not (self.only_export or self.only_server):
            return line
        return (
            f"{line}: {len(self.only_export)} migrations only there,"
            f" {len(self.only_server)} only here"
        )


def versions_of(context: Context, source: ExportSource) -> Versions:
    """What can be known of both. A database that is not there yet will be as zops makes it."""
    exported, theirs = _exported(source)
    database = context.existing_database
    if database is None:
        return Versions(exported, SERVER_VERSION, "the version that zops is made for")
    with database.read() as connection:
        server = find_server_version(connection, Path(context.settings.deployments))
    ours = {one.name for one in server.migrations.get(APP, ())} | {*server.applied.get(APP, ())}
    return Versions(
        exported,
        server.version,
        server.known_by,
        tuple(sorted(theirs - ours)) if theirs else (),
        tuple(sorted({one.name for one in server.migrations.get(APP, ())} - theirs))
        if theirs
        else (),
    )


def _exported(source: ExportSource) -> tuple[str, set[str]]:
    """The version that an export says, and the migrations that its server had had."""
    if MIGRATIONS not in source.names:
        return "an unknown version", set()
    try:
        with source.open(MIGRATIONS) as stream:
            document = read_document(stream, MIGRATIONS)
        version = version_in(document, MIGRATIONS)
    except NotJson:
        return "an unknown version", set()
    lines = document["migrations_by_app"].get(APP, [])  # type: ignore[index]  # it was looked at
    found = (LINE.match(line) for line in lines if isinstance(line, str))
    return version, {match["name"] for match in found if match and match.string[:3] in DONE}
