"""Put poison among good events and see what becomes of both: python -m bench.poison

On each broker: 10,000 events, and among them one of each kind that raises, hangs, takes all memory,
ends the interpreter, crashes it, has wrong types, has 10 MB, or is no JSON. The good ones have to
be done, each bad one has to be a dead letter that says why, and `zops queue replay` has to bring
it home after a fix. Exit code 1 when anything else happens.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from bench.running import timed
from tests.zops_queue.dangerous import Danger
from zcore.testing.commands import Zops
from zcore.testing.rabbitmq import PrivateRabbitMQ

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXPECTED = {
    "raise": "ValueError: no good",
    "hang": "it took longer than",
    "exhaust": "MB of memory",
    "exit": "exit code 0",
    "crash": "SIGABRT",
    "types": "TypeError",
    "large": "ValueError: no good",
    "no JSON": "the event is not JSON",
}
LARGE = 10_000_000  # bytes
DRAIN = ("--json", "process-queue", "danger", "--drain", "--event-timeout", "2")
LIMITS = ("--max-memory", "150", "--processes", "2")
TIMEOUT = 900.0


def publish(danger: Danger, good: int, seed: int) -> dict[str, int]:
    """Good events, and bad ones at places that `seed` decides. The number of each bad one."""
    chance = random.Random(seed)  # noqa: S311 # no secret
    kinds = [kind for kind in EXPECTED if kind != "no JSON"]
    places = chance.sample(range(good + len(kinds)), len(kinds))
    bad = dict(zip(kinds, places, strict=True))
    by_place = {place: kind for kind, place in bad.items()}
    danger.publish("danger", *(_event(by_place.get(n, "")) for n in range(good + len(kinds))))
    danger.zops("queue", "publish", "danger", "--raw", stdin='{"n": -1, "do"\n')
    return bad


def _event(kind: str) -> dict[str, object]:
    if not kind:
        return {}
    if kind == "types":
        return {"do": ["a", "list"]}
    return {"do": "raise", "much": "x" * LARGE} if kind == "large" else {"do": kind}


def problems(danger: Danger, good: int, bad: Mapping[str, int]) -> Iterator[str]:
    """What is not as it should be after a drain."""
    done = Counter(danger.done())
    wanted = set(range(good + len(bad))) - set(bad.values())
    if lost := wanted - set(done):
        yield f"{len(lost)} good events were not done: {sorted(lost)[:10]}"
    if wrong := set(done) & set(bad.values()):
        yield f"bad events were done: {wrong}"
    letters = danger.zops("--json", "queue", "dead", "danger", "--count", "100").json()
    errors = {
        letter["event"]["n"] if letter["event"] else -1: letter["error"]
        for letter in letters["dead_letters"]
    }
    for kind, words in EXPECTED.items():
        error = errors.pop(bad.get(kind, -1), "")
        print(f"  {kind}: {error or 'no dead letter'}")
        if words not in error:
            yield f"{kind}: {error or 'no dead letter'}"
    if errors:
        yield f"good events became dead letters: {errors}"


def replayed(danger: Danger, bad: Mapping[str, int]) -> Iterator[str]:
    """What is not as it should be once the workers have been repaired, and letters replayed."""
    danger.fix()
    danger.zops("queue", "replay", "danger")
    report = danger.zops(*DRAIN, *LIMITS, check=False).json()
    if left := set(bad.values()) - set(danger.done()):
        yield f"events did not come home: {left}"
    if report["dead"] != 1:  # what is no JSON is none after a fix
        yield f"{report['dead']} dead letters are left"


def run(broker: str, url: str, good: int, seed: int) -> int:
    """On one broker; how many things are wrong."""
    with tempfile.TemporaryDirectory(prefix="zops-bench-") as folder:
        zops = Zops(Path(folder), timeout=TIMEOUT)
        zops.environment |= {"ZOPS_BROKER": url, "ZOPS_QUEUE_ATTEMPTS": "2"}
        danger = Danger(zops, Path(folder) / "danger")
        bad = publish(danger, good, seed)
        print(f"{broker}: {good} good events, and bad ones:")
        took = timed(lambda: danger.zops(*DRAIN, *LIMITS, exit_code=5))
        found = [*problems(danger, good, bad), *replayed(danger, bad)]
        twice = sum(count > 1 for count in Counter(danger.done()).values())
    for problem in found:
        print(f"  WRONG: {problem}")
    print(f"  {took.seconds:.1f} s; {twice} events were done twice")
    return len(found)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.poison", description=__doc__.splitlines()[0])
    parser.add_argument("--good", type=int, default=10_000, help="events that are")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    server = PrivateRabbitMQ()
    try:
        brokers = {"embedded": "embedded", "RabbitMQ": server.url}
        wrong = sum(run(broker, url, options.good, options.seed) for broker, url in brokers.items())
    finally:
        server.stop()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
