"""The page of the hooks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from tools.docs import describing
from tools.docs.examples import files_of_docstring, language
from tools.docs.markdown import code, fence, link, prose, summary, table
from tools.docs.markdown import page as written
from tools.docs.ours import our_plugins

if TYPE_CHECKING:
    from zcore.plugins import Plugins

INTRODUCTION = """
A plugin implements the hooks that it wants, in the module that its entry point names, each marked
with `@hookimpl`. An implementation may leave out arguments that it does not need. It is called on
its own, in the order of the plugins' names; what happens when it raises is said with each hook.

A first line such as `# zops_acme/rules.py` in an example is the name of the file. Every example is
run by the tests, as an installed package.
"""


def page() -> str:
    """Every hook of the core and of our plugins."""
    plugins = our_plugins()
    hooks = plugins.specifications
    index = table(
        ("hook", "for", "defined by", "used by"),
        [
            (link(code(name), name), summary(hook.__doc__), _definer(hook), _users(name, plugins))
            for name, hook in sorted(hooks.items(), key=lambda item: (_definer(item[1]), item[0]))
        ],
    )
    order = sorted(hooks.items(), key=lambda item: (_definer(item[1]) != "zops", item[0]))
    return written("Hooks", INTRODUCTION, index, *(_section(*hook, plugins) for hook in order))


def _section(name: str, hook: Callable[..., object], plugins: Plugins) -> str:
    definer = _definer(hook)
    users = _users(name, plugins) or "none of ours yet"
    of_whom = "zops itself" if definer == "zops" else f"the plugin {definer}"
    parts = [
        f"## {name}",
        fence("text", describing.signature(name, hook)),
        prose(hook.__doc__),
        f"Defined by {of_whom}; used by: {users}.",
    ]
    example = files_of_docstring(hook.__doc__)
    if example:
        parts += ["**Example**", *(fence(language(path), text) for path, text in example.items())]
    return "\n\n".join(parts)


def _definer(hook: Callable[..., object]) -> str:
    """Whose hook it is: "zops" for the core's, else the name of the plugin."""
    package = (inspect.getmodule(hook) or hook).__name__.partition(".")[0]
    return "zops" if package == "zcore" else package.removeprefix("zops_")


def _users(name: str, plugins: Plugins) -> str:
    return ", ".join(info.name for info in plugins.infos if name in info.hooks)
