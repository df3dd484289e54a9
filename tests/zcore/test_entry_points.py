"""Entry points are found as `importlib.metadata` finds them, without importing it."""

from __future__ import annotations

import importlib.metadata
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from zcore.entry_points import EntryPoint, entry_points, identity, location

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Layout = Callable[["Sites"], None]

GROUP = "zops"
ONE = "[zops]\nacme = zops_acme.plugin\n"


class Sites:
    """Two folders of `sys.path`, to put distributions into."""

    def __init__(self, folder: Path) -> None:
        self.first = folder / "first"
        self.second = folder / "second"
        self.first.mkdir()
        self.second.mkdir()

    def add(
        self,
        folder: str,
        content: str | bytes | None = ONE,
        *,
        second: bool = False,
        name: str = "",
    ) -> Path:
        """A folder of metadata with this `entry_points.txt`; None: without one."""
        place = (self.second if second else self.first) / folder
        place.mkdir(parents=True)
        name = name or folder.partition("-")[0]
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        if content is not None:
            raw = content.encode() if isinstance(content, str) else content
            (place / "entry_points.txt").write_bytes(raw)
        return place


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sites:
    """Two folders, and nothing else, on `sys.path`."""
    sites = Sites(tmp_path)
    monkeypatch.setattr(sys, "path", [str(sites.first), str(sites.second)])
    return sites


def ours() -> list[tuple[str, str]]:
    """What zops finds."""
    return [(point.name, point.value) for point in entry_points(GROUP)]


def theirs() -> list[tuple[str, str]]:
    """What `importlib.metadata` finds."""
    found = importlib.metadata.entry_points(group=GROUP)
    return [(point.name, point.value) for point in found]


def _in_an_egg(sites: Sites) -> None:
    egg = sites.first / "zops_acme-1.0-py3.11.egg"
    sites.add(f"{egg.name}/EGG-INFO", name="zops-acme")
    (egg / "EGG-INFO/METADATA").rename(egg / "EGG-INFO/PKG-INFO")
    sys.path.insert(0, str(egg))


def _in_an_archive(sites: Sites) -> None:
    archive = sites.first / "packed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zops_acme-1.0.dist-info/METADATA", "Name: zops-acme\nVersion: 1.0\n")
        file.writestr("zops_acme-1.0.dist-info/entry_points.txt", ONE)
    sys.path.insert(0, str(archive))


def _without_metadata(sites: Sites) -> None:
    (sites.add("zops_acme-1.0.dist-info") / "METADATA").unlink()


def _egg_info_that_is_a_file(sites: Sites) -> None:
    (sites.first / "zops_acme-1.0-py3.11.egg-info").write_text("Name: zops-acme\nVersion: 1.0\n")
    sites.add("zops_acme-1.0.dist-info", second=True)


def _several(*distributions: tuple[str, str | bytes | None, bool]) -> Layout:
    def lay_out(sites: Sites) -> None:
        for folder, content, second in distributions:
            sites.add(folder, content, second=second)

    return lay_out


def _just(content: str | bytes) -> Layout:
    return _several(("zops_acme-1.0.dist-info", content, False))


OTHER = "[zops]\nacme = zops_acme.other\n"
LAYOUTS: dict[str, Layout] = {
    "dist-info": _just(ONE),
    "egg-info": _several(("zops_acme.egg-info", ONE, False)),
    "egg-info with a version": _several(("zops_acme-1.0-py3.11.egg-info", ONE, False)),
    "egg-info that is a file": _egg_info_that_is_a_file,
    "an egg": _in_an_egg,
    "an archive": _in_an_archive,
    "a name in capitals": _several(("Zops.Acme-1.0.DIST-INFO", ONE, False)),
    "one distribution in two folders": _several(
        ("zops_acme-1.0.dist-info", ONE, False), ("zops_acme-2.0.dist-info", OTHER, True)
    ),
    "one distribution in two spellings": _several(
        ("zops_acme-1.0.dist-info", ONE, False), ("Zops.__Acme-2.0.dist-info", OTHER, True)
    ),
    "one distribution twice in a folder": _several(
        ("zops_acme-1.0.dist-info", ONE, False), ("zops_acme-2.0.dist-info", OTHER, False)
    ),
    "hidden by one without entry points": _several(
        ("zops_acme-1.0.dist-info", None, False), ("zops_acme-2.0.dist-info", OTHER, True)
    ),
    "two distributions with one name": _several(
        ("zops_acme-1.0.dist-info", ONE, False), ("zops_other-1.0.dist-info", OTHER, False)
    ),
    "what a failed removal leaves": _several(("~ops_acme-1.0.dist-info", ONE, False)),
    "without metadata": _without_metadata,
    "several groups": _just(f"[console_scripts]\na = b:c\n\n{ONE}two = b\n[other]\nx = y\n"),
    "another group": _just("[zops.more]\nacme = zops_acme\n# [zops]\n"),
    "a group that is said twice": _just(f"{ONE}[other]\nx = y\n[zops]\ntwo = zops_two\n"),
    "comments": _just("# zops\n[zops]\n# acme = no\n; b = c\nacme = zops_acme # still a value\n"),
    "space everywhere": _just("\n  [zops]  \n\n   acme   =   zops_acme . x : y [ extra ]  \n\n"),
    "no space": _just("[zops]\nacme=zops_acme:plugin\n"),
    "more than one sign": _just("[zops]\na = b = c\n"),
    "lines of Windows": _just(ONE.replace("\n", "\r\n").encode()),
    "lines of old Macs": _just(ONE.replace("\n", "\r").encode()),
    "no line end": _just(ONE.strip()),
    "letters of the world": _just("[zops]\nmüller = zops_müller\n"),
    "empty": _just(""),
}


