"""The framework of zops: what a plugin imports.

Everything in `__all__` is public and stays. What is heavy lives in modules of its own
(`zcore.database`, `zcore.schema`, `zcore.files`, `zcore.broker`), imported where it is used.
"""

from __future__ import annotations

from zcore.context import Context, current
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
from zcore.values import (
    BrokerKind,
    Check,
    CheckResult,
    Command,
    Finding,
    Problem,
    Result,
    Stage,
    Validator,
    Worker,
)

__all__ = [
    "API_VERSION",
    "BrokerKind",
    "Check",
    "CheckResult",
    "Command",
    "Context",
    "ExitCode",
    "Failed",
    "Finding",
    "Interrupted",
    "Problem",
    "Refused",
    "Result",
    "Stage",
    "Unreachable",
    "UsageError",
    "Validator",
    "Worker",
    "ZopsError",
    "current",
    "hookimpl",
    "hookspec",
]
