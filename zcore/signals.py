"""Being asked to stop, by SIGINT or SIGTERM.

Nothing raises out of a signal handler: an exception in the middle of a COMMIT would leave nobody
knowing whether it happened. The first signal only sets a flag. A long job looks at it between
two units of work (`check()`, `wait()`), takes back what it began, and ends with
`zcore.Interrupted`; a short command simply finishes. A second signal ends the process at once.
Other signals do what the command that runs says (`StopFlag.hearing`); they wait from the start of
the process (`zcore.cli`) until it does, or until it is known that the command says nothing.

The flag is set by a thread that reads the signal's number from a pipe (`signal.set_wakeup_fd`),
because a Python signal handler does not run while the main thread waits inside a C library, such
as for the answer to a query; a pipe is written all the same.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from zcore.errors import ExitCode, Interrupted
from zcore.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SIGNALS = (signal.SIGINT, signal.SIGTERM)
OTHER_SIGNALS = (signal.SIGHUP, signal.SIGUSR1)  # for commands that want to hear of them
SECONDS_TO_CLEAN_UP = 0.6


class StopFlag:
    """Whether this run has been asked to stop.

    `end` is what ends the process at once; None where signals are handled by somebody else. A
    flag that is `patient` takes a second signal for the first one, said twice, and tells the user
    of neither: another process does, and decides when it is enough.
    """

    def __init__(self) -> None:
        self.end: Callable[[], None] | None = None
        self.patient = False
        self._heard: dict[int, Callable[[], object]] = {}
        self._last_acts: list[Callable[[], object]] = []
        self._graces: list[_Grace] = []
        self._event = threading.Event()
        self._at_once = False
        self._signalled = False
        self._callbacks: list[Callable[[], object]] = []
        self._calling = threading.Lock()

    def is_set(self) -> bool:
        """Has somebody asked this run to stop?"""
        return self._event.is_set()

    @property
    def is_signalled(self) -> bool:
        """Was it a signal that asked, SIGINT or SIGTERM?"""
        return self._signalled

    def check(self) -> None:
        """Raise `Interrupted` when asked to stop. To be called between two units of work."""
        if self._event.is_set():
            raise Interrupted("stopped by a signal")

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until asked to stop. True when asked."""
        return self._event.wait(seconds)

    def set(self) -> list[Exception]:
        """Ask this run to stop, and call what waits for that. Returns what these calls raised."""
        self._event.set()
        if self._graces:
            self._graces[-1].begin()
        errors: list[Exception] = []
        for callback in tuple(self._callbacks):
            with self._calling:
                if callback not in self._callbacks:
                    continue  # what it would have stopped has come to its end
                try:
                    callback()
                except Exception as error:  # noqa: BLE001 # the others must be called all the same
                    errors.append(error)
        return errors

    @contextmanager
    def calling(self, callback: Callable[[], object]) -> Iterator[None]:
        """While inside, being asked to stop also calls `callback`, from another thread.

        For what blocks the main thread and can be stopped from outside, such as
        `connection.cancel` of a database driver. A call that has begun is waited for, though not
        for long: it must not stop what comes next, such as taking the work back.
        """
        self._callbacks.append(callback)
        try:
            yield
        finally:
            waited = self._calling.acquire(timeout=SECONDS_TO_CLEAN_UP)
            self._callbacks.remove(callback)
            if waited:
                self._calling.release()

    @contextmanager
    def hearing(
        self, numbers: Sequence[signal.Signals], callback: Callable[[], object]
    ) -> Iterator[None]:
        """While inside, the signals `numbers` (of `OTHER_SIGNALS`) call `callback`.

        From another thread, at any time. Where somebody else handles signals nothing changes.
        """
        if self.end is None:
            yield
            return
        self._heard.update(dict.fromkeys(numbers, callback))
        old_handlers = [(number, signal.signal(number, _noted)) for number in numbers]
        let_through()
        try:
            yield
        finally:
            for number, handler in old_handlers:
                signal.signal(number, handler)

    @contextmanager
    def at_the_end(self, callback: Callable[[], object]) -> Iterator[None]:
        """While inside, a second signal calls `callback` before it ends the process."""
        self._last_acts.append(callback)
        try:
            yield
        finally:
            self._last_acts.remove(callback)

    @contextmanager
    def within(self, seconds: float, *clean_up: Callable[[], object]) -> Iterator[None]:
        """While inside, the work has so many `seconds` to come to its end after a signal.

        Then `clean_up` is called from other threads, side by side and not for long, and the
        process ends: for work that may wait for what cannot be interrupted, such as a disk that
        does not answer. It must be safe to do while the work still goes on, and to do twice.
        Of several, one inside of the other, the innermost counts.
        """
        grace = _Grace(self, seconds, clean_up)
        self._graces.append(grace)
        try:
            if self.is_set():
                grace.begin()
            yield
        finally:
            grace.finish()
            self._graces.remove(grace)

    def past_stopping(self) -> None:
        """What is done from now on comes to its end. Raises `Interrupted` when asked before."""
        self.check()
        for grace in self._graces:
            grace.finish()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """While inside, the first signal already ends the process: for questions to the user."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def received(self, say: Callable[[str], None]) -> bool:
        """Note a signal and say what happens now. False when the process is to end at once."""
        if self.patient:
            self.set()
            return True
        if self._at_once or self._signalled:
            return False
        self._signalled = True
        say("stopping at the next safe point; once more stops at once")
        for error in self.set():
            say(f"could not interrupt what is running: {describe(error)}")
        return True

    def heard(self, number: int) -> None:
        """Do what the command wants done at this signal."""
        self._heard.get(number, _nothing)()

    def act_last(self) -> None:
        """Do what has to be done before the process ends at once."""
        for callback in tuple(self._last_acts):
            with suppress(Exception):  # the process ends, whatever happens
                callback()


class _Grace:
    """How long work may go on after a signal, and what is done when that was not enough."""

    def __init__(
        self, flag: StopFlag, seconds: float, clean_up: Sequence[Callable[[], object]]
    ) -> None:
        self._flag = flag
        self._clean_up = clean_up
        self._lock = threading.Lock()
        self._finished = False
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def begin(self) -> None:
        """The signal has come."""
        if not self._timer.is_alive():
            with suppress(RuntimeError):  # it was begun before, and is over
                self._timer.start()

    def finish(self) -> None:
        """The work came to its end. Does not return when the process is about to end."""
        with self._lock:
            self._finished = True
        self._timer.cancel()

    def _expire(self) -> None:
        with self._lock:  # whoever wants to finish waits for the end of the process
            if self._finished or self._flag.end is None:
                return
            workers = [threading.Thread(target=each, daemon=True) for each in self._clean_up]
            for worker in workers:
                worker.start()
            give_up = time.monotonic() + SECONDS_TO_CLEAN_UP
            for worker in workers:
                worker.join(max(0.0, give_up - time.monotonic()))
            self._flag.end()


@contextmanager
def watched(
    flag: StopFlag, say: Callable[[str], None], last_words: Callable[[], None]
) -> Iterator[None]:
    """While inside, SIGINT and SIGTERM set `flag`, and a second one ends the process.

    `say` tells the user what happens now; `last_words` runs before the process ends at once.
    Both are called from another thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can handle signals; whoever embeds zops there handles them
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    end = flag.end = _ending(flag, last_words, _terminal_restorer())
    watcher = threading.Thread(target=_watch, args=(reader, flag, say, end), daemon=True)
    watcher.start()
    _reset_in_forked_children()
    old_descriptor = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    old_handlers = [(number, signal.signal(number, _noted)) for number in SIGNALS]
    try:
        yield
    finally:
        flag.end = None
        for number, handler in old_handlers:
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_descriptor)
        os.close(writer)  # the watcher then reads the end of the pipe, and returns
        watcher.join()
        os.close(reader)


