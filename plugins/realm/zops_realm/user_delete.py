"""`zops user delete`: somebody is forgotten; what they wrote to others stays, under no name.

The account's row is overwritten, not deleted, and only what was the user's own goes. The server
of this version deletes the row instead and makes another one, which takes files, reactions and
parts of the audit log of others along; the way here is the one that its later versions go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Change, Context, Refused, Result
from zcore.crash_points import crash_point
from zcore.identifiers import random_api_key, random_uuid, unusable_password
from zcore.organizations.codes import AuditEvent, RecipientType, Role
from zcore.organizations.hosts import display_email_host
from zcore.organizations.sessions import end_sessions
from zcore.schema import tables
from zcore.schema.channels import zerver_recipient, zerver_subscription
from zcore.schema.defaults import default_of, has_default
from zcore.schema.messages import zerver_message
from zcore.schema.realms import zerver_realmauditlog
from zcore.schema.users import zerver_userprofile
from zops_realm.reports import report
from zops_realm.scheduled_emails import drop_scheduled_emails
from zops_realm.user_deactivate import active_bots, write_deactivation
from zops_realm.user_target import account_at, note_in_log, tell_change, update_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zops_realm.changing import Work
    from zops_realm.user_target import Target

# What is somebody's own, and nobody else's: the column that says whose, by table.
OWN_ROWS = {
    "zerver_alertword": "user_profile_id",
    "zerver_customprofilefieldvalue": "user_profile_id",
    "zerver_draft": "user_profile_id",
    "zerver_emailchangestatus": "user_profile_id",
    "zerver_missedmessageemailaddress": "user_profile_id",
    "zerver_muteduser": "user_profile_id",
    "zerver_onboardingstep": "user_id",
    "zerver_pushdevicetoken": "user_id",
    "zerver_savedsnippet": "user_profile_id",
    "zerver_scheduledmessagenotificationemail": "user_profile_id",
    "zerver_useractivity": "user_profile_id",
    "zerver_useractivityinterval": "user_profile_id",
    "zerver_usergroupmembership": "user_profile_id",
    "zerver_usermessage": "user_profile_id",
    "zerver_archivedusermessage": "user_profile_id",
    "zerver_userpresence": "user_profile_id",
    "zerver_userstatus": "user_profile_id",
    "zerver_usertopic": "user_profile_id",
    "analytics_usercount": "user_id",
    "otp_totp_totpdevice": "user_id",
    "social_auth_usersocialauth": "user_id",
    "two_factor_phonedevice": "user_id",
}
KEPT_COLUMNS = frozenset(
    {"id", "realm_id", "recipient_id", "date_joined", "is_bot", "bot_type", "bot_owner_id"}
)
# Entries of the audit log that hold what somebody was called, wanted or could be reached at.
TELLING_EVENTS = (
    AuditEvent.USER_FULL_NAME_CHANGED,
    AuditEvent.USER_EMAIL_CHANGED,
    AuditEvent.USER_SETTING_CHANGED,
)


def delete_user(
    context: Context, realm: str, user: str, *, is_sure: bool = False, dry_run: bool = False
) -> Result:
    """Delete somebody, after asking at the terminal unless `is_sure`.

    Raises `Refused` for the last owner, for somebody deleted already, and when the answer is no.
    """
    with account_at(context, realm, user, dry_run=True) as target:
        address = _address(context, target)
        _require_deletable(target, address)
        counts = {table: number for table, number in _counts(target) if number}
        messages = _messages(target)
    if not dry_run:
        _require_sure(context, target, is_sure=is_sure)
        with account_at(context, realm, f"id:{target.user.user_id}") as target:
            _require_deletable(target, address)
            assert target.work is not None  # noqa: S101  # it is no dry run
            _delete(target.work, target, address)
            crash_point("user-delete:before-commit")
    more = {"deleted": not dry_run, "removed": counts, "messages_kept": messages}
    what = f"{target.user.shown} in {target.realm.name!r}; {messages:,} messages stay"
    return report(target, ("deleted", "would delete"), what, more)


def _address(context: Context, target: Target) -> str:
    """What stands in the place of the address: it has the form of one, and goes nowhere."""
    external_host = context.settings.external_host
    if external_host is None:
        raise Refused(
            "what is put in the place of the address needs the server's host name",
            code="no-external-host",
            hint="set ZOPS_EXTERNAL_HOST, or external_host under [server] in zops.toml",
        )
    host = display_email_host(target.realm.string_id, external_host)
    return f"deleteduser{target.user.user_id}@{host}"


def _require_deletable(target: Target, address: str) -> None:
    if target.user.delivery_email == address:
        raise Refused(f"the account {target.user.shown} is deleted already", code="user-deleted")
    target.require_other_owner("delete")


def _require_sure(context: Context, target: Target, *, is_sure: bool) -> None:
    question = f"delete {target.user.shown} in {target.realm.name!r}? It cannot be taken back."
    if not is_sure and not context.console.confirm(question):
        raise Refused("nothing was deleted", code="not-confirmed")


def _counts(target: Target) -> Iterator[tuple[str, int]]:
    """How many rows of each table go."""
    user_id = target.user.user_id
    for table, mine in _own_rows(target.connection, user_id):
        counted = sa.select(sa.func.count()).select_from(table).where(mine)
        yield table.name, target.connection.scalar(counted) or 0


def _own_rows(
    connection: sa.Connection, user_id: int
) -> Iterator[tuple[sa.TableClause, sa.ColumnElement[bool]]]:
    """The tables that are there with somebody's own rows, and what is true of these."""
    there = set(sa.inspect(connection).get_table_names())
    for name, column in OWN_ROWS.items():
        if name in there:
            table = tables.get(name, sa.table(name, sa.column(column)))
            yield table, table.c[column] == user_id
    scheduled = tables["zerver_scheduledmessage"]
    unsent = sa.select(scheduled.c.id).where(scheduled.c.sender_id == user_id)
    attached = tables["zerver_attachment_scheduled_messages"]
    yield attached, attached.c.scheduledmessage_id.in_(unsent)
    yield scheduled, scheduled.c.sender_id == user_id
    # Those to a conversation of several stay: they say who was in it.
    subscriptions, recipients = zerver_subscription.c, zerver_recipient.c
    groups = sa.select(recipients.id).where(
        recipients.type == int(RecipientType.DIRECT_MESSAGE_GROUP)
    )
    is_own = sa.and_(
        subscriptions.user_profile_id == user_id, subscriptions.recipient_id.not_in(groups)
    )
    yield zerver_subscription, is_own


