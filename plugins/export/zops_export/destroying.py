"""Emptying a database for an import: `--destroy-rebuild-database`.

The tables are emptied in the transaction of the import, so that whatever goes wrong before its
commit leaves everybody where they were. Numbers go on: none of what was destroyed is given again.
Files of destroyed organizations go after the commit; the journal knows of them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from zcore import Change, Refused
from zcore.internal_realm import find_internal_realm
from zcore.organizations.lookup import REALM_COLUMNS, Realm, find_realm
from zcore.schema import tables
from zcore.schema.server import django_session
from zops_export.import_exclusive import LOCK_NOT_AVAILABLE, LOCK_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zcore import Context

realms, users, exports = (
    tables[name] for name in ("zerver_realm", "zerver_userprofile", "zerver_realmexport")
)

# What the applications of a server call their tables; and what of it is about no organization.
OF_A_SERVER = (
    *("analytics_", "auth_", "confirmation_", "corporate_", "django_", "fts_update_log", "otp_"),
    *("social_auth_", "third_party_api_results", "two_factor_", "zerver_", "zilencer_"),
)
KEPT = frozenset({"auth_permission", "django_content_type", "django_migrations"})
EXPORTS_IN_BUCKET = "/exports/"

_POSTGRESQL_TABLES = sa.text(
    "SELECT c.relname, CAST(c.oid AS regclass)::text FROM pg_class c"
    " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace ="
    " (SELECT relnamespace FROM pg_class WHERE oid = CAST('zerver_realm' AS regclass))"
)
_POSTGRESQL_REFERENCES = sa.text(
    "SELECT CAST(conrelid AS regclass)::text, CAST(confrelid AS regclass)::text"
    " FROM pg_constraint WHERE contype = 'f'"
)
_SQLITE_TABLES = sa.text("SELECT name, name FROM sqlite_master WHERE type = 'table'")
_SQLITE_REFERENCES = sa.text(
    'SELECT m.name, f."table" FROM sqlite_master m, pragma_foreign_key_list(m.name) f'
    " WHERE m.type = 'table'"
)

Place = tuple[str, str]
"""The name of a store in `FileStores`, and a folder or file in it."""


@dataclass(frozen=True, slots=True)
class Doomed:
    """The organizations that are to be destroyed, and where their files are."""

    realms: tuple[Realm, ...]
    places: tuple[Place, ...]

    @property
    def words(self) -> str:
        """Their names."""
        return _listed(self.realms) or "no organization"


def find_doomed(connection: sa.Connection, named: Sequence[str]) -> Doomed:
    """The organizations of a database, all of which have to be `named`.

    The internal one does not count: there is a new one afterwards. Raises `Refused` when there are
    others, or one that is named is not there.
    """
    internal = find_internal_realm(connection)
    number = internal.realm_id if internal else None
    wanted = {find_realm(connection, reference).realm_id for reference in named}
    rows = connection.execute(sa.select(*REALM_COLUMNS).order_by(realms.c.id))
    found = [realm for realm in (Realm(*row) for row in rows) if realm.realm_id != number]
    if others := [realm for realm in found if realm.realm_id not in wanted]:
        raise Refused(
            f"the database also holds {_listed(others)}: all organizations in it would be lost",
            code="other-realms",
            hint="name each that is to be destroyed with --destroy, or import without"
            " --destroy-rebuild-database",
        )
    places = [place for realm in found for place in _places(connection, realm.realm_id)]
    return Doomed(tuple(found), tuple(places))


def _listed(found: Sequence[Realm]) -> str:
    return ", ".join(f"{realm.name!r} at {realm.string_id!r}" for realm in found)


def _places(connection: sa.Connection, realm_id: int) -> list[Place]:
    """Where the files of an organization are."""
    chosen = sa.select(exports.c.export_path).where(
        exports.c.realm_id == realm_id, exports.c.export_path.startswith(EXPORTS_IN_BUCKET)
    )
    made = [path.removeprefix("/") for path in connection.scalars(chosen)]
    return [
        ("uploads", str(realm_id)),
        ("uploads", f"thumbnail/{realm_id}"),
        *(("avatars", key) for key in (str(realm_id), f"exports/{realm_id}", *made)),
    ]


def require_confirmation(context: Context, named: Sequence[str], *, confirmed: bool) -> None:
    """Ask at the terminal, unless that was `confirmed`. Raises `Refused` when the answer is no.

    Raises what `find_doomed` raises, before anything is asked.
    """
    with context.database.read() as connection:
        doomed = find_doomed(connection, named)
    if confirmed:
        return
    name = context.database.url.database or ""
    if not sys.stdin.isatty():
        raise Refused(
            f"nobody is there to confirm that everything in the database {name!r} is to be"
            " destroyed",
            code="no-terminal",
            hint="give --yes",
        )
    question = (
        f"This destroys everything in the database: {doomed.words}, for good.\n"
        f"Type the name of the database, {name}, to go on"
    )
    with context.stop.at_once():  # Ctrl-C at a question ends the program, as everywhere
        answer: str = click.prompt(question, err=True, default="", show_default=False)
    if answer != name:
        raise Refused(
            f"{answer!r} is not the name of the database: nothing was changed",
            code="not-confirmed",
            hint=f"it is {name!r}",
        )


def empty_database(
    connection: sa.Connection, named: Sequence[str], check: Callable[[], None]
) -> list[Change]:
    """Empty all tables of the server, but for those that are about no organization.

    Gives what is to be told of it after the commit. Tables of others that refer to these are
    emptied, too. `check` is called between two tables of a SQLite file. Raises `Refused` when
    there are organizations that were not `named`, or somebody uses the tables.
    """
    if connection.dialect.name == "sqlite":
        changes = _changes(connection, find_doomed(connection, named))
        for name in _without_parents(*_tables(connection)):
            check()
            connection.exec_driver_sql(f'DELETE FROM "{name}"')  # noqa: S608  # from the catalogue
        return changes
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
    try:
        connection.exec_driver_sql("LOCK TABLE zerver_realm IN ACCESS EXCLUSIVE MODE")
        changes = _changes(connection, find_doomed(connection, named))
        names, _ = _tables(connection)
        connection.exec_driver_sql(f"TRUNCATE {', '.join(sorted(names))}")
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
            raise
        raise Refused(
            "others use the tables that are to be emptied",
            code="not-alone",
            hint="stop the server and whatever else is connected",
        ) from error
    connection.exec_driver_sql("SET LOCAL lock_timeout = DEFAULT")
    return changes


def _changes(connection: sa.Connection, doomed: Doomed) -> list[Change]:
    """What a server may still have in its cache, and only the rows could tell."""
    keys = list(connection.scalars(sa.select(django_session.c.session_key)))
    chosen = sa.select(users.c.id, users.c.email, users.c.delivery_email, users.c.api_key)
    found: list[Change] = []
    for realm in doomed.realms:
        rows = connection.execute(chosen.where(users.c.realm_id == realm.realm_id)).mappings()
        details = {"users": [dict(row) for row in rows], "session_keys": keys}
        found.append(Change("realm.deleted", realm.realm_id, realm.string_id, details=details))
    return found


References = set[tuple[str, str]]


def _tables(connection: sa.Connection) -> tuple[set[str], References]:
    """The tables to be emptied, as SQL has them, and which of them refers to which."""
    sqlite = connection.dialect.name == "sqlite"
    listed = connection.execute(_SQLITE_TABLES if sqlite else _POSTGRESQL_TABLES).all()
    names = {full for name, full in listed if name.startswith(OF_A_SERVER) and name not in KEPT}
    query = _SQLITE_REFERENCES if sqlite else _POSTGRESQL_REFERENCES
    references = {(child, parent) for child, parent in connection.execute(query)}
    while more := {child for child, parent in references if parent in names} - names:
        names |= more
    return names, {pair for pair in references if names.issuperset(pair)}


def _without_parents(names: set[str], references: References) -> list[str]:
    """In an order in which few rows are left that refer to those of the next table."""
    order: list[str] = []
    left = set(names)
    while left:
        waiting = dict.fromkeys(left, 0)
        for child, parent in references:
            if child in left and parent in left and child != parent:
                waiting[parent] += 1
        order.append(min(left, key=lambda name: (waiting[name], name)))
        left.remove(order[-1])
    return order
