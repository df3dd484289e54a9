"""What the tests of this plugin share: `zops` on a database of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zcore.database import Database
    from zcore.testing.commands import Zops


@pytest.fixture
def zops_here(zops: Zops, database: Database) -> Zops:
    """The installed command, working on `database`."""
    zops.environment["ZOPS_DATABASE"] = database.url.render_as_string(hide_password=False)
    return zops


@pytest.fixture
def zops_on_sqlite(zops: Zops, sqlite_database: Database) -> Zops:
    """The installed command, working on `sqlite_database`: for what no database decides."""
    zops.environment["ZOPS_DATABASE"] = sqlite_database.url.render_as_string()
    return zops
