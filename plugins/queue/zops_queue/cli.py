"""The command lines of this plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from zcore import Result, current
from zops_queue.parameters import AGE, COUNT, GRACE, HTTP_ADDRESS, PREFETCH, QUEUE, SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

F = TypeVar("F", bound="Callable[..., object]")


def choosing_dead_letters(command: F) -> F:
    """Give a command the options that say which dead letters are meant."""
    options = [
        click.option("--id", "ids", metavar="ID", multiple=True, help="This one."),
        click.option(
            "--older-than", metavar="AGE", type=AGE, help="Given up longer ago: 30m, 2h, 7d."
        ),
        click.option("--newer-than", metavar="AGE", type=AGE, help="Given up less long ago."),
        click.option("--error", metavar="TEXT", default="", help="With TEXT in their error."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command("process-queue")
@click.argument("queues", metavar="[QUEUE]...", nargs=-1, type=QUEUE)
@click.option(
    "--queue-name", "named", metavar="Q", type=QUEUE, multiple=True, help="A queue to process."
)
@click.option("--all", "everything", is_flag=True, help="All queues whose workers are ready.")
@click.option("--beside-server", is_flag=True, help="With --all, also what others consume.")
@click.option("--multi-threaded", is_flag=True, help="As it is anyway: a thread for each queue.")
@click.option("--processes", metavar="N", type=COUNT, help="Work in N processes, and watch them.")
@click.option(
    "--worker-num",
    metavar="N",
    default=0,
    help="A number to tell workers apart; of a queue with shards, the shard.",
)
@click.option("--prefetch", metavar="N", type=PREFETCH, help="Most events of a queue in hand.")
@click.option(
    "--event-timeout",
    metavar="S",
    type=SECONDS,
    help="Give up events that take longer, where their worker does not say.",
)
@click.option("--max-events", metavar="N", type=COUNT, help="A process ends after N events.")
@click.option("--max-memory", metavar="MB", type=COUNT, help="A process ends that uses more.")
@click.option(
    "--grace",
    metavar="S",
    type=GRACE,
    default=25.0,
    show_default=True,
    help="For what is in hand, once stopped.",
)
@click.option("--autoreload", is_flag=True, help="Start anew when code has changed.")
@click.option("--drain", is_flag=True, help="Stop when nothing is ready, in hand or delayed.")
@click.option(
    "--http",
    metavar="HOST:PORT",
    type=HTTP_ADDRESS,
    help="Answer /healthz and /metrics there; without HOST, for this machine only.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="What it says meanwhile: for people, or a JSON object a line.",
)
def process_queue(
    queues: tuple[str, ...],
    named: tuple[str, ...],
    everything: bool,
    beside_server: bool,
    multi_threaded: bool,
    processes: int | None,
    worker_num: int,
    prefetch: int | None,
    event_timeout: float | None,
    max_events: int | None,
    max_memory: int | None,
    grace: float,
    autoreload: bool,
    drain: bool,
    http: tuple[str, int] | None,
    log_format: str,
) -> Result:
    """Handle the events of queues until stopped by SIGTERM or Ctrl-C.

    What is in hand then is finished, everything else stays in its queue. An event that cannot be
    handled is tried again later, and after some attempts kept as a dead letter; it never takes
    another one with it, even if it ends its process. Several queues are processed side by side,
    each in a thread. SIGHUP starts anew.

    \b
    Examples:
      zops process-queue --queue-name user_activity
      zops process-queue user_activity user_activity_interval --processes 2
      zops process-queue --all --drain
      zops process-queue --all --event-timeout 60 --max-memory 300
      zops process-queue --all --http :9100
    """
    from zops_queue.processing.start import process
    from zops_queue.processing.workplace import Options

    if log_format == "json":
        from zcore.log_lines import log_json

        current().console.log = log_json
    options = Options(
        drain=drain,
        prefetch=prefetch,
        worker_num=worker_num,
        processes=processes or 0,
        grace=grace,
        max_events=max_events,
        max_memory=max_memory,
        event_timeout=event_timeout,
        autoreload=autoreload,
        beside_server=beside_server,
    )
    return process(current(), (*named, *queues), everything, options, http)


@click.group()
def queue() -> None:
    """Look into queues, publish to them, empty them."""


@queue.command("list")
def list_queues() -> Result:
    """Show how full the queues are, and who has a worker for them.

    \b
    Examples:
      zops queue list
      zops queue list --json
    """
    from zops_queue import commands

    return commands.list_queues(current())


@queue.command()
@click.argument("queues", metavar="[QUEUE]...", nargs=-1, type=QUEUE)
def stats(queues: tuple[str, ...]) -> Result:
    """Count the events of QUEUE, and who takes from it; without QUEUE, of all queues.

    RabbitMQ does not say how many events its consumers have in hand ("?"), the embedded broker
    does.

    \b
    Examples:
      zops queue stats
      zops queue stats user_activity email_senders --json
    """
    from zops_queue import commands

    return commands.stats(current(), queues)


@queue.command()
@click.argument("queue_name", metavar="QUEUE", type=QUEUE)
@click.argument("path", metavar="[FILE|-]", default="-")
@click.option("--raw", is_flag=True, help="Send the lines as they are, whatever they hold.")
def publish(queue_name: str, path: str, raw: bool) -> Result:
    """Append the events in FILE or stdin to QUEUE.

    They are JSON objects, one a line. All lines are checked first; when one is wrong, nothing is
    published.

    \b
    Examples:
      zops queue publish user_activity events.jsonl
      echo '{"n": 1}' | zops queue publish noop
    """
    from zops_queue import commands

    return commands.publish(current(), queue_name, path, raw)


@queue.command()
@click.argument("queue_name", metavar="QUEUE", type=QUEUE)
@click.option("--count", metavar="N", type=COUNT, default=10, help="Show at most N events.")
def peek(queue_name: str, count: int) -> Result:
    """Show the first events of QUEUE and leave them there.

    \b
    Examples:
      zops queue peek user_activity --count 3
    """
    from zops_queue import commands

    return commands.peek(current(), queue_name, count)


@queue.command()
@click.argument("queue_name", metavar="QUEUE", type=QUEUE)
@click.option("--count", metavar="N", type=COUNT, default=20, help="Show at most N dead letters.")
def dead(queue_name: str, count: int) -> Result:
    """Show the events of QUEUE that were given up, and why.

    \b
    Examples:
      zops queue dead user_activity --count 3
    """
    from zops_queue import commands

    return commands.dead(current(), queue_name, count)


@queue.command()
@click.argument("queue_name", metavar="QUEUE", type=QUEUE)
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(queue_name: str, yes: bool) -> Result:
    """Throw away what is ready or delayed in QUEUE.

    Events that a worker has in hand and dead letters stay.

    \b
    Examples:
      zops queue purge noop --yes
    """
    from zops_queue import commands

    return commands.purge(current(), queue_name, yes)


@queue.command("publish-scheduled-mails")
def publish_scheduled_mails() -> Result:
    """Publish the mails that wait in the database and whose time has come.

    They go to the queue deferred_email_senders. A server does this by itself; elsewhere it is for
    a timer, once a minute or once a day.

    \b
    Examples:
      zops queue publish-scheduled-mails
    """
    from zops_queue import commands

    return commands.publish_scheduled_mails(current())


@queue.command()
@click.argument("queue_name", metavar="QUEUE", type=QUEUE)
@choosing_dead_letters
@click.option(
    "--from-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Instead of dead letters, the events of an error file of the server's own workers.",
)
@click.option("--rename", is_flag=True, help="Rename FILE afterwards, to FILE.replayed.")
def replay(
    queue_name: str,
    ids: tuple[str, ...],
    older_than: timedelta | None,
    newer_than: timedelta | None,
    error: str,
    from_file: Path | None,
    rename: bool,
) -> Result:
    """Put dead letters of QUEUE back on it, to be tried again from the beginning.

    All of them, or those that the options choose. Each is stored in the queue before it leaves
    the dead letters: when this command is killed, some can be in both, and none is lost.

    With --from-file, each event of an error file (QUEUE.errors) that the server's own workers
    wrote. What cannot be read there is named and passed over.

    \b
    Examples:
      zops queue replay user_activity
      zops queue replay user_activity --error 'no user' --newer-than 2h
      zops queue replay email_senders --from-file email_senders.errors --rename
    """
    from zops_queue import commands
    from zops_queue.dead_letters import Selection

    selection = Selection(ids=ids, older_than=older_than, newer_than=newer_than, error=error)
    return commands.replay(current(), queue_name, selection, from_file, rename)


@queue.command()
@click.argument("queue_name", metavar="QUEUE", type=QUEUE)
@choosing_dead_letters
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(
    queue_name: str,
    ids: tuple[str, ...],
    older_than: timedelta | None,
    newer_than: timedelta | None,
    error: str,
    everything: bool,
    yes: bool,
) -> Result:
    """Throw away dead letters of QUEUE.

    \b
    Examples:
      zops queue drop user_activity --id 17 --yes
      zops queue drop user_activity --older-than 30d --yes
    """
    from zops_queue import commands
    from zops_queue.dead_letters import Selection

    selection = Selection(ids=ids, older_than=older_than, newer_than=newer_than, error=error)
    return commands.drop(current(), queue_name, selection, everything, yes)
