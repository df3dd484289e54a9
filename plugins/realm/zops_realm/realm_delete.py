"""`zops realm delete`: an organization, with everything that is in it, for good."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import sqlalchemy as sa

from zcore import Change, Context, Finding, Refused, Result, ZopsError
from zcore.crash_points import crash_point
from zcore.organizations.closing import users_of
from zcore.organizations.sessions import end_sessions, sessions_of
from zcore.schema.users import zerver_userprofile
from zops_realm.realm_files import RealmFiles, find_files
from zops_realm.realm_removal import Counts, count_rows, delete_rows
from zops_realm.realm_target import changing_realm, looking_at_realm

if TYPE_CHECKING:
    from zcore.organizations.lookup import Realm
    from zops_realm.changing import Work

SESSIONS = "django_session"
SHOWN_TABLES = {
    "zerver_userprofile": "accounts",
    "zerver_stream": "channels",
    "zerver_message": "messages",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRequest:
    """What to delete. `confirmed`: its subdomain, once more; None: ask at the terminal."""

    realm: str
    confirmed: str | None = None
    keep_files: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What there is to delete. `files` and `size` (in bytes) are None where files are kept."""

    realm: Realm
    rows: Counts
    places: RealmFiles
    files: int | None
    size: int | None

    @property
    def text(self) -> str:
        """What that is, in few words."""
        parts = [f"{self.rows.get(table, 0)} {word}" for table, word in SHOWN_TABLES.items()]
        if self.files is not None:
            parts.append(f"{self.files} files")
        realm, rows = self.realm, f"{sum(self.rows.values())} rows in {len(self.rows)} tables"
        name = f"{realm.name!r} (id {realm.realm_id}) at {realm.string_id!r}"
        return f"{name}: {', '.join(parts)}; {rows}"


def run(context: Context, request: DeletionRequest) -> Result:
    """Count, ask, delete: all rows in one transaction, then the files.

    Raises `Refused` when the answer is not the organization's subdomain.
    """
    preview = _preview(context, request)
    if request.dry_run:
        return _report(preview, preview.rows, dry_run=True)
    _require_confirmation(context, request, preview)
    reference = f"id:{preview.realm.realm_id}"
    try:
        with changing_realm(context, reference) as (work, realm):
            _require_same(preview, realm)
            deleted = _delete(work, realm)
            crash_point("realm-delete:before-commit")
    except ZopsError as error:
        raise _explained(error) from error
    findings = [] if request.keep_files else list(preview.places.delete())
    return _report(preview, deleted, findings=findings)


def _preview(context: Context, request: DeletionRequest) -> Preview:
    with looking_at_realm(context, request.realm) as (connection, realm):
        rows = count_rows(connection, realm.realm_id)
        sessions = len(sessions_of(connection, users_of(connection, realm.realm_id)))
        places = RealmFiles(())
        if not request.keep_files:
            places = find_files(context, connection, realm.realm_id)
    rows |= {SESSIONS: sessions} if sessions else {}
    files, size = (None, None) if request.keep_files else places.count()
    return Preview(realm, dict(sorted(rows.items())), places, files, size)


def _require_confirmation(context: Context, request: DeletionRequest, preview: Preview) -> None:
    realm = preview.realm
    answer = request.confirmed
    if answer is None:
        answer = _typed(context, preview)
    if answer != realm.string_id:
        raise Refused(
            f"{answer!r} is not the subdomain of {realm.name!r}: nothing was deleted",
            code="not-confirmed",
            hint=f"it is {realm.string_id!r}",
        )


def _typed(context: Context, preview: Preview) -> str:
    """What a person at the terminal answers."""
    if not sys.stdin.isatty():
        raise Refused(
            f"nobody is there to confirm that {preview.realm.name!r} is to be deleted",
            code="no-terminal",
            hint="give --yes-delete SUBDOMAIN; --dry-run shows what would be deleted",
        )
    question = f"This deletes {preview.text}\nfor good. Type its subdomain to go on"
    with context.stop.at_once():  # Ctrl-C at a question ends the program, as everywhere
        answer: str = click.prompt(question, err=True, default="", show_default=False)
    return answer


def _require_same(preview: Preview, realm: Realm) -> None:
    if realm.string_id != preview.realm.string_id:
        raise Refused(
            f"the subdomain of {realm.name!r} has just been changed: nothing was deleted",
            code="realm-changed",
        )


def _delete(work: Work, realm: Realm) -> Counts:
    connection, realm_id = work.connection, realm.realm_id
    accounts = _accounts(connection, realm_id)
    ended = end_sessions(connection, users_of(connection, realm_id))
    deleted = delete_rows(connection, realm_id, work.context.stop.check)
    details = {"users": accounts, "session_keys": ended}
    work.changed(Change("realm.deleted", realm_id, realm.string_id, details=details))
    return dict(sorted((deleted | ({SESSIONS: len(ended)} if ended else {})).items()))


def _accounts(connection: sa.Connection, realm_id: int) -> list[dict[str, object]]:
    """What a server may still have in its cache, and only the rows could tell."""
    users = zerver_userprofile.c
    chosen = sa.select(users.id, users.email, users.delivery_email, users.api_key)
    rows = connection.execute(chosen.where(users.realm_id == realm_id)).mappings()
    return [dict(row) for row in rows]


def _explained(error: ZopsError) -> ZopsError:
    if error.code == "integrity":
        error.hint = (
            "somebody wrote in the organization meanwhile: nothing was deleted; deactivate it first"
            " with 'zops realm deactivate'"
        )
    return error


def _report(
    preview: Preview,
    rows: Counts,
    *,
    findings: list[Finding] | None = None,
    dry_run: bool = False,
) -> Result:
    data: dict[str, object] = {
        "realm_id": preview.realm.realm_id,
        "string_id": preview.realm.string_id,
        "name": preview.realm.name,
        "rows": rows,
        "files": preview.files,
        "bytes": preview.size,
    }
    if dry_run:
        return Result(data | {"dry_run": True}, text=f"would delete {preview.text}")
    return Result(data, text=f"deleted {preview.text}", findings=findings or ())
