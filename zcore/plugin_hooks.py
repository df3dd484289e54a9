"""The hooks of one run: which there are, who implements them, and calling them one by one.

pluggy keeps the specifications and checks implementations against them. The calling is ours: each
plugin's implementation on its own, in the order of the plugins' names, timed, and told to whoever
watches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, TypeGuard, TypeVar

import pluggy

from zcore import hookspecs
from zcore.frozen import frozen

if TYPE_CHECKING:
    from zcore.plugin_record import PluginRecord

Value = TypeVar("Value")
HOOKABLE = (FunctionType, MethodType, staticmethod, classmethod)


@frozen
class Ran:
    """Something of a plugin that ran: a hook, or what a value stands for (a validator, a stage).

    `began` is in seconds of the monotonic clock, `outcome` what it returned or raised.
    """

    plugin: str
    what: str
    began: float
    seconds: float
    outcome: object


Watcher = Callable[[Ran], None]


class _Manager(pluggy.PluginManager):
    """pluggy's looks long at each name in a module, and most are none of a function."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """What the mark on `name` says; None when it is no hook."""
        if isinstance(plugin, ModuleType) and not isinstance(vars(plugin).get(name), HOOKABLE):
            return None
        return super().parse_hookimpl_opts(plugin, name)


class Hooks:
    """The hooks of the core and of the plugins, and the implementations of the active plugins."""

    def __init__(self, records: Mapping[str, PluginRecord]) -> None:
        self._records = records
        self._manager = _Manager("zops")
        self._manager.add_hookspecs(hookspecs)
        self.watcher: Watcher | None = None
        self._add_hookspecs()
        self._register()

    def specifications(self) -> dict[str, Callable[..., object]]:
        """Every hook by name: its specification, a function with a docstring."""
        return {
            name: caller.spec.function
            for name, caller in sorted(vars(self._manager.hook).items())
            if isinstance(caller, pluggy.HookCaller) and caller.spec is not None
        }

    def unknown(self, record: PluginRecord) -> list[str]:
        """Hooks that a plugin implements and nobody specifies, by name."""
        callers = self._manager.get_hookcallers(record.plugin) or ()
        return sorted(caller.name for caller in callers if not caller.has_spec())

    def implementations(self, hook_name: str) -> list[tuple[PluginRecord, pluggy.HookImpl]]:
        """The implementations of a hook by active plugins, in the order of the plugins' names."""
        caller = getattr(self._manager.hook, hook_name, None)
        if caller is None:
            return []
        by_name = {found.plugin_name: found for found in caller.get_hookimpls()}
        return [
            (record, by_name[name])
            for name, record in self._records.items()
            if name in by_name and record.active
        ]

    def invoke(
        self,
        record: PluginRecord,
        hook_name: str,
        implementation: pluggy.HookImpl,
        arguments: Mapping[str, object],
    ) -> object:
        """Call one implementation with those arguments that it takes. What it raises comes out."""
        if implementation.wrapper or implementation.hookwrapper:
            raise TypeError("hooks of zops cannot be wrapped: each plugin's is called on its own")
        function: Callable[..., object] = implementation.function
        with self.watched(record, hook_name) as outcome:
            outcome.append(function(*(arguments[name] for name in implementation.argnames)))
        return outcome[0]

    def ask(
        self,
        record: PluginRecord,
        hook_name: str,
        implementation: pluggy.HookImpl,
        kinds: tuple[type[Value], ...],
    ) -> list[Value]:
        """The values of `kinds` that a plugin gives. Raises `TypeError` when it gives others."""
        return typed(self.invoke(record, hook_name, implementation, {}), kinds)

    @contextmanager
    def watched(self, record: PluginRecord, what: str) -> Iterator[list[object]]:
        """Time what runs inside; the watcher is told, with what was put into the list."""
        outcome: list[object] = []
        began = time.monotonic()
        try:
            yield outcome
        except BaseException as error:
            outcome.append(error)
            raise
        finally:
            seconds = time.monotonic() - began
            record.seconds += seconds
            if self.watcher is not None:
                result = outcome[0] if outcome else None
                self.watcher(Ran(record.name, what, began, seconds, result))

    def drop(self, record: PluginRecord) -> None:
        """Forget a plugin that broke."""
        if self._manager.has_plugin(record.name):
            self._manager.unregister(name=record.name)

    def _add_hookspecs(self) -> None:
        """Hooks that plugins define for other plugins; before any other hook is called."""
        for record in self._records.values():
            options = self._manager.parse_hookimpl_opts(record.plugin, "zops_hookspecs")
            if options is None:
                continue
            with record.isolated("zops_hookspecs"):
                with self.watched(record, "zops_hookspecs") as outcome:
                    outcome.append(record.plugin.zops_hookspecs())  # type: ignore[attr-defined] # just looked
                (module,) = outcome
                if not isinstance(module, ModuleType):
                    raise TypeError(f"returned {kind_of(module)}, not a module")
                self._manager.add_hookspecs(module)

    def _register(self) -> None:
        for record in self._records.values():
            if not record.active:
                continue
            with record.isolated("it cannot be registered"), _deprecations(record):
                self._manager.register(record.plugin, name=record.name)
                callers = self._manager.get_hookcallers(record.plugin) or ()
                record.hooks = tuple(sorted(caller.name for caller in callers))
            if not record.active:
                self.drop(record)


@contextmanager
def _deprecations(record: PluginRecord) -> Iterator[None]:
    """What pluggy warns of while a plugin is registered is that plugin's."""
    import warnings

    from zcore.deprecation import Deprecated

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if isinstance(warning.message, Deprecated):
            record.deprecations.append(str(warning.message))


def typed(values: object, kinds: tuple[type[Value], ...]) -> list[Value]:
    """What a hook returned, as a list of `kinds`. Raises `TypeError` when it is not."""
    wanted = " or ".join(one.__name__ for one in kinds)
    if not is_list(values):
        raise TypeError(f"returned {kind_of(values)}, not a list of {wanted}")
    typed: list[Value] = []
    for value in values:
        if not isinstance(value, kinds):
            raise TypeError(f"returned a list with {kind_of(value)} in it, not {wanted}")
        typed.append(value)
    return typed


def is_list(value: object) -> TypeGuard[Iterable[object]]:
    """Can values be taken out of it? (Text can, and is not meant.)"""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def kind_of(value: object) -> str:
    """What sort of thing it is, in words."""
    return "None" if value is None else f"a {type(value).__name__}"