def _messages(target: Target) -> int:
    messages = zerver_message.c
    chosen = sa.select(sa.func.count()).where(
        messages.realm_id == target.realm.realm_id, messages.sender_id == target.user.user_id
    )
    return target.connection.scalar(chosen) or 0


def _delete(work: Work, target: Target, address: str) -> None:
    user, connection = target.user, work.connection
    recipient_ids = _subscribed(connection, user.user_id)
    details = _deactivate(work, target)
    for table, mine in list(_own_rows(connection, user.user_id)):
        connection.execute(sa.delete(table).where(mine))
    drop_scheduled_emails(connection, [user.user_id])
    _scrub_log(connection, user.user_id)
    update_user(work, user.user_id, **_nobody(target, address))
    note_in_log(work, target, AuditEvent.USER_DELETED_PRESERVING_MESSAGES)
    former = {
        "email": user.email,
        "delivery_email": user.delivery_email,
        "api_key": user.api_key,
    }
    tell_change(
        work, target, "user.deleted", details | {"old": former, "recipient_ids": recipient_ids}
    )


def _deactivate(work: Work, target: Target) -> dict[str, object]:
    """Deactivate the account and its bots. Returns what the change tells of the account."""
    user, realm = target.user, target.realm
    if not user.is_active:
        return {"session_keys": end_sessions(work.connection, [user.user_id])}
    bots = tuple(active_bots(target))
    details = write_deactivation(work, realm.realm_id, (*bots, user.user_id))
    if bots:
        work.changed(Change("user.deactivated", realm.realm_id, realm.string_id, bots))
    return dict(details)


def _subscribed(connection: sa.Connection, user_id: int) -> list[int]:
    subscriptions = zerver_subscription.c
    chosen = sa.select(subscriptions.recipient_id).where(subscriptions.user_profile_id == user_id)
    return list(connection.scalars(chosen))


def _scrub_log(connection: sa.Connection, user_id: int) -> None:
    log = zerver_realmauditlog
    connection.execute(
        sa.update(log)
        .where(log.c.modified_user_id == user_id, log.c.event_type.in_(TELLING_EVENTS))
        .values(extra_data={})
    )


def _nobody(target: Target, address: str) -> Mapping[str, object]:
    """The columns of an account of nobody; settings together could tell who it was."""
    defaults = {
        column.name: default_of(column)
        for column in zerver_userprofile.c
        if column.name not in KEPT_COLUMNS and has_default(column)
    }
    return defaults | {
        "delivery_email": address,
        "email": address,
        "full_name": f"Deleted User {target.user.user_id}",
        "password": unusable_password(),
        "api_key": random_api_key(),
        "uuid": random_uuid(),
        "role": int(Role.MEMBER),
        "is_active": False,
        "is_mirror_dummy": True,
        "last_login": target.user.date_joined,
    }
