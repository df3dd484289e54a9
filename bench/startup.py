"""How long `zops --help` takes, beside the least that any program of its kind must do.

    python bench/startup.py [--runs N]

The floor is Python itself with click, pluggy and the scan for entry points; the budget is 1.25
times that, compared by the medians of runs that take turns. A time in milliseconds depends on the
machine and on what else it does; the ratio hardly does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

BUDGET = 1.25
FLOOR = (
    "import click, pluggy; from importlib.metadata import entry_points; entry_points(group='zops')"
)


def commands() -> dict[str, list[str]]:
    """What is measured, by name; the first is what the others are compared with."""
    zops = str(Path(sysconfig.get_path("scripts")) / "zops")
    return {
        "click + pluggy + scan": [sys.executable, "-c", FLOOR],
        "zops --help": [zops, "--help"],
        "zops create-realm --help": [zops, "create-realm", "--help"],
        "zops plugins list": [zops, "plugins", "list"],
        "zops --version": [zops, "--version"],
    }


def seconds(command: list[str]) -> float:
    """How long one run of `command` takes, wall time."""
    # compiled modules are kept and used, as in an installed program
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    began = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def measure(runs: int) -> dict[str, list[float]]:
    """The times of `runs` runs of each command, taking turns, after one that does not count."""
    measured: dict[str, list[float]] = {name: [] for name in commands()}
    for turn in range(runs + 1):
        for name, command in commands().items():
            taken = seconds(command)
            if turn:
                measured[name].append(taken)
    return measured


def main() -> int:
    """Measure and print. Returns 1 when `zops --help` is over the budget."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20, metavar="N")
    measured = measure(parser.parse_args().runs)
    medians = {name: statistics.median(times) for name, times in measured.items()}
    floor = next(iter(medians.values()))
    print(f"{'':26}{'median ms':>10}{'least ms':>10}{'ratio':>7}")
    for name, median in medians.items():
        least = min(measured[name])
        print(f"{name:26}{median * 1000:10.1f}{least * 1000:10.1f}{median / floor:7.2f}")
    ratio = medians["zops --help"] / floor
    print(f"zops --help: {ratio:.2f} times the floor, budget {BUDGET}")
    return int(ratio > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
