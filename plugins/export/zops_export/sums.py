"""Are the files of an export those that were exported? By the checksums of its manifest.

JSON is hashed while it is read for the first time, in a thread beside the reading. Of uploaded
files only the sizes are compared then; they are hashed on their way to their places, or by a dry
run.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from zops_export.export_layout import NotAnExport
from zops_export.json_rows import NotJson
from zops_export.manifest import MANIFEST
from zops_export.survey import manifest_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zops_export.export_source import ExportSource
    from zops_export.manifest import ListedFile
    from zops_export.notes import Notes

BLOCK_BYTES = 1 << 20
CHANGED, DIFFERS = "changed-file", "its checksum differs"
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

    def compare_files(self, may_go_on: Callable[[], None]) -> None:
        """Note uploaded files with another checksum: reads all of them."""
        wanted = self._listed.keys() & self._source.names - self._looked_at
        for name, content in self._source.files(wanted):
            may_go_on()
            digest = hashlib.sha256()
            while block := content.read(BLOCK_BYTES):
                may_go_on()
                digest.update(block)
            same_size = self._listed[name].size == self._source.sizes[name]
            if same_size and digest.hexdigest() != self._listed[name].sha256:
                self._note(name, DIFFERS)

    def compared(self, name: str, content: BinaryIO) -> BinaryIO:
        """The same content; reading it to its end raises `NotAnExport` when it was changed."""
        if name not in self._listed:
            return content
        return cast("BinaryIO", _Summed(name, content, self._listed[name]))

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
            self._note(name, DIFFERS)

    def _other_size(self, name: str) -> str:
        there, listed = self._source.sizes[name], self._listed[name].size
        return f"it has {there:,} bytes, and had {listed:,}"

    def _note(self, name: str, what: str) -> None:
        self._notes.file = name
        self._notes.problem(CHANGED, changed(name, what), HINT)


class _Summed:
    """A content whose checksum is compared as soon as all of it was read."""

    def __init__(self, name: str, content: BinaryIO, listed: ListedFile) -> None:
        self._name = name
        self._content = content
        self._listed = listed
        self._left = listed.size
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._content.read(size)
        self._hash.update(block)
        self._left -= len(block)
        if self._left <= 0 and block and self._hash.hexdigest() != self._listed.sha256:
            raise NotAnExport(changed(self._name, DIFFERS), hint=HINT, code=CHANGED)
        return block


def changed(name: str, what: str) -> str:
    """That a file is another one than was exported."""
    return f"{name} is not what was exported: {what}"


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
