"""Ways for a plugin to be broken, all in one package that is really installed: each contained."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.environments import new_environment, pip_install, write_package
from zcore.testing.commands import Zops

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.testing.commands import Completed

HOOK = "from zcore import Command, hookimpl\n\n@hookimpl\ndef zops_commands():\n"


class Broken(NamedTuple):
    """What the module of a plugin holds, and what is said of it."""

    source: str
    said: str
    status: str = "broken"
    trace: str = ""  # is in the traceback


def _claims(command: str) -> str:
    return f"{HOOK}    return [Command({command!r}, 'zops_broken.nothing:command', 'Mine.')]\n"


BROKEN = {
    "no-attribute": Broken("", "not_there", trace="AttributeError"),
    "no-module": Broken("", "'zops_broken.not_there' is not installed", trace="ModuleNotFound"),
    "raises": Broken("raise ValueError('no luck')", "ValueError: no luck", trace="no luck"),
    "exits": Broken("import sys; sys.exit(3)", "SystemExit: 3", trace="SystemExit: 3"),
    "is-abandoned": Broken("raise GeneratorExit", "GeneratorExit", trace="GeneratorExit"),
    "is-no-python": Broken("def", "SyntaxError", trace="SyntaxError"),
    "lacks-something": Broken(
        "import acme_not_there", "'acme_not_there' is not installed", trace="acme_not_there"
    ),
    "hook-raises": Broken(
        f"{HOOK}    1 / 0", "zops_commands: ZeroDivisionError", trace="division by zero"
    ),
    "hook-exits": Broken(f"{HOOK}    raise SystemExit(2)", "SystemExit: 2", trace="SystemExit"),
    "hook-returns-a-number": Broken(
        f"{HOOK}    return 3", "returned a int, not a list of Command", trace="TypeError"
    ),
    "hook-wants-more": Broken(
        "from zcore import hookimpl\n@hookimpl\ndef zops_commands(group): return []",
        "group",
        trace="PluginValidationError",
    ),
    "is-too-new": Broken("zops_api = 99", "it needs version 99", status="incompatible"),
    "is-misspelt": Broken(
        "from zcore import hookimpl\n@hookimpl\ndef zops_comands(): return []",
        "it implements zops_comands, which is not a hook of zops",
        status="active",
    ),
    "takes-a-core-name": Broken(
        _claims("plugins"), "'plugins' is left out: zops itself", status="active"
    ),
    "takes-a-taken-name": Broken(
        _claims("create-realm"), "'create-realm' is left out: plugin 'realm'", status="active"
    ),
}

# broken where only those who use it notice
BROKEN_LATER = {
    "bad-target": _claims("mine"),
    "bad-validator": """
from zcore import Validator, hookimpl

@hookimpl
def zops_validators():
    return [Validator("no-rule", "user.email", "zops_broken.bad_validator:rule")]

def rule(values, context):
    raise LookupError("the rules are lost")
""",
    "bad-stage": """
from zcore import Stage, hookimpl

@hookimpl
def zops_export_stages():
    return [Stage("acme-report", "zops_broken.bad_stage:report", needs=("messages",))]

def report(job):
    with job.open("report.txt") as file:
        file.write(b"half of")
    raise LookupError("the report is lost")
""",
    "hangs": "import os, time\nif 'HANG' in os.environ: time.sleep(60)\n",
}

VALUES = {
    "no-attribute": "zops_broken:not_there",
    "no-module": "zops_broken.not_there",
}

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "zops-broken"
version = "1.0"

[project.entry-points.zops]
"""


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """zops, and beside it a package with all of these plugins."""
    sources = {name: broken.source for name, broken in BROKEN.items()} | BROKEN_LATER
    modules = {name: f"zops_broken/{name.replace('-', '_')}.py" for name in sources}
    values = {name: f"zops_broken.{name.replace('-', '_')}" for name in sources} | VALUES
    lines = "".join(f'{name} = "{value}"\n' for name, value in values.items())
    files = {path: sources[name] for name, path in modules.items() if name not in VALUES}
    files |= {"pyproject.toml": PYPROJECT + lines, "zops_broken/__init__.py": ""}
    made = new_environment(tmp_path_factory.mktemp("environment"), wheel)
    pip_install(made, write_package(tmp_path_factory.mktemp("package"), files))
    return made


@pytest.fixture
def zops(environment: Path, tmp_path: Path) -> Zops:
    """The `zops` that has all of them."""
    return Zops(tmp_path, program=environment / "bin" / "zops")


def warned_of(done: Completed) -> list[tuple[str, str]]:
    """The warnings of a run: the plugin that each names first, and what it says."""
    pattern = r"zops: warning: plugin '([^']*)' \(zops-broken 1\.0\): (.*)"
    lines = [line for line in done.stderr.splitlines() if "warning" in line]
    matches = [re.fullmatch(pattern, line) for line in lines]
    assert all(matches), done
    return [(match[1], match[2]) for match in matches if match]


