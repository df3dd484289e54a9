"""The plugins of one run: found, ordered, loaded, each isolated from the others.

There is no plugin manager at module level: `Plugins.load` builds one, and it is passed on. A
plugin that cannot be imported, raises or returns something else is left out with one warning
that names it, and everything else works.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar, cast

from zcore.errors import Failed, Refused, ZopsError
from zcore.plugin_hooks import Hooks, Watcher, is_list
from zcore.plugin_loading import discover, load
from zcore.plugin_record import PluginInfo, PluginRecord
from zcore.streams import StdoutAsStderr
from zcore.text import describe, one_line
from zcore.values import Check, Command, Rewrite, Stage, Validator

if TYPE_CHECKING:
    import pluggy

__all__ = ["PluginInfo", "Plugins"]

Warn = Callable[[str], None]
Value = TypeVar("Value")


class Plugins:
    """What the installed plugins provide."""

    def __init__(
        self, records: Sequence[PluginRecord], core_commands: Sequence[Command], warn: Warn
    ) -> None:
        self._records = {record.name: record for record in records if record.active}
        self._all = records
        self._core_commands = core_commands
        self._warn = warn
        self._warned: set[str] = set()
        self._answers: dict[tuple[str, str], list[Any]] = {}  # by plugin and hook
        self._providers: dict[int, PluginRecord] = {}  # by the identity of these answers
        self._hooks = Hooks(self._records)
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
        plugins.warn_of_all()
        return plugins

    def warn_of_all(self) -> None:
        """One warning for each plugin with something wrong, one for each deprecation."""
        for record in self._all:
            if record.problems:
                self.warn_once(f"{record.label}: {record.error}")
            for deprecation in record.deprecations:
                self.warn_once(f"{record.label}: {deprecation}")

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """Every installed plugin, by name, with what it provides and what is wrong with it."""
        return tuple(record.info() for record in self._all)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all installed plugins, also of those that are switched off."""
        return tuple(record.name for record in self._all)

    @property
    def specifications(self) -> dict[str, Callable[..., object]]:
        """Every hook by name, those that plugins define too: its specification."""
        return self._hooks.specifications()

    @contextmanager
    def watched_by(self, watcher: Watcher) -> Iterator[None]:
        """While inside, `watcher` is told of everything of a plugin that runs."""
        self._hooks.watcher, before = watcher, self._hooks.watcher
        try:
            yield
        finally:
            self._hooks.watcher = before

    @property
    def is_watched(self) -> bool:
        """Is somebody told of what runs? For hot paths, which are only then `running`."""
        return self._hooks.watcher is not None

    @contextmanager
    def running(self, value: object, what: str) -> Iterator[list[object]]:
        """While what `value` stands for runs: timed for its plugin, and told to the watcher.

        `what` says what runs ("stage messages"); put what came of it into the list.
        """
        record = self._provider(value)
        if record is None:
            yield []
            return
        with self._hooks.watched(record, what) as outcome:
            yield outcome

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

        given = self.values("zops_validators", Validator)
        chosen = [pair for pair in given if pair[1].subject == subject]
        chosen.sort(key=lambda pair: (pair[0], pair[1].name))
        return ordered([validator for _, validator in chosen])

    def stages(self, hook_name: str) -> list[Stage]:
        """The stages that all plugins give for a job (`zops_import_stages`), by plugin.

        Raises `Refused` naming the plugin when one cannot say what it has.
        """
        return [stage for _, stage in self.values(hook_name, Stage)]

    def export_stages(self) -> tuple[list[Stage], list[Rewrite]]:
        """What all plugins give for an export, by plugin. Raises as `stages` does."""
        both = [value for _, value in self._collect("zops_export_stages", (Stage, Rewrite))]
        stages = [value for value in both if isinstance(value, Stage)]
        return stages, [value for value in both if isinstance(value, Rewrite)]

    def checks(self) -> tuple[list[Check], dict[str, Refused]]:
        """What `zops doctor` looks at, by plugin.

        And, by its name, what is wrong with each plugin that cannot say what it has.
        """
        checks: list[Check] = []
        wrong: dict[str, Refused] = {}
        for record, implementation in self._hooks.implementations("zops_checks"):
            try:
                found = self._ask(record, "zops_checks", implementation, (Check,))
            except (Exception, SystemExit) as error:  # noqa: BLE001 # it may raise anything
                wrong[record.name] = _cannot_be_asked(record, "zops_checks", error)
                continue
            checks += found
        return checks, wrong

    def values(self, hook_name: str, kind: type[Value]) -> list[tuple[str, Value]]:
        """The values of `kind` that all plugins give, each with the name of its plugin.

        For what must not be passed over: raises `Refused` naming the plugin when one raises, or
        gives something else.
        """
        return self._collect(hook_name, (kind,))

    def available(self, hook_name: str, kind: type[Value]) -> list[tuple[str, Value]]:
        """As `values`; but a plugin that fails is warned of, once, and passed over."""
        found: list[tuple[str, Value]] = []
        for record, implementation in self._hooks.implementations(hook_name):
            try:
                values = self._ask(record, hook_name, implementation, (kind,))
            except (Exception, SystemExit) as error:  # noqa: BLE001 # it may raise anything
                self._warn_of(record, hook_name, error)
                continue
            found += [(record.name, value) for value in values]
        return found

    def provided(self, name: str) -> dict[str, list[object]]:
        """What the plugin `name` gives, by hook: of the hooks that are asked without arguments.

        A hook that fails gives nothing, and is warned of.
        """
        provided: dict[str, list[object]] = {}
        record = self._records.get(name)
        for hook_name in record.hooks if record is not None and record.active else ():
            for owner, implementation in self._hooks.implementations(hook_name):
                if owner is not record or implementation.argnames:
                    continue
                try:
                    values = self._hooks.invoke(record, hook_name, implementation, {})
                    provided[hook_name] = list(values) if is_list(values) else [values]
                except (Exception, SystemExit) as error:  # noqa: BLE001 # it may raise anything
                    self._warn_of(record, hook_name, error)
        return provided

    def call(self, hook_name: str, **arguments: object) -> list[tuple[str, object]]:
        """Call a hook of each plugin on its own, in the order of their names.

        Returns (name of the plugin, what it returned), leaving out None. A plugin that raises is
        warned of, once, and the others are still called.
        """
        results: list[tuple[str, object]] = []
        for record, implementation in self._hooks.implementations(hook_name):
            try:
                result = self._hooks.invoke(record, hook_name, implementation, arguments)
            except (Exception, SystemExit) as error:  # noqa: BLE001 # it may raise anything
                self._warn_of(record, hook_name, error)
                continue
            if result is not None:
                results.append((record.name, result))
        return results

    def call_all(
        self,
        hook_name: str,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
        **arguments: object,
    ) -> None:
        """Call a hook of each plugin inside the caller's work: the first that fails ends it.

        Each call runs within `around()`, which may turn what it raises into our errors. Raises
        `Failed` naming the plugin, or the `ZopsError` that the plugin raised, which then names it
        too. What zops's own plugins raise comes out as it is.
        """
        for record, implementation in self._hooks.implementations(hook_name):
            try:
                with around():
                    self._hooks.invoke(record, hook_name, implementation, arguments)
            except (Exception, SystemExit) as error:
                if record.is_ours:
                    raise
                raise _named(record, hook_name, error) from error

    def provider(self, value: object) -> str:
        """Who gave a command, stage, validator or check, in words: for messages."""
        record = self._provider(value)
        return record.label if record is not None else "zops"

    def maker(self, value: object) -> str:
        """Whose fault a bug in it is: `provider`, and "zops" also for the plugins that are ours."""
        record = self._provider(value)
        return record.label if record is not None and not record.is_ours else "zops"

    def plugin_of(self, value: object) -> str | None:
        """The name of the plugin that gave a value; None when it is not of a plugin."""
        record = self._provider(value)
        return record.name if record is not None else None

    def _provider(self, value: object) -> PluginRecord | None:
        return self._providers.get(id(value))

    def _active(self) -> Iterator[PluginRecord]:
        return (record for record in self._records.values() if record.active)

    def _report_unknown_hooks(self) -> None:
        """A hook that nobody calls is a typing mistake, or of a plugin that is switched off."""
        if any(record.status == "disabled" for record in self._all):
            return
        broken = any(not record.active for record in self._all)
        others = ", nor of a plugin that works" if broken else ""
        for record in self._active():
            for name in self._hooks.unknown(record):
                record.problems.append(f"it implements {name}, which is not a hook of zops{others}")

    def _collect_commands(self) -> None:
        for record, implementation in self._hooks.implementations("zops_commands"):
            with record.isolated("zops_commands"):
                commands = self._ask(record, "zops_commands", implementation, (Command,))
                for command in commands:
                    _check_command(command)
                record.commands = self._without_clashes(record, commands)
            if not record.active:
                self._hooks.drop(record)

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

    def _collect(self, hook_name: str, kinds: tuple[type[Value], ...]) -> list[tuple[str, Value]]:
        collected: list[tuple[str, Value]] = []
        for record, implementation in self._hooks.implementations(hook_name):
            try:
                values = self._ask(record, hook_name, implementation, kinds)
            except (Exception, SystemExit) as error:
                raise _cannot_be_asked(record, hook_name, error) from error
            collected += [(record.name, value) for value in values]
        return collected

    def _ask(
        self,
        record: PluginRecord,
        hook_name: str,
        implementation: pluggy.HookImpl,
        kinds: tuple[type[Value], ...],
    ) -> list[Value]:
        """What a plugin gives from a hook; it is asked once a run."""
        key = (record.name, hook_name)
        if key not in self._answers:
            answer = self._hooks.ask(record, hook_name, implementation, kinds)
            self._answers[key] = answer
            self._providers |= {id(value): record for value in answer}
        return cast("list[Value]", self._answers[key])

    def _warn_of(self, record: PluginRecord, hook_name: str, error: BaseException) -> None:
        self.warn_once(f"{record.label}: {hook_name}: {describe(error)}")

    def warn_once(self, text: str) -> None:
        """Warn of something about plugins; of the same thing once a run."""
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)


