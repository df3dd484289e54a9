"""What the tests of this plugin share: `zops` on a database of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zcore.console import Console
from zcore.context import Context
from zcore.identifiers import unusable_password
from zcore.settings import Settings
from zcore.testing.plugins import plugins_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from zcore.database import Database
    from zcore.organizations.codes import Role
    from zcore.testing.in_process import ZopsInProcess


@pytest.fixture
def zops_here(zops_in_process: ZopsInProcess, database: Database) -> ZopsInProcess:
    """The command, working on `database`."""
    return zops_in_process.on(database)


@pytest.fixture
def zops_on_sqlite(zops_in_process: ZopsInProcess, sqlite_database: Database) -> ZopsInProcess:
    """The command, working on `sqlite_database`: for what no database decides."""
    return zops_in_process.on(sqlite_database)


@pytest.fixture
def context_of(tmp_path: Path) -> Iterator[Callable[..., Context]]:
    """`context_of(database)` is a run of `zops` in this process, with zops's own plugins.

    And with the `plugins` named, and the server's name `external_host`.
    """
    made: list[Context] = []

    def make(
        database: Database, plugins: Mapping[str, object] | None = None, external_host: str = ""
    ) -> Context:
        environ = {
            "ZOPS_HOME": str(tmp_path / "home"),
            "ZOPS_DATABASE": database.url.render_as_string(hide_password=False),
        }
        if external_host:
            environ["ZOPS_EXTERNAL_HOST"] = external_host
        settings = Settings.load({}, environ, tmp_path)
        made.append(Context(settings, Console(quiet=True), plugins_of(plugins or {}, ours=True)))
        return made[-1]

    yield make
    for context in made:
        context.close()


@pytest.fixture
def make_realm(context_of: Callable[..., Context]) -> Callable[[Database, str], int]:
    """`make_realm(database, "acme")` makes an organization and its owner; returns its id.

    There are no messages in it.
    """
    from zops_realm.changing import changing
    from zops_realm.create_realm import RealmRequest, create
    from zops_realm.new_password import NewPassword

    def make(database: Database, string_id: str) -> int:
        request = RealmRequest(
            name=f"{string_id.title()} Realm",
            string_id=string_id,
            email="olive@example.test",
            full_name="Olive Owner",
            password=NewPassword(None),
            bare=True,
        )
        with changing(context_of(database)) as work:
            return create(work, request, unusable_password()).realm_id

    return make


@pytest.fixture
def make_user(
    context_of: Callable[..., Context],
) -> Callable[[Database, int, str, Role], int]:
    """`make_user(database, realm_id, "mo@a.test", Role.MEMBER)` makes an account."""
    from zcore.organizations.lookup import find_realm
    from zops_realm.accounts import Person
    from zops_realm.changing import changing
    from zops_realm.create_user import create

    def make(database: Database, realm_id: int, email: str, role: Role) -> int:
        name = f"{email.partition('@')[0].title()} Lee"
        person = Person(email=email, full_name=name, password=unusable_password(), role=role)
        with changing(context_of(database)) as work:
            realm = find_realm(work.connection, f"id:{realm_id}")
            (user,) = create(work, realm, [person], bare=True)
        return user.user_id

    return make
