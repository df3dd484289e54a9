"""Exporting an organization in a test, and looking at the files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcore.errors import ExitCode

if TYPE_CHECKING:
    from zcore.testing.commands import Runner
    from zcore.testing.realms import SampleRealm


@dataclass(frozen=True, slots=True)
class Exported:
    """An export in a folder, and what `zops export --json` said of it."""

    folder: Path
    report: dict[str, Any]

    def read(self, name: str) -> bytes:
        """A file of the export."""
        return (self.folder / name).read_bytes()

    def json(self, name: str) -> Any:
        """A JSON file of the export."""
        return json.loads(self.read(name))

    def stage(self, name: str) -> dict[str, Any]:
        """What a stage reported. Fails when it did not run."""
        stages: dict[str, dict[str, Any]] = {each["name"]: each for each in self.report["stages"]}
        if name not in stages:
            raise AssertionError(f"no stage {name!r} ran, only {', '.join(sorted(stages))}")
        return stages[name]


def export_of(
    zops: Runner, realm: SampleRealm | str, *options: str, exit_code: int = ExitCode.DONE
) -> Exported:
    """Export an organization, by the sample or a subdomain, into a new folder.

    `options` are more words for `zops export`; `exit_code` is 5 where there are findings.
    """
    string_id = realm if isinstance(realm, str) else realm.string_id
    number = len(list(zops.folder.glob("export-*")))
    folder = zops.folder / f"export-{number + 1}"
    words = ("--json", "export", "--realm", string_id, "--output", str(folder), *options)
    return Exported(folder, zops(*words, exit_code=exit_code).json())
