"""Are the files of an export those that were exported? By the checksums of its manifest.

JSON is hashed while it is read, in a thread beside the reading. What nobody reads is passed over
here: uploaded files are compared by their sizes.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from zops_export.json_rows import NotJson
from zops_export.manifest import MANIFEST
from zops_export.survey import manifest_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zops_export.export_source import ExportSource
    from zops_export.manifest import ListedFile
    from zops_export.notes import Notes

BLOCK_BYTES = 1 << 20
HINT = "something has changed it since it was exported: take another copy"


class Sums:
    """Compares the files of an export with its manifest, when it has one that zops wrote."""

    def __init__(self, source: ExportSource, notes: Notes) -> None:
        self._source = source
        self._notes = notes
        self._listed = _read(source, notes)
        self._looked_at: set[str] = set()

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """One of the JSON files; when it was read to its end, its checksum is compared."""
        with self._source.open(name) as stream:
            if name not in self._listed:
                yield stream
                return
            with ThreadPoolExecutor(1) as thread:
                hashed = _Hashed(stream, thread)
                yield cast("BinaryIO", hashed)
                self._compare(name, hashed)

    def compare_sizes(self) -> None:
        """Note files that the manifest lists with another size; lost ones are another matter."""
        for name in sorted(self._listed.keys() & self._source.names - self._looked_at):
            if self._listed[name].size != self._source.sizes[name]:
                self._note(name, self._other_size(name))

    def _compare(self, name: str, hashed: _Hashed) -> None:
        self._looked_at.add(name)
        digest = hashed.hexdigest()
        if self._listed[name].size != self._source.sizes[name]:
            self._note(name, self._other_size(name))
        elif digest != self._listed[name].sha256:
            self._note(name, "its checksum differs")

    def _other_size(self, name: str) -> str:
        there, listed = self._source.sizes[name], self._listed[name].size
        return f"it has {there:,} bytes, and had {listed:,}"

    def _note(self, name: str, what: str) -> None:
        self._notes.file = name
        self._notes.problem("changed-file", f"{name} is not what was exported: {what}", HINT)


def _read(source: ExportSource, notes: Notes) -> Mapping[str, ListedFile]:
    """The files that a manifest lists."""
    if MANIFEST not in source.names:
        return {}
    notes.file = MANIFEST
    try:
        with source.open(MANIFEST) as stream:
            return manifest_in(stream).files
    except NotJson as error:
        notes.problem(error.code, error.message, HINT)
        return {}


class _Hashed:
    """A content that is hashed in a thread, one block behind the reading."""

    def __init__(self, content: BinaryIO, thread: ThreadPoolExecutor) -> None:
        self._content = content
        self._thread = thread
        self._hash = hashlib.sha256()
        self._last: Future[None] | None = None

    def read(self, size: int = -1) -> bytes:
        block = self._content.read(size)
        self._wait()
        self._last = self._thread.submit(self._hash.update, block)
        return block

    def hexdigest(self) -> str:
        """The SHA-256 of all of it."""
        while self.read(BLOCK_BYTES):
            pass
        self._wait()
        return self._hash.hexdigest()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
