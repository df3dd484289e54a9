"""A package that zops has never seen, installed beside it: everything it brings is there."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.environments import new_environment, pip_install, write_package
from zcore.testing.commands import Zops

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-for-zops"
version = "2.1"
dependencies = ["zops-cli"]

[project.entry-points.zops]
acme = "acme_for_zops.plugin"

[tool.hatch.build.targets.wheel]
packages = ["acme_for_zops"]
""",
    "acme_for_zops/__init__.py": "",
    "acme_for_zops/plugin.py": '''
"""Acme's own commands and rules. Says in a file, where one is named, that it was imported."""

import os

from zcore import Command, Stage, Validator, Worker, hookimpl

zops_api = 1

if "ACME_WITNESS" in os.environ:
    open(os.environ["ACME_WITNESS"], "w").close()


@hookimpl
def zops_commands():
    return [Command("acme-count", "acme_for_zops.cli:count", "Count the users of a realm.")]


@hookimpl
def zops_validators():
    return [
        Validator(
            "acme-address", "user.email", "acme_for_zops.rules:is_ours", help="addresses of ours"
        )
    ]


@hookimpl
def zops_export_stages():
    return [Stage("acme-badge", "acme_for_zops.stages:write_badge", needs=("messages",))]


@hookimpl
def zops_import_stages():
    return [Stage("acme-mark", "acme_for_zops.stages:mark", needs=("finish-rows",))]


@hookimpl
def zops_queue_workers():
    return [Worker("acme_greetings", "acme_for_zops.worker:greet", "Greets.", batch=10)]
''',
    "acme_for_zops/cli.py": '''
import click
import sqlalchemy as sa
from zcore import Result, current
from zcore.organizations.lookup import find_realm
from zcore.schema.users import zerver_userprofile


@click.command()
@click.argument("realm")
def count(realm: str) -> Result:
    """Count the users of REALM."""
    users = zerver_userprofile.c
    with current().database.read() as connection:
        found = find_realm(connection, realm)
        query = sa.select(sa.func.count()).where(users.realm_id == found.realm_id)
        number = connection.execute(query).scalar_one()
    return Result({"users": number}, text=f"{number} users")
''',
    "acme_for_zops/rules.py": """
from zcore import Problem


def is_ours(values, context):
    for index, address in enumerate(values):
        if not address.endswith("@acme.test"):
            message = f"{address} is no address of ours"
            yield Problem("acme-address", message, hint="use one at acme.test", index=index)
""",
    "acme_for_zops/stages.py": """
import sqlalchemy as sa
from zcore.schema.realms import zerver_realm


def write_badge(job):
    with job.open("acme/badge.json") as file:
        file.write(b'{"realm": "%s"}' % job.realm.string_id.encode())
    return {"files": 1}


def mark(job):
    change = sa.update(zerver_realm).where(zerver_realm.c.id == job.realm_id)
    job.writer.connection.execute(change.values(name="Acme, imported"))
    return {"rows": 1}
""",
    "acme_for_zops/worker.py": """
from zcore.broker import Rejected


def greet(events, context):
    for event in events:
        if "name" in event.payload:
            context.publish("noop", {"hello": event.payload["name"]})
    return [Rejected(event, "it has no name") for event in events if "name" not in event.payload]
""",
}

TESTS = {
    "tests/conftest.py": 'pytest_plugins = ["zcore.testing"]\n',
    "tests/test_acme.py": """
from acme_for_zops import plugin
from zcore.testing import export_of, plugins_of, problems_of, work


def test_the_command(zops, zops_in_process, sqlite_realm):
    counted = zops_in_process("acme-count", sqlite_realm.string_id, "--json")
    assert counted.json()["users"] == len(sqlite_realm.users)
    assert zops("acme-count", sqlite_realm.string_id).stdout == "6 users\\n"


def test_the_rule():
    acme = plugins_of({"acme": plugin})
    (problem,) = problems_of("user.email", ["ann@acme.test", "eve@else.test"], plugins=acme)
    assert (problem.code, problem.index) == ("acme-address", 1)


def test_the_stages(zops_in_process, sqlite_realm):
    exported = export_of(zops_in_process, sqlite_realm)
    assert exported.json("acme/badge.json") == {"realm": "acme"}
    assert exported.stage("acme-badge")["files"] == 1
    zops_in_process("import", "copy", exported.folder)
    assert zops_in_process("realm", "show", "copy", "--json").json()["name"] == "Acme, imported"


def test_the_worker(zops_in_process, stub_broker):
    (worker,) = plugin.zops_queue_workers()
    done = work(worker, [{"name": "Ann"}, {"nobody": 1}])
    assert done.published == (("noop", {"hello": "Ann"}),)
    assert done.reasons == ["it has no name"]
    zops_in_process("queue", "publish", "acme_greetings", stdin='{"name": "Ann"}')
    zops_in_process("process-queue", "acme_greetings", "--drain")
    assert stub_broker.stub.payloads("noop") == [{"hello": "Ann"}]


def test_a_plugin_of_the_test(zops_in_process, temporary_plugin):
    temporary_plugin("other", "raise ValueError('no luck')")
    assert "no luck" in zops_in_process("realm", "list").stderr
""",
}

