"""Which thumbnails an image is to have, as the server has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zcore.images import WEBP

# What browsers show as it is; of any other kind there is a large copy, too
SHOWN_BY_BROWSERS = frozenset(
    {"image/apng", "image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"}
)


@dataclass(frozen=True, slots=True)
class Format:
    """A thumbnail that fits into so many pixels; with `animated`, it moves."""

    max_width: int
    max_height: int
    animated: bool = False

    @property
    def name(self) -> str:
        """The name of its file, by which clients ask for it."""
        return f"{self.max_width}x{self.max_height}{'-anim' if self.animated else ''}.webp"

    def entry(self, width: int, height: int, size: int) -> dict[str, object]:
        """What the database keeps of one that has been made, `size` bytes large."""
        return {
            "extension": "webp",
            "max_width": self.max_width,
            "max_height": self.max_height,
            "animated": self.animated,
            "content_type": WEBP,
            "width": width,
            "height": height,
            "byte_size": size,
        }


MOVING, STILL = Format(840, 560, animated=True), Format(840, 560)
LARGE, LARGE_UPRIGHT = Format(4032, 3024), Format(3024, 4032)


@dataclass(frozen=True, slots=True)
class Picture:
    """A row of `zerver_imageattachment`. `path_id` is the key of the image among the uploads."""

    id: int
    realm_id: int
    path_id: str
    content_type: str | None
    width: int
    height: int
    frames: int
    made: Sequence[Mapping[str, object]]

    def key(self, thumbnail: str) -> str:
        """The key of a thumbnail, by its file name."""
        return f"thumbnail/{self.path_id}/{thumbnail}"

    @property
    def default(self) -> Format:
        """The one that messages show."""
        return MOVING if self.frames > 1 else STILL

    def missing(self) -> list[Format]:
        """The thumbnails that are still to be made."""
        wanted = [MOVING] if self.frames > 1 else []
        wanted.append(STILL)
        if self.content_type not in SHOWN_BY_BROWSERS:
            wanted.append(LARGE if self.width >= self.height else LARGE_UPRIGHT)
        there = {file_name(entry) for entry in self.made}
        return [each for each in wanted if each.name not in there]

    def transcoded(self) -> str | None:
        """The file name of the largest, for browsers that cannot show the image itself."""
        if self.content_type is None or self.content_type in SHOWN_BY_BROWSERS or not self.made:
            return None
        return file_name(max(self.made, key=lambda entry: _pixels(entry)))


def file_name(entry: Mapping[str, object]) -> str:
    """The name of the file that an entry of the database is about."""
    moving = "-anim" if entry.get("animated") else ""
    size = f"{entry.get('max_width')}x{entry.get('max_height')}"
    return f"{size}{moving}.{entry.get('extension')}"


def _pixels(entry: Mapping[str, object]) -> int:
    width, height = entry.get("width"), entry.get("height")
    return width * height if isinstance(width, int) and isinstance(height, int) else 0
