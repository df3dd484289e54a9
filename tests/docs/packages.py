"""The examples of the docs as installed packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zcore.testing.commands import Zops


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write `files`, by their relative paths, into `folder`."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def install(files: Mapping[str, str], zops: Zops, *, plugin: str = "acme") -> Path:
    """Install the package `zops_<plugin>` that an example shows, for the command of this test.

    It is found through its entry point, as every plugin. Returns the folder it is installed in.
    """
    site = zops.folder / "site"
    write(files, site)
    information = site / f"zops_{plugin}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: zops-{plugin}\nVersion: 1.0\n"
    entry_points = f"[zops]\n{plugin} = zops_{plugin}.plugin\n"
    write({"METADATA": metadata, "entry_points.txt": entry_points}, information)
    zops.environment["PYTHONPATH"] = str(site)
    return site


def implementing(hook: str, given: str = "[]") -> str:
    """The source of a plugin that implements one hook, which returns `given`."""
    return f"from zcore import hookimpl\n\n@hookimpl\ndef {hook}():\n    return {given}\n"


def assert_nothing_wrong(zops: Zops, plugin: str = "acme") -> None:
    """`zops plugins check` finds nothing, and there is no warning.

    Without notes: most examples leave out `zops_api`.
    """
    checked = zops("--json", "-q", "plugins", "check", plugin)
    assert checked.json()["checked"] == [plugin]
    assert checked.stderr == "", checked
