"""What the tests of this plugin share: `zops` on a database of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zcore.identifiers import unusable_password

if TYPE_CHECKING:
    from collections.abc import Callable

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
def make_realm() -> Callable[[Database, str], int]:
    """`make_realm(database, "acme")` makes an organization and its owner; returns its id."""
    from zops_realm.create_realm import RealmRequest, create

    def make(database: Database, string_id: str) -> int:
        request = RealmRequest(
            name=f"{string_id.title()} Realm",
            string_id=string_id,
            email="olive@example.test",
            full_name="Olive Owner",
            password=None,
        )
        return create(database, request, unusable_password()).realm_id

    return make


@pytest.fixture
def make_user() -> Callable[[Database, int, str, Role], int]:
    """`make_user(database, realm_id, "mo@a.test", Role.MEMBER)` makes an account."""
    from zops_realm.accounts import Person
    from zops_realm.create_user import create

    def make(database: Database, realm_id: int, email: str, role: Role) -> int:
        name = f"{email.partition('@')[0].title()} Lee"
        person = Person(email=email, full_name=name, password=unusable_password(), role=role)
        return create(database, realm_id, person)

    return make