def test_each_is_one_warning_that_names_it_and_says_why(zops: Zops) -> None:
    warnings = warned_of(zops("realm", "list"))
    assert Counter(name for name, _ in warnings) == Counter(list(BROKEN))
    assert {name: text for name, text in warnings if BROKEN[name].said not in text} == {}


def test_the_list_has_each_with_its_status_and_error(zops: Zops) -> None:
    listed = zops("plugins", "list", "--json").json()["plugins"]
    plugins = {plugin["name"]: plugin for plugin in listed}
    assert set(plugins) == {*BROKEN, *BROKEN_LATER, "realm", "export", "queue"}
    statuses = {name: plugins[name]["status"] for name in BROKEN}
    assert statuses == {name: broken.status for name, broken in BROKEN.items()}
    for name, broken in BROKEN.items():
        assert broken.said in plugins[name]["error"]
        assert plugins[name]["commands"] == []
        assert (plugins[name]["distribution"], plugins[name]["version"]) == ("zops-broken", "1.0")
    for name in plugins.keys() - BROKEN.keys():
        assert (plugins[name]["status"], plugins[name]["error"]) == ("active", "")


@pytest.mark.parametrize("name", [name for name, broken in BROKEN.items() if broken.trace])
def test_show_has_the_traceback(name: str, zops: Zops) -> None:
    shown = zops("plugins", "show", name, "--json").json()
    assert shown["traceback"].startswith("Traceback (most recent call last)")
    assert BROKEN[name].trace in shown["traceback"]


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["--help"], 0),
        (["settings"], 0),
        (["realm", "list"], 0),
        (["create-realms"], 2),
        (["realm", "show", "nowhere"], 3),
        (["process-queue", "noop"], 4),
        (["mine"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_others_work_and_end_as_ever(arguments: list[str], exit_code: int, zops: Zops) -> None:
    """The last one is the command of a plugin whose target cannot be imported."""
    zops.environment["ZOPS_BROKER"] = "amqp://nobody:nothing@127.0.0.1:1/"
    done = zops(*arguments, exit_code=exit_code)
    assert len(warned_of(done)) == len(BROKEN)
    errors = [line for line in done.stderr.splitlines() if line.startswith("zops: error: ")]
    assert len(errors) == (exit_code != 0)
    if arguments == ["mine"]:
        assert errors[0].startswith("zops: error: plugin 'bad-target' (zops-broken 1.0): ")


@pytest.fixture
def zops_with_realm(zops: Zops) -> Zops:
    """The same, with an organization; the broken rule was off while it was made."""
    words = ("create-realm", "Acme", "ann@acme.test", "Ann", "--string-id=acme", "--no-password")
    zops("--disable-plugin", "bad-validator", *words)
    return zops


EXPORT = ("export", "--realm=acme", "--output=exports/acme")
USER = ("create-user", "bob@acme.test", "Bob", "--realm=acme", "--no-password")


def test_a_rule_that_raises_refuses_and_nothing_is_written(zops_with_realm: Zops) -> None:
    refused = zops_with_realm("--json", *USER, check=False).assert_refused("validator-failed")
    (problem,) = refused.json()["error"]["problems"]
    for words in ("'no-rule'", "plugin 'bad-validator' (zops-broken 1.0)", "the rules are lost"):
        assert words in problem["message"]
    users = zops_with_realm("--json", "user", "list", "--realm=acme").json()["users"]
    assert [user["email"] for user in users] == ["ann@acme.test"]
    zops_with_realm("--disable-plugin", "bad-validator", *USER)


def test_a_stage_that_raises_fails_the_export_and_leaves_nothing(
    zops_with_realm: Zops, tmp_path: Path
) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    failed = zops_with_realm("--json", *EXPORT, exit_code=1)
    message = failed.json()["error"]["message"]
    for words in ("'acme-report'", "plugin 'bad-stage' (zops-broken 1.0)", "the report is lost"):
        assert words in message
    assert list(exports.iterdir()) == []
    zops_with_realm("--disable-plugin", "bad-stage", *EXPORT)
    assert [path.name for path in exports.iterdir()] == ["acme"]
    assert not (exports / "acme" / "report.txt").exists()


def test_one_that_hangs_is_named_and_can_be_switched_off(zops: Zops) -> None:
    hanging = {**zops.environment, "HANG": "yes"}
    process = subprocess.Popen(
        [zops.program, "--help"], env=hanging, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    said = b""
    deadline = time.monotonic() + 30
    while b"hangs" not in said:
        assert time.monotonic() < deadline
        assert process.stderr is not None
        said += os.read(process.stderr.fileno(), 1000)
    process.kill()
    process.communicate()
    assert "plugin 'hangs' is still being imported; --disable-plugin hangs" in said.decode()
    zops("--disable-plugin", "hangs", "realm", "list", env={"HANG": "yes"})
