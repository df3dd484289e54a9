"""What `zops doctor` says about the broker."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from zcore import CheckResult
from zcore.broker import open_broker
from zcore.errors import ZopsError
from zops_queue.names import SERVER_QUEUES
from zops_queue.registry import find_workers

if TYPE_CHECKING:
    from zcore import Context


def broker(context: Context) -> CheckResult:
    """Can it be reached, and are there dead letters?"""
    try:
        with closing(open_broker(context)) as found:
            names = {*SERVER_QUEUES, *find_workers(context), *found.queues()}
            states = [state for name in sorted(names) if (state := found.state(name))]
            where = found.name
    except ZopsError as error:
        return CheckResult("failed", error.message, hint=error.hint)
    ready = sum(state.ready for state in states)
    dead = [state for state in states if state.dead]
    if dead:
        return CheckResult(
            "warning",
            f"{where}: {sum(state.dead for state in dead)} dead letters",
            hint=f"'zops queue dead {dead[0].queue}' shows them",
        )
    return CheckResult("ok", f"{where}: {len(states)} queues, {ready} events ready")
