"""`zops doctor`: look at everything, write nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import click

from zcore.builtin.checks import CHECKS
from zcore.builtin.server_checks import SERVER_CHECKS
from zcore.console import table
from zcore.context import Context, current, set_current
from zcore.errors import ZopsError
from zcore.targets import resolve
from zcore.text import describe
from zcore.values import Check, CheckResult, Finding, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.database import Database

STATUSES = ("ok", "warning", "failed", "skipped")


class LookingContext(Context):
    """A context whose database is never made by being looked at."""

    @cached_property
    def database(self) -> Database:
        """The database when it is there. Raises `Refused` also where first use would make it."""
        from zcore.database import Database

        database = Database.connect(self.settings.database_url, create=False)
        database.require_tables()
        return database


@dataclass(frozen=True, slots=True)
class Checked:
    """A check, whose it is, and what it found."""

    name: str
    provider: str
    result: CheckResult


@click.command()
@click.option("--server", is_flag=True, help="Also look at what is safe beside a running server.")
def doctor(server: bool) -> Result:
    """Look for what is wrong: settings, data folder, database, plugins, and what plugins check.

    With --server, also at what it takes to work beside a running Zulip server: its database, the
    owner of its files, its memcached and RabbitMQ, and the user that zops runs as.

    Nothing is written and nothing is created. Ends with exit code 5 when something is wrong.

    \b
    Examples:
      zops doctor
      zops --database postgresql:///zulip doctor --json
    """
    outer = current()
    context = LookingContext(outer.settings, outer.console, outer.plugins, outer.stop)
    set_current(context)
    try:
        checked = list(_run_all(context, server=server))
    finally:
        set_current(outer)
        context.close()
    rows = [(one.name, one.result.status, one.result.message) for one in checked]
    return Result(
        {"checks": [_described(one) for one in checked]},
        text=table(("CHECK", "STATUS", ""), rows),
        findings=[_finding(one) for one in checked if one.result.status in {"warning", "failed"}],
    )


def _run_all(context: Context, *, server: bool) -> Iterator[Checked]:
    for check in (*CHECKS, *(SERVER_CHECKS if server else ())):
        yield Checked(check.name, "zops", _run(check, context))
    checks, wrong = context.plugins.checks()
    for name, error in wrong.items():
        yield Checked(name, "zops", CheckResult("failed", error.message, error.hint))
    for check in checks:
        if check.server and not server:
            continue
        context.stop.check()
        yield Checked(check.name, context.plugins.provider(check), _run(check, context))


def _run(check: Check, context: Context) -> CheckResult:
    """What one check found; one that raises has failed, and the others still run."""
    try:
        with context.plugins.running(check, f"check {check.name}") as outcome:
            found = resolve(check.target)(context)  # type: ignore[operator] # caught like all it raises
            outcome.append(found)
    except ZopsError as error:
        return CheckResult("failed", error.message, error.hint)
    except (Exception, SystemExit) as error:  # noqa: BLE001 # a stranger's check may raise anything
        return CheckResult("failed", f"the check itself failed: {describe(error)}")
    if not isinstance(found, CheckResult) or found.status not in STATUSES:
        return CheckResult(
            "failed", f"the check gave no CheckResult with a known status: {found!r}"
        )
    return found


def _described(one: Checked) -> dict[str, str]:
    return {
        "name": one.name,
        "provider": one.provider,
        "status": one.result.status,
        "message": one.result.message,
        "hint": one.result.hint,
    }


def _finding(one: Checked) -> Finding:
    return Finding(one.result.status, one.result.message, where=one.name, hint=one.result.hint)
