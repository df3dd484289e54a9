"""Putting files of an export into their places, many at a time; what is made of them goes along."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from zops_export.held_files import UntilStopped, hold
from zops_export.ordered_work import OrderedWork

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zcore.files import FileStore
    from zcore.images import ImageFacts
    from zops_export.file_metadata import MetadataMaker
    from zops_export.file_places import Place
    from zops_export.import_job import ImportJob

INTO_A_FOLDER = 2  # at a time: a disk gets no faster by more, but pictures take the processor
ELSEWHERE = 16  # most of the time of each is spent waiting
# An object on its way must arrive, or fail, before everything that arrived is deleted again.
SECONDS_TO_ARRIVE = 30
MOST_HELD = 16 << 20  # bytes of a file that may wait; a larger one is sent as it is read


class Stored(NamedTuple):
    """What became of a file: bytes, pictures made of it, and what image it is or why it is none.

    `size` is None where it was not stored: a user's picture that is no image.
    """

    size: int | None
    made: int = 0
    image: ImageFacts | None = None
    unusable: str = ""


class FileStoring:
    """Puts the files of `job` into `places`, by the names of the files in the export."""

    def __init__(
        self, job: ImportJob, places: Mapping[str, Place], metadata: MetadataMaker
    ) -> None:
        self._job = job
        self._places = places
        self._metadata = metadata
        self._work: OrderedWork[tuple[Place, BinaryIO], Stored] = OrderedWork(
            lambda task: self._store_held(*task),
            # as the server's own store is: a second run's are wrapped
            job.options.processes or _at_once(job.context.files.uploads),
            job.may_go_on,
            SECONDS_TO_ARRIVE,
        )
        self._open: list[BinaryIO] = []

    def each(self) -> Iterator[tuple[Place, Stored]]:
        """Store each file; what became of it, in any order.

        What a store raises ends it all: then nothing more arrives.
        """
        large: list[tuple[Place, Stored]] = []
        try:
            for (place, content), stored in self._work.results(self._held(large)):
                self._close(content)
                yield place, stored
                while large:
                    yield large.pop()
            yield from large
        finally:
            self._close(*self._open)

    def _held(self, large: list[tuple[Place, Stored]]) -> Iterator[tuple[Place, BinaryIO]]:
        """The files for the threads, as they come; those too large to wait are stored meanwhile."""
        for name, content in self._job.source.files(self._places):
            self._job.may_go_on()
            place = self._places[name]
            is_large = self._job.source.sizes[name] > MOST_HELD
            if is_large and not place.image and not content.seekable():
                large.append((place, Stored(self._put(place, content, place.content_type))))
            else:
                self._open.append(hold(content))
                yield place, self._open[-1]

    def _close(self, *contents: BinaryIO) -> None:
        for content in contents:
            content.close()
            self._open.remove(content)

    def _store_held(self, place: Place, content: BinaryIO) -> Stored:
        if place.image:
            return self._store_picture(place, content)
        return Stored(self._put(place, content, place.content_type))

    def _store_picture(self, place: Place, content: BinaryIO) -> Stored:
        from zcore.images import UnusableImage
        from zops_export.picture_making import facts_of, made_of

        facts, made, unusable = None, 0, ""
        try:
            facts = facts_of(content)
            for picture, data in made_of(content, facts, place.made):
                about = self._metadata.of_made(place.record, picture.content_type)
                place.store.put(picture.key, self._until_stopped(io.BytesIO(data)), metadata=about)
                made += 1
        except UnusableImage as error:
            unusable = error.message
            if place.image == "avatar":
                return Stored(None, made, None, unusable)
        content.seek(0)
        known_type = place.content_type or (facts.content_type if facts else "")
        size = self._put(place, content, known_type)
        return Stored(size, made, facts, unusable)

    def _put(self, place: Place, content: BinaryIO, content_type: str) -> int:
        about = self._metadata.of(place.record, place.key, content_type)
        content = self._job.looked.compared(place.record.name, content)
        return place.store.put(place.key, self._until_stopped(content), metadata=about)

    def _until_stopped(self, content: BinaryIO) -> BinaryIO:
        return cast("BinaryIO", UntilStopped(content, self._work.stopped))


def _at_once(store: FileStore) -> int:
    from zcore.files import LocalStore

    return INTO_A_FOLDER if isinstance(store, LocalStore) else ELSEWHERE
