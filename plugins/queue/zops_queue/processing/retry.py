"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What to do with an event that a worker failed on.

    After `attempts` it becomes a dead letter. `delays` are the seconds after the first failure,
    the second, and so on; the last one is for all that follow. Each is shortened by up to a
    quarter, at random, so that events that failed together do not come back together. `longest`
    cuts all of them.
    """

    attempts: int = 6
    longest: float = 1800
    delays: tuple[float, ...] = (1, 5, 30, 300, 1800)
    chance: Callable[[], float] = random.random

    def delay(self, attempts: int) -> float | None:
        """Seconds until the next attempt after `attempts` failures; None to give up."""
        if attempts >= self.attempts:
            return None
        delay = self.delays[min(attempts, len(self.delays)) - 1]
        return min(delay, self.longest) * (1 - self.chance() / 4)


@dataclass(frozen=True, slots=True)
class Pauses:
    """Pauses between attempts to reach a service: doubling up to `longest`, shortened at random."""

    first: float = 0.5
    longest: float = 30
    chance: Callable[[], float] = random.random

    def pause(self, attempt: int) -> float:
        """Seconds to wait after `attempt` attempts in vain (1, 2, ...)."""
        doubled = self.first * 2.0 ** min(attempt - 1, 20)
        return min(doubled, self.longest) * (1 - self.chance() / 4)
