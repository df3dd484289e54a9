"""What all tests share."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.environments import build, new_environment
from zcore.testing.processes import disk_in_memory

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.sentry_server import SentryServer
    from tests.smtp_server import MailServer, Serve

pytest_plugins = ["zcore.testing"]

# Long tests first, then the many short ones: nobody waits for one long file at the end.
FOLDERS = ("packaging", "acceptance", "zops_queue", "docs", "zops_export", "zops_realm")
TESTS = Path(__file__).parent


def pytest_configure() -> None:
    """Have the tests' folders in memory, where that has room: a disk takes a fifth of the time."""
    if memory := disk_in_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Have garbage looked for less often, and not among the tests: it took a tenth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by folder: `FOLDERS`, then all others."""
    places = {name: place for place, name in enumerate(FOLDERS)}
    items.sort(key=lambda item: places.get(item.path.relative_to(TESTS).parts[0], len(places)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """How many processes `-n auto` starts: one more than we have cores, as many tests wait."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:  # it says so
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cores or 1) + 1


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of zops as it is now."""
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with that wheel, and nothing else of ours; not to be changed."""
    return new_environment(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture
def serve_mail() -> Iterator[Serve]:
    """Starts mail servers; each is stopped after the test."""
    from tests.smtp_server import MailServer

    servers: list[MailServer] = []

    def start(**wanted: object) -> MailServer:
        servers.append(MailServer(**wanted))  # type: ignore[arg-type]  # the tests know them
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def sentry() -> Iterator[SentryServer]:
    """A Sentry that takes everything."""
    from tests.sentry_server import SentryServer

    server = SentryServer()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def mail_server(serve_mail: Serve) -> MailServer:
    """A mail server that takes everything, unless it is told otherwise."""
    return serve_mail()
