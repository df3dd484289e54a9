"""Values that no export has, and JSON that says what Python's own writer does not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


@dataclass(frozen=True, slots=True)
class Raw:
    """Stands in the JSON letter by letter, whether it is JSON or not."""

    text: str


def written(document: object) -> bytes:
    """The document as JSON, with what is `Raw` as it is."""
    raw: list[str] = []

    def placeholder(value: object) -> str:
        if not isinstance(value, Raw):
            raise TypeError(type(value).__name__)
        raw.append(value.text)
        return f"<<raw {len(raw) - 1}>>"

    text = json.dumps(document, default=placeholder)
    for number, value in enumerate(raw):
        text = text.replace(f'"<<raw {number}>>"', value, 1)
    return text.encode("utf-8", "surrogatepass")


NUMBERS: tuple[object, ...] = (
    *(0, 1, -1, 7, 1 << 15, (1 << 31) - 1, 1 << 31, -(1 << 31) - 1, (1 << 63) - 1, 1 << 63),
    *(-(1 << 63), -(1 << 63) - 1, 10**30, 0.5, -0.0, 1e-320, 1e15, -1e15, 1e18, 1e308),
    *(253402300800, -62135596801, 253402300799.9999999, 4102444800.1234567),
)
TEXTS: tuple[object, ...] = (
    *("", " ", "\0", "a\0b", "\\N", "\\.", "\t\n\r\\", "\x1b[2J", "\u2028", "\ufeff", "\U0001f600"),
    *("\ud800", "a\udfffb", "1", "-1", "1.5", "\u0661\u0662", "\uff11", "true", "null", "NaN"),
    *("x" * 61, "x" * 300, "\xe9" * 40, "\U0001f600" * 61, "x" * 70_000, "%s%d{}", "'; --", '"'),
    *("../../../../outside/file", "/etc/passwd", "file:///etc/passwd", "..", ".", "a/../b", "~"),
    *("<script>1</script>", "[{", "[]", "{}", '[{"user_id":1}]', "[1]", '["1"]', "[[[]]]"),
    *("2020-01-01T00:00:00Z", "0001-01-01", "9" * 400, "00000000-0000-0000-0000-000000000000"),
)
OTHERS: tuple[object, ...] = (
    *(None, True, False, [], {}, [None], [1], ["1"], [[]], [{}], {"a": 1}, {"id": 1}, {"": None}),
    *([0] * 3000, {str(number): number for number in range(300)}),
)
RAWS = tuple(
    Raw(text)
    for text in (
        *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "1" * 5000, "0.1e5000"),
        *('"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\x01"', '"\\x41"', '{"a":1,"a":2}', "01"),
        *("tru", "'x'", "undefined", "", ",", "]", "}", '"', "//", "[" * 100_000, "{" * 100_000),
        *("[" * 500 + "]" * 500, "[" * 50_000 + "]" * 50_000, '{"a":' * 900 + "1" + "}" * 900),
        *("[1,]", '{"a":1,}', "-", "1.", ".5", "+1", "0x10", '"\ud800"', "[" * 60 + "]" * 60),
    )
)
HISTORY = '[{"user_id":%s,"timestamp":%s,"prev_content":%s,"prev_rendered_content":%s}]'


def hostile_value(dice: random.Random) -> object:
    """One of them."""
    kind = dice.choice((NUMBERS, TEXTS, OTHERS, RAWS))
    return dice.choice(kind)


def hostile_text(dice: random.Random) -> str:
    """Text of the kinds that hold ids: Markdown, HTML, the history of a message."""
    number = dice.choice(("1", "0", "-1", "9" * 30, "9" * 5000, "1,2", "1,", "\u0661", "*", ""))
    tail = dice.choice(("", "|", "\0", "\ud800", "x" * 5000, "<" * 3000, "/#narrow/" * 2000))
    form = dice.choice(
        (
            "@**a|%s**",
            "#**a>b@%s**",
            "[a](/#narrow/channel/%s-x/topic/y/near/1)",
            '<span class="user-mention" data-user-id="%s">a</span>',
            '<a class="stream" data-stream-id="%s" href="/#narrow/stream/1">',
            '<img src="/user_avatars/%s/emoji/images/1.png">',
            "/user_uploads/%s/a/b.txt",
            "/#narrow/dm/%s-group",
            HISTORY.replace("%s", "null").replace("null", "%s", 1),
            HISTORY.replace("%s", "[1]", 1).replace("%s", "1", 1) % ("%s", "{}"),
            "[" * 2000 + "%s",
            '{"1":%s}',
        )
    )
    return form % number + tail
