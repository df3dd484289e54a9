"""`create-realm` and `create-user`: time and memory on PostgreSQL, and what a SIGKILL leaves.

    python bench/creation.py [--rounds 5] [--kills 30] [--seed 1]

Both commands hash a password, which takes 100 MiB by itself: that is what Zulip's parameters ask
for. The second part kills `create-realm` at random moments of its run, and looks each time whether
the database is untouched or has the whole organization with its owner.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

import psycopg2

from bench.running import ZOPS, Run, best_of, new_database, postgres_server, run_zops, table

MOST_SECONDS = 0.8
ARGON2_MB = 102_400 * 1024 / 1e6
MOST_MB_BEYOND = 80.0
NUMBERS = itertools.count(1)

ORGANIZATIONS = """
SELECT count(*), count(*) FILTER (WHERE people.owners = 1 AND people.subscriptions = 4)
FROM zerver_realm LEFT JOIN LATERAL (
    SELECT count(DISTINCT zerver_userprofile.id) AS owners, count(*) AS subscriptions
    FROM zerver_userprofile
    JOIN zerver_subscription ON user_profile_id = zerver_userprofile.id
    WHERE realm_id = zerver_realm.id AND role = 100
) AS people ON true
WHERE string_id <> 'zulipinternal'
"""


def create_realm(home: Path, database: str, password: Path) -> Run:
    """Create an organization that is not there yet."""
    number = next(NUMBERS)
    words = ["create-realm", f"Realm {number}", f"o{number}@a.test", "Olive Owner"]
    words += [f"--string-id=realm-{number}", "--password-file", str(password)]
    return run_zops(*words, home=home, database=database)


def create_user(home: Path, database: str, password: Path) -> Run:
    """Create an account that is not there yet."""
    words = ["create-user", f"u{next(NUMBERS)}@a.test", "Una User", "-r", "first"]
    return run_zops(*words, "--password-file", password, home=home, database=database)


def measure(home: Path, database: str, password: Path, rounds: int) -> bool:
    """Print what the commands take; is it within the limits?"""
    first = ["create-realm", "First", "olive@a.test", "Olive Owner", "--string-id=first"]
    run_zops(*first, "--no-password", home=home, database=database)
    best = best_of(
        {
            "create-realm": lambda: create_realm(home, database, password),
            "create-user": lambda: create_user(home, database, password),
        },
        rounds,
    )
    rows = [
        (
            name,
            f"{run.seconds:.2f}",
            f"{run.processor_seconds:.2f}",
            f"{run.peak_mb:.0f}",
            f"{run.peak_mb - ARGON2_MB:.0f}",
        )
        for name, run in best.items()
    ]
    print(table(("", "wall s", "CPU s", "peak MB", "beyond Argon2's"), rows))
    print(f"limits: {MOST_SECONDS} s, {MOST_MB_BEYOND:.0f} MB beyond Argon2's\n")
    return all(
        run.seconds <= MOST_SECONDS and run.peak_mb - ARGON2_MB <= MOST_MB_BEYOND
        for run in best.values()
    )


def kill_at_random(home: Path, database: str, kills: int, seed: int, longest: float) -> bool:
    """Kill `create-realm` `kills` times; is the database whole after each?"""
    chosen = random.Random(seed)  # noqa: S311 # moments, not secrets
    outcomes = {"untouched": 0, "whole": 0, "half": 0}
    for number in range(kills):
        before = _organizations(database)
        _start_and_kill(home, database, f"killed-{number}", chosen.uniform(0, longest))
        after = _organizations(database)
        if after == before:
            outcomes["untouched"] += 1
        elif after == (before[0] + 1, before[1] + 1):
            outcomes["whole"] += 1
        else:
            outcomes["half"] += 1
    print(
        f"{kills} kills (seed {seed}): " + ", ".join(f"{n} {what}" for what, n in outcomes.items())
    )
    return outcomes["half"] == 0


def _start_and_kill(home: Path, database: str, string_id: str, seconds: float) -> None:
    words = ["create-realm", "Killed", "k@a.test", "Kim K", f"--string-id={string_id}"]
    environment = {"PATH": os.environ["PATH"], "ZOPS_HOME": str(home), "ZOPS_DATABASE": database}
    process = subprocess.Popen(
        [ZOPS, *words, "--no-password"], env=environment, stdout=subprocess.DEVNULL
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait()
    time.sleep(0.1)  # until the server has noticed, and rolled back or finished the commit


def _organizations(database: str) -> tuple[int, int]:
    """How many organizations there are, and how many of them have an owner who has settled in."""
    with contextlib.closing(psycopg2.connect(database)) as connection:
        cursor = connection.cursor()
        cursor.execute(ORGANIZATIONS)
        there, whole = cursor.fetchone() or (0, 0)
        return there, whole


def main() -> int:
    """Measure, then kill. 0 when everything is within its limits."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres_server() as server:
        home = Path(folder)
        password = home / "password"
        password.write_text("a long password for the owner")
        with new_database(server, home) as database:
            quick = measure(home, database, password, arguments.rounds)
            longest = create_realm(home, database, password).seconds
            safe = kill_at_random(home, database, arguments.kills, arguments.seed, longest)
    return 0 if quick and safe else 1


if __name__ == "__main__":
    sys.exit(main())
