"""`zops channel subscribe`: people are subscribed to a channel, and need not do anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Change, Context, Problem, Refused, Result
from zcore.crash_points import crash_point
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.schema.channels import zerver_subscription
from zcore.schema.users import zerver_userprofile
from zcore.validation import refuse
from zops_realm.accounts import no_account, user_condition
from zops_realm.changing import changing
from zops_realm.channels import FoundChannel, find_channel
from zops_realm.realm_target import find_open_realm
from zops_realm.subscriptions import Channel, newest_message_id, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore.organizations.lookup import Realm
    from zops_realm.changing import Work

AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRequest:
    """Whom to subscribe to what; `all_users` are all people with an active account."""

    realm: str
    channel: str
    users: Sequence[str] = ()
    all_users: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: ids of users who were never subscribed, and who were once."""

    channel: FoundChannel
    new: Sequence[int]
    former: Sequence[int]
    already: int

    @property
    def user_ids(self) -> tuple[int, ...]:
        """Everybody who is subscribed afterwards and was not before."""
        return (*self.new, *self.former)


def run(context: Context, request: SubscriptionRequest) -> Result:
    """Subscribe them; who is subscribed already is only counted.

    Raises `Refused` for accounts that are not there or not active, and for an archived channel.
    """
    realm = find_open_realm(context, request.realm)
    if request.dry_run:
        with context.database.read() as connection:
            return _report(request, realm, _plan(connection, request, realm))
    with changing(context) as work:
        plan = _plan(work.connection, request, realm)
        if plan.user_ids:
            _write(work, realm, plan)
        crash_point("channel-subscribe:before-commit")
    return _report(request, realm, plan)


def _plan(connection: sa.Connection, request: SubscriptionRequest, realm: Realm) -> Plan:
    channel = find_channel(connection, realm, request.channel)
    if channel.is_archived:
        raise Refused(f"the channel {channel.name!r} is archived", code="channel-closed")
    wanted = _everybody(connection, realm) if request.all_users else None
    user_ids = _named(connection, request, realm) if wanted is None else wanted
    subscriptions = zerver_subscription.c
    chosen = sa.select(subscriptions.user_profile_id, subscriptions.active).where(
        subscriptions.recipient_id == channel.recipient_id
    )
    active = dict(connection.execute(chosen).all())
    return Plan(
        channel=channel,
        new=[user_id for user_id in user_ids if user_id not in active],
        former=[user_id for user_id in user_ids if active.get(user_id) is False],
        already=sum(active.get(user_id) is True for user_id in user_ids),
    )


def _everybody(connection: sa.Connection, realm: Realm) -> list[int]:
    users = zerver_userprofile.c
    chosen = sa.select(users.id).where(
        users.realm_id == realm.realm_id, users.is_active, sa.not_(users.is_bot)
    )
    return list(connection.scalars(chosen.order_by(users.id)))


def _named(connection: sa.Connection, request: SubscriptionRequest, realm: Realm) -> list[int]:
    users = zerver_userprofile.c
    user_ids: dict[int, None] = {}
    problems: list[Problem] = []
    for place, reference in enumerate(request.users):
        chosen = sa.select(users.id, users.is_active).where(
            users.realm_id == realm.realm_id, user_condition(reference)
        )
        row = connection.execute(chosen).first()
        if row is None:
            error = no_account(reference, realm)
            problems.append(Problem(error.code, error.message, error.hint, index=place))
        elif not row.is_active:
            message = f"the account {reference!r} is deactivated"
            problems.append(Problem("user-deactivated", message, index=place))
        else:
            user_ids[row.id] = None
    refuse("cannot subscribe them", problems)
    return list(user_ids)


def _write(work: Work, realm: Realm, plan: Plan) -> None:
    connection = work.connection
    channel = Channel(plan.channel.channel_id, plan.channel.recipient_id)
    for some in _blocks(plan.new):
        subscribe(connection, realm.realm_id, some, [channel], work.now)
    if plan.former:
        _subscribe_again(work, realm, plan)
    details = {"stream_ids": [channel.channel_id]}
    work.changed(
        Change("channel.subscribed", realm.realm_id, realm.string_id, plan.user_ids, details)
    )


def _subscribe_again(work: Work, realm: Realm, plan: Plan) -> None:
    """Their former colours and notifications are theirs again."""
    subscriptions = zerver_subscription
    for some in _blocks(plan.former):
        work.connection.execute(
            sa.update(subscriptions)
            .where(
                subscriptions.c.recipient_id == plan.channel.recipient_id,
                subscriptions.c.user_profile_id.in_(some),
            )
            .values(active=True)
        )
    last_message_id = newest_message_id(work.connection)
    entries = (
        AuditEntry(
            event_type=AuditEvent.SUBSCRIPTION_ACTIVATED,
            realm_id=realm.realm_id,
            event_time=work.now,
            modified_user_id=user_id,
            modified_stream_id=plan.channel.channel_id,
            event_last_message_id=last_message_id,
        )
        for user_id in plan.former
    )
    write_audit_entries(work.connection, entries)


def _blocks(user_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(user_ids), AT_ONCE):
        yield user_ids[start : start + AT_ONCE]


def _report(request: SubscriptionRequest, realm: Realm, plan: Plan) -> Result:
    number = len(plan.user_ids)
    data: dict[str, object] = {
        "channel_id": plan.channel.channel_id,
        "name": plan.channel.name,
        "subscribed": 0 if request.dry_run else number,
        "already": plan.already,
    }
    done = "would subscribe" if request.dry_run else "subscribed"
    people = "1 account" if number == 1 else f"{number:,} accounts"
    text = f"{done} {people} to {plan.channel.name!r} in {realm.name!r}"
    if plan.already:
        text += f"; {plan.already:,} were subscribed already"
    if request.dry_run:
        return Result(
            data | {"to_subscribe": number, "dry_run": True}, text=f"{text}; nothing was written"
        )
    return Result(data, text=text)
