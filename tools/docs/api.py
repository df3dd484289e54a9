"""The page of the public names: exactly `zcore.__all__`."""

from __future__ import annotations

from importlib import import_module

import zcore
from tools.docs.describing import describe
from tools.docs.markdown import code, link, table
from tools.docs.markdown import page as written

INTRODUCTION = """
What a plugin imports from `zcore` itself, all of it: `from zcore import Command, hookimpl`. What
these names promise, and for how long, is in [versioning.md](versioning.md). What a plugin needs
for real work with the database, files and queues is in [modules.md](modules.md).
"""

# by the module that the names come from, in the order in which an author meets them
SECTIONS = {
    "zcore.hookspecs": "Hooks",
    "zcore.values": "Values",
    "zcore.context": "The running command",
    "zcore.options": "Options of commands",
    "zcore.validation": "Validation",
    "zcore.jobs": "Jobs",
    "zcore.errors": "Errors",
    "zcore.deprecation": "Deprecation",
}


def page() -> str:
    """The public names, by what they are for."""
    homes = {name: _home(name) for name in zcore.__all__}
    sections = SECTIONS | {home: "More" for home in homes.values() if home not in SECTIONS}
    index = table(
        ("for", "names"),
        [
            (title, ", ".join(link(code(name), name) for name in homes if homes[name] == home))
            for home, title in sections.items()
        ],
    )
    parts = [_section(name) for home in sections for name in homes if homes[name] == home]
    return written("Public names", INTRODUCTION, index, *parts)


def _section(name: str) -> str:
    return f"## {name}\n\n{describe(name, getattr(zcore, name), import_module(_home(name)))}"


def _home(name: str) -> str:
    """The module that a public name comes from."""
    return f"zcore.{zcore._HOMES.get(name, 'values')}"
