"""New accounts in an organization that is there: what one of them and very many share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Refused
from zcore.crash_points import crash_point
from zcore.organizations.codes import EmailVisibility
from zcore.organizations.hosts import display_email_host
from zcore.schema.realms import zerver_realmuserdefault
from zops_realm.accounts import create_accounts
from zops_realm.group_memberships import join_groups
from zops_realm.settling import settle_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context, CreatedUser
    from zcore.organizations.lookup import Realm
    from zops_realm.accounts import Account, Person
    from zops_realm.changing import Work
    from zops_realm.subscriptions import Channel


@dataclass(frozen=True, slots=True)
class More:
    """What people get beyond what everybody new gets, in their order: groups and channels."""

    group_ids: Sequence[Sequence[int]]
    channels: Sequence[Sequence[Channel]]


def unusable(realm: Realm, existing: Account) -> Refused | None:
    """What to raise for an account that is there but cannot be used as it is."""
    place = f"in {realm.name!r} (user id {existing.user_id})"
    if existing.is_mirror_dummy:
        return Refused(
            f"{existing.email!r} is a placeholder {place}, made for messages from elsewhere",
            code="user-placeholder",
            hint="the person takes it over by signing up with that address",
        )
    if not existing.is_active:
        return Refused(
            f"the account {existing.email!r} {place} is deactivated",
            code="user-deactivated",
            hint="'zops user reactivate' makes it active again, with all that it had",
        )
    if existing.is_bot:
        return Refused(
            f"{existing.email!r} is a bot {place}", code="user-bot", hint="use another address"
        )
    return None


def display_host_of(context: Context, realm: Realm) -> str | None:
    """The host of the address that others see; None where they may see the real one.

    Raises `Refused` when the server's host name, which it is made of, is not known.
    """
    defaults = zerver_realmuserdefault.c
    visibility = sa.select(defaults.email_address_visibility).where(
        defaults.realm_id == realm.realm_id
    )
    with context.database.read() as connection:
        hidden = connection.scalar(visibility) != EmailVisibility.EVERYONE
    if not hidden:
        return None
    external_host = context.settings.external_host
    if external_host is None:
        raise Refused(
            f"the organization {realm.name!r} hides its users' addresses, and the address shown "
            "instead needs the server's host name",
            code="no-external-host",
            hint="set ZOPS_EXTERNAL_HOST, or external_host under [server] in zops.toml",
        )
    return display_email_host(realm.string_id, external_host)


def write_accounts(
    work: Work,
    realm: Realm,
    people: Sequence[Person],
    display_host: str | None = None,
    *,
    bare: bool = False,
    more: More | None = None,
) -> tuple[CreatedUser, ...]:
    """Write the accounts of `people`, already validated; returns them in that order.

    The caller says with `Work.changed` that it was done.
    """
    users = create_accounts(work.connection, realm.realm_id, people, work.now, display_host)
    channels: dict[int, Sequence[Channel]] = {}
    if more is not None:
        ids = [user.user_id for user in users]
        channels = dict(zip(ids, more.channels, strict=True))
        memberships = zip(ids, more.group_ids, strict=True)
        join_groups(work.connection, realm.realm_id, memberships, work.now)
    crash_point("create-user:after-accounts")
    settle_in(work, realm.realm_id, realm.string_id, users, channels, bare=bare)
    return users
