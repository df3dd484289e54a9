"""The fixtures for running `zops`, and what it is to work on; `zcore.testing` tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zcore.testing.commands import Zops, private_environment
from zcore.testing.in_process import ZopsInProcess
from zcore.testing.plugins import TemporaryPlugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing.broker import StubBroker
    from zcore.testing.realms import SampleRealm

    MakeRealm = Callable[..., SampleRealm]


@pytest.fixture
def zops_environment(tmp_path: Path) -> dict[str, str]:
    """The environment of every run of `zops` in this test; what is put into it counts."""
    return private_environment(tmp_path)


@pytest.fixture
def zops(tmp_path: Path, zops_environment: dict[str, str]) -> Iterator[Zops]:
    """The installed command, as a process."""
    runner = Zops(tmp_path, environment=zops_environment)
    yield runner
    runner.stop_all()


@pytest.fixture
def zops_in_process(tmp_path: Path, zops_environment: dict[str, str]) -> ZopsInProcess:
    """The command inside the process of the tests: for all that needs no process of its own."""
    return ZopsInProcess(tmp_path, zops_environment)


@pytest.fixture
def temporary_plugins(tmp_path: Path, zops_environment: dict[str, str]) -> TemporaryPlugins:
    """Installs plugins that only the runs of `zops` in this test find."""
    return TemporaryPlugins(tmp_path / "site", zops_environment)


@pytest.fixture
def temporary_plugin(temporary_plugins: TemporaryPlugins) -> Callable[..., str]:
    """`temporary_plugin(name, source, **modules)`: `TemporaryPlugins.install`."""
    return temporary_plugins.install


@pytest.fixture
def uploads(tmp_path: Path, zops_environment: dict[str, str]) -> Path:
    """The folder of uploaded files of every run of `zops` in this test."""
    zops_environment["ZOPS_UPLOADS"] = str(tmp_path / "uploads")
    zops_environment["ZOPS_AVATAR_SALT"] = "a-salt-for-tests"
    return tmp_path / "uploads"


@pytest.fixture
def make_realm(uploads: Path) -> MakeRealm:
    """`make_realm(database, string_id="acme", name="Acme")`: an organization to work on."""
    from zcore.testing.realm_rows import make_realm

    def make(database: Database, string_id: str = "acme", name: str = "Acme") -> SampleRealm:
        return make_realm(database, uploads, string_id, name)

    return make


def _worked_on(
    database: Database, environment: dict[str, str], make_realm: MakeRealm
) -> SampleRealm:
    environment["ZOPS_DATABASE"] = database.url.render_as_string(hide_password=False)
    return make_realm(database)


@pytest.fixture
def sqlite_realm(
    sqlite_database: Database, zops_environment: dict[str, str], make_realm: MakeRealm
) -> SampleRealm:
    """An organization in `sqlite_database`, which every run of `zops` works on."""
    return _worked_on(sqlite_database, zops_environment, make_realm)


@pytest.fixture
def postgres_realm(
    postgres_database: Database, zops_environment: dict[str, str], make_realm: MakeRealm
) -> SampleRealm:
    """An organization in `postgres_database`, which every run of `zops` works on."""
    return _worked_on(postgres_database, zops_environment, make_realm)


@pytest.fixture
def realm(
    database: Database, zops_environment: dict[str, str], make_realm: MakeRealm
) -> SampleRealm:
    """An organization in `database`, which every run of `zops` works on: once with each kind."""
    return _worked_on(database, zops_environment, make_realm)


@pytest.fixture
def stub_broker(
    zops_environment: dict[str, str], temporary_plugins: TemporaryPlugins
) -> Iterator[StubBroker]:
    """A broker in memory, which every run of `zops_in_process` uses (not one of `zops`)."""
    from zcore.testing.broker import PLUGIN, StubBroker

    broker = StubBroker()
    temporary_plugins.install("stub-broker", PLUGIN)
    zops_environment["ZOPS_BROKER"] = broker.name
    yield broker
    broker.close()
