"""The framework of zops: what a plugin imports.

Everything in `__all__` is public and stays. Names are looked up in their modules at first use, so
that a plugin that only declares commands does not pay for what the commands need. What is heavy
lives in modules of its own (`zcore.database`, `zcore.schema`, `zcore.files`, `zcore.broker`),
imported where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zcore.context import Context, current
    from zcore.creation import CreatedUser, RealmCreated, UsersCreated
    from zcore.deprecation import Deprecated
    from zcore.errors import (
        ExitCode,
        Failed,
        Interrupted,
        Refused,
        Unreachable,
        UsageError,
        ZopsError,
    )
    from zcore.hookspecs import API_VERSION, hookimpl, hookspec
    from zcore.jobs import AdaptedExport, ExportJob, ImportJob
    from zcore.options import PluginName, RealmName, realm_option
    from zcore.validation import Validation
    from zcore.values import (
        AuthBackend,
        BrokerKind,
        Change,
        Check,
        CheckResult,
        Command,
        Estimate,
        ExportRequest,
        FileStoreKind,
        Finding,
        ImportAdapter,
        ImportSource,
        MailTemplate,
        Problem,
        QueuedEvent,
        Result,
        Rewrite,
        Setting,
        Stage,
        Validator,
        Worker,
    )

__all__ = [
    "API_VERSION",
    "AdaptedExport",
    "AuthBackend",
    "BrokerKind",
    "Change",
    "Check",
    "CheckResult",
    "Command",
    "Context",
    "CreatedUser",
    "Deprecated",
    "Estimate",
    "ExitCode",
    "ExportJob",
    "ExportRequest",
    "Failed",
    "FileStoreKind",
    "Finding",
    "ImportAdapter",
    "ImportJob",
    "ImportSource",
    "Interrupted",
    "MailTemplate",
    "PluginName",
    "Problem",
    "QueuedEvent",
    "RealmCreated",
    "RealmName",
    "Refused",
    "Result",
    "Rewrite",
    "Setting",
    "Stage",
    "Unreachable",
    "UsageError",
    "UsersCreated",
    "Validation",
    "Validator",
    "Worker",
    "ZopsError",
    "current",
    "hookimpl",
    "hookspec",
    "realm_option",
]

# where each public name lives; what is not named lives in zcore.values
_HOMES = {
    "API_VERSION": "hookspecs",
    "AdaptedExport": "jobs",
    "Context": "context",
    "CreatedUser": "creation",
    "Deprecated": "deprecation",
    "ExitCode": "errors",
    "ExportJob": "jobs",
    "Failed": "errors",
    "ImportJob": "jobs",
    "Interrupted": "errors",
    "PluginName": "options",
    "RealmCreated": "creation",
    "RealmName": "options",
    "Refused": "errors",
    "Unreachable": "errors",
    "UsageError": "errors",
    "UsersCreated": "creation",
    "Validation": "validation",
    "ZopsError": "errors",
    "current": "context",
    "hookimpl": "hookspecs",
    "hookspec": "hookspecs",
    "realm_option": "options",
}

# public names that are on their way out: a name -> (what it is called now, zcore.Deprecated)
DEPRECATED: dict[str, tuple[str, Deprecated]] = {}


def __getattr__(name: str) -> object:
    """A public name, from its module, at first use."""
    if name in DEPRECATED:
        import warnings

        now, warning = DEPRECATED[name]
        warnings.warn(warning, stacklevel=2)
        return __getattr__(now)
    if name not in __all__:
        raise AttributeError(f"module 'zcore' has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"zcore.{_HOMES.get(name, 'values')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
