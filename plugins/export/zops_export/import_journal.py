"""What the database knows of imports that are not over, so that one that was killed is not lost.

An import is written down, and committed, before its first file is stored: under which number its
files are, and how to go on with it. Its rows are one transaction, which holds the lock of its entry
from the beginning, so that whoever can have the lock knows that nobody works on it. The same
transaction marks it as complete: whoever finds that mark knows that all of its rows are there, also
when the answer to the commit was lost. On SQLite a transaction that writes is the lock.
"""

from __future__ import annotations

import json
import secrets
import shlex
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from zcore import Refused, Unreachable
from zcore.kept_numbers import KEPT, forget, keep
from zcore.own_tables import is_made, make, own_table
from zcore.rows_in import Writer
from zcore.schema import tables
from zops_export.number_ranges import as_text, from_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zcore.database import Database

realms, users = tables["zerver_realm"], tables["zerver_userprofile"]

BEGUN, COMPLETE = "begun", "complete"
NUMBERS = ("realm_id", "begun")  # the other columns hold text
SEED_BYTES = 16
LOCK = 0x7A6F7074  # so that two imports do not reserve numbers at the same moment
SECONDS_TO_BEGIN = 1.0  # an import that was written down has its lock by then
SECONDS_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True, slots=True)
class Entry:
    """An import that is not over.

    `owner` is the run that works on it, or did; `seed` is what names of its files are made from.
    `options` are what it was asked for, as JSON; `files` is the place of the uploaded files. Its
    organization has the number `realm_id`, its users have `user_ids` (empty: not reserved yet).
    `destroyed` has the places of files that go once the import is complete. `begun` is in seconds
    since 1970 (UTC), `process` says whose it is.
    """

    subdomain: str
    owner: str
    seed: str
    state: str
    realm_id: int
    user_ids: str
    options: str
    files: str
    destroyed: str
    begun: int
    process: str

    @property
    def users(self) -> Sequence[int] | None:
        """The numbers of its users; None when they are not reserved yet."""
        return from_text(self.user_ids) if self.user_ids else None

    @property
    def places_destroyed(self) -> list[tuple[str, str]]:
        """Where files of organizations are that are not there any more: see `destroying.Place`."""
        return [(store, prefix) for store, prefix in json.loads(self.destroyed)]

    @property
    def asked(self) -> dict[str, Any]:
        """What it was asked for."""
        found: dict[str, Any] = json.loads(self.options)
        return found

    @property
    def is_complete(self) -> bool:
        """Are all of its rows there?"""
        return self.state == COMPLETE


class NewImport(NamedTuple):
    """What an entry is made from; `users` is how many it has, the rest is as in `Entry`.

    `destroyed` None: nothing is destroyed.
    """

    subdomain: str
    options: Mapping[str, object]
    files: str
    process: str
    users: int
    destroyed: Sequence[tuple[str, str]] | None = None


