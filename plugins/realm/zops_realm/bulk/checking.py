"""The rules for all accounts of a file, before the first of them is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Refused, Validation
from zcore.schema.realms import zerver_realm
from zcore.validation import VALIDATOR_FAILED, find_problems
from zops_realm.accounts import Account, find_accounts
from zops_realm.bulk.duplicates import Duplicates
from zops_realm.bulk.refusals import Refusal
from zops_realm.new_accounts import unusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore import Context
    from zcore.organizations.lookup import Realm
    from zops_realm.bulk.references import References
    from zops_realm.bulk.spool import Spool
    from zops_realm.bulk.wanted import Wanted


@dataclass(slots=True)
class Checked:
    """What the rules say: the refusals, and the lines whose accounts are there already."""

    refusals: list[Refusal] = field(default_factory=list)
    existing: set[int] = field(default_factory=set)

    def lines_left_out(self) -> set[int]:
        """Lines that no account is made of."""
        return self.existing | {refusal.line for refusal in self.refusals}


class Checker:
    """Checks accounts for one organization; `if_not_exists` accepts those that are there."""

    def __init__(
        self, context: Context, realm: Realm, references: References, *, if_not_exists: bool
    ) -> None:
        self._context = context
        self._realm = realm
        self._references = references
        self._if_not_exists = if_not_exists
        self._validation = Validation(
            settings=context.settings,
            database=context.database.read_only,
            realm_id=realm.realm_id,
        )

    def check(self, spool: Spool) -> Checked:
        """Look at everything in `spool`. Raises `Refused` when a rule itself fails."""
        checked = Checked()
        duplicates = Duplicates(of_names=self._wants_unique_names())
        with self._context.console.progress("checking", spool.count) as progress:
            for block in spool.blocks():
                self._context.stop.check()
                self._check_block(block, duplicates, checked)
                progress.advance(len(block))
        checked.refusals.sort(key=lambda refusal: refusal.line)
        return checked

    def check_again(self, block: Sequence[Wanted]) -> Checked:
        """Look at some of them once more: others may have made accounts since."""
        checked = Checked()
        self._check_block(block, Duplicates(of_names=False), checked)
        return checked

    def _check_block(
        self, block: Sequence[Wanted], duplicates: Duplicates, checked: Checked
    ) -> None:
        new: list[Wanted] = []
        accounts = self._accounts(block)
        for account in block:
            existing = accounts.get(account.email.lower())
            twice = list(duplicates.refusals(account))
            checked.refusals += twice
            if any(refusal.code == "email-twice" for refusal in twice):
                continue
            refusal = _unusable(account, existing, self._realm)
            if refusal is not None:
                checked.refusals.append(refusal)
            elif existing is not None and self._if_not_exists:
                checked.existing.add(account.line)
            else:
                new.append(account)
        checked.refusals += self._refusals(new)

    def _refusals(self, accounts: Sequence[Wanted]) -> Iterator[Refusal]:
        yield from self._ruled_out("user.email", accounts, [one.email for one in accounts])
        yield from self._ruled_out("user.full_name", accounts, [one.full_name for one in accounts])
        for account in accounts:
            yield from self._references.refusals(account)

    def _ruled_out(
        self, subject: str, accounts: Sequence[Wanted], values: Sequence[str]
    ) -> Iterator[Refusal]:
        for problem in find_problems(self._context.plugins, {subject: values}, self._validation):
            if problem.code == VALIDATOR_FAILED:  # it says nothing about any of the lines
                raise Refused(
                    problem.message, hint=problem.hint, code=problem.code, problems=[problem]
                )
            about = accounts[problem.index]
            yield Refusal(about.line, about.email, problem.code, problem.message, problem.hint)

    def _accounts(self, block: Sequence[Wanted]) -> dict[str, Account]:
        """The accounts that have addresses of `block`, by the address in lower case."""
        with self._context.database.read() as connection:
            found = find_accounts(connection, self._realm.realm_id, [one.email for one in block])
        return {account.email.lower(): account for account in found}

    def _wants_unique_names(self) -> bool:
        realms = zerver_realm.c
        wanted = sa.select(realms.require_unique_names).where(realms.id == self._realm.realm_id)
        with self._context.database.read() as connection:
            return bool(connection.scalar(wanted))


def _unusable(account: Wanted, existing: Account | None, realm: Realm) -> Refusal | None:
    """Why an account that is there cannot be accepted, where that is so."""
    error = None if existing is None else unusable(realm, existing)
    if error is None:
        return None
    return Refusal(account.line, account.email, error.code, error.message, error.hint)
