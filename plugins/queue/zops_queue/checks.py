"""What `zops doctor` says about the broker and the mail server."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from zcore import CheckResult
from zcore.broker import is_rabbitmq, open_broker
from zcore.errors import ZopsError
from zcore.tornado import queue_names
from zops_queue.names import SERVER_QUEUES
from zops_queue.plugin import MAIL_SECONDS
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


def mail(context: Context) -> CheckResult:
    """Does the mail server let us in, where one is set?"""
    from zops_queue.mail.sender import find_sender
    from zops_queue.mail.server import find_server
    from zops_queue.mail.smtp import connect

    if not context.settings.smtp_url:
        return CheckResult("skipped", "no mail server is set (ZOPS_SMTP_URL)")
    try:
        server = find_server(context.settings, context.setting(MAIL_SECONDS))
        sender = find_sender(context.settings).no_reply.spec
        connect(server).close()
    except ZopsError as error:
        return CheckResult("failed", error.message, hint=error.hint)
    return CheckResult("ok", f"{server.host}:{server.port}, from {sender}")


def server_broker(context: Context) -> CheckResult:
    """Is it the server's, and are its queues being worked on?"""
    if not is_rabbitmq(context.settings.broker):
        return CheckResult(
            "warning",
            "zops was not told where the server's RabbitMQ is: clients do not hear of changes",
            hint="set ZOPS_BROKER, or ZOPS_ZULIP_CONF",
        )
    with closing(open_broker(context)) as found:
        queues = [*SERVER_QUEUES, *queue_names(context.settings.tornado_ports)]
        states = {name: found.state(name) for name in queues}
        where = found.name
    missing = [name for name, state in states.items() if state is None]
    idle = [name for name, state in states.items() if state and not state.consumers]
    return _described(where, missing, idle, len(queues))


def _described(where: str, missing: list[str], idle: list[str], total: int) -> CheckResult:
    if len(missing) == total:
        hint = "is it the server's vhost? See 'broker'"
        return CheckResult("failed", f"{where} has none of the server's queues", hint)
    if missing:
        hint = "they are made when the server first uses them; is tornado_ports right?"
        return CheckResult("warning", f"{where} lacks {', '.join(missing)}", hint)
    if idle:
        hint = "is the server running? 'supervisorctl status' shows its workers"
        return CheckResult("warning", f"{where}: nobody works on {', '.join(idle)}", hint)
    return CheckResult("ok", f"{where}: all {total} queues of the server are being worked on")
