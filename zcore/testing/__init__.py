"""A kit for the tests of plugins, ours and yours; itself a plugin of pytest.

    # conftest.py
    pytest_plugins = ["zcore.testing"]

    # test_hello.py
    def test_it_greets(zops_in_process):
        assert zops_in_process("hello", "acme", "--json").json()["greeting"] == "hello acme"

Fixtures that run the command; all runs of one test share an environment and a home of their own:

`zops_in_process`     runs it inside the process of the tests, in milliseconds (`ZopsInProcess`)
`zops`                runs the installed program (`Zops`), for what only a process shows
`zops_environment`    the environment variables of both; what is put into it counts
`temporary_plugins`   installs plugins that only these runs find (`TemporaryPlugins`)
`temporary_plugin`    `temporary_plugin(name, source, **modules)`: its `install`

Fixtures to work on; each test gets its own:

`database`            a `Database` with all tables: the test runs twice, on SQLite and PostgreSQL
`sqlite_database`     a `Database` on SQLite
`postgres_database`   a `Database` on PostgreSQL
`postgres_url`        the URL of a PostgreSQL database with all tables
`empty_postgres_url`  the URL of a PostgreSQL database without tables
`realm`               a `SampleRealm` in `database`, on which all runs of the command work
`sqlite_realm`        the same in `sqlite_database`
`postgres_realm`      the same in `postgres_database`
`make_realm`          `make_realm(database, string_id, name)` makes another one
`uploads`             the folder of uploaded files of all runs
`stub_broker`         a `StubBroker` that all runs of `zops_in_process` use
`rabbitmq_url`        the AMQP URL of a vhost of RabbitMQ
`s3`                  buckets of an object store (moto's server, when it is installed)
`memcached`           a memcached that asks for a login, shared by all tests

Fixtures behind them: `postgres_server`, `rabbitmq_server`, `s3_server`; and `dumps`,
`restored_dump` for those who have dumps of Zulip servers. Tests that use them get the markers
`postgres`, `rabbitmq`, `s3`, `memcached` and `dumps`; where the programs are not installed, their
tests are skipped, and with `CI` set they fail.

Functions:

`problems_of`         what validators say of values
`work`                what a queue worker does with events
`export_of`           exports an organization, to look at the files (`Exported`)
`plugins_of`          `zcore.plugins.Plugins` of plugins made on the spot
`hooks`               makes such a plugin out of functions
`settings_of`         `zcore.settings.Settings` of environment variables

Nothing here is imported when `zops` runs, and importing this module imports nothing yet. A
`conftest.py` may import from it and name it as a plugin (which pytest would warn of, were it not
for the word PYTEST_DONT_REWRITE).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zcore.testing.broker import StubBroker, StubQueues
    from zcore.testing.commands import Completed, Runner, Zops
    from zcore.testing.exports import Exported, export_of
    from zcore.testing.in_process import ZopsInProcess
    from zcore.testing.plugins import TemporaryPlugins, hooks, plugins_of
    from zcore.testing.realms import SampleChannel, SampleFile, SampleRealm, SampleUser
    from zcore.testing.settings import settings_of
    from zcore.testing.validators import problems_of
    from zcore.testing.workers import Worked, work

pytest_plugins = ("zcore.testing.plugin",)  # pytest, told to use this module, goes on there

__all__ = [
    "Completed",
    "Exported",
    "Runner",
    "SampleChannel",
    "SampleFile",
    "SampleRealm",
    "SampleUser",
    "StubBroker",
    "StubQueues",
    "TemporaryPlugins",
    "Worked",
    "Zops",
    "ZopsInProcess",
    "export_of",
    "hooks",
    "plugins_of",
    "problems_of",
    "settings_of",
    "work",
]

_HOMES = {
    "broker": ("StubBroker", "StubQueues"),
    "commands": ("Completed", "Runner", "Zops"),
    "exports": ("Exported", "export_of"),
    "in_process": ("ZopsInProcess",),
    "plugins": ("TemporaryPlugins", "hooks", "plugins_of"),
    "realms": ("SampleChannel", "SampleFile", "SampleRealm", "SampleUser"),
    "settings": ("settings_of",),
    "validators": ("problems_of",),
    "workers": ("Worked", "work"),
}


def __getattr__(name: str) -> object:
    """A public name, imported when it is first asked for."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
