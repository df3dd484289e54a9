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


@pytest.fixture
def campaign(zops: Zops, database: Database, light: Path, tmp_path: Path) -> ImportCampaign:
    uploads = tmp_path / "uploads"
    zops.on(database).environment |= {"ZOPS_UPLOADS": str(uploads), "ZOPS_AVATAR_SALT": "a-salt"}
    here = ZopsInProcess(tmp_path, zops.environment)
    return ImportCampaign(zops, here, database, uploads, light)


def test_at_every_crash_point(campaign: ImportCampaign) -> None:
    """By turns it is finished and taken back, which is killed once, too."""
    for number, point in enumerate(campaign.points):
        campaign.kill_at(point)
        campaign.see_to_it(resume=number % 2 == 0)
    campaign.kill_at("stage-done:files")
    campaign.kill_at("import-files-deleted", "import", "acme", "--abandon")
    campaign.kill_at("import-before-commit", "import", "acme", "--resume")
    campaign.see_to_it(resume=True)


@pytest.mark.parametrize(
    ("database", "seed"),
    [
        ("sqlite", 1),
        pytest.param("postgresql", 2, marks=pytest.mark.postgres),
        pytest.param("postgresql", 3, marks=pytest.mark.postgres),
    ],
    indirect=["database"],
)
def test_at_any_moment(seed: int, campaign: ImportCampaign) -> None:
    """Twice in a row: what was gone on with is killed, too."""
    moments = random.Random(seed)  # noqa: S311  # no secret
    if campaign.kill_after(moments.uniform(0, campaign.seconds)):
        campaign.require_all_or_nothing()
        campaign.kill_after(moments.uniform(0, campaign.seconds), "import", "acme", "--resume")
    campaign.see_to_it(resume=moments.choice([True, False]))
