"""What the commands of this plugin do, between the command line and the parts."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from zcore.broker import open_broker, utc_now
from zcore.errors import Refused, UsageError
from zcore.validation import require_valid
from zcore.values import Result
from zops_queue import dead_letters, views
from zops_queue.error_replay import replay_file
from zops_queue.names import SERVER_QUEUES
from zops_queue.registry import check_queue, find_workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zcore import Context
    from zcore.broker import Broker, QueueState
    from zops_queue.dead_letters import Selection


def publish(context: Context, queue: str, path: str, raw: bool) -> Result:
    """Append the events in a file to a queue: all of them or, when one is wrong, none."""
    from zops_queue.event_lines import open_lines
    from zops_queue.event_validation import require_valid_events

    with _broker_for(context, queue) as broker, open_lines(path, raw=raw) as lines:
        count = lines.check()
        if not raw:
            require_valid_events(context, queue, lines)
        published = broker.publish(queue, lines.bodies()) if count else 0
    return Result({"published": published}, text=f"published {published} events to {queue}")


def list_queues(context: Context) -> Result:
    """How full the queues are."""
    with closing(open_broker(context)) as broker:
        return views.states(_states(context, broker), set(find_workers(context)))


def stats(context: Context, names: Sequence[str]) -> Result:
    """How many events and consumers the queues `names` have, or all that are there."""
    with closing(open_broker(context)) as broker:
        for name in names:
            check_queue(context, name, broker.queues())
        return views.stats(_states(context, broker, names))


def _states(context: Context, broker: Broker, names: Sequence[str] = ()) -> list[QueueState]:
    """How full the queues `names` are, or all that can be named; without those not there."""
    known = names or sorted({*SERVER_QUEUES, *find_workers(context), *broker.queues()})
    return [state for name in dict.fromkeys(known) if (state := broker.state(name))]


def peek(context: Context, queue: str, most: int) -> Result:
    """The first events of a queue."""
    with _broker_for(context, queue) as broker:
        return views.deliveries(queue, broker.peek(queue, most))


def dead(context: Context, queue: str, most: int) -> Result:
    """The oldest dead letters of a queue."""
    with _broker_for(context, queue) as broker:
        state = broker.state(queue)
        found = broker.dead_letters(queue, most)
        return views.dead_letters(queue, found, state.dead if state else 0)


def replay(
    context: Context, queue: str, selection: Selection, file: Path | None, rename: bool
) -> Result:
    """Put dead letters of a queue, or the events of an error file, back on it."""
    if file is None and rename:
        raise UsageError("--rename goes with --from-file")
    if file is not None and not selection.is_everything:
        raise UsageError("--from-file takes all events of the file", hint="leave the others out")
    with _broker_for(context, queue) as broker:
        if file is not None:
            return replay_file(context, broker, queue, file, rename=rename)
        return dead_letters.replay(broker, queue, selection)


def drop(context: Context, queue: str, selection: Selection, everything: bool, yes: bool) -> Result:
    """Throw away dead letters of a queue: those that are chosen, or `everything`."""
    dead_letters.require_one_or_all(selection, everything)
    with _broker_for(context, queue) as broker:
        return dead_letters.drop(context, broker, queue, selection, yes)


def purge(context: Context, queue: str, yes: bool) -> Result:
    """Throw away what is ready or delayed in a queue, if that is really meant."""
    with _broker_for(context, queue) as broker:
        question = f"Throw away the events in {queue} at {broker.name}?"
        if not yes and not context.console.confirm(question):
            raise Refused("not purged", code="not-confirmed")
        purged = broker.purge(queue)
    return Result({"purged": purged}, text=f"threw away {purged} events of {queue}")


def publish_scheduled_mails(context: Context) -> Result:
    """Publish the mails of the database whose time has come."""
    from zops_queue.mail.scheduled import publish_due

    with closing(open_broker(context)) as broker:
        published = publish_due(context.database, broker, utc_now(), context.stop)
    context.stop.check()
    return Result({"published": published}, text=f"published {published} scheduled mails")


@contextmanager
def _broker_for(context: Context, queue: str) -> Iterator[Broker]:
    """The broker, once `queue` is known to be no typing mistake."""
    with closing(open_broker(context)) as broker:
        check_queue(context, queue, broker.queues())
        _require_valid_names(context, [queue])
        yield broker


def _require_valid_names(context: Context, names: Sequence[str]) -> None:
    intention = "these queues cannot be used"
    require_valid(context, intention, {"queue.name": names}, with_database=False)