OFF = ("--disable-plugin", "acme")
REALM = ("create-realm", "Acme", "ann@acme.test", "Ann", "--string-id=acme", "--no-password")
OUTSIDER = ("create-user", "eve@else.test", "Eve", "--realm=acme", "--no-password")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the package."""
    return write_package(tmp_path_factory.mktemp("package"), FILES | TESTS)


@pytest.fixture(scope="module")
def environment(wheel: Path, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with zops, and the package beside it."""
    made = new_environment(tmp_path_factory.mktemp("environment"), wheel)
    pip_install(made, package)
    return made


@pytest.fixture
def zops(environment: Path, tmp_path: Path) -> Zops:
    """The `zops` beside the package, on its default SQLite file with an organization in it."""
    runner = Zops(tmp_path, program=environment / "bin" / "zops")
    runner(*REALM)
    return runner


def test_it_is_listed_with_its_command(zops: Zops, environment: Path) -> None:
    listed = zops("plugins", "list", "--json").json()["plugins"]
    (acme,) = (plugin for plugin in listed if plugin["name"] == "acme")
    assert (acme["version"], acme["distribution"]) == ("2.1", "acme-for-zops")
    assert (acme["status"], acme["error"], acme["commands"]) == ("active", "", ["acme-count"])
    (packages,) = environment.glob("lib/python*/site-packages")
    assert acme["origin"] == str(packages / "acme_for_zops" / "plugin.py")
    assert set(acme["hooks"]) == {
        "zops_commands",
        "zops_validators",
        "zops_export_stages",
        "zops_import_stages",
        "zops_queue_workers",
    }
    assert "Count the users of a realm." in zops("--help").stdout


def test_its_command_and_its_rule_work(zops: Zops) -> None:
    refused = zops("--json", *OUTSIDER, check=False).assert_refused("acme-address")
    assert refused.json()["error"]["message"] == "eve@else.test is no address of ours"
    assert zops("acme-count", "acme", "--json").json() == {"ok": True, "users": 1}
    zops("create-user", "bob@acme.test", "Bob", "--realm=acme", "--no-password")
    assert zops("acme-count", "acme").stdout == "2 users\n"


def test_its_stages_take_part_in_exports_and_imports(zops: Zops, tmp_path: Path) -> None:
    done = zops("--json", "export", "--realm=acme", "--output=out").json()
    assert "acme-badge" in [stage["name"] for stage in done["stages"]]
    assert json.loads((tmp_path / "out/acme/badge.json").read_bytes()) == {"realm": "acme"}
    assert zops("--json", "verify", "out").json()["problems"] == []
    zops("import", "copy", "out")
    assert zops("--json", "realm", "show", "copy").json()["name"] == "Acme, imported"


def test_its_worker_handles_events(zops: Zops) -> None:
    zops("queue", "publish", "acme_greetings", stdin='{"name": "Ann"}\n{"nobody": 1}\n')
    done = zops("--json", "process-queue", "acme_greetings", "--drain", exit_code=5).json()
    assert (done["processed"], done["dead"]) == (1, 1)
    (letter,) = zops("--json", "queue", "dead", "acme_greetings").json()["dead_letters"]
    assert letter["error"] == "it has no name"
    (sent,) = zops("--json", "queue", "peek", "noop").json()["events"]
    assert sent["event"] == {"hello": "Ann"}


def test_switched_off_nothing_of_it_is_there(zops: Zops, tmp_path: Path) -> None:
    listed = zops(*OFF, "plugins", "list", "--json").json()["plugins"]
    (acme,) = (plugin for plugin in listed if plugin["name"] == "acme")
    assert (acme["status"], acme["hooks"], acme["commands"]) == ("disabled", [], [])
    assert "acme-count" not in zops(*OFF, "--help").stdout
    zops(*OFF, "acme-count", "acme", exit_code=2)
    zops(*OFF, *OUTSIDER)
    zops(*OFF, "export", "--realm=acme", "--output=out")
    assert not (tmp_path / "out/acme").exists()
    zops(*OFF, "import", "copy", "out")
    assert zops("--json", "realm", "show", "copy").json()["name"] == "Acme"
    zops(*OFF, "process-queue", "acme_greetings", "--drain", exit_code=2)


@pytest.mark.parametrize(
    "words", [["--help"], ["realm", "list"], ["plugins", "list"]], ids=" ".join
)
def test_switched_off_it_is_not_even_imported(words: list[str], zops: Zops, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    zops.environment["ACME_WITNESS"] = str(witness)
    zops(*OFF, *words)
    zops(*words, env={"ZOPS_DISABLE_PLUGINS": "acme"})
    assert not witness.exists()
    zops(*words)
    assert witness.exists()


def test_its_own_tests_pass_with_our_kit(environment: Path, package: Path) -> None:
    pytest_ = [
        environment / "bin" / "python",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
    ]
    done = subprocess.run(pytest_, cwd=package, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
