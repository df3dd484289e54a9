"""`zops user send-password-reset`: a link with which people set a password of their own.

For those who never had one: whoever was imported, or made with `--no-password`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Context, Problem, Refused, Result
from zcore.broker import publish_events
from zcore.organizations.hosts import realm_url
from zcore.schema.users import zerver_userprofile
from zcore.validation import refuse
from zops_realm.accounts import MADE_BY_OTHERS, no_account, user_condition
from zops_realm.outbox import is_mail_ours, require_mail
from zops_realm.realm_target import find_open_realm
from zops_realm.reset_links import Resetting, reset_link

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore.organizations.lookup import Realm

QUEUE = "email_senders"
TEMPLATE = "zerver/emails/password_reset"
NO_REPLY = "TOKENIZED_NO_REPLY"  # the worker puts an address of the server's in its place

NO_KEY_HINT = "set secret_key_file under [server] in zops.toml, or ZOPS_ZULIP_CONF to /etc/zulip"
NO_BROKER_HINT = "set ZOPS_BROKER to the URL of its RabbitMQ, give --show to hand out the links"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetRequest:
    """Who is to get a link. `show`: the links are shown instead of being mailed."""

    realm: str
    users: Sequence[str] = ()
    all_users: bool = False
    never_logged_in: bool = False
    show: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who gets a link."""

    address: str
    resetting: Resetting


def run(context: Context, request: ResetRequest) -> Result:
    """Queue mails with the links, for the server or for us, or show them. Nothing is written.

    Raises `Refused` where the server's secret key, its host name or its broker is not known, and
    for accounts that are not there, not active, or bots.
    """
    realm = find_open_realm(context, request.realm)
    url = _url(context, realm)
    secret_key = _secret_key(context)
    if not request.show:
        require_mail(context, NO_BROKER_HINT)
    with context.database.read() as connection:
        receivers = _receivers(connection, request, realm)
    now = datetime.now(UTC)
    links = {one.address: reset_link(url, one.resetting, secret_key, now) for one in receivers}
    if not request.show and not request.dry_run:
        publish_events(context, QUEUE, _events(context, realm, url, receivers, links))
        if is_mail_ours(context):
            context.console.note(f"'zops process-queue {QUEUE}' sends the mails")
    return _report(request, realm, links)


def _url(context: Context, realm: Realm) -> str:
    url = realm_url(realm.string_id, context.settings.external_host)
    if url is None:
        raise Refused(
            "the links need the server's host name",
            code="no-external-host",
            hint="set ZOPS_EXTERNAL_HOST, or external_host under [server] in zops.toml",
        )
    return url


def _secret_key(context: Context) -> str:
    secret_key = context.settings.server_secret_key()
    if not secret_key:
        raise Refused(
            "the links are signed with the server's secret key, which is not known",
            code="no-secret-key",
            hint=NO_KEY_HINT,
        )
    return secret_key


def _receivers(
    connection: sa.Connection, request: ResetRequest, realm: Realm
) -> Sequence[Receiver]:
    users = zerver_userprofile.c
    chosen = sa.select(
        users.delivery_email, users.id, users.password, users.last_login, users.email
    ).where(users.realm_id == realm.realm_id, users.is_active, sa.not_(users.is_bot))
    if request.never_logged_in:
        chosen = chosen.where(users.tos_version == MADE_BY_OTHERS)
    if not request.all_users:
        chosen = chosen.where(users.id.in_(_named(connection, request, realm)))
    rows = connection.execute(chosen.order_by(users.id)).all()
    return [Receiver(address, Resetting(*columns)) for address, *columns in rows]


def _named(connection: sa.Connection, request: ResetRequest, realm: Realm) -> list[int]:
    users = zerver_userprofile.c
    user_ids: list[int] = []
    problems: list[Problem] = []
    for place, reference in enumerate(request.users):
        chosen = sa.select(users.id, users.is_active, users.is_bot).where(
            users.realm_id == realm.realm_id, user_condition(reference)
        )
        row = connection.execute(chosen).first()
        if row is None:
            error = no_account(reference, realm)
            problems.append(Problem(error.code, error.message, error.hint, index=place))
        elif row.is_bot or not row.is_active:
            kind = "user-bot" if row.is_bot else "user-deactivated"
            why = "a bot" if row.is_bot else "deactivated"
            problems.append(Problem(kind, f"the account {reference!r} is {why}", index=place))
        else:
            user_ids.append(row.id)
    refuse("cannot send the links", problems)
    return user_ids


def _events(
    context: Context,
    realm: Realm,
    url: str,
    receivers: Sequence[Receiver],
    links: dict[str, str],
) -> Iterator[dict[str, object]]:
    for receiver in receivers:
        yield {
            "template_prefix": TEMPLATE,
            "to_user_ids": [receiver.resetting.user_id],
            "to_emails": None,
            "from_name": f"{context.settings.external_host} account security",
            "from_address": NO_REPLY,
            "language": None,
            "context": {
                "email": receiver.address,
                "realm_url": url,
                "realm_name": realm.name,
                "active_account_in_realm": True,
                "reset_url": links[receiver.address],
            },
        }


def _report(request: ResetRequest, realm: Realm, links: dict[str, str]) -> Result:
    number = f"{len(links):,} {'person' if len(links) == 1 else 'people'} of {realm.name!r}"
    data: dict[str, object] = {"sent": 0 if request.show or request.dry_run else len(links)}
    if request.show and not request.dry_run:
        lines = [f"{address}  {link}" for address, link in links.items()]
        return Result(data | {"links": links}, text="\n".join(lines) or "nobody gets a link")
    if request.dry_run:
        text = f"would send links to {number}; nothing was sent"
        return Result(data | {"to_send": len(links), "dry_run": True}, text=text)
    return Result(data, text=f"queued mails with links to {number}; they are good for a day")
