"""Mails by which the owners of an organization learn that it was deactivated.

A worker sends them: the server's has the text in the owner's language, ours has it in English.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from zcore import Refused
from zcore.organizations.codes import Role
from zcore.schema.users import zerver_userprofile
from zops_realm.outbox import is_mail_ours, require_mail

if TYPE_CHECKING:
    from datetime import datetime

    from zcore import Context
    from zcore.organizations.lookup import Realm
    from zops_realm.changing import Work

QUEUE = "email_senders"
TEMPLATE = "zerver/emails/realm_deactivated"
SUPPORT = "SUPPORT"  # the worker puts the administrator's address in its place


def require_worker(context: Context) -> None:
    """Raise `Refused` where nobody is known who could send the mails."""
    if not context.database.is_server and not is_mail_ours(context):
        raise Refused(
            f"{context.database.name} is not a Zulip server's database: nobody sends mails",
            code="no-server",
            hint="leave out --email-owners, or set ZOPS_SMTP_URL for zops to send them",
        )
    require_mail(context, "set ZOPS_BROKER to the URL of its RabbitMQ")


def mail_owners(work: Work, realm: Realm, deletion: datetime | None) -> int:
    """Have everybody who owns the organization told, after the commit. Returns how many.

    `deletion` is when what people wrote is deleted; None: never.
    """
    users = zerver_userprofile.c
    owners = sa.select(users.delivery_email, users.default_language, users.timezone).where(
        users.realm_id == realm.realm_id,
        users.role == int(Role.OWNER),
        users.is_active,
        sa.not_(users.is_bot),
    )
    rows = work.connection.execute(owners.order_by(users.id)).all()
    host = work.context.settings.external_host
    for address, language, timezone in rows:
        event = {
            "template_prefix": TEMPLATE,
            "to_user_ids": None,
            "to_emails": [address],
            "from_name": f"{host} account security" if host else None,
            "from_address": SUPPORT,
            "language": language,
            "context": _context(realm, work.now, deletion, _zone(timezone)),
            "realm_id": realm.realm_id,
        }
        work.publish(QUEUE, event)
    return len(rows)


def _context(
    realm: Realm, now: datetime, deletion: datetime | None, zone: tzinfo
) -> dict[str, object]:
    """What the text speaks of; dates are those of the owner's place."""
    is_deleted = deletion is not None and deletion <= now
    is_to_be_deleted = deletion is not None and not is_deleted
    return {
        "realm_name": realm.name,
        "acting_user": False,
        "initiated_deactivation": False,
        "event_date": _date(now, zone),
        "data_already_deleted": is_deleted,
        "scheduled_deletion_date": _date(deletion, zone) if is_to_be_deleted else None,
    }


def _date(moment: datetime | None, zone: tzinfo) -> str | None:
    return None if moment is None else moment.astimezone(zone).date().isoformat()


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (OSError, KeyError, ValueError):  # one that this machine does not know
        return UTC
