"""Lines of the file that are refused, and how that is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from zcore import Finding, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is made of a line. A line can have several of them."""

    line: int
    email: str
    code: str
    message: str
    hint: str = ""

    @property
    def on_its_line(self) -> str:
        """The message with its place."""
        return f"line {self.line}: {self.message}"


def as_data(refusals: Sequence[Refusal]) -> list[dict[str, object]]:
    """All of them, for `--json`."""
    return [asdict(refusal) for refusal in refusals]


def as_problems(refusals: Sequence[Refusal]) -> list[Problem]:
    """The first ones, and how many more there are; `index` is the number of the line."""
    problems = [
        Problem(refusal.code, refusal.on_its_line, hint, index=refusal.line)
        for refusal, hint in _shown(refusals)
    ]
    if len(refusals) > MOST_SHOWN:
        problems.append(Problem("more", _and_more(refusals)))
    return problems


def as_findings(refusals: Sequence[Refusal]) -> list[Finding]:
    """The same for a run that went on without these lines."""
    findings = [
        Finding(refusal.code, refusal.message, f"line {refusal.line}", hint)
        for refusal, hint in _shown(refusals)
    ]
    if len(refusals) > MOST_SHOWN:
        findings.append(Finding("more", _and_more(refusals)))
    return findings


def count_lines(refusals: Sequence[Refusal]) -> int:
    """How many lines they are about."""
    return len({refusal.line for refusal in refusals})


def _shown(refusals: Sequence[Refusal]) -> Iterator[tuple[Refusal, str]]:
    """The first ones with their hints; one that many have stands with the first of them."""
    said: set[str] = set()
    for refusal in refusals[:MOST_SHOWN]:
        yield refusal, "" if refusal.hint in said else refusal.hint
        said.add(refusal.hint)


def _and_more(refusals: Sequence[Refusal]) -> str:
    return f"and {len(refusals) - MOST_SHOWN:,} more; --json lists all of them"