def _cannot_be_asked(record: PluginRecord, hook_name: str, error: BaseException) -> Refused:
    return Refused(
        f"{record.label} cannot be asked for {hook_name}: {describe(error)}",
        hint=f"mend it, or switch it off with --disable-plugin {record.name}",
        code="broken-plugin",
    )


def _named(record: PluginRecord, hook_name: str, error: BaseException) -> ZopsError:
    """What a plugin raised, saying whose it is."""
    if isinstance(error, ZopsError):
        error.message = f"{record.label}: {error.message}"
        return error
    return Failed(
        f"{record.label}: {hook_name}: {describe(error)}",
        hint=f"mend it, or switch it off with --disable-plugin {record.name}",
        code="broken-plugin",
    )


def _check_command(command: Command) -> None:
    words = (command.name, command.target, command.help, command.group, command.example)
    if not all(isinstance(word, str) for word in words):
        raise TypeError(f"returned a Command with something other than text: {one_line(command)}")
    if not _is_kebab(command.name):
        raise ValueError(f"the command name {command.name!r} is not in kebab case")


def _is_kebab(name: str) -> bool:
    """Lower case words and numbers with dashes between them (a regular expression takes longer)."""
    words = name.split("-")
    plain = name.isascii() and name == name.lower() and name[:1].isalpha()
    return plain and all(word.isalnum() for word in words)
