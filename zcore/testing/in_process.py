"""`zops` inside the process of the tests: a hundredth of the time that a new process takes.

A run sees what it would see as a process: the words, an environment and a folder of its own,
stdin, stdout and stderr, plugins on `PYTHONPATH`. Afterwards the process of the tests is as it
was. What only a process has, such as signals, a crash, the start-up itself, is for the other
runner (`zcore.testing.commands.Zops`).
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import os
import signal
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from zcore.testing.captured import captured
from zcore.testing.commands import Completed, Runner, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from zcore.testing.commands import Order

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


class ZopsInProcess(Runner):
    """Runs `zops` in this process. Only for one thread at a time."""

    def _run(self, order: Order) -> Completed:
        from zcore.cli import main

        with ExitStack() as around:
            around.enter_context(mock.patch.dict(os.environ, order.environment, clear=True))
            around.enter_context(mock.patch.object(sys, "argv", ["zops", *order.words]))
            around.enter_context(contextlib.chdir(order.folder))
            around.enter_context(_signal_handlers_kept())
            around.enter_context(_importing_from(_folders(order.environment)))
            with captured(order.stdin) as held:
                exit_code = contextvars.copy_context().run(main, order.words)
        return Completed(order.words, int(exit_code), text(held.out), text(held.err))


def _folders(environment: Mapping[str, str]) -> list[str]:
    """The folders on `PYTHONPATH`."""
    return [folder for folder in environment.get("PYTHONPATH", "").split(os.pathsep) if folder]


@contextmanager
def _importing_from(folders: Sequence[str]) -> Iterator[None]:
    """While inside, Python finds packages and plugins in `folders` first.

    What was imported from there is forgotten again, as if the process had ended.
    """
    if not folders:
        yield
        return
    old_path, before = sys.path[:], set(sys.modules)
    sys.path[:0] = folders
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = old_path
        importlib.invalidate_caches()
        for name in set(sys.modules) - before:
            if _comes_from(sys.modules[name], folders):
                del sys.modules[name]


def _comes_from(module: ModuleType, folders: Sequence[str]) -> bool:
    """Was `module` found in one of `folders`? Packages without `__init__.py` have no file."""
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    paths = [Path(place) for place in places if place]
    return any(path.is_relative_to(folder) for path in paths for folder in folders)


@contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Put the signal handlers back as they were."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can set any
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
