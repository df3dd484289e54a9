"""`zops create-user --from`, from the first line to the report."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcore import Failed, Refused, Result
from zcore.organizations.codes import Role
from zops_realm.bulk.checking import Checked, Checker
from zops_realm.bulk.creating import Creator, Made
from zops_realm.bulk.reading import STDIN, opened, read_entries, shown
from zops_realm.bulk.references import References
from zops_realm.bulk.refusals import Refusal, as_data, as_findings, as_problems, count_lines
from zops_realm.bulk.spool import Spool
from zops_realm.bulk.wanted import Defaults, Wanted, wanted
from zops_realm.new_accounts import display_host_of
from zops_realm.realm_target import find_open_realm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context
    from zcore.organizations.lookup import Realm

ATTEMPTS = 3  # others may make the same accounts at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRequest:
    """What `create-user --from` was asked for; `source` is a path, or `-` for standard input."""

    realm: str
    source: str
    role: Role = Role.MEMBER
    no_password: bool = False
    keep_going: bool = False
    if_not_exists: bool = False
    bare: bool = False
    dry_run: bool = False


def run(context: Context, request: BulkRequest) -> Result:
    """Check everything, then make all accounts, or with `keep_going` those that can be made.

    Raises `Refused` when a line is refused and it is not to go on, and when the file cannot be
    used as a whole; nothing is written then.
    """
    realm = find_open_realm(context, request.realm)
    display_host = display_host_of(context, realm)
    with context.database.read() as connection:
        references = References(connection, realm.realm_id)
    with closing(Spool()) as spool:
        unread = _fill(context, request, spool)
        checker = Checker(context, realm, references, if_not_exists=request.if_not_exists)
        creator = Creator(context, realm, references, checker, display_host, request.bare)
        job = _Job(request, realm, spool, unread, checker, creator)
        return job.run()


@dataclass(frozen=True, slots=True)
class _Job:
    request: BulkRequest
    realm: Realm
    spool: Spool
    unread: Sequence[Refusal]
    checker: Checker
    creator: Creator

    def run(self) -> Result:
        """Check and create; again when somebody else made one of the accounts in between."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._attempt()
            except Failed as error:
                if error.code != "integrity":
                    raise
        return self._attempt()

    def _attempt(self) -> Result:
        checked = self.checker.check(self.spool)
        checked.refusals = sorted([*self.unread, *checked.refusals], key=lambda one: one.line)
        if not self.request.keep_going:
            self._require_none(checked)
        if self.request.dry_run:
            return self._planned(checked)
        return self._done(checked, self._create(checked.lines_left_out()))

    def _create(self, left_out: set[int]) -> Made:
        if self.request.keep_going:
            return self.creator.create_possible(self.spool, left_out)
        return self.creator.create_all(self.spool, left_out)

    def _require_none(self, checked: Checked) -> None:
        if not checked.refusals:
            return
        refused = count_lines(checked.refusals)
        total = self.spool.count + count_lines(self.unread)
        raise Refused(
            f"cannot create the accounts: {refused:,} of {total:,} lines are refused",
            code="invalid",
            hint="mend them, or give --keep-going to create the others",
            problems=as_problems(checked.refusals),
            data={"created": 0, "existing": len(checked.existing)} | _refused(checked.refusals),
        )

    def _planned(self, checked: Checked) -> Result:
        number = self._to_create(checked)
        text = f"would create {_accounts(number)} in {self.realm.name!r}; nothing was written"
        data = {"created": 0, "existing": len(checked.existing)} | _refused(checked.refusals)
        return Result(
            data | {"to_create": number, "dry_run": True},
            text=text,
            findings=as_findings(checked.refusals),
        )

    def _done(self, checked: Checked, made: Made) -> Result:
        refusals = sorted([*checked.refusals, *made.refusals], key=lambda one: one.line)
        text = f"created {_accounts(len(made.user_ids))} in {self.realm.name!r}"
        existing = len(checked.existing | made.existing)
        if existing:
            text += f"; {existing:,} {'was' if existing == 1 else 'were'} already there"
        if refusals:
            text += f"; {count_lines(refusals):,} lines were refused"
        counts = {"created": len(made.user_ids), "existing": existing}
        return Result(counts | _refused(refusals), text=text, findings=as_findings(refusals))

    def _to_create(self, checked: Checked) -> int:
        read = {refusal.line for refusal in self.unread}
        return self.spool.count - len(checked.lines_left_out() - read)


def _fill(context: Context, request: BulkRequest, spool: Spool) -> list[Refusal]:
    """Put what the file asks for into `spool`; return the lines that ask for nothing clear."""
    refusals: list[Refusal] = []
    defaults = Defaults(request.role, request.no_password)
    # whoever types the lines may stop at once: nothing has been written
    typed = context.stop.at_once() if request.source == STDIN else nullcontext()
    with opened(request.source) as stream, typed:
        for entry in read_entries(stream, request.source):
            context.stop.check()
            found = [entry] if isinstance(entry, Refusal) else wanted(entry, defaults)
            if isinstance(found, Wanted):
                spool.put(found)
            else:
                refusals += found
    if spool.count == 0 and not refusals:
        raise Refused(
            f"{shown(request.source)} names no accounts",
            code="file-empty",
            hint="give one account a line, below the names of the columns",
        )
    return refusals


def _refused(refusals: Sequence[Refusal]) -> dict[str, object]:
    return {"refused": as_data(refusals)}


def _accounts(number: int) -> str:
    return "1 account" if number == 1 else f"{number:,} accounts"
