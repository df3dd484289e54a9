"""What the tests of the core share: throw-away plugins under shorter names, and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zcore.testing.commands import Completed
    from zcore.testing.plugins import TemporaryPlugins as InstalledPlugins


@pytest.fixture
def plugins(temporary_plugins: InstalledPlugins) -> InstalledPlugins:
    """Installs throw-away plugins for the command `zops` of this test."""
    return temporary_plugins


def warnings(completed: Completed) -> list[str]:
    """The warnings of a run, one line each."""
    return [line for line in completed.stderr.splitlines() if line.startswith("zops: warning: ")]


@pytest.fixture(name="warnings")
def warnings_function() -> object:
    """The function `warnings`."""
    return warnings