def let_through() -> None:
    """Those of `OTHER_SIGNALS` that came before anybody could hear of them come now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OTHER_SIGNALS)


def _noted(number: int, frame: object) -> None:
    """Keeps the default action away; the watcher does the rest."""


def _watch(
    reader: int, flag: StopFlag, say: Callable[[str], None], end: Callable[[], None]
) -> None:
    while numbers := os.read(reader, 1):
        if numbers[0] not in SIGNALS:
            flag.heard(numbers[0])
        elif not flag.received(say):
            end()


def _nothing() -> None:
    """For a signal that nobody waits for."""


def _ending(
    flag: StopFlag, last_words: Callable[[], None], restore: Callable[[], None]
) -> Callable[[], None]:
    def end() -> None:
        try:
            restore()
            flag.act_last()
            last_words()
        finally:
            os._exit(ExitCode.INTERRUPTED)

    return end


@cache
def _reset_in_forked_children() -> None:
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_forget)


_before_fork = threading.local()


def _hold() -> None:
    """Until a forked child has reset them, signals wait: none of its may be taken for ours."""
    _before_fork.mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, *OTHER_SIGNALS))


def _release() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _before_fork.mask)


def _forget() -> None:
    """In a forked child: its signals are its own, and must not be reported to the parent."""
    if signal.getsignal(signal.SIGTERM) is _noted:
        signal.set_wakeup_fd(-1)
        for number in (*SIGNALS, *OTHER_SIGNALS):
            if signal.getsignal(number) is _noted:
                signal.signal(number, signal.SIG_DFL)
    _release()


def _terminal_restorer() -> Callable[[], None]:
    """What puts the terminal back as it is now: echo on, cursor shown."""
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        return lambda: None  # nothing to put back
    import termios

    descriptor = sys.stdin.fileno()
    attributes = termios.tcgetattr(descriptor)

    def restore() -> None:
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h")

    return restore
