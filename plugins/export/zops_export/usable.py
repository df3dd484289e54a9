"""Asked before an export is made: could anybody run the organization that comes of it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Problem
from zcore.organizations.codes import EmailVisibility, Role
from zcore.validation import refuse
from zops_export.privacy import Privacy
from zops_export.selection import Condition, Mode, users

if TYPE_CHECKING:
    from zops_export.export_job import ExportJob
    from zops_export.selection import Selection

ALLOWED = "--allow-unusable"
MOST_NAMED = 3
NONE_AT_ONCE = (
    "no owner has consented: after an import, one has to sign up with the address of the account"
)


def require_owner(connection: sa.Connection, job: ExportJob, *, allow_unusable: bool) -> None:
    """Raise `Refused` when no owner could log in after an import; name those who could not.

    An owner has to consent, or to let administrators see the address by which an account is found
    again. Warns when one has to sign up with it first. An export of all data of everybody, which
    is what a server's rules make of the full mode, always has its owners.
    """
    selection = job.selection
    if allow_unusable or (selection.mode is Mode.FULL and job.privacy is Privacy.SERVER):
        return
    can = _may_log_in(selection)
    owner = sa.and_(_people(selection), users.c.role == Role.OWNER)
    if not _is_there(connection, owner, can):
        refuse("the export would not be usable", [_problem(connection, selection, can)])
    if not _is_there(connection, owner, sa.not_(selection.dummy)):
        job.context.console.warn(NONE_AT_ONCE)


def _is_there(connection: sa.Connection, *conditions: Condition) -> bool:
    query = sa.select(users.c.id).where(*conditions).limit(1)
    return connection.execute(query).first() is not None


def _people(selection: Selection) -> Condition:
    """Active accounts of people."""
    return sa.and_(
        selection.where(users),
        users.c.is_active,
        sa.not_(users.c.is_bot),
        sa.not_(users.c.is_mirror_dummy),
    )


def _may_log_in(selection: Selection) -> Condition:
    """Is the address of an account in the export by visibility, or by consent?"""
    seen = users.c.email_address_visibility != EmailVisibility.NOBODY
    if selection.mode is Mode.PUBLIC:
        return seen
    return sa.or_(seen, users.c.allow_private_data_export)


def _problem(connection: sa.Connection, selection: Selection, can: Condition) -> Problem:
    out = sa.and_(_people(selection), sa.not_(can))
    count = connection.execute(
        sa.select(sa.func.count()).select_from(users).where(out)
    ).scalar_one()
    first = sa.select(users.c.full_name).where(out).order_by(users.c.role, users.c.id)
    names = [repr(name) for name in connection.scalars(first.limit(MOST_NAMED))]
    wanted = "lets administrators see the address of the account"
    if selection.mode is not Mode.PUBLIC:
        wanted = f"has consented or {wanted}"
    return Problem(
        "unusable-export",
        f"nobody could run the organization after an import: no active owner {wanted}"
        f"{_named(count, names)}",
        hint=f"ask an owner to change that, or take it as it is with {ALLOWED}",
        override=ALLOWED,
    )


def _named(count: int, names: list[str]) -> str:
    if not count:
        return ""
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    people = "1 account" if count == 1 else f"{count:,} accounts"
    return f"; {people} could not log in: {', '.join(names)}{more}"
