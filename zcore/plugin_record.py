"""What is known about one plugin."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from zcore.entry_points import identity, location
from zcore.frozen import frozen
from zcore.text import describe, mask_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.entry_points import Installed
    from zcore.values import Command

OWN_DISTRIBUTION = "zops-cli"
Status = Literal["active", "disabled", "broken", "incompatible"]


@frozen
class PluginInfo:
    """A plugin as `zops plugins list` and `show` tell of it.

    `origin` is the file that it was loaded from, or the folder that its distribution is
    installed in; `error` what is wrong with it, on one line; `traceback` where, when it raised;
    `deprecations` what it uses that goes away; `seconds` what it took so far, import and hooks.
    """

    name: str
    version: str
    distribution: str
    origin: str
    status: Status
    error: str
    hooks: tuple[str, ...]
    commands: tuple[str, ...]
    traceback: str = ""
    api: int | None = None
    deprecations: tuple[str, ...] = ()
    seconds: float = 0.0


class PluginRecord:
    """A plugin while it is being loaded and used; `problems` are what to warn of."""

    def __init__(self, name: str, entry_point: Installed) -> None:
        self.name = name
        self.entry_point = entry_point
        self.status: Status = "active"
        self.plugin: object = None
        self.problems: list[str] = []
        self.exception: BaseException | None = None
        self.hooks: tuple[str, ...] = ()
        self.commands: list[Command] = []
        self.deprecations: list[str] = []
        self.seconds = 0.0

    @property
    def active(self) -> bool:
        return self.status == "active"

    @property
    def label(self) -> str:
        """How messages name it. Reads the distribution's metadata: not for the usual path."""
        return f"plugin {self.name!r} ({' '.join(filter(None, identity(self.entry_point)))})"

    @property
    def is_ours(self) -> bool:
        """Does it come with zops itself? Reads the metadata, as above."""
        return identity(self.entry_point)[0] == OWN_DISTRIBUTION

    @property
    def error(self) -> str:
        return "; ".join(self.problems)

    def fail(
        self, problem: str, *, status: Status = "broken", exception: BaseException | None = None
    ) -> None:
        """Leave the plugin out from here on."""
        self.status = status
        self.problems.append(problem)
        self.exception = exception
        self.commands.clear()

    @contextmanager
    def isolated(self, doing: str) -> Iterator[None]:
        """Whatever is raised inside breaks this plugin and nothing else."""
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 # strangers may raise SystemExit, too
            self.fail(f"{doing}: {describe(error)}", exception=error)

    def info(self) -> PluginInfo:
        distribution, version = identity(self.entry_point)
        return PluginInfo(
            name=self.name,
            version=version,
            distribution=distribution,
            origin=self._origin(),
            status=self.status,
            error=self.error,
            hooks=self.hooks,
            commands=tuple(command.name for command in self.commands),
            traceback=self._traceback(),
            api=self._api(),
            deprecations=tuple(self.deprecations),
            seconds=self.seconds,
        )

    def _api(self) -> int | None:
        """The version of the plugin API that it was written for; None when nobody can tell."""
        wanted = getattr(self.plugin, "zops_api", 1)
        return wanted if self.plugin is not None and type(wanted) is int else None

    def _origin(self) -> str:
        module = sys.modules.get(self.entry_point.module)
        file = getattr(module, "__file__", None)
        if file:
            return str(file)
        return location(self.entry_point)

    def _traceback(self) -> str:
        if self.exception is None:
            return ""
        import traceback

        return mask_passwords("".join(traceback.format_exception(self.exception)))
