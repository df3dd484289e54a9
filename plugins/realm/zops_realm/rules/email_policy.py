"""What an organization itself asks of the addresses of its accounts.

An organization that is just being created asks for nothing yet: its owner sets these rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcore import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zcore import Validation


@dataclass(frozen=True, slots=True)
class Policy:
    """`domains`: the only ones allowed, with whether what is below them is too; None: any."""

    domains: Mapping[str, bool] | None
    refuses_disposable: bool


def domain(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """One of the organization's domains, where it names some; and no `+`, which makes others."""
    policy = _policy(context)
    if policy is None or policy.domains is None:
        return
    for index, value in enumerate(values):
        local, _, host = value.rpartition("@")
        if "+" in local:
            yield Problem(
                "email-plus",
                f"e-mail address {value!r} has a '+', which the organization does not allow",
                hint="use the address without that part",
                index=index,
            )
        elif not _is_below(host.lower(), policy.domains):
            yield Problem(
                "email-domain",
                f"e-mail address {value!r} is not of a domain that the organization allows",
                hint=f"it allows: {', '.join(sorted(policy.domains)) or 'none yet'}",
                index=index,
            )


def not_disposable(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Not of a service that gives away addresses for an hour, where the organization minds."""
    policy = _policy(context)
    if policy is None or policy.domains is not None or not policy.refuses_disposable:
        return
    from disposable_email_domains import blocklist

    for index, value in enumerate(values):
        if value.rpartition("@")[2].lower() in blocklist:
            yield Problem(
                "email-disposable",
                f"e-mail address {value!r} is a disposable one, which the organization refuses",
                hint="use a lasting address",
                index=index,
            )


def _is_below(host: str, domains: Mapping[str, bool]) -> bool:
    if host in domains:
        return True
    return any(below and host.endswith(f".{name}") for name, below in domains.items())


def _policy(context: Validation) -> Policy | None:
    """The organization's; None when there is none to ask."""
    if context.database is None or context.realm_id is None:
        return None
    import sqlalchemy as sa

    from zcore.schema.realms import zerver_realm, zerver_realmdomain

    realms, names = zerver_realm.c, zerver_realmdomain.c
    rules = sa.select(
        realms.emails_restricted_to_domains, realms.disallow_disposable_email_addresses
    ).where(realms.id == context.realm_id)
    allowed = sa.select(names.domain, names.allow_subdomains).where(
        names.realm_id == context.realm_id
    )
    with context.database.read() as connection:
        is_restricted, refuses_disposable = connection.execute(rules).one()
        if not is_restricted:
            return Policy(None, refuses_disposable)
        found = {name.lower(): below for name, below in connection.execute(allowed)}
        return Policy(found, refuses_disposable)
