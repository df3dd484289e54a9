"""From the command line to a run: in this process, as a child, or with children."""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from zcore.broker import is_rabbitmq, open_broker
from zcore.errors import Refused, UsageError
from zcore.validation import require_valid
from zcore.values import Finding, Result
from zops_queue.plugin import (
    ATTEMPTS,
    MOST_DEATHS,
    SENTRY_BODIES,
    SENTRY_TRACES,
    STATS_FOLDER,
)
from zops_queue.processing.deaths import Deaths
from zops_queue.processing.lifeline import DRAINED, RETIRED, STOPPED, Lifeline
from zops_queue.processing.restart import RESTART_SIGNALS, Restart, restart_in_place
from zops_queue.processing.retirement import Retirement
from zops_queue.processing.retry import RetryPolicy
from zops_queue.processing.systemd import Notifier
from zops_queue.processing.workplace import (
    DRAIN_SECONDS,
    Options,
    Tally,
    Workplace,
    one_at_a_time,
)
from zops_queue.registry import choose_all, choose_named, find_workers, load_workers
from zops_queue.watching.meter import Meters
from zops_queue.watching.reports import reports_for, shares_of
from zops_queue.watching.stats_file import SERVER_FOLDER

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zcore import Context, Setting
    from zcore.broker import Broker
    from zops_queue.registry import Chosen
    from zops_queue.watching.meter import Readable

NOTES_FOLDER = "in-hand"
SECONDS_FOR_THE_BROKER = 1.0  # to notice that a consumer has ended


def process(
    context: Context,
    names: Sequence[str],
    everything: bool,
    options: Options,
    http: tuple[str, int] | None = None,
) -> Result:
    """Handle the events of the queues `names`, or of all whose workers are ready.

    Meanwhile answer at the address `http` how it goes.
    """
    if everything == bool(names):
        raise UsageError(
            "name queues or say --all, not both" if names else "which queue?",
            hint=f"queues with a worker: {', '.join(sorted(find_workers(context)))}",
        )
    intention = "these queues cannot be used"
    require_valid(context, intention, {"queue.name": names}, with_database=False)
    shares_of(context.setting(SENTRY_TRACES))  # refused here, and not by each child
    began = time.monotonic()
    lifeline = Lifeline.find(context.stop)
    if lifeline is not None:
        workers = choose_named(context, lifeline.queues, options.worker_num)
        tally = _work_as_child(context, workers, options, lifeline)
        return _processed(tally, time.monotonic() - began, options)
    if everything:
        workers = _choose_all(context, options)
    else:
        workers = choose_named(context, names, options.worker_num)
    if _needs_children(workers, options):
        tally = _supervise(context, workers, options, http)
    else:
        tally = _work(context, workers, options, http)
    return _processed(tally, time.monotonic() - began, options)


def _choose_all(context: Context, options: Options) -> list[Chosen]:
    """Every worker that is ready, except for queues that somebody else takes from."""
    if options.beside_server or not is_rabbitmq(context.settings.broker):
        return choose_all(context, options.worker_num)
    ours = _deaths(context).consumers()
    with closing(open_broker(context)) as broker:
        return choose_all(context, options.worker_num, Others(broker, ours).who_takes)


class Others:
    """Whether somebody else consumes queues of `broker`: by how many do, and how many are `ours`.

    A consumer that has just ended may still be counted, so the first one found is looked for
    again.
    """

    def __init__(self, broker: Broker, ours: Counter[str]) -> None:
        self._broker = broker
        self._ours = ours
        self._has_waited = False

    def who_takes(self, queue: str) -> str:
        """Who else takes from `queue`, in words; "" when nobody does."""
        if not self._count(queue):
            return ""
        if not self._has_waited:
            self._has_waited = True
            time.sleep(SECONDS_FOR_THE_BROKER)
            return self.who_takes(queue)
        return (
            "somebody else takes from it (the server's own worker?);"
            " --beside-server works beside them"
        )

    def _count(self, queue: str) -> int:
        state = self._broker.state(queue)
        return max(0, state.consumers - self._ours[queue]) if state else 0


def _needs_children(workers: Sequence[Chosen], options: Options) -> bool:
    """Does somebody have to watch from outside?

    An event that takes too long can only be ended with its process; and code that has changed
    is only in a new one.
    """
    limited = options.event_timeout or any(
        0 < chosen.worker.timeout < math.inf for chosen in workers
    )
    return bool(options.processes or options.autoreload or limited)


def _work(
    context: Context,
    workers: Sequence[Chosen],
    options: Options,
    http: tuple[str, int] | None,
) -> Tally:
    """In this process. A signal to restart lets a new one take its place."""
    from zops_queue.processing.runner import run

    workplace = _workplace(context, options)
    notifier = Notifier()
    restart = Restart(context.stop)
    for worker in workers:  # there from the beginning, before the first connection
        workplace.meters.of(worker.queue)
    with context.stop.hearing(RESTART_SIGNALS, restart.ask):
        with _watched(context, workplace.meters, http):
            context.console.note(f"processing {_names(workers)}")
            tally = run(
                load_workers(context, workers),
                workplace,
                lambda: notifier.tell(context.stop, workplace.meters.all()),
            )
        if restart.is_due:
            context.console.note("starting anew")
            notifier.reloading()
            context.close()
            restart_in_place()
    if reason := workplace.retirement.reason:
        context.console.note(f"this process ends: {reason}")
    return tally


