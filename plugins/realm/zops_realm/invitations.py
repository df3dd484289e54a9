"""Invitations that somebody no longer needs: they have an account now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.addresses import in_upper_case
from zcore.schema.invitations import (
    confirmation_confirmation,
    zerver_multiuseinvite,
    zerver_preregistrationuser,
)
from zcore.schema.queues import zerver_scheduledemail, zerver_scheduledemail_users

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

USED = 1  # `zerver_preregistrationuser.status`
REVOKED = 2
INVITATION = 2  # `confirmation_confirmation.type`
MULTIUSE_INVITATION = 6
INVITATION_REMINDER = 3  # `zerver_scheduledemail.type`


def withdraw_invitations(
    connection: sa.Connection, realm_id: int, addresses: Sequence[str]
) -> None:
    """Revoke what invites `addresses` into the realm, and delete the reminders of it."""
    wanted = in_upper_case(connection, addresses)
    invitations = zerver_preregistrationuser
    connection.execute(
        sa.update(invitations)
        .where(invitations.c.realm_id == realm_id, sa.func.upper(invitations.c.email).in_(wanted))
        .values(status=REVOKED)
    )
    mails, receivers = zerver_scheduledemail, zerver_scheduledemail_users
    reminders = sa.select(mails.c.id).where(
        mails.c.realm_id == realm_id,
        mails.c.type == INVITATION_REMINDER,
        sa.func.upper(mails.c.address).in_(wanted),
    )
    connection.execute(sa.delete(receivers).where(receivers.c.scheduledemail_id.in_(reminders)))
    connection.execute(sa.delete(mails).where(mails.c.id.in_(reminders)))


def end_invitations_by(connection: sa.Connection, user_id: int, now: datetime) -> int:
    """Let the links that this account invites others with expire now. Returns how many."""
    ended = 0
    invitations, links = zerver_preregistrationuser.c, zerver_multiuseinvite.c
    for kind, ids in (
        (
            INVITATION,
            sa.select(invitations.id).where(
                invitations.referred_by_id == user_id, invitations.status.not_in((USED, REVOKED))
            ),
        ),
        (MULTIUSE_INVITATION, sa.select(links.id).where(links.referred_by_id == user_id)),
    ):
        confirmations = confirmation_confirmation
        still_valid = sa.or_(
            confirmations.c.expiry_date.is_(None), confirmations.c.expiry_date >= now
        )
        ended += connection.execute(
            sa.update(confirmations)
            .where(confirmations.c.type == kind, confirmations.c.object_id.in_(ids), still_valid)
            .values(expiry_date=now)
        ).rowcount
    return ended
