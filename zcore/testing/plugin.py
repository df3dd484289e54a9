"""The pytest plugin itself: markers, what is installed before the tests, the report.

Loaded by `pytest_plugins = ["zcore.testing"]`, and the fixtures with it.
"""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import version
from typing import Any

import pytest

from zcore.testing.services import SERVICES, Services

pytest_plugins = ["zcore.testing.service_fixtures", "zcore.testing.fixtures"]

MARKERS = {
    "postgres": "needs a PostgreSQL server (a private one is started, or ZOPS_TEST_POSTGRES)",
    "rabbitmq": "needs a RabbitMQ server (a private one is started, or ZOPS_TEST_RABBITMQ)",
    "s3": "needs an S3 server (a private one is started, or ZOPS_TEST_S3)",
    "memcached": "needs a memcached (a private one is started, or ZOPS_TEST_MEMCACHED)",
    "dumps": "needs the server dumps in the folder that ZOPS_TEST_DUMPS names",
}

MARKER_OF_FIXTURE = {
    "postgres_server": "postgres",
    "rabbitmq_server": "rabbitmq",
    "s3_server": "s3",
    "memcached": "memcached",
    "dumps": "dumps",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and keep the program's own variables out of the tests."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    config.stash[SERVICES] = Services(in_ci=bool(os.environ.get("CI")))
    for name in list(os.environ):
        if name.startswith("ZOPS_") and not name.startswith("ZOPS_TEST_"):
            del os.environ[name]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the services that its fixtures need, before `-m` chooses among them."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARKER_OF_FIXTURE:
                item.add_marker(MARKER_OF_FIXTURE[fixture])


def pytest_report_header() -> str:
    """The versions that matter, of what is there before the first test."""
    parts = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    parts += [f"{name} {version(name)}" for name in ("SQLAlchemy", "psycopg2-binary", "pika")]
    return "zops tests with: " + ", ".join(parts)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist: hand what is to be reported to the process that reports."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        services = session.config.stash[SERVICES]
        output["zops"] = {"versions": services.versions, "left_out": services.left_out}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist is done: take over what it had to report."""
    services = node.config.stash[SERVICES]
    reported = getattr(node, "workeroutput", {}).get("zops")
    if reported is not None:  # None: it crashed
        new = [one for one in reported["versions"] if one not in services.versions]
        services.versions += new
        services.left_out |= reported["left_out"]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The versions of the services that were started, and, loudly, what was left out."""
    services = config.stash[SERVICES]
    if services.versions:
        terminalreporter.write_line("services: " + ", ".join(services.versions))
    if services.left_out:
        terminalreporter.write_sep("!", "NOT EVERYTHING WAS TESTED", red=True, bold=True)
        for name, reason in services.left_out.items():
            terminalreporter.write_line(f"tests that need {name} were skipped: {reason}", red=True)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install what is missing now: a test's time limit is too short for that."""
    if session.config.option.collectonly:
        return
    wanted = {marker.name for item in session.items for marker in item.iter_markers()}
    session.config.stash[SERVICES].install_missing(wanted)
