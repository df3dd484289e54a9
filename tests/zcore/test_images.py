"""Images within bounds: what they are, squares and smaller ones, and what is wrong with others."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Sequence

import pytest
from PIL import Image

from zcore import images
from zcore.images import ImageFacts, UnusableImage, look, shrunk, square

RED, BLUE = (200, 0, 0), (0, 0, 200)


def saved(kind: str, size: tuple[int, int] = (60, 40), **options: object) -> io.BytesIO:
    """An image of that format: its left half red, the right blue."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def moving(kind: str, frames: int, size: tuple[int, int] = (60, 40)) -> io.BytesIO:
    """An animation in which every frame has another colour."""
    first, *more = [Image.new("RGB", size, (10 * number, 0, 0)) for number in range(frames)]
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=more, duration=70, loop=0)
    file.seek(0)
    return file


def chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def claiming(width: int, height: int) -> io.BytesIO:
    """A PNG of a few bytes that says it has so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunks)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("kind", ["AVIF", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_the_kinds_that_a_server_knows_are_known_by_their_content(kind: str) -> None:
    assert look(saved(kind)) == ImageFacts(f"image/{kind.lower()}", 60, 40, 1)


def test_photos_of_some_phones_are_known_with_the_extra() -> None:
    assert look(saved("HEIF")) == ImageFacts("image/heic", 60, 40, 1)
    turned = Image.Exif()
    turned[images.ORIENTATION] = 6
    assert look(saved("HEIF", exif=turned.tobytes()))[1:3] == (40, 60)
    with pytest.raises(UnusableImage):
        look(io.BytesIO(saved("HEIF").read()[:300]))


def test_a_photo_is_as_wide_as_it_is_when_held_upright() -> None:
    turned = Image.Exif()
    turned[images.ORIENTATION] = 6
    photo = saved("JPEG", exif=turned)
    assert look(photo)[1:3] == (40, 60)
    photo.seek(0)
    upright = opened(shrunk(photo, 100, 100).content)
    assert upright.size == (40, 60)
    assert upright.getpixel((20, 5))[0] > 150  # the red half is above
    assert not upright.getexif()


@pytest.mark.parametrize("kind", ["AVIF", "GIF", "WEBP"])
def test_frames_are_counted_and_kept(kind: str) -> None:
    animation = moving(kind, 4)
    assert look(animation) == ImageFacts(f"image/{kind.lower()}", 60, 40, 4)
    animation.seek(0)
    made = opened(square(animation, 32, f"image/{kind.lower()}", animated=True))
    assert (made.size, made.n_frames) == ((32, 32), 4)
    animation.seek(0)
    assert getattr(opened(square(animation, 32)), "n_frames", 1) == 1


def test_a_square_shows_the_middle() -> None:
    made = opened(square(saved("PNG", (300, 100)), 50))
    assert (made.format, made.size) == ("PNG", (50, 50))
    assert made.getpixel((5, 25)) == RED
    assert made.getpixel((45, 25)) == BLUE


def test_what_is_shrunk_keeps_its_proportions_and_is_never_enlarged() -> None:
    assert shrunk(saved("PNG", (1000, 500)), 100, 100)[1:] == (100, 50)
    small = shrunk(saved("PNG"), 840, 560)
    assert small[1:] == (60, 40)
    assert opened(small.content).format == "WEBP"


@pytest.mark.parametrize("mode", ["1", "CMYK", "I;16", "L", "LA", "P", "RGBA"])
def test_all_ways_to_store_colours_can_be_scaled(mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (60, 40)).save(file, "TIFF" if mode == "CMYK" else "PNG")
    file.seek(0)
    assert opened(square(file, 16)).size == (16, 16)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image"),
        (claiming(30_000, 30_000).getvalue(), "more than 90,000,000 pixels"),
        (claiming(9_600, 9_600).getvalue(), "more than 90,000,000 pixels"),
        (claiming(13_000, 9_000).getvalue(), "more than 90,000,000 pixels"),
        (saved("JPEG").getvalue()[:300], "damaged image"),
        (saved("PNG").getvalue()[:80], "damaged image"),
        (moving("GIF", 3, (4000, 4000)).getvalue(), "48,000,000 pixels in 3 frames"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(content: bytes, reason: str) -> None:
    with pytest.raises(UnusableImage, match=reason) as caught:
        square(io.BytesIO(content), 100)
    assert "\n" not in caught.value.message


def test_an_animation_of_endless_frames_is_not_counted_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "MOST_FRAMES", 5)
    assert look(moving("GIF", 5)).frames == 5
    with pytest.raises(UnusableImage, match="more than 5 frames"):
        look(moving("GIF", 6))


def spoiled(content: bytes) -> Sequence[bytes]:
    """`content` with a byte changed, at many places."""
    step = max(1, len(content) // 60)
    return [
        content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        for place in range(0, len(content), step)
    ]


@pytest.mark.parametrize("kind", ["AVIF", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_nothing_else_is_raised_whatever_is_wrong(kind: str) -> None:
    for content in spoiled(saved(kind).getvalue()):
        with contextlib.suppress(UnusableImage):
            square(io.BytesIO(content), 20, "image/webp", animated=True)
