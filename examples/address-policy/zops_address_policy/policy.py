"""The policy itself: addresses in, complaints out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why an address is not allowed: a stable word, a sentence, and what to do about it."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What addresses may be: `domains` and `functions` are compared without regard to case."""

    domains: tuple[str, ...]
    functions: tuple[str, ...] = ()
    allow_tags: bool = False

    def complaints(self, address: str) -> Iterator[Complaint]:
        """Everything that is wrong with an address."""
        for complaint in (self.domain(address), self.function(address), self.tag(address)):
            if complaint is not None:
                yield complaint

    def domain(self, address: str) -> Complaint | None:
        """It must be of one of our domains; when there are none, no address is allowed."""
        _, _, domain = address.rpartition("@")
        if domain.lower() in _lower(self.domains):
            return None
        hint = f"use one of {', '.join(self.domains)}" if self.domains else "set our domains"
        return Complaint("address-domain", f"{address!r} is not an address of ours", hint)

    def function(self, address: str) -> Complaint | None:
        """It must be a person's."""
        name = address.partition("@")[0].partition("+")[0]
        if name.lower() not in _lower(self.functions):
            return None
        message = f"{address!r} is the address of a function, not of a person"
        return Complaint("address-function", message, "use the person's own address")

    def tag(self, address: str) -> Complaint | None:
        """It must not have a tag, unless that is allowed."""
        if self.allow_tags or "+" not in address.rpartition("@")[0]:
            return None
        return Complaint(
            "address-tag", f"{address!r} has a tag", "leave out what is between + and @"
        )


def _lower(words: tuple[str, ...]) -> set[str]:
    return {word.lower() for word in words}
