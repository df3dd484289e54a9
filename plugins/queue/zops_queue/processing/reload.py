"""Starting anew when code changes: zops's own and that of plugins."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import zcore
from zcore.errors import Refused
from zcore.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from zcore.console import Console
    from zcore.plugins import Plugins


def code_of(plugins: Plugins) -> list[Path]:
    """Where the code is that a run consists of: folders of packages, and single modules."""
    origins = [Path(info.origin) for info in plugins.infos if info.status == "active"]
    return sorted({_whole(path) for path in (Path(zcore.__file__), *origins)})


@contextlib.contextmanager
def reloading(
    places: Iterable[Path], restart: Callable[[], object], console: Console
) -> Iterator[None]:
    """While inside, `restart` is called, from another thread, after a change at `places`.

    Raises `Refused` when the library that watches files is not there.
    """
    require_watchfiles()
    enough = threading.Event()
    paths = list(places)

    def look() -> None:
        try:
            for changed in _changes(paths, enough):
                console.note(f"starting anew: {', '.join(changed)} changed")
                restart()
        except Exception as error:  # noqa: BLE001 # the work goes on without
            console.warn(f"changes of code are no longer seen: {describe(error)}")

    thread = threading.Thread(target=look, name="reload", daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def require_watchfiles() -> None:
    """Raise `Refused` when the library is not installed."""
    try:
        import watchfiles  # noqa: F401 # is it there?
    except ImportError:
        raise Refused(
            "--autoreload needs the package 'watchfiles'",
            hint="pip install 'zops-cli[autoreload]'",
        ) from None


def _changes(places: Iterable[Path], enough: threading.Event) -> Iterator[list[str]]:
    """Names of Python files that changed, each time that some did."""
    from watchfiles import PythonFilter, watch

    while not enough.is_set():
        there = [path for path in places if path.exists()]
        for changes in watch(
            *there, watch_filter=PythonFilter(), stop_event=enough, raise_interrupt=False
        ):
            yield sorted({Path(path).name for _, path in changes})
            break  # an editor may have put a new file in the place of one that was watched


def _whole(path: Path) -> Path:
    """The folder of the top-level package that `path` is in; a module outside of any itself."""
    while (path.parent / "__init__.py").exists():
        path = path.parent
    return path
