"""The page of what plugins may use beside `zcore` itself."""

from __future__ import annotations

from importlib import import_module

from tools.docs.describing import describe
from tools.docs.markdown import page as written
from tools.docs.markdown import prose

INTRODUCTION = """
These modules are heavier than `zcore` itself: import them in the modules that do the work, never in
`plugin.py`. What is named here is public like [the names of `zcore`](api.md); everything else in
them, and every other module, may change with any version.
"""

MODULES = {
    "zcore.console": ("Console", "table"),
    "zcore.database": ("Database", "ReadOnlyDatabase"),
    "zcore.rows_out": ("Reader",),
    "zcore.rows_in": ("Writer",),
    "zcore.sql_text": ("replace_pattern", "has_pattern"),
    "zcore.organizations.lookup": ("Realm", "find_realm"),
    "zcore.files": (
        "StorePair",
        "FileStore",
        "StoredFile",
        "Metadata",
        "Fetched",
        "Unreadable",
        "LocalStore",
    ),
    "zcore.broker": (
        "Event",
        "Rejected",
        "WorkContext",
        "publish_events",
        "Broker",
        "Consumer",
        "Delivery",
        "DeadLetter",
        "Failure",
        "QueueState",
    ),
}

SCHEMA = """
## zcore.schema

Zulip's tables as SQLAlchemy's, a module for each subject: `from zcore.schema.users import
zerver_userprofile`. `zcore.schema.tables` has all of them by name. Their names and columns are
those of the Zulip server that this version of zops is made for (`zops db check` compares), and
change with it.
"""


def page() -> str:
    """Each module, and what in it is public."""
    return written("Modules for the work", INTRODUCTION, *map(_section, MODULES), SCHEMA)


def _section(name: str) -> str:
    module = import_module(name)
    parts = [f"## {name}", prose(module.__doc__)]
    for public in MODULES[name]:
        parts += [f"### {public}", describe(public, getattr(module, public), module)]
    return "\n\n".join(parts)
