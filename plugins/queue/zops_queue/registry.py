"""Which workers there are, and choosing among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from zcore import Worker
from zcore.errors import Refused
from zcore.targets import resolve
from zops_queue.names import SERVER_QUEUES, base_queue, is_server_queue, shards, unknown_queue

if TYPE_CHECKING:
    from zcore import Context
    from zcore.broker import Event, Rejected, WorkContext

# Asked for by name only.
NOT_IN_ALL = ("noop", "noop_batch", "test")

Handle = Callable[["Sequence[Event]", "WorkContext"], "Iterable[Rejected] | None"]


@dataclass(frozen=True, slots=True)
class LoadedWorker:
    """A worker whose code has been imported."""

    queue: str
    batch: int
    handle: Handle
    lease: bool = False
    timeout: float = 0.0  # seconds an event may take; 0 when the worker does not say


@dataclass(frozen=True, slots=True)
class Chosen:
    """A queue, which may be a shard, and who works on it."""

    queue: str
    worker: Worker


def find_workers(context: Context) -> dict[str, Worker]:
    """All workers by queue; the first plugin's where two want the same."""
    found: dict[str, Worker] = {}
    owners: dict[str, str] = {}
    for plugin, worker in context.plugins.available("zops_queue_workers", Worker):
        if worker.queue in found:
            context.console.warn(
                f"the worker of plugin {plugin!r} for queue {worker.queue!r} is left out:"
                f" plugin {owners[worker.queue]!r} has one"
            )
            continue
        found[worker.queue], owners[worker.queue] = worker, plugin
    return found


def choose_named(context: Context, names: Sequence[str], worker_num: int = 0) -> list[Chosen]:
    """The workers of the queues `names`, of one with shards only that of number `worker_num`.

    Raises `UsageError` for a queue that nobody knows, `Refused` when it has no worker or the
    worker cannot work here.
    """
    workers = find_workers(context)
    chosen = {name: _worker_of(name, workers) for name in names}
    for name, worker in chosen.items():
        if reason := _why_not(worker, context):
            raise Refused(f"queue {name!r} cannot be processed: {reason}", code="not-ready")
    return [
        Chosen(queue, worker)
        for name, worker in chosen.items()
        for queue in shards(name, context.settings.push_shards, worker_num)
    ]


def choose_all(
    context: Context, worker_num: int = 0, is_taken: Callable[[str], str] = lambda queue: ""
) -> list[Chosen]:
    """Every worker that can do here what comes; the others are named in a note.

    `is_taken` says why a queue is left to somebody else; "" when it is not.
    """
    ready = []
    for worker in find_workers(context).values():
        if worker.queue in NOT_IN_ALL:
            continue
        unfit = _why_not(worker, context) or _what_not(worker, context)
        for queue in shards(worker.queue, context.settings.push_shards, worker_num):
            if reason := unfit or is_taken(queue):
                context.console.note(f"leaving out queue {queue}: {reason}")
            else:
                ready.append(Chosen(queue, worker))
    if not ready:
        raise Refused("no worker is ready to work here", code="not-ready")
    return ready


def load_workers(context: Context, chosen: Iterable[Chosen]) -> list[LoadedWorker]:
    """Import the code of the workers that were chosen."""
    return [_load(each, context) for each in chosen]


def check_queue(context: Context, name: str, existing: Iterable[str]) -> None:
    """Raise `UsageError` unless `name` is the server's, has a worker, or exists."""
    known = {*SERVER_QUEUES, *find_workers(context), *existing}
    if name not in known and not is_server_queue(name):
        raise unknown_queue(name, known)


def _worker_of(name: str, workers: dict[str, Worker]) -> Worker:
    if worker := workers.get(name) or workers.get(base_queue(name)):
        return worker
    if is_server_queue(name):
        raise Refused(
            f"zops has no worker for queue {name!r}",
            hint=f"queues with a worker: {', '.join(sorted(workers))}",
            code="no-worker",
        )
    raise unknown_queue(name, workers)


def _why_not(worker: Worker, context: Context) -> str:
    return _answer(worker, worker.ready, f"ready to work on {worker.queue}?", context)


def _what_not(worker: Worker, context: Context) -> str:
    return _answer(worker, worker.partial, f"a way with all of {worker.queue}?", context)


def _answer(worker: Worker, target: str, question: str, context: Context) -> str:
    if not target:
        return ""
    ask = cast("Callable[[Context], str]", resolve(target, owner=_whose(worker)))
    with context.plugins.running(worker, question) as outcome:
        reason = ask(context)
        outcome.append(reason)
    return reason


def _load(chosen: Chosen, context: Context) -> LoadedWorker:
    worker = chosen.worker
    handle = cast("Handle", resolve(worker.target, owner=_whose(worker)))
    if context.plugins.is_watched:
        handle = _shown(handle, worker, context)
    batch = max(1, worker.batch)
    return LoadedWorker(chosen.queue, batch, handle, worker.lease, worker.timeout)


def _shown(handle: Handle, worker: Worker, context: Context) -> Handle:
    """`handle`, each call of which is told to whoever watches the plugins."""

    def handle_and_tell(events: Sequence[Event], context_: WorkContext) -> list[Rejected]:
        with context.plugins.running(worker, f"worker {worker.queue}") as outcome:
            rejected = list(handle(events, context_) or ())
            outcome.append(rejected)
        return rejected

    return handle_and_tell


def _whose(worker: Worker) -> str:
    return f"the worker of queue {worker.queue!r}"
