"""Fresh virtual environments with zops in them, as on a user's machine but without an index.

What zops depends on is not installed again: the environment sees the packages of the one that the
tests run in, after its own.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]

# pip must not ask an index, and builds with the hatchling that is there
WITHOUT_INDEX = {
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # pip's own way to say that there is no isolation
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}


def build(target: str, folder: Path) -> Path:
    """Build zops as "wheel" or "sdist" into `folder`, which must be empty."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


def new_environment(folder: Path, wheel: Path) -> Path:
    """Make a virtual environment with zops in `folder`; returns `folder`."""
    venv.create(folder, with_pip=False, symlinks=True)
    add_zops(folder, wheel)
    return folder


def add_zops(environment: Path, wheel: Path) -> None:
    """Put zops, and what it depends on, into an environment that is there."""
    pip_install(environment, "--no-deps", wheel)
    (packages,) = environment.glob("lib/python*/site-packages")
    # After the new environment's own packages, and without what an editable installation adds.
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")


def pip_install(environment: Path, *words: str | Path) -> None:
    """Install into an environment, with the pip of the one that the tests run in."""
    pip = [sys.executable, "-m", "pip", "--isolated", "--python", environment / "bin" / "python"]
    subprocess.run(
        [*pip, "install", "-q", "--no-index", "--no-build-isolation", *words], check=True
    )


def write_package(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the `files` of a package, by their paths, below `folder`; returns `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return folder
