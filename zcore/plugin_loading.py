"""Finding the installed plugins and importing them, each on its own."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zcore.entry_points import entry_points, identity
from zcore.hookspecs import API_VERSION, OLDEST_API_VERSION
from zcore.plugin_record import PluginRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

GROUP = "zops"
EVERY = "*"  # as the name of a plugin to switch off: all of them
SLOW = 5.0  # seconds after which an import that does not end is named


def discover(disabled: Collection[str]) -> list[PluginRecord]:
    """A record for each installed plugin, by name. Nothing of them is imported."""
    records = [PluginRecord(point.name, point) for point in entry_points(GROUP)]
    records.sort(key=lambda record: record.name)
    _settle_duplicates(records)
    for record in records:
        if record.name in disabled or EVERY in disabled:
            record.status = "disabled"
            record.problems.clear()
    return records


def _settle_duplicates(records: list[PluginRecord]) -> None:
    """Of several distributions with a plugin of one name, one wins and the others are broken."""
    for name in {record.name for record in records}:
        same = [record for record in records if record.name == name]
        if len(same) > 1:
            same.sort(key=_precedence)
            for loser in same[1:]:
                loser.fail(
                    f"{same[0].label} has the same name and is used instead: uninstall one of them"
                )


def _precedence(record: PluginRecord) -> tuple[bool, str]:
    """Our own distribution first, then by the distribution's name."""
    distribution, _ = identity(record.entry_point)
    return not record.is_ours, distribution


def load(records: list[PluginRecord]) -> None:
    """Import the active ones."""
    for record in records:
        if record.active:
            began = time.monotonic()
            with _named_when_slow(record), record.isolated("it cannot be loaded"):
                record.plugin = record.entry_point.load()
                _check(record)
            record.seconds += time.monotonic() - began


def _check(record: PluginRecord) -> None:
    wanted = getattr(record.plugin, "zops_api", 1)
    if record.plugin is None:
        record.fail(f"its entry point {record.entry_point.value!r} names None")
    elif type(wanted) is not int:
        record.fail(f"its zops_api is {wanted!r}, not a number")
    elif wanted > API_VERSION:
        record.fail(
            f"it needs version {wanted} of the plugin API, and this zops has {API_VERSION}: "
            "upgrade zops, or install an older version of the plugin",
            status="incompatible",
        )
    elif wanted < OLDEST_API_VERSION:
        record.fail(
            f"it was written for version {wanted} of the plugin API, and the oldest that this zops "
            f"works with is {OLDEST_API_VERSION}: install a newer version of the plugin",
            status="incompatible",
        )


@contextmanager
def _named_when_slow(record: PluginRecord) -> Iterator[None]:
    """An import that hangs cannot be stopped from inside, but the user can be told whose it is."""
    name = record.name
    text = f"zops: warning: plugin {name!r} is still being imported; --disable-plugin {name}\n"

    def name_it() -> None:
        os.write(2, text.encode(errors="backslashreplace"))

    in_main_thread = threading.current_thread() is threading.main_thread()
    with _alarm(name_it) if in_main_thread else _timer(name_it):
        yield


@contextmanager
def _alarm(ring: Callable[[], None]) -> Iterator[None]:
    """`ring` is called when what is inside takes too long. Costs a tenth of a thread that waits."""
    old_handler = signal.signal(signal.SIGALRM, lambda number, frame: ring())
    old_timer = signal.setitimer(signal.ITIMER_REAL, SLOW)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old_handler)
        signal.setitimer(signal.ITIMER_REAL, *old_timer)  # whoever embeds zops may have one


@contextmanager
def _timer(ring: Callable[[], None]) -> Iterator[None]:
    """The same for other threads than the main one, which alone can handle signals."""
    timer = threading.Timer(SLOW, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
