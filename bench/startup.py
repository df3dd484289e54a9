"""How long `zops` takes to start, beside the least that any program of its kind must do.

    python -m bench.startup [--runs N]

The floor is one Python process that imports click and pluggy and scans for entry points. It and the
commands of `zops` take turns, with the 3 plugins that come with zops and with 27 more, which are
installed in a folder that is thrown away. Compared are the medians, and the peaks of memory. A time
in milliseconds depends on the machine and on what else it does; the ratio hardly does. On a machine
that is busy, the ratio of the processor's time, which has no budget, says more.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

FLOOR = (
    "import click, pluggy; from importlib.metadata import entry_points; entry_points(group='zops')"
)
ZOPS = str(Path(sysconfig.get_path("scripts")) / "zops")
OWN_PLUGINS = 3
PLUGIN_COUNTS = (OWN_PLUGINS, 30)
MEGABYTE = 1_000_000
MEMORY_BUDGET = 5.0  # megabytes more than the floor

# One of the many plugins: two commands, a validator and a setting, as a real one would have them.
PLUGIN = '''
"""What this plugin declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Command, Setting, Validator, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

GREETING = Setting("greeting", "What it says", default="hello")


@hookimpl
def zops_commands() -> Iterable[Command]:
    """Commands."""
    return [
        Command("{name}-hello", "{package}.cli:hello", "Say hello to an organization.", "{name}"),
        Command("{name}-report", "{package}.cli:report", "Report on an organization.", "{name}"),
    ]


@hookimpl
def zops_validators() -> Iterable[Validator]:
    """Rules."""
    return [
        Validator("{name}-prefix", "realm.subdomain", "{package}.rules:prefix", help="a prefix")
    ]


@hookimpl
def zops_settings() -> Iterable[Setting[str]]:
    """Settings."""
    return [GREETING]
'''
METADATA = """Metadata-Version: 2.1
Name: {distribution}
Version: 1.0
Summary: A plugin of zops
Requires-Python: >=3.11
Requires-Dist: zops-cli

"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: seconds of the clock and of the processor, peak resident memory in megabytes."""

    seconds: float
    processor_seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a command line, the variables it gets, and how long it may take.

    `budget` is in times of the floor; None is for what is only shown.
    """

    name: str
    command: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()
    budget: float | None = None
    plugins: int = OWN_PLUGINS


def subjects(plugins: int) -> list[Subject]:
    """What is measured with so many plugins; the first is the floor."""
    start = 1.15 if plugins == OWN_PLUGINS else 1.3
    completing = (("_ZOPS_COMPLETE", "bash_complete"), ("COMP_CWORD", "1"))
    found = [
        Subject("click + pluggy + scan", (sys.executable, "-c", FLOOR)),
        Subject("zops --help", (ZOPS, "--help"), budget=start),
        Subject("zops export --help", (ZOPS, "export", "--help"), budget=start),
        Subject(
            "completion: zops ex",
            (ZOPS,),
            (*completing, ("COMP_WORDS", "zops ex")),
            budget=start,
        ),
        Subject(
            "completion: zops export --",
            (ZOPS,),
            (completing[0], ("COMP_CWORD", "2"), ("COMP_WORDS", "zops export --")),
            budget=start,
        ),
        Subject("zops plugins list", (ZOPS, "plugins", "list"), budget=1.5),
        Subject("zops --version", (ZOPS, "--version")),
    ]
    return [
        Subject(one.name, one.command, one.variables, one.budget, plugins=plugins) for one in found
    ]


def run(subject: Subject, site: Path) -> Measured:
    """Run it once. This process has to stay small: a child counts the memory it starts from."""
    # compiled modules are kept and used, as in an installed program
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= dict(subject.variables)
    if subject.plugins != OWN_PLUGINS:
        environment["PYTHONPATH"] = str(site)
    began = time.perf_counter()
    process = subprocess.Popen(subject.command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{subject.name} ended with exit code {process.returncode}")
    processor_seconds = usage.ru_utime + usage.ru_stime
    return Measured(seconds, processor_seconds, usage.ru_maxrss * 1024 / MEGABYTE)


def install_plugins(site: Path, count: int) -> None:
    """Install plugins in `site` as an installer would."""
    for number in range(count):
        name = f"acme{number:02}"
        package, distribution = f"zops_{name}", f"zops-{name}"
        folder, metadata = site / package, site / f"{package}-1.0.dist-info"
        folder.mkdir(parents=True)
        metadata.mkdir()
        (folder / "__init__.py").touch()
        (folder / "plugin.py").write_text(PLUGIN.format(name=name, package=package))
        (metadata / "METADATA").write_text(METADATA.format(distribution=distribution))
        (metadata / "entry_points.txt").write_text(f"[zops]\n{name} = {package}.plugin\n")


def measure(chosen: list[Subject], site: Path, runs: int) -> dict[Subject, list[Measured]]:
    """All of them in turn, `runs` times, after one round that does not count."""
    measured: dict[Subject, list[Measured]] = {subject: [] for subject in chosen}
    for turn in range(runs + 1):
        for subject in chosen:
            taken = run(subject, site)
            if turn:
                measured[subject].append(taken)
    return measured


def shown(measured: dict[Subject, list[Measured]]) -> int:
    """Print the table of one number of plugins. Returns how many are over their budget."""
    medians = {subject: _median(runs) for subject, runs in measured.items()}
    floor, least = next(iter(medians.items()))
    over = 0
    print(f"\n{floor.plugins} plugins")
    print(f"{'':28}{'median ms':>10}{'ratio':>7}{'budget':>8}{'CPU ratio':>11}{'MB over':>9}")
    for subject, median in medians.items():
        ratio = median.seconds / least.seconds
        processor_ratio = median.processor_seconds / least.processor_seconds
        memory = median.peak_mb - least.peak_mb
        budget = f"{subject.budget:.2f}" if subject.budget else ""
        too_much = bool(subject.budget and (ratio > subject.budget or memory > MEMORY_BUDGET))
        over += too_much
        print(
            f"{subject.name:28}{median.seconds * 1000:10.1f}{ratio:7.2f}{budget:>8}"
            f"{processor_ratio:11.2f}{memory:9.1f}{'  over' if too_much else ''}"
        )
    return over


def _median(runs: list[Measured]) -> Measured:
    return Measured(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.processor_seconds for run in runs),
        statistics.median(run.peak_mb for run in runs),
    )


def main() -> int:
    """Measure and print. Returns 1 when anything is over its budget."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20, metavar="N")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        install_plugins(site, PLUGIN_COUNTS[-1] - OWN_PLUGINS)
        chosen = [subject for count in PLUGIN_COUNTS for subject in subjects(count)]
        measured = measure(chosen, site, runs)
    over = 0
    for count in PLUGIN_COUNTS:
        over += shown({one: taken for one, taken in measured.items() if one.plugins == count})
    print(f"\nmemory may be {MEMORY_BUDGET:.0f} MB over the floor's; {over} over budget")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
