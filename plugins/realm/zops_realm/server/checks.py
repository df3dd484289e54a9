"""What `zops doctor --server` looks at: the server's database, and its memcached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import CheckResult, Context
from zcore.schema.compare import differences
from zops_realm.checks import NEWEST_MIGRATION, newest_migration
from zops_realm.server.deployments import cache_prefixes
from zops_realm.server.memcached import connected

if TYPE_CHECKING:
    from zcore.database import Database

_STANDBY = sa.text("SELECT pg_is_in_recovery()")
# Who we are, whose the tables are, and whether all of them can be written to. (Asked for several
# privileges at once, PostgreSQL says yes to any.)
_ROLE = sa.text(
    r"""
    SELECT current_user, min(tableowner),
           bool_and(has_table_privilege(name, 'INSERT') AND has_table_privilege(name, 'UPDATE')
                    AND has_table_privilege(name, 'DELETE'))
    FROM (
        SELECT tableowner, format('%I.%I', schemaname, tablename) AS name
        FROM pg_catalog.pg_tables
        WHERE tablename LIKE 'zerver\_%' AND schemaname = ANY (current_schemas(false))
    ) AS tables
    """
)


def database(context: Context) -> CheckResult:
    """Is it a server's, of the version that zops is made for, and may we write to it?"""
    found = context.database
    if not found.is_server:
        return CheckResult("skipped", f"{found.name} is not a server's database")
    for check in (_version, _tables, _rights):
        result = check(found)
        if result.status != "ok":
            return result
    return result


def memcached(context: Context) -> CheckResult:
    """Does it let us in, and are the prefixes of the server's keys known?"""
    settings = context.settings
    if settings.memcached is None:
        return CheckResult(
            "warning",
            "zops was not told where the server's memcached is: after changes the server shows the"
            " old state for up to 7 days",
            hint="set memcached under [server] in zops.toml, or ZOPS_ZULIP_CONF",
        )
    with connected(settings) as connection:
        version = connection.version()
    place = f"memcached {version} at {settings.memcached}"
    prefixes = cache_prefixes(settings.deployments)
    if not prefixes:
        return CheckResult(
            "warning",
            f"{place}, but {settings.deployments} holds no deployment whose cache keys we may know",
            hint="run zops on the server as its own user, or name the folder with deployments"
            " under [server] in zops.toml",
        )
    return CheckResult("ok", f"{place}, the keys of {len(prefixes)} deployments")


def _version(found: Database) -> CheckResult:
    newest = newest_migration(found)
    if newest == NEWEST_MIGRATION:
        return CheckResult("ok", "")
    return CheckResult(
        "warning",
        f"its newest migration is {newest}, zops is made for {NEWEST_MIGRATION}",
        hint="try zops on a copy of the database first",
    )


def _tables(found: Database) -> CheckResult:
    with found.read() as connection:
        count = len(list(differences(connection)))
    if not count:
        return CheckResult("ok", "")
    return CheckResult(
        "warning",
        f"its tables differ in {count} places from what zops knows",
        hint="'zops db check' shows them",
    )


def _rights(found: Database) -> CheckResult:
    with found.read() as connection:
        standby = connection.scalar(_STANDBY)
        role, owner, may_write = connection.execute(_ROLE).one()
    if standby:
        hint = "name the primary server's database"
        return CheckResult("failed", "it is a standby, which cannot be written to", hint)
    if not may_write:
        hint = f"connect as {owner}"
        return CheckResult("failed", f"{role} may not write to the tables of {owner}", hint)
    if role != owner:
        return CheckResult(
            "warning",
            f"connected as {role}, and the tables belong to {owner}: rows can be written, tables of"
            " zops's own may not be usable by the server's user",
            hint=f"connect as {owner}",
        )
    return CheckResult("ok", f"a server's database of the right version, connected as {role}")
