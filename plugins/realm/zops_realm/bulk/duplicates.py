"""Addresses, and names where an organization wants each once, that a file gives twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zops_realm.bulk.refusals import Refusal
from zops_realm.rules.full_names import comparable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zops_realm.bulk.wanted import Wanted


class Duplicates:
    """What the lines so far have. All that is kept of a line is its address (and its name)."""

    def __init__(self, *, of_names: bool) -> None:
        self._lines_of_addresses: dict[str, int] = {}
        self._lines_of_names: dict[str, int] | None = {} if of_names else None

    def refusals(self, account: Wanted) -> Iterator[Refusal]:
        """What an earlier line has, too; of it, this one remembers the rest."""
        first = self._lines_of_addresses.setdefault(account.email.lower(), account.line)
        if first != account.line:
            yield Refusal(
                account.line,
                account.email,
                "email-twice",
                f"the e-mail address {account.email!r} is on line {first} already",
                "give each account its own",
            )
        elif self._lines_of_names is not None:
            first = self._lines_of_names.setdefault(comparable(account.full_name), account.line)
            if first != account.line:
                yield Refusal(
                    account.line,
                    account.email,
                    "full-name-taken",
                    f"the name {account.full_name!r} is on line {first} already",
                    "the organization wants each name once: add something that tells them apart",
                )
