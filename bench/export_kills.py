"""Kill exports and go on with them: python -m bench.export_kills

At every crash point, and at random moments of exports that are larger; to a folder and to an
archive. Each export that was killed has to end whole (`zops verify --deep`), and equal to one that
nobody disturbed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.make_realm import PACKAGED
from bench.running import make_export, new_database, postgres_server
from tests.zops_export.kills import Campaign
from zcore.testing.commands import Zops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REALM = "acme"


def trials(
    campaign: Campaign, moments: int, seed: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is done to each export, in words, and what does it."""
    for point in campaign.points:
        yield point, lambda point=point: campaign.kill_at(point)  # type: ignore[misc]  # its own
    chance = random.Random(seed)  # noqa: S311  # no secret
    for _ in range(moments):
        seconds = chance.uniform(0.0, campaign.seconds)
        yield f"after {seconds:.2f} s", lambda at=seconds: campaign.kill_after(at)  # type: ignore[misc]  # its own


def run(zops: Zops, output: Path, moments: int, seed: int) -> int:
    """All trials of one kind of export; how many went wrong, each of which is told."""
    campaign = Campaign(zops, zops, output, deep=True)
    failed = total = 0
    for name, kill in trials(campaign, moments, seed):
        total += 1
        kill()
        try:
            campaign.go_on()
        except AssertionError as error:
            failed += 1
            print(f"{output.name}, killed {name}: {error}")
            campaign.start_anew()
    print(f"{output.name}: {total} exports killed, {failed} of them not whole or another one")
    return failed


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.export_kills", description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=3, help="as many messages, so many times")
    parser.add_argument("--moments", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory("-zops-bench") as folder:
        home = Path(folder)
        source = make_export(home / "made", PACKAGED, "--times", str(words.times))
        (home / "out").mkdir()
        with postgres_server() as server, new_database(server, home) as url:
            zops = Zops(home)
            zops.environment |= {
                "ZOPS_DATABASE": url,
                "ZOPS_UPLOADS": str(home / "uploads"),
                "ZOPS_AVATAR_SALT": "salt",
            }
            zops("import", REALM, source)
            names = (REALM, f"{REALM}.tar.gz")
            failed = [run(zops, home / "out" / name, words.moments, words.seed) for name in names]
    return 1 if any(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
