"""Exports that lie in an object store: read as they arrive, and nothing of them kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.reading import REAL_EXPORTS, WholeExport
from tests.zops_export.faulty_s3 import ALWAYS, Fault, FaultyS3
from tests.zops_export.spoiling import Watched, refuse
from zops_export import packed_exports, s3_content

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.testing.s3 import S3Buckets

KEY = "backups/acme.tar.gz"


@pytest.fixture
def place(zops_here: ZopsHere, s3: S3Buckets, tmp_path: Path) -> str:
    """Where a real export lies, in the store that `zops_here` knows; its files stay in folders."""
    settings = s3.write_settings(tmp_path / "zops.toml")
    zops_here.environment["ZOPS_CONFIG"] = str(settings)
    s3.client.upload_file(str(REAL_EXPORTS["full"]), s3.uploads, KEY)
    return f"s3://{s3.uploads}/{KEY}"


def test_it_is_imported_and_verified(
    zops_here: ZopsHere,
    place: str,
    watched: Watched,
    temporary: Path,
    originals: Callable[[str], WholeExport],
) -> None:
    with watched.unchanged():
        assert zops_here("--json", "verify", place).json()["problems"] == []
        assert zops_here("--json", "import", "acme", place, "--dry-run").json()["dry_run"]
    done = zops_here("--json", "import", "acme", place).json()
    assert done["files"] == len(originals("full").files)
    assert list(temporary.iterdir()) == []
    assert f"{place} is whole and coherent" in zops_here("verify", place).stdout


@pytest.mark.parametrize(
    ("named", "exit_code", "about"),
    [
        ("{bucket}/nothing.tar.gz", 3, "there is no export s3://"),
        ("nowhere-at-all/acme.tar.gz", 3, "there is no export s3://"),
        ("{bucket}/", 3, "names no object"),
        ("{bucket}", 3, "names no object"),
    ],
)
def test_what_is_not_there(
    named: str,
    exit_code: int,
    about: str,
    zops_here: ZopsHere,
    place: str,
    s3: S3Buckets,
    watched: Watched,
) -> None:
    where = f"s3://{named.format(bucket=s3.uploads)}"
    refuse(zops_here, "import", "acme", where, exit_code=exit_code, about=about, watched=watched)


def test_an_object_that_is_no_archive(
    zops_here: ZopsHere, place: str, s3: S3Buckets, watched: Watched
) -> None:
    s3.client.put_object(Bucket=s3.uploads, Key=KEY, Body=b"no archive at all" * 100)
    refuse(zops_here, "import", "acme", place, about=place, watched=watched)


def test_another_object_under_its_name_meanwhile(
    zops_here: ZopsHere,
    place: str,
    s3: S3Buckets,
    watched: Watched,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between two readings: rows of the one with files of the other would make no organization."""
    first_open, opened = packed_exports.PackedObject.open, iter(range(9))

    def replaced(self: packed_exports.PackedObject) -> object:
        if next(opened) == 1:
            s3.client.upload_file(str(REAL_EXPORTS["public"]), s3.uploads, KEY)
        return first_open(self)

    monkeypatch.setattr(packed_exports.PackedObject, "open", replaced)
    refuse(
        zops_here,
        "import",
        "acme",
        place,
        exit_code=4,
        about="was replaced while it was read",
        watched=watched,
    )


def test_a_connection_that_breaks_is_gone_on_with(
    zops_here: ZopsHere,
    place: str,
    s3: S3Buckets,
    watched: Watched,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where it always breaks at the same place, it ends, and leaves nothing."""
    monkeypatch.setattr(s3_content, "FIRST_PAUSE", 0.01)
    with FaultyS3(s3.account.endpoint_url) as faulty:
        path = s3.write_settings(tmp_path / "zops.toml", endpoint_url=faulty.url)
        with path.open("a") as file:
            file.write("timeout = 0.5\nattempts = 2\n")
        faulty.faults.append(Fault("hang up", KEY, times=ALWAYS))
        about = f"cannot read {place}"
        refuse(zops_here, "import", "acme", place, exit_code=4, about=about, watched=watched)
        faulty.faults[:] = [
            Fault("error", KEY, method="HEAD"),
            Fault("error", KEY),
            Fault("cut", KEY, times=2),
            Fault("stall", KEY),
        ]
        assert zops_here("--json", "import", "acme", place).json()["ok"]
        assert not any(fault.times for fault in faulty.faults)
