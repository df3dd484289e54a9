"""What all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.environments import build, new_environment

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["zcore.testing"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of zops as it is now."""
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with that wheel, and nothing else of ours; not to be changed."""
    return new_environment(tmp_path_factory.mktemp("installed"), wheel)
