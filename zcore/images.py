"""Images that strangers made: looked at by their content, within bounds, and made smaller.

Whatever is wrong with one is `UnusableImage`, and nothing else. Streams must be seekable, and stand
at the beginning of the image. Several threads may work at once.
"""

from __future__ import annotations

import io
import threading
import warnings
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from zcore.errors import Failed, ZopsError
from zcore.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What a Zulip server refuses to look at, too
MOST_PIXELS = 90_000_000
MOST_ANIMATED_PIXELS = 30_000_000  # of up to three frames together
MOST_FRAMES = 10_000
MANY_PIXELS = 16_000_000  # 64 MB of memory: of such images one at a time is decoded

PNG, WEBP = "image/png", "image/webp"
CONTENT_TYPES = {
    "AVIF": "image/avif",
    "GIF": "image/gif",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # several in a file, of which phones make use; others see the first
    "PNG": PNG,
    "TIFF": "image/tiff",
    "WEBP": WEBP,
}
ANIMATED = {"image/avif": "AVIF", "image/gif": "GIF", WEBP: "WEBP"}
WRITTEN = {**ANIMATED, "image/jpeg": "JPEG", PNG: "PNG"}
COUNTED_ONE_BY_ONE = ("GIF", "TIFF")
ALWAYS_ONE_FRAME = ("JPEG", "MPO", "PNG")
TURNED_ASIDE = (5, 6, 7, 8)  # orientations in which width and height change places
ORIENTATION = 0x0112  # the tag that says how the camera was held
MODES = ("L", "LA", "RGB", "RGBA")
DURATION = 100  # milliseconds of a frame that does not say


