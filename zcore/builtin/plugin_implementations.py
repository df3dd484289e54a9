"""The hooks that a plugin implements, against what is specified: for `zops plugins check`."""

from __future__ import annotations

import inspect
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

import pluggy

from zcore import values as value_types
from zcore.frozen import frozen
from zcore.plugin_hooks import is_list, typed
from zcore.values import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zcore.plugin_record import PluginRecord

    Specifications = Mapping[str, Callable[..., object]]

NO_EFFECT = ("tryfirst", "trylast")
WRAPPERS = ("wrapper", "hookwrapper")


@frozen
class Implementation:
    """A hook that a plugin implements, with `function`; `options` are pluggy's."""

    hook: str
    function: Callable[..., object]
    options: Mapping[str, object]

    @property
    def is_wrapper(self) -> bool:
        """Does it want to wrap the hooks of others? zops does not call it then."""
        return any(self.options[option] for option in WRAPPERS)

    def ask(self, specification: Callable[..., object]) -> list[object]:
        """What it gives. Raises what it raises, and `TypeError` when it gives something else."""
        returned = self.function()
        kinds = _kinds(specification)
        if kinds:
            return typed(returned, kinds)
        return list(returned) if is_list(returned) else [returned]


def implementations(plugin: object) -> list[Implementation]:
    """Everything in the module or object `plugin` that is marked as a hook, by its name."""
    manager = pluggy.PluginManager("zops")
    found = []
    for name in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is not None:
            hook = options["specname"] or name
            found.append(Implementation(hook, getattr(plugin, name), dict(options)))
    return sorted(found, key=lambda one: one.hook)


def hook_findings(record: PluginRecord, specifications: Specifications) -> Iterator[Finding]:
    """Hooks that are none, that are not marked, and that ask for what no hook has."""
    found = implementations(record.plugin)
    unmarked = _unmarked(record.plugin, specifications)
    for name in unmarked:
        message = f"{name} is not marked as a hook, and never called"
        yield Finding("not-marked", message, record.name, "mark it with @zcore.hookimpl")
    if not found and not unmarked:
        hint = "mark the hooks with @zcore.hookimpl"
        yield Finding("no-hooks", "it implements no hook", record.name, hint)
    for implementation in found:
        where = f"{record.name}: {implementation.hook}"
        yield from _option_findings(implementation, where)
        specification = specifications.get(implementation.hook)
        if specification is None:
            yield _unknown_hook(implementation.hook, specifications, where)
        else:
            yield from _argument_findings(implementation, specification, where)


def arguments_of(function: Callable[..., object]) -> list[str]:
    """The names of the arguments that a hook is called with."""
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.default is inspect.Parameter.empty]


def _unmarked(plugin: object, specifications: Specifications) -> list[str]:
    """Functions that have the name of a hook, and nothing more of one."""
    marked = {one.function for one in implementations(plugin)}
    named = ((name, getattr(plugin, name, None)) for name in specifications)
    return [
        name
        for name, found in named
        if inspect.isroutine(found) and found not in marked and not hasattr(found, "zops_spec")
    ]


def _option_findings(implementation: Implementation, where: str) -> Iterator[Finding]:
    options = [name for name, value in implementation.options.items() if value]
    for option in options:
        if option in WRAPPERS:
            yield Finding(
                "hook-wrapper",
                f"{implementation.hook} is a wrapper, which zops does not call",
                where,
                "each plugin's hook is called on its own: return your own values only",
            )
        elif option in NO_EFFECT:
            yield Finding(
                "no-effect",
                f"{option} of {implementation.hook} has no effect",
                where,
                "plugins are called in order of their names; values have before and after",
            )


def _unknown_hook(name: str, specifications: Specifications, where: str) -> Finding:
    close = get_close_matches(name, specifications, n=1)
    hint = f"did you mean {close[0]}?" if close else "is the plugin that defines it installed?"
    return Finding("unknown-hook", f"there is no hook {name}", where, hint)


def _argument_findings(
    implementation: Implementation, specification: Callable[..., object], where: str
) -> Iterator[Finding]:
    known = arguments_of(specification)
    for name in arguments_of(implementation.function):
        if name not in known:
            yield Finding(
                "unknown-argument",
                f"{implementation.hook} is not called with {name!r}",
                where,
                f"it may take {', '.join(known)}" if known else "it takes no arguments",
            )


def _kinds(specification: Callable[..., object]) -> tuple[type[object], ...]:
    """The types of values that a hook is to give, as its specification is annotated."""
    annotation = str(specification.__annotations__.get("return", ""))
    found = (getattr(value_types, word, None) for word in re.findall(r"\w+", annotation))
    own = value_types.__name__  # not what that module imports
    return tuple(one for one in found if isinstance(one, type) and one.__module__ == own)