class ImportJournal:
    """The journal of one database. What a method writes is committed when it returns.

    Methods that are given a connection write in its transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = own_table(database.dialect, "imports", *_columns())

    def find(self, subdomain: str) -> Entry | None:
        """The import into that subdomain that is not over; None when there is none."""
        with self._database.read() as connection:
            if not is_made(connection, self._table):
                return None
            return self._found(connection, self._chosen(subdomain))

    def require_none(self, subdomain: str) -> None:
        """Raise `Refused` when an import into that subdomain is not over, running or not."""
        if self.find(subdomain) is None:
            return
        with self.held(subdomain) as (_, entry):
            if entry is not None:
                _require_over(entry)

    def begin(self, new: NewImport, is_free: Callable[[int], bool]) -> Entry:
        """Write down that an import is about to begin, with the numbers that are reserved for it.

        `is_free` says whether an organization may have a number. Raises what `require_none` does,
        and `Refused` when the journal cannot be written.
        """
        make(self._database, self._table)
        if self._is_sqlite:
            make(self._database, KEPT)
        self.require_none(new.subdomain)
        with self._database.begin() as connection:
            if not self._is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
            if (found := self._found(connection, self._chosen(new.subdomain))) is not None:
                _require_over(found)
                self.forget(connection, found)
            entry = self._reserve(connection, new, is_free)
            connection.execute(self._table.insert().values(asdict(entry)))
        return entry

    def take_over(self, subdomain: str, process: str) -> Entry:
        """The import into that subdomain, which is this process's from now on.

        Raises `Refused` when there is none to be gone on with, or somebody works on it.
        """
        with self.held(subdomain) as (connection, entry):
            if entry is None:
                raise no_unfinished(subdomain)
            mine = replace(entry, owner=secrets.token_hex(SEED_BYTES), process=process)
            change = self._table.update().where(self._table.c.subdomain == subdomain)
            connection.execute(change.values(owner=mine.owner, process=process))
        return mine

    def claim(self, connection: sa.Connection, entry: Entry) -> None:
        """Hold the entry's lock until the end of the transaction. Raises `Refused` if it cannot."""
        found = self._found(connection, self._chosen(entry.subdomain).with_for_update())
        if found is None or found.owner != entry.owner:
            raise Refused(
                f"the import of {entry.subdomain!r} was taken back, or gone on with, by another"
                " process",
                code="other-import",
            )
        if has_realm(connection, entry.realm_id):
            raise Refused(
                f"the number {entry.realm_id}, which was reserved for {entry.subdomain!r}, is that"
                " of another organization by now",
                code="number-taken",
                hint="begin the import anew",
            )

    def complete(self, connection: sa.Connection, entry: Entry) -> None:
        """Mark it as complete, in the transaction of its rows."""
        change = self._table.update().where(self._table.c.subdomain == entry.subdomain)
        connection.execute(change.values(state=COMPLETE))

    def forget(self, connection: sa.Connection, entry: Entry) -> None:
        """The import is over: nothing is known of it any more."""
        connection.execute(self._table.delete().where(self._table.c.subdomain == entry.subdomain))
        others = sa.select(sa.func.count()).select_from(self._table)
        if self._is_sqlite and not connection.scalar(others):
            forget(connection)

    @contextmanager
    def held(self, subdomain: str) -> Iterator[tuple[sa.Connection, Entry | None]]:
        """A transaction that holds the lock of an entry, and the entry, if there still is one.

        Raises `Refused` when somebody works on that import.
        """
        with ExitStack() as stack:
            try:
                begun = self._database.begin(patience=SECONDS_TO_BEGIN)
                connection = stack.enter_context(begun)
            except Unreachable as error:
                if self._is_sqlite:
                    raise _running(subdomain, self.find(subdomain)) from error
                raise
            yield connection, self._locked(connection, subdomain)

    def _locked(self, connection: sa.Connection, subdomain: str) -> Entry | None:
        """The entry, with its lock.

        An import that has just been written down takes the lock in the next moment.
        """
        give_up = time.monotonic() + SECONDS_TO_BEGIN
        while True:
            found = self._found(connection, self._chosen(subdomain))
            free = self._found(
                connection, self._chosen(subdomain).with_for_update(skip_locked=True)
            )
            if found is None or free is not None:
                return free
            if time.monotonic() > give_up:
                raise _running(subdomain, found)
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _reserve(
        self, connection: sa.Connection, new: NewImport, is_free: Callable[[int], bool]
    ) -> Entry:
        """The entry of an import, with numbers that nobody else gets.

        In a database without organizations the internal one comes first: its number is the one
        before, and its bots are numbered before the users.
        """
        writer = Writer(connection)
        alone = new.destroyed is not None or not has_realm(connection)
        realm_id = writer.reserve(realms, 2 if alone else 1)[-1]
        while not is_free(realm_id):
            realm_id = writer.reserve(realms, 1)[0]
        user_ids = writer.reserve(users, 0 if alone else new.users)
        if self._is_sqlite:
            keep(connection, realms, realm_id)
            if user_ids:
                keep(connection, users, user_ids[-1])
        return Entry(
            subdomain=new.subdomain,
            owner=secrets.token_hex(SEED_BYTES),
            seed=secrets.token_hex(SEED_BYTES),
            state=BEGUN,
            realm_id=realm_id,
            user_ids=as_text(user_ids),
            options=json.dumps(dict(new.options)),
            files=new.files,
            destroyed=json.dumps(list(new.destroyed or ())),
            begun=int(time.time()),
            process=new.process,
        )

    @property
    def _is_sqlite(self) -> bool:
        return self._database.dialect == "sqlite"

    def _chosen(self, subdomain: str) -> sa.Select[Any]:
        return sa.select(self._table).where(self._table.c.subdomain == subdomain)

    def _found(self, connection: sa.Connection, query: sa.Select[Any]) -> Entry | None:
        row = connection.execute(query).mappings().first()
        return None if row is None else Entry(**row)


def _columns() -> Iterator[sa.Column[Any]]:
    """A column for each field of `Entry`."""
    for entry_field in fields(Entry):
        number = entry_field.name in NUMBERS
        yield sa.Column(
            entry_field.name,
            sa.BigInteger() if number else sa.Text(),
            primary_key=entry_field.name == "subdomain",
            nullable=False,
        )


def has_realm(connection: sa.Connection, realm_id: int | None = None) -> bool:
    """Is there an organization of that number, or any at all?"""
    query = sa.select(realms.c.id).limit(1)
    if realm_id is not None:
        query = query.where(realms.c.id == realm_id)
    return connection.execute(query).first() is not None


def _require_over(entry: Entry) -> None:
    """Raise `Refused`, unless nothing is left to do for that import."""
    if entry.is_complete and not entry.places_destroyed:
        return
    begun = datetime.fromtimestamp(entry.begun, UTC).isoformat(" ", "minutes")[:16]
    raise Refused(
        f"an import into {entry.subdomain!r} that began {begun} UTC was not finished",
        code="unfinished-import",
        hint=how_to_go_on(entry.subdomain),
    )


def no_unfinished(subdomain: str) -> Refused:
    """What to raise where there is nothing to go on with."""
    return Refused(
        f"there is no unfinished import into {subdomain!r}",
        code="no-unfinished-import",
        hint="'zops realm list' shows whether the organization is there",
    )


def _running(subdomain: str, entry: Entry | None) -> Refused:
    whose = f" (by {entry.process})" if entry is not None else ""
    return Refused(
        f"subdomain {subdomain!r} is taken: it is being imported at this moment{whose}",
        code="subdomain-taken",
        hint="wait for the end of that import, or choose another one",
    )


def how_to_go_on(subdomain: str) -> str:
    """What can be done about an import that was not finished."""
    resume, abandon = (
        command_line("import", subdomain, flag) for flag in ("--resume", "--abandon")
    )
    return f"finish it with {resume}, or take it back with {abandon}"


def command_line(command: str, subdomain: str, *flags: str) -> str:
    """A command line of zops, as it stands in a hint."""
    return f"'zops {command} {shlex.join([subdomain, *flags])}'"