@pytest.mark.parametrize("lay_out", LAYOUTS.values(), ids=LAYOUTS)
def test_are_those_of_importlib(lay_out: Layout, sites: Sites) -> None:
    lay_out(sites)
    assert ours() == theirs()


def test_of_the_real_installation_are_those_of_importlib() -> None:
    assert sorted(ours()) == sorted(theirs())
    assert ("realm", "zops_realm.plugin") in ours()


@pytest.mark.parametrize(
    "entries", [["/nowhere"], [""], ["/nowhere", ""]], ids=["gone", "here", "both"]
)
def test_of_odd_entries_of_the_path(
    entries: Sequence[str], sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites.add("zops_acme-1.0.dist-info")
    monkeypatch.chdir(sites.first)
    monkeypatch.setattr(sys, "path", [*entries])
    assert ours() == theirs()


def test_a_finder_of_somebodys_own_is_asked(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = sites.add("zops_acme-1.0.dist-info", second=True)
    monkeypatch.setattr(sys, "path", [str(sites.first)])

    class Finder:
        @staticmethod
        def find_spec(*arguments: object) -> None:
            """Finds no module."""

        @staticmethod
        def find_distributions(context: object) -> list[importlib.metadata.Distribution]:
            return [importlib.metadata.PathDistribution(hidden)]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert ours() == theirs() == [("acme", "zops_acme.plugin")]


# These break importlib's own scan, for everybody; here they are of one plugin.
@pytest.mark.parametrize(
    ("content", "name"),
    [(ONE.encode() + b"b\xff = c\n", "b\\xff"), ("[other]\nnonsense\n" + ONE + "lost\n", "lost")],
    ids=["no UTF-8", "no value"],
)
def test_a_bad_file_hides_no_other_plugin(content: bytes | str, name: str, sites: Sites) -> None:
    sites.add("zops_acme-1.0.dist-info", content)
    sites.add("zops_other-1.0.dist-info", "[zops]\nother = zops_other\n", second=True)
    assert [found for found, _ in ours()] == ["acme", name, "other"]
    (bad,) = (point for point in entry_points(GROUP) if point.name == name)
    with pytest.raises((ValueError, ImportError)):
        bad.load()


VALUES = [
    "json",
    "json.decoder",
    "json:loads",
    "json.decoder:JSONDecoder.decode",
    "json : loads",
    "json:loads [extra, other]",
    "json[extra]",
    "json:loads]",
    "json:loads [extra",
    "json:",
    ":loads",
    "",
    "not json",
    "json:loads:dumps",
    "json:loads dumps",
    "json..decoder",
    "json_not_there",
    "json:not_there",
]


@pytest.mark.parametrize("value", VALUES)
def test_stands_for_what_importlib_says(value: str) -> None:
    expected = _loaded(importlib.metadata.EntryPoint("acme", value, GROUP))
    assert _loaded(EntryPoint("acme", value, "")) is expected


def _loaded(point: EntryPoint | importlib.metadata.EntryPoint) -> object:
    """What it stands for; None when it cannot be loaded."""
    try:
        return point.load()
    except Exception:  # noqa: BLE001 # which one is not compared
        return None


METADATA = {
    "usual": b"Metadata-Version: 2.1\nName: Zops.Acme\nVersion: 1.0\nRequires: x\n\nName: no\n",
    "lines of Windows": b"Name: zops-acme\r\nVersion: 1.0\r\n\r\n",
    "in other letters": b"NAME:zops-acme\nversion:    1.0\n",
    "several lines": b"License: a\n Name: no\n\tVersion: no\nName: zops-acme\nVersion: 1.0\n",
    "said twice": b"Name: zops-acme\nName: other\nVersion: 1.0\n",
    "no version": b"Name: zops-acme\n",
    "no name": b"Version: 1.0\n",
    "nothing": b"",
}


@pytest.mark.parametrize("file", ["METADATA", "PKG-INFO"])
@pytest.mark.parametrize("content", METADATA.values(), ids=METADATA)
def test_knows_its_distribution(content: bytes, file: str, sites: Sites) -> None:
    folder = sites.add("zops_acme-1.0.dist-info")
    (folder / "METADATA").unlink()
    (folder / file).write_bytes(content)
    (point,) = entry_points(GROUP)
    assert point.dist is not None
    header = {key.lower(): value for key, value in reversed(point.dist.metadata.items())}
    assert identity(point) == (header.get("name", "unknown"), header.get("version", ""))
    assert location(point) == str(point.dist.locate_file("")) == str(sites.first)


def test_distributions_without_metadata_are_unknown(sites: Sites) -> None:
    folder = sites.add("zops_acme-1.0.dist-info")
    (folder / "METADATA").write_bytes(b"Name: \xff\n")
    (point,) = entry_points(GROUP)
    assert identity(point) == ("\\xff", "")
    (folder / "METADATA").unlink()
    assert identity(point) == ("unknown", "")


def test_of_another_source_are_known_as_well(sites: Sites) -> None:
    _in_an_archive(sites)
    (point,) = entry_points(GROUP)
    assert identity(point) == ("zops-acme", "1.0")
    assert location(point).startswith(str(sites.first))
    lonely = importlib.metadata.EntryPoint("acme", "zops_acme", GROUP)
    assert (identity(lonely), location(lonely)) == (("unknown", ""), "")


def test_of_the_real_installation_are_of_the_distributions_that_importlib_names() -> None:
    named = {
        point.name: (point.dist.metadata["Name"], point.dist.metadata["Version"])
        for point in importlib.metadata.entry_points(group=GROUP)
        if point.dist is not None
    }
    assert {point.name: identity(point) for point in entry_points(GROUP)} == named
