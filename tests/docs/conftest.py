"""What the tests of the docs share."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from zcore.testing.commands import Zops

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def home_with_acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the organization acme of one person, olga@acme.example."""
    runner = Zops(tmp_path_factory.mktemp("acme"))
    owner = ["olga@acme.example", "Olga Owner"]
    runner("create-realm", "Acme", *owner, "--string-id", "acme", "--no-password")
    return runner.home


@pytest.fixture
def acme(zops: Zops, home_with_acme: Path) -> Zops:
    """`zops` with that organization."""
    shutil.copytree(home_with_acme, zops.home)
    return zops
