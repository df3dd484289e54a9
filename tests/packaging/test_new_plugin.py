"""`zops plugins new`: what it writes needs no edit, whatever the plugin is called."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.environments import new_environment, pip_install
from zcore.builtin.plugin_scaffold import LONGEST_NAME, Names, rendered
from zcore.testing.commands import Zops

TOOLS = Path(sysconfig.get_path("scripts"))
NAMES = ["x", "acme", "my_tool", "zops-a1-b2", "a" * LONGEST_NAME, "ab-" * 13 + "z"]


@pytest.fixture
def environment(wheel: Path, tmp_path: Path) -> Path:
    """A new virtual environment with zops in it; the dependencies are those of this one."""
    return new_environment(tmp_path / "venv", wheel)


def run(folder: Path, *command: str | Path) -> str:
    """What a tool prints when all is well; what it says else."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_new_to_green(environment: Path, tmp_path: Path) -> None:
    """Written, installed, tested, linted, type-checked and looked at by zops."""
    zops = Zops(tmp_path, program=environment / "bin" / "zops")
    package = tmp_path / "zops-night-watch"
    written = zops("plugins", "new", "night-watch", "--json").json()
    assert Path(written["path"]) == package
    assert set(written["files"]) == {
        str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()
    }
    pip_install(environment, "--no-deps", "-e", package)
    python = environment / "bin" / "python"
    assert " passed" in run(package, python, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    run(package, TOOLS / "ruff", "check", "--no-cache")
    run(package, TOOLS / "ruff", "format", "--check", "--no-cache")
    assert run(package, python, "-m", "mypy", "--strict").startswith("Success")
    assert zops("plugins", "check", "night-watch").stderr == ""
    listed = zops("plugins", "list", "--json").json()["plugins"]
    (plugin,) = (one for one in listed if one["name"] == written["name"])
    assert plugin["status"] == "active"
    assert plugin["commands"] == ["night-watch"]
    assert plugin["origin"].startswith(str(package))
    assert len(plugin["hooks"]) == 4
    wheel = [python, "-m", "hatchling", "build", "-t", "wheel"]
    run(package, *wheel)
    assert len(list((package / "dist").iterdir())) == 1


def test_lines_fit_whatever_the_name_is(tmp_path: Path) -> None:
    for name in NAMES:
        for place, content in rendered(Names.of(name)).items():
            file = tmp_path / name / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    run(tmp_path, TOOLS / "ruff", "check", "--no-cache")
    run(tmp_path, TOOLS / "ruff", "format", "--check", "--no-cache")


@pytest.mark.parametrize(
    ("name", "plugin", "module"),
    [
        ("acme", "acme", "zops_acme"),
        ("my_tool", "my-tool", "zops_my_tool"),
        ("zops-my-tool", "my-tool", "zops_my_tool"),
        ("zops_a1-b2", "a1-b2", "zops_a1_b2"),
    ],
)
def test_names(name: str, plugin: str, module: str) -> None:
    names = Names.of(name)
    assert (names.plugin, names.module) == (plugin, module)
    assert names.distribution == f"zops-{plugin}"


@pytest.mark.parametrize(
    ("name", "exit_code", "words"),
    [
        ("Acme", 2, "cannot be called"),
        ("1st", 2, "cannot be called"),
        ("a--b", 2, "cannot be called"),
        ("../acme", 2, "cannot be called"),
        ("zops-", 2, "cannot be called"),
        ("a" * (LONGEST_NAME + 1), 2, "cannot be called"),
        ("realm", 3, "of a plugin that is installed"),
        ("create-user", 3, "of a command of plugin 'realm'"),
        ("doctor", 3, "of a command of zops"),
        ("zops-cli", 3, "kept for zops itself"),
    ],
)
def test_names_that_cannot_be(name: str, exit_code: int, words: str, zops: Zops) -> None:
    done = zops("plugins", "new", name, "--path", "new", exit_code=exit_code)
    assert words in done.stderr
    assert not (zops.folder / "new").exists()


def test_what_is_there_stays(zops: Zops) -> None:
    (zops.folder / "zops-acme").mkdir()
    done = zops("plugins", "new", "acme", "--json", exit_code=3)
    assert done.codes() == {"folder-exists"}
    (zops.folder / "link").symlink_to("nowhere")
    zops("plugins", "new", "acme", "--path", "link", exit_code=3)
    assert list((zops.folder / "zops-acme").iterdir()) == []


def test_where_it_cannot_be_written(zops: Zops) -> None:
    before = sorted(os.listdir(zops.folder))
    for path, reason in (
        ("none/new", "No such file or directory"),
        ("x" * 300, "File name too long"),
    ):
        done = zops("plugins", "new", "acme", "--path", path, exit_code=1)
        assert done.stderr == f"zops: error: cannot write {path}: {reason}\n"
    assert sorted(os.listdir(zops.folder)) == before


def test_it_says_what_to_do_next(zops: Zops) -> None:
    zops.environment["PYTHONPATH"] = str(zops.folder / "my plugins" / "a" / "src")
    usual = zops.folder / "my plugins"
    usual.mkdir()
    text = zops("plugins", "new", "acme", "--path", "my plugins/a").stdout
    assert "  cd 'my plugins/a'\n" in text
    assert "zops plugins check acme" in text
    folders = {path.stat().st_mode for path in usual.rglob("*") if path.is_dir()}
    assert folders == {usual.stat().st_mode}  # not private, as what lies aside is
    again = zops("plugins", "new", "acme", exit_code=3)  # it can be imported from here
    assert "belongs to the module zops_acme" in again.stderr
