"""The command lines of this plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.types import StringParamType

from zcore import Result, Worker, current
from zcore.options import completions

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COUNT = click.IntRange(min=1)
PREFETCH = click.IntRange(min=1, max=65_535)


class QueueName(StringParamType):
    """A queue; completes those that there are workers for."""

    name = "queue"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The queues that begin with `incomplete`."""
        workers = current().plugins.available("zops_queue_workers", Worker)
        return completions((worker.queue for _, worker in workers), incomplete)


QUEUE = QueueName()


@click.command("process-queue")
@click.argument("queues", metavar="[QUEUE]...", nargs=-1, type=QUEUE)
@click.option(
    "--queue-name", "named", metavar="Q", type=QUEUE, multiple=True, help="A queue to process."
)
@click.option("--all", "everything", is_flag=True, help="All queues whose workers are ready.")
@click.option("--multi-threaded", is_flag=True, help="A thread for each queue.")
@click.option("--worker-num", metavar="N", default=0, help="A number to tell workers apart.")
@click.option("--prefetch", metavar="N", type=PREFETCH, help="Most events of a queue in hand.")
@click.option("--drain", is_flag=True, help="Stop when nothing is ready, in hand or delayed.")
def process_queue(
    queues: tuple[str, ...],
    named: tuple[str, ...],
    everything: bool,
    multi_threaded: bool,
    worker_num: int,
    prefetch: int | None,
    drain: bool,
) -> Result:
    """Handle the events of queues until stopped by SIGTERM or Ctrl-C.

    What is in hand then is finished, everything else stays in its queue. An event that cannot be
    handled is tried again later, and after some attempts kept as a dead letter; it never takes
    another one with it. Several queues are processed in turn, or side by side with
    --multi-threaded.

    \b
    Examples:
      zops process-queue --queue-name user_activity
      zops process-queue --multi-threaded user_activity user_activity_interval
      zops process-queue --all --drain
    """
    from zops_queue.commands import process
    from zops_queue.processing.workplace import Options

    options = Options(
        drain=drain, prefetch=prefetch, worker_num=worker_num, multi_threaded=multi_threaded
    )
    return process(current(), (*named, *queues), everything, options)


@click.group()
def queue() -> None:
    """Look into queues, publish to them, empty them."""


@queue.command("list")
def list_queues() -> Result:
    """Show how full the queues are.

    \b
    Examples:
      zops queue list
      zops queue list --json
    """
    from zops_queue import commands

    return commands.list_queues(current())


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
