"""What a server shows of pictures and exports lack, made while a file is put into its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from zcore.images import WRITTEN, ImageFacts, UnusableImage, look, shrunk, square

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zops_export.file_places import ToMake


def facts_of(content: BinaryIO) -> ImageFacts:
    """What image it is. Raises `UnusableImage`."""
    content.seek(0)
    return look(content)


def made_of(
    content: BinaryIO, facts: ImageFacts, wanted: Iterable[ToMake]
) -> Iterator[tuple[ToMake, bytes]]:
    """The pictures that are wanted of an image. Raises `UnusableImage`."""
    for picture in wanted:
        if picture.is_still and facts.frames == 1:
            continue
        content.seek(0)
        yield picture, _made(content, picture)


def _made(content: BinaryIO, picture: ToMake) -> bytes:
    if picture.content_type not in WRITTEN:
        raise UnusableImage(f"no {picture.content_type} can be made of it")
    if isinstance(picture.size, int):
        return square(content, picture.size, picture.content_type, animated=not picture.is_still)
    return shrunk(content, *picture.size, picture.content_type).content
