"""An export that was killed, wherever that was, is finished by `--resume`, and is the same."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.zops_export.kills import AFTER_STAGES, Campaign
from tests.zops_export.test_bookkeeping import states
from zops_export.export_row import ExportStatus

if TYPE_CHECKING:
    from zcore.database import Database
    from zcore.testing import SampleRealm, Zops, ZopsInProcess


@pytest.mark.parametrize("name", ["acme.tar.gz", "acme"])
def test_at_every_crash_point(
    name: str,
    zops: Zops,
    zops_in_process: ZopsInProcess,
    sqlite_database: Database,
    sqlite_realm: SampleRealm,
) -> None:
    """Of a folder, where that could make a difference."""
    (zops.folder / "out").mkdir()
    campaign = Campaign(zops, zops_in_process, zops.folder / "out" / name)
    points = AFTER_STAGES if name == "acme" else campaign.points
    for point in points:
        campaign.kill_at(point)
        campaign.go_on()
    assert states(sqlite_database) == [ExportStatus.SUCCEEDED] * (1 + len(points))


@pytest.mark.postgres
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_any_moment(
    seed: int,
    zops: Zops,
    zops_in_process: ZopsInProcess,
    postgres_database: Database,
    postgres_realm: SampleRealm,
) -> None:
    """Twice in a row: what was resumed is killed, too."""
    moments = random.Random(seed)  # noqa: S311  # no secret
    (zops.folder / "out").mkdir()
    output = zops.folder / "out" / f"acme{moments.choice(['', '.tar.gz'])}"
    campaign = Campaign(zops, zops_in_process, output)
    if campaign.kill_after(moments.uniform(0, campaign.seconds)):
        campaign.kill_after(moments.uniform(0, campaign.seconds))
    campaign.go_on()
    assert set(states(postgres_database)) <= {ExportStatus.SUCCEEDED, ExportStatus.FAILED}