def _with_heic() -> bool:
    """Read HEIC, too, if the library for that is installed: see the extra `heic`."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener(thumbnails=False)
    return True


Image.init()  # by hand, as it is not made for threads
LOOKED_AT = CONTENT_TYPES | ({"HEIF": "image/heic"} if _with_heic() else {})
READ = tuple(LOOKED_AT.keys() - {"MPO"})  # which is found out behind JPEG
Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # it refuses twice of that, and warns of what has more
# Nor is a change of filters for a while. What it warns of is small damage that it can read.
warnings.filterwarnings("ignore", module=r"PIL\b")
_ONE_OF_MANY_PIXELS = threading.Lock()


class UnusableImage(Failed):
    """It is no image, a damaged one, or too large."""

    code = "unusable-image"


class ImageFacts(NamedTuple):
    """What an image is: its size in pixels is that after turning it as its camera was held."""

    content_type: str
    width: int
    height: int
    frames: int


class Made(NamedTuple):
    """An image that was made, and its size in pixels."""

    content: bytes
    width: int
    height: int


def look(content: BinaryIO) -> ImageFacts:
    """What an image is, without decoding it. Raises `UnusableImage`."""
    with _opened(content) as image:
        return _facts(image)


def square(
    content: BinaryIO, side: int, content_type: str = PNG, *, animated: bool = False
) -> bytes:
    """The middle of an image, `side` pixels wide and high: of `animated` ones, all frames.

    Raises `UnusableImage`, and `ValueError` for a content type that cannot be written.
    """
    _require_writable(content_type)
    with _opened(content) as image, _memory_for(image):
        _decode_smaller(image, side)
        frames = _frames(image, content_type, animated=animated)
        size = (side, side)
        made = [ImageOps.fit(frame, size, Image.Resampling.LANCZOS) for frame in frames]
        return _encoded(image, made, content_type)


def shrunk(
    content: BinaryIO,
    width: int,
    height: int,
    content_type: str = WEBP,
    *,
    animated: bool = False,
) -> Made:
    """An image that fits into `width` and `height` pixels; a smaller one stays as large as it is.

    Of `animated` ones all frames, or the first where all of them would be too many pixels. Raises
    what `square` raises.
    """
    _require_writable(content_type)
    with _opened(content) as image, _memory_for(image):
        _decode_smaller(image, max(width, height))
        made = []
        for frame in _frames(image, content_type, animated=animated):
            frame.thumbnail((width, height), Image.Resampling.LANCZOS)
            made.append(frame)
        return Made(_encoded(image, made, content_type), *made[0].size)


def _require_writable(content_type: str) -> None:
    if content_type not in WRITTEN:
        raise ValueError(f"images of the type {content_type!r} are not written")


@contextmanager
def _opened(content: BinaryIO) -> Iterator[Image.Image]:
    """The image, not yet decoded and within bounds; what goes wrong inside is explained."""
    try:
        with Image.open(content, formats=READ) as image:
            _require_bounds(image)
            yield image
    except ZopsError:
        raise
    except UnidentifiedImageError as error:
        raise UnusableImage("it is no image of a kind that we know") from error
    except Image.DecompressionBombError as error:
        raise UnusableImage(f"it has more than {MOST_PIXELS:,} pixels") from error
    except Exception as error:  # decoders of hostile bytes raise anything
        reason = one_line(error) or type(error).__name__
        raise UnusableImage(f"it is a damaged image: {reason}") from error


def _require_bounds(image: Image.Image) -> None:
    frames, pixels = _frame_count(image), image.width * image.height
    most = MOST_PIXELS if frames == 1 else MOST_ANIMATED_PIXELS
    if pixels * min(frames, 3) > most:
        raise UnusableImage(f"it has {pixels * frames:,} pixels in {frames:,} frames")


def _frame_count(image: Image.Image) -> int:
    if image.format in ALWAYS_ONE_FRAME:  # what moves in a PNG, the server does not see
        return 1
    if image.format not in COUNTED_ONE_BY_ONE:
        return int(getattr(image, "n_frames", 1))
    count = 1
    try:
        while count <= MOST_FRAMES:
            image.seek(count)
            count += 1
    except EOFError:
        image.seek(0)
        return count
    raise UnusableImage(f"it has more than {MOST_FRAMES:,} frames")


def _facts(image: Image.Image) -> ImageFacts:
    width, height = image.size
    # A PNG would be decoded to the end to find out.
    if image.format != "PNG" and image.getexif().get(ORIENTATION) in TURNED_ASIDE:
        width, height = height, width
    return ImageFacts(LOOKED_AT[image.format or ""], width, height, _frame_count(image))


@contextmanager
def _memory_for(image: Image.Image) -> Iterator[None]:
    is_large = image.width * image.height > MANY_PIXELS
    with _ONE_OF_MANY_PIXELS if is_large else nullcontext():
        yield


def _decode_smaller(image: Image.Image, side: int) -> None:
    """Have a photo decoded at a fraction of its size, still twice as large as is wanted."""
    image.draft(None, (2 * side, 2 * side))


def _frames(image: Image.Image, content_type: str, *, animated: bool) -> Iterator[Image.Image]:
    """The frames that are wanted, upright and in colours that can be scaled."""
    count = _frame_count(image) if animated and content_type in ANIMATED else 1
    fitting = max(1, MOST_ANIMATED_PIXELS // (image.width * image.height))
    for number in range(min(count, fitting)):
        image.seek(number)
        frame = ImageOps.exif_transpose(image)
        frame.info["duration"] = image.info.get("duration", DURATION)
        yield _in_colour(frame)


def _in_colour(frame: Image.Image) -> Image.Image:
    if frame.mode in MODES:
        return frame
    if frame.mode.startswith("I;16"):
        return frame.convert("L")
    return frame.convert("RGBA" if frame.has_transparency_data else "RGB")


def _encoded(image: Image.Image, frames: Sequence[Image.Image], content_type: str) -> bytes:
    """The frames as a file, without what the original says of place and camera."""
    first, *more = frames
    if content_type == "image/jpeg":
        first = first.convert("RGB")
    options: dict[str, object] = {}
    if more:
        options = {
            "save_all": True,
            "append_images": more,
            "duration": [frame.info["duration"] for frame in frames],
            "loop": image.info.get("loop", 0),
            "disposal": 2,
        }
    file = io.BytesIO()
    first.save(file, WRITTEN[content_type], **options)
    return file.getvalue()
