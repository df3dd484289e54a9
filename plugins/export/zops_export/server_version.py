"""Which version of the server an organization comes from, and that version's migrations.

The server's importer takes only exports of its own version, told by the list of migrations. That
list is not in the database: it is in the files of the server's deployment, where they can be
read, and comes with zops for the versions that it knows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from zcore import Finding, Refused
from zcore.frozen import frozen
from zcore.schema import SERVER_VERSION
from zcore.schema.server import django_migrations
from zops_export.migration_files import Deployment, Migration, Migrations, read_deployment

if TYPE_CHECKING:
    from pathlib import Path

CURRENT = "current"  # of the deployments, the one that runs
FOLDER = "data"
PREFIX, SUFFIX = "migration_status_", ".json"
LINE = re.compile(r"^\[.\] (?P<name>\S+)(?: \((?P<squashed>\d+) squashed migrations\))?$")
NUMBER = re.compile(r"(?:\d+_squashed_)?(\d+)_?")
NO_MIGRATIONS = "(no migrations)"
# Listed wherever they are installed; other apps only where the database has rows of them.
ALWAYS = frozenset(
    {
        "analytics",
        "auth",
        "confirmation",
        "contenttypes",
        "otp_static",
        "otp_totp",
        "phonenumber",
        "sessions",
        "social_django",
        "two_factor",
        "zerver",
    }
)

Applied = dict[str, list[str]]
StatusLists = dict[str, list[str]]


@frozen
class ServerVersion:
    """The server that an organization comes from.

    `known_by` says in words where the version is from; `migrations` are those that its
    `migration_status.json` lists, `applied` those that the database has had, by app. `exact`:
    they are read from the server's own files, and what else was applied is no longer there.
    """

    version: str
    known_by: str
    migrations: Migrations
    applied: Applied
    exact: bool = False

    def status(self) -> dict[str, object]:
        """What `migration_status.json` says."""
        lists = {app: self._listed(app) for app in sorted(self.migrations)}
        return {"migrations_by_app": lists, "zulip_version": self.version}

    def findings(self) -> list[Finding]:
        """That the database has had migrations that come after those of this version."""
        newer = self._newer("zerver")
        if not newer:
            return []
        return [
            Finding(
                "newer-server",
                f"the database has had {len(newer)} migrations that Zulip {self.version} has not,"
                f" such as {newer[0]}: the server's importer may want another version",
                where="migration_status.json",
                hint="export on the server itself, or name its deployment: [server] deployments",
            )
        ]

    def _listed(self, app: str) -> list[str]:
        if not self.migrations[app]:
            return [NO_MIGRATIONS]
        lines = [self._line(app, migration) for migration in self.migrations[app]]
        return lines + [f"[X] {name}" for name in self._newer(app)]

    def _newer(self, app: str) -> list[str]:
        """Migrations that the database has had and that come after all that are listed.

        A server that was upgraded has had those too that others stand for, and does not list them.
        """
        last = max((_number(one.name) for one in self.migrations[app]), default=None)
        if last is None or self.exact:
            return []
        return [name for name in self.applied.get(app, ()) if _number(name) > last]

    def _line(self, app: str, migration: Migration) -> str:
        squashed = f" ({migration.squashed} squashed migrations)" if migration.squashed else ""
        return f"[{self._mark(app, migration)}] {migration.name}{squashed}"

    def _mark(self, app: str, migration: Migration) -> str:
        """What the server would print: done (X), done by the replaced ones (-), or not done."""
        if not self.applied or migration.name in self.applied.get(app, ()):
            return "X"
        done = all(name in self.applied.get(of, ()) for of, name in migration.replaces)
        return "-" if migration.squashed and done and self.applied.get(app) else " "


def find_server_version(
    connection: sa.Connection, deployments: Path, wanted: str | None = None
) -> ServerVersion:
    """The version that is `wanted`, else that of the deployment, else the one that zops works with.

    A deployment is looked at only for a database that keeps a list of migrations: others are no
    server's. Raises `Refused`, naming the versions that can be had, for a `wanted` one that none
    of them is.
    """
    applied = applied_migrations(connection)
    deployment = read_deployment(deployments / CURRENT) if applied else None
    if deployment is not None and wanted in (None, deployment.version):
        return _of_deployment(deployment, applied)
    if wanted is not None and wanted not in built_in_versions():
        raise _unknown(wanted, deployment)
    version = wanted or SERVER_VERSION
    known_by = "--zulip-version" if wanted else "the version that zops is made for"
    return ServerVersion(version, known_by, built_in_migrations(version), applied)


def applied_migrations(connection: sa.Connection) -> Applied:
    """The migrations that the database has had, by app; none in a database that zops made."""
    if not sa.inspect(connection).has_table(django_migrations.name):
        return {}
    found: Applied = defaultdict(list)
    columns = django_migrations.c
    query = sa.select(columns.app, columns.name).order_by(columns.id)
    for app, name in connection.execute(query):
        found[app].append(name)
    return dict(found)


def _of_deployment(deployment: Deployment, applied: Applied) -> ServerVersion:
    """As the deployment says; with what zops knows of packages that could not be read."""
    known = built_in_migrations(SERVER_VERSION) | deployment.migrations
    listed = {app: known[app] for app in known if app in ALWAYS or app in applied}
    known_by = f"the deployment {deployment.folder}"
    return ServerVersion(deployment.version, known_by, listed, applied, exact=True)


def _unknown(wanted: str, deployment: Deployment | None) -> Refused:
    known = [f"{version} (comes with zops)" for version in built_in_versions()]
    if deployment is not None:
        known.append(f"{deployment.version} ({deployment.folder})")
    return Refused(
        f"the migrations of Zulip {wanted} are not known",
        hint=f"known are {', '.join(known)}; of others the files of the server's deployment are"
        " needed: [server] deployments",
        code="unknown-zulip-version",
    )


@cache
def built_in_versions() -> tuple[str, ...]:
    """The versions whose migrations come with zops, the oldest first."""
    names = (path.name for path in (resources.files("zops_export") / FOLDER).iterdir())
    found = [
        name.removeprefix(PREFIX).removesuffix(SUFFIX)
        for name in names
        if name.startswith(PREFIX) and name.endswith(SUFFIX)
    ]
    return tuple(sorted(found, key=lambda version: [int(part) for part in version.split(".")]))


def built_in_migrations(version: str) -> Migrations:
    """The migrations of one of the built-in versions."""
    data = resources.files("zops_export") / FOLDER / f"{PREFIX}{version}{SUFFIX}"
    status = msgspec.json.decode(data.read_bytes(), type=_Status)
    return {app: tuple(_migrations(lines)) for app, lines in status.migrations_by_app.items()}


class _Status(msgspec.Struct):
    migrations_by_app: StatusLists


def _migrations(lines: list[str]) -> list[Migration]:
    found = (LINE.match(line) for line in lines)
    return [
        Migration(match["name"], int(match["squashed"] or 0))
        for match in found
        if match is not None
    ]


def _number(name: str) -> int:
    """The number of a migration; of one that stands for several, the last of theirs."""
    match = NUMBER.match(name)
    return int(match[1]) if match else 0
