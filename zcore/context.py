"""What a running command can reach: its settings, its console, the hooks, the database.

`zcore.current()` gives it to code that is deep inside a command; the core makes it once, before
the command runs. Nothing here connects to anything until it is asked for.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from zcore.signals import StopFlag

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.console import Console
    from zcore.database import Database
    from zcore.files import FileStores
    from zcore.plugins import Plugins
    from zcore.settings import Settings
    from zcore.values import Change, Setting

T = TypeVar("T")


class Context:
    """One run of one command.

    `settings` are the settings of the core, `console` is what a person sees meanwhile, `plugins`
    asks the hooks of all plugins: `plugins.values(hook_name, kind)` gives what they return, as
    pairs of the plugin's name and the value, `plugins.call(hook_name, **arguments)` calls them.
    `stop` says whether it has been asked to stop (`zcore.signals`): a long job calls
    `stop.check()` between two units of its work.
    """

    def __init__(
        self,
        settings: Settings,
        console: Console,
        plugins: Plugins,
        stop: StopFlag | None = None,
    ) -> None:
        self.settings = settings
        self.console = console
        self.plugins = plugins
        self.stop = stop or StopFlag()
        self._at_end: list[Callable[[], None]] = []

    @cached_property
    def database(self) -> Database:
        """The organization's database, connected at first use.

        Raises `zcore.Refused` when the database or file is not there, `zcore.Unreachable` when
        the server cannot be reached.
        """
        from zcore.database import Database

        return Database.open(self.settings)

    @property
    def used_database(self) -> Database | None:
        """The database when it was connected to already; None when nobody asked for it."""
        return self.__dict__.get("database")

    @property
    def existing_database(self) -> Database | None:
        """The database for a command that must not make one: None when first use would.

        Raises what `database` raises.
        """
        if self.settings.is_default("database_url"):
            file = self.settings.database_url.removeprefix("sqlite:///")
            if not os.path.exists(file):
                return None
        return self.database

    @cached_property
    def files(self) -> FileStores:
        """Where uploaded files live. Raises `zcore.Refused` when that was not said (see there)."""
        from zcore.files import FileStores

        return FileStores.open(self.settings, self.database, self.plugins)

    def setting(self, setting: Setting[T]) -> T:
        """The value of a setting that a plugin declares (`zops_settings`), or its default.

        Raises `Refused` when what was given is not of the setting's kind.
        """
        from zcore.plugin_settings import read

        return read(setting, self.plugins, self.settings, os.environ)

    def committed(self, change: Change) -> None:
        """Tell all plugins (`zops_committed`) what was just committed to the database."""
        self.plugins.call("zops_committed", change=change, context=self)

    def at_end(self, call: Callable[[], None]) -> None:
        """Have `call` called when the command ends: for what is kept open until then."""
        self._at_end.append(call)

    def close(self) -> None:
        """Give back the connections that were opened."""
        while self._at_end:
            self._at_end.pop()()
        database = self.__dict__.pop("database", None)
        if database is not None:
            database.close()


_current: ContextVar[Context] = ContextVar("zops_context")


def current() -> Context:
    """The context of the running command. Raises `RuntimeError` outside of one."""
    try:
        return _current.get()
    except LookupError:
        raise RuntimeError("zcore.current() is only there while a zops command runs") from None


def set_current(context: Context) -> None:
    """Make `context` the running command's. Called by the core and by `zcore.testing`."""
    _current.set(context)
