"""The plugins of one run: found, ordered, loaded, each isolated from the others.

There is no plugin manager at module level: `Plugins.load` builds one, and it is passed on. A
plugin that cannot be imported, raises or returns something else is left out with one warning
that names it, and everything else works.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from types import ModuleType
from typing import TypeGuard, TypeVar

import pluggy

from zcore import hookspecs
from zcore.errors import Refused
from zcore.plugin_loading import discover, load
from zcore.plugin_record import PluginInfo, PluginRecord
from zcore.streams import StdoutAsStderr
from zcore.text import describe, one_line
from zcore.values import Check, Command, Stage, Validator

__all__ = ["PluginInfo", "Plugins"]

Warn = Callable[[str], None]
Value = TypeVar("Value", Check, Command, Stage, Validator)


class Plugins:
    """What the installed plugins provide."""

    def __init__(
        self, records: Sequence[PluginRecord], core_commands: Sequence[Command], warn: Warn
    ) -> None:
        self._records = {record.name: record for record in records if record.active}
        self._all = records
        self._core_commands = core_commands
        self._warn = warn
        self._warned: set[tuple[str, str]] = set()
        self._providers: dict[object, PluginRecord] = {}
        self._manager = pluggy.PluginManager("zops")
        self._manager.add_hookspecs(hookspecs)
        self._add_hookspecs()
        self._register()
        self._report_unknown_hooks()
        self._collect_commands()

    @classmethod
    def load(
        cls,
        *,
        disabled: Collection[str] = (),
        core_commands: Sequence[Command] = (),
        warn: Warn = lambda text: None,
    ) -> Plugins:
        """Import the installed plugins that are not `disabled`, and ask them for commands.

        `core_commands` are the core's own; no plugin can take their names. Each plugin with
        something wrong is told to `warn` on one line. What plugins print meanwhile goes to
        stderr: stdout is the command's.
        """
        records = discover(disabled)
        with StdoutAsStderr():
            load(records)
            plugins = cls(records, core_commands, warn)
        for record in records:
            if record.problems:
                warn(f"{record.label}: {record.error}")
        return plugins

    @property
    def hook(self) -> pluggy.HookRelay:
        """Call a hook of all plugins at once; what one of them raises comes out. See `call`."""
        return self._manager.hook

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """Every installed plugin, by name, with what it provides and what is wrong with it."""
        return tuple(record.info() for record in self._all)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all installed plugins, also of those that are switched off."""
        return tuple(record.name for record in self._all)

    def commands(self) -> list[Command]:
        """The commands of the core and of all plugins, by name."""
        provided = [command for record in self._active() for command in record.commands]
        return sorted((*self._core_commands, *provided), key=lambda command: command.name)

    def validators(self, subject: str) -> list[Validator]:
        """The validators of one subject, in the order in which they run.

        Raises `Refused` naming the plugin when one cannot say what it has: its rules would
        otherwise be passed over in silence.
        """
        from zcore.ordering import ordered

        validators = self._collect("zops_validators", Validator)
        chosen = (validator for validator in validators if validator.subject == subject)
        return ordered(sorted(chosen, key=self._plugin_and_name))

    def stages(self, hook_name: str) -> list[Stage]:
        """The stages that all plugins give for a job (`zops_export_stages`), by plugin.

        Raises `Refused` naming the plugin when one cannot say what it has.
        """
        return self._collect(hook_name, Stage)

    def checks(self) -> tuple[list[Check], dict[str, Refused]]:
        """What `zops doctor` looks at, by plugin.

        And, by its name, what is wrong with each plugin that cannot say what it has.
        """
        checks: list[Check] = []
        wrong: dict[str, Refused] = {}
        for record, implementation in self._implementations("zops_checks"):
            try:
                checks += self._asked(record, implementation, "zops_checks", Check)
            except Refused as error:
                wrong[record.name] = error
        return checks, wrong

    def provided(self, name: str) -> dict[str, list[object]]:
        """What the plugin `name` gives, by hook: of the hooks that are asked without arguments.

        A hook that fails gives nothing, and is warned of.
        """
        provided: dict[str, list[object]] = {}
        record = self._records.get(name)
        for hook_name in record.hooks if record is not None and record.active else ():
            for owner, implementation in self._implementations(hook_name, record):
                if implementation.argnames:
                    continue
                try:
                    values = _invoke(implementation, {})
                    provided[hook_name] = list(values) if _is_list(values) else [values]
                except (Exception, SystemExit) as error:  # noqa: BLE001 # it may raise anything
                    self._warn_once(owner, hook_name, error)
        return provided

    def call(self, hook_name: str, **arguments: object) -> list[tuple[str, object]]:
        """Call a hook of each plugin on its own, in the order of their names.

        Returns (name of the plugin, what it returned), leaving out None. A plugin that raises is
        warned of, once, and the others are still called.
        """
        results: list[tuple[str, object]] = []
        for record, implementation in self._implementations(hook_name):
            try:
                result = _invoke(implementation, arguments)
            except (Exception, SystemExit) as error:  # noqa: BLE001 # it may raise anything
                self._warn_once(record, hook_name, error)
                continue
            if result is not None:
                results.append((record.name, result))
        return results

    def provider(self, value: object) -> str:
        """Who gave a command, stage, validator or check, in words: for messages."""
        record = self._providers.get(value)
        return record.label if record is not None else "zops"

    def maker(self, value: object) -> str:
        """Whose fault a bug in it is: `provider`, and "zops" also for the plugins that are ours."""
        record = self._providers.get(value)
        return record.label if record is not None and not record.is_ours else "zops"

    def _active(self) -> Iterator[PluginRecord]:
        return (record for record in self._records.values() if record.active)

    def _add_hookspecs(self) -> None:
        """Hooks that plugins define for other plugins; before any other hook is called."""
        for record in self._active():
            options = self._manager.parse_hookimpl_opts(record.plugin, "zops_hookspecs")
            if options is None:
                continue
            with record.isolated("zops_hookspecs"):
                module = record.plugin.zops_hookspecs()  # type: ignore[attr-defined] # just looked
                if not isinstance(module, ModuleType):
                    raise TypeError(f"returned {_kind(module)}, not a module")
                self._manager.add_hookspecs(module)

    def _register(self) -> None:
        """The last name first: pluggy calls the hook that was registered last before the others."""
        for record in reversed(list(self._active())):
            with record.isolated("it cannot be registered"):
                self._manager.register(record.plugin, name=record.name)
                callers = self._manager.get_hookcallers(record.plugin) or ()
                record.hooks = tuple(sorted(caller.name for caller in callers))
            if not record.active:
                self._unregister(record)

    def _unregister(self, record: PluginRecord) -> None:
        if self._manager.has_plugin(record.name):
            self._manager.unregister(name=record.name)

    def _report_unknown_hooks(self) -> None:
        """A hook that nobody calls is a typing mistake, or of a plugin that is not here."""
        if any(not record.active for record in self._all):
            return
        for record in self._active():
            callers = self._manager.get_hookcallers(record.plugin) or ()
            for name in sorted(caller.name for caller in callers if not caller.has_spec()):
                record.problems.append(f"it implements {name}, which is not a hook of zops")

    def _collect_commands(self) -> None:
        for record in self._active():
            for _, implementation in self._implementations("zops_commands", record):
                with record.isolated("zops_commands"):
                    values = _invoke(implementation, {})
                    commands = self._typed(record, "zops_commands", values, Command)
                    for command in commands:
                        _check_command(command)
                    record.commands = self._without_clashes(record, commands)
            if not record.active:
                self._unregister(record)

    def _without_clashes(self, record: PluginRecord, commands: list[Command]) -> list[Command]:
        """The commands whose names are free; the others are told of."""
        core = {command.name for command in self._core_commands}
        taken = {command.name: other for other in self._active() for command in other.commands}
        free: list[Command] = []
        for command in commands:
            if command.name in core:
                problem = "zops itself has one of that name"
            elif command.name in taken:
                problem = f"{taken[command.name].label} has one of that name"
            else:
                taken[command.name] = record
                free.append(command)
                continue
            record.problems.append(f"its command {command.name!r} is left out: {problem}")
        return free

    def _implementations(
        self, hook_name: str, only: PluginRecord | None = None
    ) -> Iterator[tuple[PluginRecord, pluggy.HookImpl]]:
        """The implementations of a hook, in the order of the plugins' names."""
        caller = getattr(self._manager.hook, hook_name, None)
        if caller is None:
            return
        for implementation in reversed(caller.get_hookimpls()):
            record = self._records.get(implementation.plugin_name)
            if record is not None and record.active and (only is None or only is record):
                yield record, implementation

    def _collect(self, hook_name: str, kind: type[Value]) -> list[Value]:
        """What a hook gives, where passing over a plugin would do harm."""
        collected: list[Value] = []
        for record, implementation in self._implementations(hook_name):
            collected += self._asked(record, implementation, hook_name, kind)
        return collected

    def _asked(
        self,
        record: PluginRecord,
        implementation: pluggy.HookImpl,
        hook_name: str,
        kind: type[Value],
    ) -> list[Value]:
        """What a hook of one plugin gives. Raises `Refused` naming the plugin when it fails."""
        try:
            return self._typed(record, hook_name, _invoke(implementation, {}), kind)
        except (Exception, SystemExit) as error:
            raise Refused(
                f"{record.label} cannot be asked for {hook_name}: {describe(error)}",
                hint=f"mend it, or switch it off with --disable-plugin {record.name}",
                code="broken-plugin",
            ) from error

    def _typed(
        self, record: PluginRecord, hook_name: str, values: object, kind: type[Value]
    ) -> list[Value]:
        """What a hook returned, as a list of `kind`. Raises `TypeError` when it is not."""
        if not _is_list(values):
            raise TypeError(f"returned {_kind(values)}, not a list of {kind.__name__}")
        typed: list[Value] = []
        for value in values:
            if not isinstance(value, kind):
                raise TypeError(f"returned a list with {_kind(value)} in it, not {kind.__name__}")
            self._providers.setdefault(value, record)
            typed.append(value)
        return typed

    def _plugin_and_name(self, value: Validator) -> tuple[str, str]:
        return self._providers[value].name, value.name

    def _warn_once(self, record: PluginRecord, hook_name: str, error: BaseException) -> None:
        if (record.name, hook_name) not in self._warned:
            self._warned.add((record.name, hook_name))
            self._warn(f"{record.label}: {hook_name}: {describe(error)}")


def _invoke(implementation: pluggy.HookImpl, arguments: dict[str, object]) -> object:
    if implementation.wrapper or implementation.hookwrapper:
        raise TypeError("hooks of zops cannot be wrapped: each plugin's is called on its own")
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def _check_command(command: Command) -> None:
    words = (command.name, command.target, command.help, command.group)
    if not all(isinstance(word, str) for word in words):
        raise TypeError(f"returned a Command with something other than text: {one_line(command)}")
    if not _is_kebab(command.name):
        raise ValueError(f"the command name {command.name!r} is not in kebab case")


def _is_kebab(name: str) -> bool:
    """Lower case words and numbers with dashes between them (a regular expression takes longer)."""
    words = name.split("-")
    plain = name.isascii() and name == name.lower() and name[:1].isalpha()
    return plain and all(word.isalnum() for word in words)


def _is_list(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
