"""The locked requirements fit pyproject.toml, and say nothing about where they come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS = PROJECT["dependency-groups"]
RUN = [*PROJECT["project"]["dependencies"], *GROUPS["build"]]
DEV = [*RUN, *(entry for entry in GROUPS["dev"] if isinstance(entry, str))]


def locked(name: str) -> dict[str, str]:
    """The version of each distribution in a file of locked requirements."""
    text = (ROOT / "requirements" / name).read_text("utf-8")
    return {
        canonicalize_name(found): version
        for found, version in re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", text)
    }


@pytest.mark.parametrize(("name", "wanted"), [("run.txt", RUN), ("dev.txt", DEV)])
def test_every_dependency_is_locked_at_a_version_that_it_allows(
    name: str, wanted: list[str]
) -> None:
    versions = locked(name)
    unmet = [
        text
        for text in wanted
        if (requirement := Requirement(text))
        and not requirement.specifier.contains(
            versions.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
    ]
    assert not unmet, f"run 'make lock': requirements/{name} does not fit {unmet}"


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_locked_requirements_carry_hashes_and_name_no_place(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text("utf-8")
    assert "://" not in text
    assert "--index" not in text
    entries = [entry for entry in re.split(r"(?m)^(?=[\w])", text) if "==" in entry]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


def test_both_files_agree() -> None:
    run, dev = locked("run.txt"), locked("dev.txt")
    assert run.items() <= dev.items()
