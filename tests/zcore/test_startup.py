"""Starting is cheap: nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = {
    "PIL",
    "boto3",
    "botocore",
    "jinja2",
    "msgspec",
    "orjson",
    "pika",
    "platformdirs",
    "psycopg2",
    "rich",
    "sentry_sdk",
    "sqlalchemy",
}
# of the standard library, what only some commands need
NOT_AT_FIRST = {
    "asyncio",
    "configparser",
    "difflib",
    "email",
    "importlib.metadata",
    "json",
    "logging",
    "smtplib",
    "tomllib",
    "zipfile",
}

PROBE = """
import sys
from zcore.cli import main
code = main(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


def imported(*arguments: str, **variables: str) -> set[str]:
    """The modules that `zops` with these arguments and variables has imported in the end."""
    environment = {name: value for name, value in os.environ.items() if name != "ZOPS_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        env=environment | {"ZOPS_HOME": "/nowhere"} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


COMMANDS = [
    "--help",
    "--version",
    "plugins list",
    "plugins --help",
    "settings",
    "doctor --help",
    "db --help",
    "db init --help",
    "create-realm --help",
    "create-user --help",
    "export --help",
    "import --help",
    "process-queue --help",
    "queue --help",
]


@pytest.mark.parametrize("arguments", COMMANDS)
def test_nothing_heavy_is_imported(arguments: str) -> None:
    assert not imported(*arguments.split()) & HEAVY


def test_help_imports_no_command() -> None:
    modules = imported("--help")
    assert not {name for name in modules if name.endswith(".cli")} - {"zcore.cli"}
    assert not modules & NOT_AT_FIRST


@pytest.mark.parametrize(
    ("arguments", "own"),
    [("export --help", "zops_export.cli"), ("queue list --help", "zops_queue.cli")],
)
def test_help_of_a_command_imports_that_command(arguments: str, own: str) -> None:
    modules = imported(*arguments.split())
    assert {name for name in modules if name.endswith(".cli")} == {"zcore.cli", own}
    assert not modules & NOT_AT_FIRST


def test_the_list_of_plugins_reads_metadata_without_importlib() -> None:
    assert not imported("plugins", "list") & {"importlib.metadata", "email"}


def test_the_version_is_answered_before_anything_is_imported() -> None:
    modules = imported("--version")
    assert not modules & {"click", "importlib.metadata", "zcore.plugins", "zcore.settings"}
