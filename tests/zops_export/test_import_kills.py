"""An import that was killed, wherever that was: all of it is there or nothing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.zops_export.import_kills import ImportCampaign
from zcore.testing.in_process import ZopsInProcess

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing import Zops

# Before and after what a server does of its own: it ends the transaction, and gives up the lock.
POINTS_OF_A_SERVER = ("stage-done:message-rows", "import-before-commit", "import-committed")


@pytest.fixture
def campaign(zops: Zops, database: Database, light: Path, tmp_path: Path) -> ImportCampaign:
    uploads = tmp_path / "uploads"
    zops.on(database).environment |= {"ZOPS_UPLOADS": str(uploads), "ZOPS_AVATAR_SALT": "a-salt"}
    here = ZopsInProcess(tmp_path, zops.environment)
    return ImportCampaign(zops, here, database, uploads, light)


def test_at_every_crash_point(campaign: ImportCampaign, database: Database) -> None:
    """By turns it is finished and taken back, which is killed once, too.

    On PostgreSQL at those where it could make a difference.
    """
    points = campaign.points if database.dialect == "sqlite" else POINTS_OF_A_SERVER
    for number, point in enumerate(points):
        campaign.kill_at(point)
        campaign.see_to_it(resume=number % 2 == 0)
    campaign.kill_at("stage-done:files")
    campaign.kill_at("import-files-deleted", "import", "acme", "--abandon")
    campaign.kill_at("import-before-commit", "import", "acme", "--resume")
    campaign.see_to_it(resume=True)


@pytest.mark.parametrize(
    ("database", "seeds"),
    [
        ("sqlite", [1]),
        pytest.param("postgresql", [2, 3], marks=pytest.mark.postgres),
    ],
    indirect=["database"],
)
def test_at_any_moment(seeds: list[int], campaign: ImportCampaign) -> None:
    """Twice in a row: what was gone on with is killed, too."""
    for seed in seeds:
        moments = random.Random(seed)  # noqa: S311  # no secret
        if campaign.kill_after(moments.uniform(0, campaign.seconds)):
            campaign.require_all_or_nothing()
            campaign.kill_after(moments.uniform(0, campaign.seconds), "import", "acme", "--resume")
        campaign.see_to_it(resume=moments.choice([True, False]))