def _work_as_child(
    context: Context, workers: Sequence[Chosen], options: Options, lifeline: Lifeline
) -> Tally:
    """In this process, and tell the supervisor how it goes."""
    from zops_queue.processing.runner import run

    context.stop.patient = True
    workplace = _workplace(context, replace(options, is_child=True))

    def look() -> None:
        lifeline.report(workplace.meters)

    with context.stop.hearing(RESTART_SIGNALS, context.stop.set):
        tally = run(load_workers(context, workers), workplace, look)
    lifeline.end(workplace.meters, _why_ended(workplace))
    return tally


def _why_ended(workplace: Workplace) -> str:
    if workplace.retirement.reason:
        return RETIRED
    return STOPPED if workplace.stop.is_set() else DRAINED


def _supervise(
    context: Context,
    workers: Sequence[Chosen],
    options: Options,
    http: tuple[str, int] | None,
) -> Tally:
    """In child processes. What they need to work is not imported here."""
    from zops_queue.processing.reload import code_of, reloading
    from zops_queue.processing.supervisor import Supervisor
    from zops_queue.watching.merged import MergedMeters, MergedStats

    with closing(open_broker(context)):
        """Is it there? Else each child would say that it is not."""
    deaths = _deaths(context)
    deaths.require_writable()
    notifier = Notifier()
    meters = MergedMeters([worker.queue for worker in workers])
    folder = _stats_folder(context)
    stats = MergedStats(meters, folder, context.console.warn) if folder else None

    def look() -> None:
        notifier.tell(context.stop, meters.all())
        if stats:
            stats.look()

    supervisor = Supervisor(
        options,
        context.stop,
        context.console,
        deaths,
        meters,
        look,
    )
    with ExitStack() as around:
        around.enter_context(_watched(context, meters, http))
        if stats:
            around.callback(stats.write)
        if options.autoreload:
            places = code_of(context.plugins)
            around.enter_context(reloading(places, supervisor.restart, context.console))
        count = max(1, options.processes)
        processes = f"{count} processes" if count > 1 else "a process of its own"
        context.console.note(f"processing {_names(workers)} in {processes}")
        return supervisor.run()


def _workplace(context: Context, options: Options) -> Workplace:
    attempts = _at_least_one(context, ATTEMPTS, "an event has to be tried at least once")
    stats_folder = None if options.is_child else _stats_folder(context)  # the supervisor has them
    retries = RetryPolicy(attempts, DRAIN_SECONDS) if options.drain else RetryPolicy(attempts)
    return Workplace(
        settings=context.settings,
        console=context.console,
        stop=context.stop,
        open_broker=lambda: open_broker(context),
        open_database=one_at_a_time(context),
        options=options,
        retries=retries,
        meters=Meters(stats_folder, context.console.warn),
        deaths=_deaths(context),
        most_deaths=_at_least_one(
            context, MOST_DEATHS, "an event is part of a death at least once"
        ),
        retirement=Retirement(options.max_events, options.max_memory),
        reports=reports_for(
            context,
            str(options.worker_num),
            shares_of(context.setting(SENTRY_TRACES)),
            bodies=context.setting(SENTRY_BODIES),
        ),
    )


def _deaths(context: Context) -> Deaths:
    return Deaths(context.settings.home / NOTES_FOLDER, warn=context.console.warn)


@contextmanager
def _watched(context: Context, meters: Readable, http: tuple[str, int] | None) -> Iterator[None]:
    if http is None:
        yield
        return
    from zops_queue.watching.http import serving

    with serving(http, meters) as url:
        context.console.note(f"health and numbers are at {url}/healthz and {url}/metrics")
        yield


def _stats_folder(context: Context) -> Path | None:
    """Where files of statistics go: where it was said, else, beside a server, where its own are."""
    folder = context.setting(STATS_FOLDER)
    if folder is None and context.settings.zulip_conf and os.access(SERVER_FOLDER, os.W_OK):
        return SERVER_FOLDER
    return folder


def _at_least_one(context: Context, setting: Setting[int], why: str) -> int:
    number = context.setting(setting)
    if number < 1:
        raise Refused(why, hint="see 'zops settings'")
    return number


def _names(workers: Sequence[Chosen]) -> str:
    return ", ".join(worker.queue for worker in workers)


def _processed(tally: Tally, seconds: float, options: Options) -> Result:
    dead_letters = sum(tally.dead.values())
    data = {
        "processed": tally.processed,
        "retried": tally.retried,
        "repeated": tally.repeated,
        "dead": dead_letters,
        "seconds": round(seconds, 3),
    }
    done_before = f", {tally.repeated} had been done before" if tally.repeated else ""
    text = (
        f"processed {tally.processed} events in {seconds:.1f} s"
        f" ({tally.retried} attempts failed, {dead_letters} events given up{done_before})"
    )
    findings = [
        Finding(
            "dead-letters",
            f"{count} events could not be handled and are kept as dead letters",
            where=queue,
            hint=f"'zops queue dead {queue}' shows them",
        )
        for queue, count in sorted(tally.dead.items())
    ]
    return Result(data, text=text, findings=findings if options.drain else ())
