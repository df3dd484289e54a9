"""Accounts on their way from one step to the next: in a file without a name, not in memory."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import islice
from operator import attrgetter
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from zops_realm.bulk.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

BLOCK = 500
VALUES = attrgetter(*(field.name for field in fields(Wanted)))


class Spool:
    """Accounts in the order in which they were put in."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115  # closed by close()
        self.count = 0

    def put(self, account: Wanted) -> None:
        """One more."""
        # As the standard library writes it, which can write halves of characters, too.
        self._file.write(json.dumps(VALUES(account)).encode() + b"\n")
        self.count += 1

    def blocks(self, without: Collection[int] = ()) -> Iterator[list[Wanted]]:
        """All of them in blocks, but for those on the lines `without`."""
        accounts = (account for account in self._accounts() if account.line not in without)
        while block := list(islice(accounts, BLOCK)):
            yield block

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _accounts(self) -> Iterator[Wanted]:
        self._file.seek(0)
        for text in self._file:
            line, email, full_name, role, password, groups, channels = json.loads(text)
            yield Wanted(line, email, full_name, role, password, tuple(groups), tuple(channels))
