"""Writing the accounts of a file: in one transaction, or a block at a time."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zcore import Change, Failed, Refused, ZopsError
from zcore.organizations.codes import Role
from zops_realm.accounts import Person
from zops_realm.bulk.refusals import Refusal
from zops_realm.changing import changing, tell, writing
from zops_realm.new_accounts import More, write_accounts
from zops_realm.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    from zcore import Context
    from zcore.console import Progress
    from zcore.organizations.lookup import Realm
    from zops_realm.bulk.checking import Checker
    from zops_realm.bulk.references import References
    from zops_realm.bulk.spool import Spool
    from zops_realm.bulk.wanted import Wanted
    from zops_realm.changing import Work


@dataclass(frozen=True, slots=True)
class Made:
    """The accounts that were made; lines that were refused after all, or made by others."""

    user_ids: list[int] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    existing: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Creator:
    """Makes accounts in one organization. `display_host` as in `NewAccount`."""

    context: Context
    realm: Realm
    references: References
    checker: Checker
    display_host: str | None
    bare: bool

    def create_all(self, spool: Spool, left_out: Collection[int]) -> Made:
        """All of them or none."""
        made = Made()
        with changing(self.context) as work, self._progress(spool, left_out) as progress:
            for block in spool.blocks(left_out):
                self.context.stop.check()
                made.user_ids.extend(self._write(work, block))
                progress.advance(len(block))
            work.changed(self._change(made.user_ids))
        return made

    def create_possible(self, spool: Spool, left_out: Collection[int]) -> Made:
        """A transaction a block; of a block that is refused, one an account.

        What stops the work in the middle (`Interrupted`, `Unreachable`) says what is done by then.
        """
        made = Made()
        with closing(Outbox()) as outbox:
            try:
                with self._progress(spool, left_out) as progress:
                    for block in spool.blocks(left_out):
                        self.context.stop.check()
                        self._write_or_split(outbox, block, made)
                        progress.advance(len(block))
            except ZopsError as error:
                error.message += f" ({len(made.user_ids):,} accounts were created before)"
                raise
            finally:
                if made.user_ids:
                    tell(self.context, outbox, [self._change(made.user_ids)])
        return made

    def _write_or_split(
        self, outbox: Outbox, block: Sequence[Wanted], made: Made, *, is_again: bool = False
    ) -> None:
        try:
            with writing(self.context, outbox) as work:
                user_ids = self._write(work, block)
        except (Refused, Failed) as error:
            rest = block if is_again else self._still_wanted(block, made)
            if len(rest) < len(block) and rest:
                self._write_or_split(outbox, rest, made, is_again=True)
            elif len(rest) == 1:
                made.refusals.append(_refused_by_database(rest[0], error))
            else:
                for account in rest:
                    self._write_or_split(outbox, [account], made, is_again=True)
        else:
            made.user_ids.extend(user_ids)

    def _still_wanted(self, block: Sequence[Wanted], made: Made) -> Sequence[Wanted]:
        """Those that nobody else has made since they were checked."""
        checked = self.checker.check_again(block)
        made.refusals.extend(checked.refusals)
        made.existing.update(checked.existing)
        left_out = checked.lines_left_out()
        return [account for account in block if account.line not in left_out]

    def _write(self, work: Work, block: Sequence[Wanted]) -> list[int]:
        more = More(
            group_ids=[self.references.group_ids(account) for account in block],
            channels=[self.references.channels(account) for account in block],
        )
        people = [_person(account) for account in block]
        users = write_accounts(
            work, self.realm, people, self.display_host, bare=self.bare, more=more
        )
        return [user.user_id for user in users]

    def _change(self, user_ids: Sequence[int]) -> Change:
        realm = self.realm
        details = {"bare": self.bare}
        return Change("user.created", realm.realm_id, realm.string_id, tuple(user_ids), details)

    def _progress(
        self, spool: Spool, left_out: Collection[int]
    ) -> AbstractContextManager[Progress]:
        return self.context.console.progress("creating accounts", spool.count - len(left_out))


def _person(account: Wanted) -> Person:
    return Person(
        email=account.email,
        full_name=account.full_name,
        password=account.password,
        role=Role(account.role),
    )


def _refused_by_database(account: Wanted, error: ZopsError) -> Refusal:
    return Refusal(account.line, account.email, error.code, error.message, error.hint)
