"""The rules of plugins about events that are published by hand (the subject `queue.event`)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from zcore import Problem, QueuedEvent
from zcore.validation import Validation, find_problems, refuse

if TYPE_CHECKING:
    from zcore import Context
    from zops_queue.event_lines import EventLines

EVENTS_AT_ONCE = 1000
MOST_SHOWN = 20


def require_valid_events(context: Context, queue: str, lines: EventLines) -> None:
    """Raise `Refused` with the first problems that validators have with the events in `lines`.

    The lines are read in blocks, and only when there is a rule for events.
    """
    if not context.plugins.validators("queue.event"):
        return
    problems: list[Problem] = []
    events = lines.payloads()
    while len(problems) < MOST_SHOWN and (block := list(islice(events, EVENTS_AT_ONCE))):
        context.stop.check()
        values = [QueuedEvent(queue, payload) for _, payload in block]
        validation = Validation(context.settings)
        found = find_problems(context.plugins, {"queue.event": values}, validation)
        numbers = [number for number, _ in block]
        problems += [_of_line(problem, numbers[problem.index]) for problem in found]
    refuse("nothing was published", problems[:MOST_SHOWN])


def _of_line(problem: Problem, number: int) -> Problem:
    """`problem`, about a line of the input instead of a place in a block."""
    message = f"line {number}: {problem.message}"
    return Problem(problem.code, message, problem.hint, number, problem.override)
