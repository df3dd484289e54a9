"""What users install: the wheel holds what it should, and works away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.environments import ROOT, build
from zcore.testing.commands import Zops

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = [
    ROOT / path for path in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
]


def wheel_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def source_files(package: Path) -> set[str]:
    return {
        str(path.relative_to(package.parent))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel: Path) -> None:
    files = wheel_files(wheel)
    tops = {name.split("/")[0] for name in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "zcore", "zops_realm", "zops_export", "zops_queue"
    }  # fmt: skip
    assert not [name for name in files if "test_" in name or "conftest" in name]


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    expected = set().union(*(source_files(package) for package in PACKAGES))
    assert expected - wheel_files(wheel) == set()
    assert "zcore/py.typed" in expected


def test_the_source_distribution_can_be_tested_and_built(tmp_path: Path) -> None:
    archive = build("sdist", tmp_path)
    with tarfile.open(archive) as tar:
        names = {name.split("/", 1)[1] for name in tar.getnames()}
    needed = {"Makefile", "tools/venv", "requirements/dev.txt", "tests/conftest.py"}
    assert needed <= names
    assert not [name for name in names if name.startswith((".venv", "uv.lock"))]


@pytest.fixture
def installed_zops(installed: Path, tmp_path: Path) -> Zops:
    return Zops(tmp_path, program=installed / "bin" / "zops")


def test_the_code_that_runs_is_the_installed_one(installed: Path, tmp_path: Path) -> None:
    code = "import zcore, zops_realm.plugin as plugin; print(zcore.__file__, plugin.__file__)"
    done = subprocess.run(
        [installed / "bin" / "python", "-P", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert all(path.startswith(str(installed)) for path in done.stdout.split())


def test_it_says_its_version(installed_zops: Zops, wheel: Path) -> None:
    version = wheel.name.split("-")[1]
    assert version in installed_zops("--version").stdout


def test_it_shows_its_commands(installed_zops: Zops) -> None:
    text = installed_zops("--help").stdout
    for command in ("create-realm", "create-user", "export", "import", "process-queue"):
        assert command in text


def test_its_own_plugins_are_active(installed_zops: Zops) -> None:
    listed = installed_zops("--json", "plugins", "list").json()["plugins"]
    assert {(plugin["name"], plugin["status"]) for plugin in listed} == {
        ("export", "active"), ("queue", "active"), ("realm", "active")
    }  # fmt: skip
    assert {plugin["distribution"] for plugin in listed} == {PROJECT["project"]["name"]}


IMPORT_ALL = """
import builtins, importlib, json, sys, traceback
from importlib.util import resolve_name

modules = json.load(sys.stdin)
ours, plain_import, failures = set(modules), builtins.__import__, []

def watched_import(name, scope=None, local=None, parts=(), level=0):
    importer = (scope or {}).get("__name__")
    module = resolve_name("." * level + name, scope["__package__"]) if level else name
    for wanted in (module, *(f"{module}.{part}" for part in parts or ())):
        if wanted in ours and wanted != importer and is_half_done(wanted):
            failures.append(f"{importer} imports {wanted}, which imports it")
    return plain_import(name, scope, local, parts, level)

def is_half_done(name):
    return name in sys.modules and sys.modules[name].__spec__._initializing

builtins.__import__ = watched_import
for module in modules:
    try:
        importlib.import_module(module)
    except BaseException:
        failures.append(traceback.format_exc()[-4000:])
print(json.dumps(failures))
"""


def modules_of(package: Path) -> list[str]:
    return [
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(package.rglob("*.py"))
        if path.name != "__main__.py"
    ]


@pytest.mark.parametrize("backwards", [False, True])
def test_modules_import_in_any_order_and_without_a_warning(backwards: bool) -> None:
    """None imports one that is imported because of it: so the order does not matter."""
    modules = [name for package in PACKAGES for name in modules_of(package)]
    assert len(modules) > len(PACKAGES)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL],
        input=json.dumps(sorted(modules, reverse=backwards)),
        capture_output=True, text=True, check=True, env=dict(os.environ),
    )  # fmt: skip
    failures = json.loads(done.stdout)
    assert failures == [], "\n".join(failures)
