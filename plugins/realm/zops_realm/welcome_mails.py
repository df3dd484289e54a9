"""The mails that workers send to somebody new: one at once, others on later days.

They have the texts, by the server's names; here is only what those are filled with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.addresses import in_upper_case
from zcore.organizations.hosts import realm_url
from zcore.organizations.inserts import insert_returning_ids, insert_rows
from zcore.schema.queues import zerver_scheduledemail, zerver_scheduledemail_users
from zcore.schema.users import zerver_userprofile
from zops_realm.unsubscribing import unsubscribe_links
from zops_realm.welcomed import WelcomingRealm, is_administrator

if TYPE_CHECKING:
    from zcore import Context, CreatedUser, UsersCreated

QUEUE = "deferred_email_senders"
WELCOME_MAIL = 1  # `zerver_scheduledemail.type`
SUPPORT = "SUPPORT"  # the worker puts the administrator's address in its place

ACCOUNT_REGISTERED = "zerver/emails/account_registered"
TOPICS = "zerver/emails/onboarding_zulip_topics"
GUIDE = "zerver/emails/onboarding_zulip_guide"
TEAM = "zerver/emails/onboarding_team_to_zulip"

# After how many days, less an hour, a mail is due: by the weekday on which somebody joined,
# Monday first. None of them comes on a weekend.
DAYS: Mapping[str, Sequence[int]] = {
    TOPICS: (2, 2, 2, 4, 4, 2, 2),
    GUIDE: (4, 6, 6, 6, 6, 4, 4),
    TEAM: (8, 8, 8, 8, 10, 6, 8),
}
# By `zerver_realm.org_type`: what the template calls it, and the guide's place. The guide for
# communities is for those who run them.
COMMUNITIES = "https://zulip.com/for/communities/"
GUIDES: Mapping[int, tuple[str, str]] = {
    10: ("business", "https://zulip.com/for/business/"),
    20: ("opensource", "https://zulip.com/for/open-source/"),
    30: ("education", "https://zulip.com/for/education/"),
    35: ("education", "https://zulip.com/for/education/"),
    40: ("research", "https://zulip.com/for/research/"),
    50: ("event", "https://zulip.com/for/events/"),
    60: ("nonprofit", COMMUNITIES),
    90: ("community", COMMUNITIES),
}
Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to a new user: the template's name, and what it is filled with."""

    user_id: int
    template: str
    context: Mapping[str, object]

    def event(self) -> dict[str, object]:
        """How the queue's worker wants it, without whom it goes to."""
        return {
            "template_prefix": self.template,
            "from_name": None,
            "from_address": SUPPORT,
            "language": None,
            "context": self.context,
        }


def send_welcome_mails(created: UsersCreated, realm: WelcomingRealm, context: Context) -> None:
    """Publish the first mail and schedule the others.

    Every mail links to the organization, so without a host name there are none. Where a server
    would send them, that is said with whatever else it is not told (`server.telling`).
    """
    host = context.settings.external_host
    url = realm_url(created.string_id, host)
    if host is None or url is None:
        return
    for user in created.users:
        mail = _registered(user, realm, created, url, host)
        created.publish(QUEUE, mail.event() | {"to_user_ids": [user.user_id], "to_emails": None})
    if realm.send_welcome_emails:
        _schedule(created, realm, url, host)


def _common(user: CreatedUser, realm: WelcomingRealm, url: str, host: str) -> dict[str, object]:
    """What every template is filled with."""
    return {
        "realm_url": url,
        "realm_name": realm.name,
        "root_domain_url": f"https://{host}",
        "external_url_scheme": "https://",
        "external_host": host,
        "user_name": user.full_name,
        "corporate_enabled": False,
    }


def _registered(
    user: CreatedUser, realm: WelcomingRealm, created: UsersCreated, url: str, host: str
) -> Mail:
    fields = _common(user, realm, url, host) | {
        "realm_creation": created.realm_creation,
        "email": user.email,
        "is_realm_admin": is_administrator(user.role),
        "is_demo_organization": realm.is_demo,
        "getting_organization_started_link": f"{url}/help/moving-to-zulip",
        "getting_user_started_link": f"{url}/help/getting-started-with-zulip",
    }
    return Mail(user.user_id, ACCOUNT_REGISTERED, fields)


def _schedule(created: UsersCreated, realm: WelcomingRealm, url: str, host: str) -> None:
    connection = created.connection
    known = _known_elsewhere(connection, created.users)
    links = unsubscribe_links(connection, created, url)
    mails = [
        Mail(user.user_id, template, fields | links[user.user_id] | extra)
        for user in created.users
        for fields in (_common(user, realm, url, host),)
        for template, extra in _later_mails(user, realm, created, url, known)
    ]
    rows = [_scheduled(mail, created.realm_id, created.now) for mail in mails]
    mail_ids = insert_returning_ids(connection, zerver_scheduledemail, rows)
    receivers = (
        {"scheduledemail_id": mail_id, "userprofile_id": mail.user_id}
        for mail_id, mail in zip(mail_ids, mails, strict=True)
    )
    insert_rows(connection, zerver_scheduledemail_users, receivers)


def _later_mails(
    user: CreatedUser, realm: WelcomingRealm, created: UsersCreated, url: str, known: set[int]
) -> Iterator[tuple[str, Fields]]:
    """The templates of the mails of the next days, each with what only it is filled with."""
    if user.user_id not in known:
        yield TOPICS, _topic_links(url)
    kind, guide = GUIDES.get(realm.org_type, ("", ""))
    if guide and (guide != COMMUNITIES or is_administrator(user.role)):
        yield GUIDE, {"organization_type": kind, "zulip_guide_link": guide}
    if created.realm_creation:
        yield TEAM, _team_links(url)


def _topic_links(url: str) -> Fields:
    return {
        "move_messages_link": f"{url}/help/move-content-to-another-topic",
        "rename_topics_link": f"{url}/help/rename-a-topic",
        "move_channels_link": f"{url}/help/move-content-to-another-channel",
    }


def _team_links(url: str) -> Fields:
    return {
        "get_organization_started": f"{url}/help/moving-to-zulip",
        "invite_users": f"{url}/help/invite-users-to-join",
        "trying_out_zulip": f"{url}/help/trying-out-zulip",
        "why_zulip": "https://zulip.com/why-zulip/",
    }


def _scheduled(mail: Mail, realm_id: int, now: datetime) -> dict[str, object]:
    # The new user has not said yet in which time zone they are: until then it is UTC.
    delay = timedelta(days=DAYS[mail.template][now.weekday()], hours=-1)
    return {
        "realm_id": realm_id,
        "type": WELCOME_MAIL,
        "address": None,
        "data": json.dumps(mail.event(), ensure_ascii=False, separators=(",", ":")),
        "scheduled_timestamp": now + delay,
    }


def _known_elsewhere(connection: sa.Connection, users: Sequence[CreatedUser]) -> set[int]:
    """Ids of those who have another account on the server: they know what topics are."""
    accounts = zerver_userprofile.c
    address = sa.func.upper(accounts.delivery_email)
    wanted = in_upper_case(connection, (user.email for user in users))
    shared = sa.select(address).where(address.in_(wanted)).group_by(address)
    chosen = sa.select(accounts.id).where(
        accounts.id.in_([user.user_id for user in users]),
        address.in_(shared.having(sa.func.count() > 1)),
    )
    return set(connection.scalars(chosen))
