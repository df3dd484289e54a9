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


IMPORT_EACH_ALONE = """
import importlib, json, os, sys, traceback
import click, pluggy, psycopg2, pytest, sqlalchemy

def failure(module):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            importlib.import_module(module)
        except BaseException:
            os.write(writing, traceback.format_exc()[-4000:].encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said

failures = {module: failure(module) for module in json.load(sys.stdin)}
print(json.dumps({module: said for module, said in failures.items() if said}))
"""


def modules_of(package: Path) -> list[str]:
    return [
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(package.rglob("*.py"))
        if path.name != "__main__.py"
    ]


def test_each_module_imports_alone_and_without_a_warning() -> None:
    """In whatever order a program imports them. Each in a process of its own; what is not ours
    is imported before, for speed."""
    modules = [name for package in PACKAGES for name in modules_of(package)]
    assert len(modules) > len(PACKAGES)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_EACH_ALONE],
        input=json.dumps(modules), capture_output=True, text=True, check=True, env=dict(os.environ),
    )  # fmt: skip
    failures = json.loads(done.stdout)
    assert failures == {}, "\n".join(failures.values())
