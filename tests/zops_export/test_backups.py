"""Exports as backups: verified, the older ones removed, and a mark that says when it was."""

from __future__ import annotations

import json
import os
import shutil
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from zops_export import backups

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere

NAME = "%{realm}-%{time}.tar.gz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "backups"
    place.mkdir()
    return place


def backup(zops: ZopsHere, folder: Path, *words: str, name: str = NAME) -> dict[str, Any]:
    made = zops("--json", "export", "-r", "acme", "--output", folder / name, *words)
    return made.json()


def aged(path: str, day: int) -> Path:
    """The same export, as if it had been made on that day of 2020."""
    from pathlib import Path

    old = Path(path)
    new = old.with_name(f"acme-202001{day:02}T000000Z{'.tar.gz' if old.is_file() else ''}")
    old.rename(new)
    return new


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", [NAME, "%{realm}-%{time}"], ids=["archives", "folders"])
def test_only_older_ones_of_the_series_go(with_realm: ZopsHere, folder: Path, name: str) -> None:
    """Not what has a name like theirs and is something else, nor what is none of ours."""
    zops, suffix = with_realm, ".tar.gz" if name == NAME else ""
    zops("create-realm", "Other", "o@example.test", "Olga", "--no-password", "--string-id", "other")
    first = aged(backup(zops, folder, name=name)["path"], 1)
    second = aged(backup(zops, folder, name=name)["path"], 2)
    public = aged(backup(zops, folder, "--public-only", name=name)["path"], 3)
    elsewhere = zops("--json", "export", "-r", "other", "--output", folder / f"x{suffix}").json()
    others = folder / f"acme-20200104T000000Z{suffix}"
    os.rename(elsewhere["path"], others)
    for number, content in enumerate((b"", b"no archive", b"\x1f\x8b no gzip")):
        (folder / f"acme-2020020{number + 1}T000000Z{suffix}").write_bytes(content)
    (folder / f"acme-20200204T000000Z{suffix}").mkdir()
    (folder / f"acme-20200205T000000Z{suffix}").symlink_to(first)
    later = folder / f"acme-21000101T000000Z{suffix}"
    shutil.copytree(first, later) if first.is_dir() else shutil.copy(first, later)
    (folder / f"acme-eu-20200101T000000Z{suffix}").touch()
    before = names(folder)
    plan = zops(
        "--json", "export", "-r", "acme", "--output", folder / name, "--keep", "2", "--dry-run"
    )
    assert plan.json()["would_remove"] == [str(first)]
    assert names(folder) == before
    made = backup(zops, folder, "--keep", "2", name=name)
    assert made["removed"] == [str(first)]
    assert made["verified"] is True
    mark = json.loads((folder / "acme-last-success.json").read_bytes())
    assert [one["name"] for one in mark["exports"]] == [
        os.path.basename(made["path"]),
        second.name,
    ]
    assert names(folder) == before - {first.name} | {
        os.path.basename(made["path"]),
        "acme-last-success.json",
    }
    assert public.exists()
    aged(made["path"], 5)
    again = backup(zops, folder, "--keep", "1", name=name)
    assert again["removed"] == [str(second), str(folder / f"acme-20200105T000000Z{suffix}")]


def test_a_mark_for_whoever_watches(with_realm: ZopsHere, folder: Path) -> None:
    started = int(datetime.now(UTC).timestamp())
    mark = folder / "acme.json"
    made = backup(with_realm, folder, "--mark", str(folder / "%{realm}.json"), name="one.tar.gz")
    assert made["mark"] == str(mark)
    said = json.loads(mark.read_bytes())
    assert {name: said[name] for name in ("realm", "mode", "path", "bytes", "sha256")} == {
        name: made[name] for name in ("realm", "mode", "path", "bytes", "sha256")
    }
    assert said["findings"] == 0
    finished = datetime.fromisoformat(said["finished"])
    assert started <= said["unix_time"] == int(finished.timestamp())
    assert stat.S_IMODE(mark.stat().st_mode) == 0o644
    assert names(folder) == {"one.tar.gz", "acme.json"}


def test_an_export_with_problems_replaces_nothing(
    with_realm: ZopsHere, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older ones and the mark stay as they are."""
    old = aged(backup(with_realm, folder, "--keep", "1")["path"], 1)
    mark = (folder / "acme-last-success.json").read_bytes()
    verify = backups.verify_export

    def spoil_and_verify(context: Any, path: Path) -> Any:
        path.write_bytes(path.read_bytes()[:-100])
        return verify(context, path)

    monkeypatch.setattr(backups, "verify_export", spoil_and_verify)
    words = ("export", "-r", "acme", "--output", folder / NAME, "--keep", "1")
    done = with_realm("--json", *words, exit_code=1)
    assert done.codes() >= {"bad-export", "damaged-archive"}
    assert "older exports were left alone" in done.json()["error"]["message"]
    assert old.exists()
    assert (folder / "acme-last-success.json").read_bytes() == mark


def test_a_killed_one_is_cleared_away(with_realm: ZopsHere, folder: Path) -> None:
    """By the next of the same series, and only what is of it."""
    ours, theirs = (folder / f".{one}-20200101T000000Z.tar.gz.partial" for one in ("acme", "other"))
    for left in (ours, theirs):
        left.mkdir(mode=0o700)
    backup(with_realm, folder)
    assert not ours.exists()
    assert theirs.exists()


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (("--output", "acme.tar.gz", "--keep", "3"), "--keep needs an --output with the time"),
        (("--output", "%Y-%m-%H.tar.gz", "--keep", "3"), "--keep needs an --output with the time"),
        (
            ("--output", "%Y/%{time}.tar.gz", "--keep", "3"),
            "--keep needs an --output with the time",
        ),
        (("--output", "%{time}.tar.gz", "--resume"), "--resume needs an --output without the time"),
        (("--output", "%q"), "'%q' in '%q' is no placeholder"),
        (("--mark", "%{time}"), "--mark takes no time"),
    ],
)
def test_what_does_not_fit_together(
    with_realm: ZopsHere, words: tuple[str, ...], about: str
) -> None:
    done = with_realm("export", "-r", "acme", *words, exit_code=2)
    assert about in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_is_warned_beside_files_of_others(with_realm: ZopsHere, folder: Path) -> None:
    words = ("--quiet", "export", "-r", "acme", "--output", folder / NAME)
    assert with_realm(*words).stderr == ""
    os.chown(folder, 65534, 65534)
    with_realm.environment["ZOPS_UPLOADS"] = str(folder)
    said = with_realm("--quiet", "export", "-r", "acme", "--output", folder / "two").stderr
    assert "zops: warning: zops runs as root" in said
    assert "sudo -u nobody zops" in said
