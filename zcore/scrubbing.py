"""Taking out of reports what must not leave: secrets, and what events say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zcore.text import mask_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REMOVED = "[removed]"
# Links in mails let whoever has them in; so they count as secrets.
SECRET_NAMES = re.compile(
    r"passw|secret|token|key|authori|cookie|credential|session|dsn|url|link|otp", re.IGNORECASE
)
# What a database says of the rows and values that a statement was about
VALUES = re.compile(
    r"\[parameters: .*|^(?:DETAIL|CONTEXT|LINE \d+): [^\n]*", re.DOTALL | re.MULTILINE
)
SHORTEST_TEXT = 4  # characters; shorter ones say nothing, and are parts of any word


def scrub_value(value: object) -> object:
    """A copy of JSON data without passwords, tokens and links."""
    if isinstance(value, dict):
        return {
            name: REMOVED if SECRET_NAMES.search(str(name)) else scrub_value(one)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [scrub_value(one) for one in value]
    return mask_passwords(value) if isinstance(value, str) else value


def texts_in(value: object) -> list[str]:
    """The texts in JSON data that an error could quote, longest first."""
    return sorted(set(_texts(value)), key=len, reverse=True)


def scrub_report(report: dict[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """Take `texts`, passwords and what a database quotes out of all that a report says in words."""
    for one in report.get("exception", {}).get("values", ()):
        if one.get("value"):
            one["value"] = scrub_text(one["value"], texts)
    if report.get("message"):
        report["message"] = scrub_text(report["message"], texts)
    return report


def scrub_text(text: str, texts: Sequence[str]) -> str:
    """`text` without `texts`, passwords and what a database quotes."""
    text = VALUES.sub(REMOVED, mask_passwords(text))
    for quoted in texts:
        text = text.replace(quoted, REMOVED)
    return text


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) and len(value) >= SHORTEST_TEXT:
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
