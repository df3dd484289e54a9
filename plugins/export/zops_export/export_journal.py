"""What of an export is done already, for `zops export --resume`.

Rows always start again, in a new moment of the database. What is kept are copied files, each when
it is still what it was here and in the store, and the stages that say that they can be kept.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from zcore import Finding
from zcore.frozen import frozen
from zcore.journal import Facts, FileJournal, StageReport
from zops_export.drafts import KeptFile, Place
from zops_export.written_files import WrittenFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore.files import StoredFile
    from zops_export.drafts import Draft

JOURNAL = "journal.jsonl"


@frozen
class _Copy:
    """A file of the earlier run, and the size and time of what it was copied from."""

    file: WrittenFile
    size: int | None
    modified: float | None


class ExportJournal(FileJournal):
    """The journal of a draft, in the folder `home`.

    `found` is told of the findings of stages that are kept.
    """

    def __init__(
        self, home: Path, draft: Draft, about: Facts, found: Callable[[Finding], None]
    ) -> None:
        self._draft = draft
        self.found = found
        self._copies: dict[str, _Copy] = {}
        self._places: dict[str, Place] = {}
        super().__init__(home / JOURNAL, about)
        draft.begin(self._placed, dict(self._places))

    def _learn(self, line: Facts) -> None:
        super()._learn(line)
        if "file" in line:
            file = WrittenFile(line["file"], line["size"], line["sha256"])
            self._copies[file.name] = _Copy(file, *line.get("origin", (None, None)))
        elif "placed" in line:
            self._places[line["placed"]] = Place(**line["place"])

    def _placed(self, name: str, place: Place) -> None:
        """The file, whatever is said of it elsewhere, stands there from now on."""
        self._write({"placed": name, "place": asdict(place)})

    def _kept_file(self, name: str) -> KeptFile:
        return KeptFile(self._copies[name].file, self._places.get(name))

    def wrote(self, stage: str, file: WrittenFile, origin: StoredFile | None = None) -> None:
        """The stage wrote a file, or copied it from `origin`."""
        facts = {"file": file.name, "size": file.size, "sha256": file.sha256}
        self.note(stage, facts | ({"origin": [origin.size, origin.modified]} if origin else {}))

    def find(self, stage: str, finding: Finding) -> None:
        """The stage found something."""
        self.note(stage, {"finding": asdict(finding)})

    def has_copy(self, name: str) -> bool:
        """Did the earlier run copy a file to `name`?"""
        return name in self._copies

    def take_up(self, name: str, origin: StoredFile) -> bool:
        """Use the copy that the earlier run made of `origin`, if it did and nothing has changed."""
        copy = self._copies.get(name)
        if copy is None or (copy.size, copy.modified) != (origin.size, origin.modified):
            return False
        kept = self._kept_file(name)
        if not self._draft.has_kept(kept):
            return False
        self._draft.take_up(kept)
        return True

    def kept(self, stage: str) -> StageReport | None:
        """See `zcore.journal.Journal.kept`: all files of the stage have to be what they were."""
        report = super().kept(stage)
        notes = self.notes.get(stage, ())
        files = [self._kept_file(note["file"]) for note in notes if "file" in note]
        if report is None or not all(map(self._draft.has_kept, files)):
            return None
        for file in files:
            self._draft.take_up(file)
        for note in notes:
            if "finding" in note:
                self.found(Finding(**note["finding"]))
        return report
