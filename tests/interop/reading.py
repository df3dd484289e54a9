"""Reading an export whole, with nothing of ours: for tests that compare or change exports.

Small exports only: everything is kept in memory.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcore.testing.archives import unpack as unpack_trusted

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEROP = Path(__file__).parent
BUNDLED = INTEROP.parents[1] / "plugins" / "export" / "zops_export" / "data"

REAL_EXPORTS = {
    "full": INTEROP / "small-full.tar.gz",
    "full-first": INTEROP / "small-full-first.tar.gz",
    "consent": INTEROP / "small-consent.tar.gz",
    "public": BUNDLED / "small-public.tar.gz",
}
"""Exports of one realm by a Zulip 10.0 server, in the three modes; `full-first` is the first ever
export of the realm, which lacks the mark that the others have in the audit log."""

FILE_KINDS = ("avatars", "emoji", "realm_icons", "uploads")

Row = dict[str, Any]


@dataclass(eq=False)
class WholeExport:
    """An export: rows by top-level key, file records by folder, and the SHA-256 of each file."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    records: dict[str, list[Row]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> WholeExport:
        """The export at `path`, a folder or an archive."""
        found = cls()
        for name, content in sorted(_contents(path)):
            found.take(name, content)
        return found

    def take(self, name: str, content: bytes) -> None:
        """Add one file."""
        folder, _, base = name.partition("/")
        if base == "records.json":
            self.records[folder] = json.loads(content)
        elif base:
            self.files[name] = hashlib.sha256(content).hexdigest()
        elif name in ("realm.json", "attachment.json", "analytics.json") or "messages-" in name:
            for key, rows in json.loads(content).items():
                self.tables.setdefault(key, []).extend(rows)
        else:
            self.others[name] = json.loads(content)

    def rows(self, table: str) -> list[Row]:
        """The rows of a table; those of users under all of their keys but the system bots."""
        if table == "zerver_userprofile":
            return self.tables[table] + self.tables[f"{table}_mirrordummy"]
        return self.tables.get(table, [])


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every file by its path inside the export."""
    if path.is_dir():
        for file in path.rglob("*"):
            if file.is_file():
                yield file.relative_to(path).as_posix(), file.read_bytes()
        return
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                yield member.name.partition("/")[2], content.read()


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a real export into `folder`; returns where its `realm.json` is."""
    unpack_trusted(archive, folder)
    (found,) = folder.glob("*/realm.json")
    return found.parent
