"""`--output` with placeholders: a place for each organization and moment, and what is of a series.

`%{realm}` is the subdomain (`root` at the root domain), `%{time}` the moment in UTC, such as
20260102T030405Z; `%Y`, `%m`, `%d`, `%H`, `%M` and `%S` are parts of it, and `%%` is a percent sign.
"""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zcore import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

TIME = "%Y%m%dT%H%M%SZ"
DEFAULT = "zulip-export-%{realm}-%{time}.tar.gz"
ROOT = "root"  # what the root domain is called, which has no name

PLACEHOLDER = re.compile(r"%(?:\{\w*\}|.)?", re.DOTALL)
DIGITS = {"%Y": 4, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2}
LOWEST = {"Y": 1, "m": 1, "d": 1, "H": 0, "M": 0, "S": 0}
DAY = frozenset({"%Y", "%m", "%d"})
HINT = "there are %{realm}, %{time}, %Y, %m, %d, %H, %M, %S and, for a percent sign, %%"


@dataclass(frozen=True, slots=True)
class OutputName:
    """A path that can have placeholders."""

    text: str

    def __post_init__(self) -> None:
        """Raise `UsageError` for a placeholder that there is not."""
        known = {"%{realm}", "%{time}", "%%", *DIGITS}
        for found in PLACEHOLDER.findall(self.text):
            if found not in known:
                raise UsageError(f"{found!r} in {self.text!r} is no placeholder", hint=HINT)

    @property
    def name(self) -> OutputName:
        """Its last part."""
        return OutputName(self.text.rstrip("/").rpartition("/")[2])

    @property
    def times(self) -> frozenset[str]:
        """The parts of the time that are in it."""
        return frozenset(DIGITS) & frozenset(PLACEHOLDER.findall(self._spelled))

    @property
    def has_time_in_folders(self) -> bool:
        """Is each export in another folder?"""
        return bool(OutputName(self.text.rstrip("/").rpartition("/")[0]).times)

    def fill(self, realm: str, moment: datetime) -> str:
        """The path for the organization with that subdomain at that moment."""
        return self._replaced(realm, lambda part: moment.astimezone(UTC).strftime(part), str)

    def glob(self, realm: str) -> str:
        """The paths for it at any moment, as a pattern of file names."""
        return self._replaced(realm, lambda part: "?" * DIGITS[part], glob.escape)

    def moment(self, realm: str, path: str) -> datetime | None:
        """The moment for which this is the path; None when it is the path for none."""
        seen: set[str] = set()

        def group(part: str) -> str:
            name = part[1:]
            again = part in seen
            seen.add(part)
            return f"(?P={name})" if again else rf"(?P<{name}>[0-9]{{{DIGITS[part]}}})"

        match = re.fullmatch(self._replaced(realm, group, re.escape), path)
        if match is None:
            return None
        numbers = {name: int(digits) for name, digits in match.groupdict().items()}
        try:
            return datetime(*(numbers.get(*part) for part in LOWEST.items()), tzinfo=UTC)  # type: ignore[misc,arg-type]
        except ValueError:
            return None

    def without_time(self, realm: str, word: str) -> str:
        """The path with `word` in place of all that stands from the first part of the time on to
        the last.
        """
        text, times = self.text, {"%{time}", *DIGITS}
        places = [found for found in PLACEHOLDER.finditer(text) if found[0] in times]
        if places:
            text = text[: places[0].start()] + word + text[places[-1].end() :]
        return OutputName(text).fill(realm, datetime.now(UTC))

    @property
    def _spelled(self) -> str:
        """The text with the time in its parts."""
        return PLACEHOLDER.sub(lambda found: TIME if found[0] == "%{time}" else found[0], self.text)

    def _replaced(
        self, realm: str, time: Callable[[str], str], literal: Callable[[str], str]
    ) -> str:
        """The text with `time` of each part of the time, and `literal` of everything else."""
        text, end, made = self._spelled, 0, ""
        for found in PLACEHOLDER.finditer(text):
            made += literal(text[end : found.start()])
            plain = {"%%": "%", "%{realm}": realm or ROOT}.get(found[0])
            made += time(found[0]) if plain is None else literal(plain)
            end = found.end()
        return made + literal(text[end:])
