"""The HTML of a message, in which a placeholder stands for an image without thumbnails yet.

Only the tag of the image is written anew, or its block taken out: all the rest stays as it is, byte
for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from urllib.parse import unquote

UPLOADS = "/user_uploads/"
BLOCK, PLACEHOLDER = "message_inline_image", "image-loading-placeholder"
VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "source", "wbr"})

Attributes = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a message shows of an image: where its thumbnail is, and facts for clients."""

    src: str
    dimensions: str
    content_type: str | None
    animated: bool
    transcoded: str | None

    def attributes(self) -> Attributes:
        """Those of the image's tag."""
        given: Attributes = {
            "src": self.src,
            "data-original-dimensions": self.dimensions,
            "data-original-content-type": self.content_type,
        }
        if self.animated:
            given["data-animated"] = "true"
        if self.transcoded is not None:
            given["data-transcoded-image"] = self.transcoded
        return given


def with_thumbnail(html: str, path_id: str, shown: Shown) -> str | None:
    """`html` with the thumbnail instead of placeholders; None where nothing waits for it."""

    def replaced(block: _Block) -> tuple[int, int, str]:
        kept = {name: value for name, value in block.image.items() if name != "class"}
        return (block.image_start, block.image_end, _tag({**kept, **shown.attributes()}))

    return _changed(html, [replaced(block) for block in _waiting(html, path_id)])


def without_image(html: str, path_id: str) -> str | None:
    """`html` without the blocks of an image that is none; None where there is no such block."""
    blocks = [(block.start, block.end, "") for block in _waiting(html, path_id)]
    changed = _changed(html, blocks)
    return None if changed is None else changed.strip()


@dataclass(slots=True)
class _Block:
    """Where a block with a placeholder begins and ends, and the image's tag in it."""

    start: int
    depth: int
    href: str = ""
    image: Attributes = field(default_factory=dict)
    image_start: int = 0
    image_end: int = 0
    end: int = 0


class _Blocks(HTMLParser):
    """Finds the blocks of images that wait for thumbnails, in the order in which they stand."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[_Block] = []
        # what the parser counts as lines, and nothing else that ends one
        self._lines = [0, *(match.end() for match in re.finditer("\n", html))]
        self._open: _Block | None = None
        self._depth = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag opens: that of a block, of the link in it, of the image in that."""
        given = dict(attrs)
        classes = (given.get("class") or "").split()
        block = self._open
        if tag == "div" and BLOCK in classes and block is None:
            self._open = _Block(self._place(), self._depth)
        elif block is not None and tag == "a" and not block.href:
            block.href = given.get("href") or ""
        elif block is not None and tag == "img" and PLACEHOLDER in classes:
            block.image, block.image_start = given, self._place()
            block.image_end = block.image_start + len(self.get_starttag_text() or "")
        if tag not in VOID:
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        """A tag closes, perhaps that of the block."""
        if tag in VOID:
            return
        self._depth -= 1
        block = self._open
        if block is not None and tag == "div" and self._depth == block.depth:
            block.end = self._place() + len("</div>")
            self._open = None
            if block.image:
                self.found.append(block)

    def _place(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column


def _waiting(html: str, path_id: str) -> list[_Block]:
    if PLACEHOLDER not in html:
        return []
    wanted = f"{UPLOADS}{path_id}"
    return [each for each in _Blocks(html).found if wanted in (each.href, unquote(each.href))]


def _changed(html: str, changes: list[tuple[int, int, str]]) -> str | None:
    if not changes:
        return None
    for start, end, new in reversed(changes):
        html = html[:start] + new + html[end:]
    return html


def _tag(attributes: Attributes) -> str:
    """An image's tag, its attributes in the order in which the server writes them."""
    words = (
        name if value is None else f'{name}="{escape(value)}"'
        for name, value in sorted(attributes.items())
    )
    return f"<img {' '.join(words)}>"
