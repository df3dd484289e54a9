"""Rules for e-mail addresses of accounts (`zerver_userprofile.delivery_email`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zcore import Problem
from zcore.organizations.system_bots import is_system_bot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zcore import Validation

LONGEST = 254  # the width of the column
DOMAIN_WITHOUT_DOT = "localhost"
SHORTEST_LAST_LABEL = 2
# What nearly all addresses look like. For the others there is a library, which takes a while.
PLAIN = re.compile(
    r"(?=[^@]{1,64}@)[a-z0-9]+([._+-][a-z0-9]+)*@([a-z0-9]{1,30}(-[a-z0-9]{1,30})?\.)+[a-z]{2,20}",
    re.ASCII | re.IGNORECASE,
)


def normalized(address: str) -> str:
    """`address` as it is stored: the part after the last `@` in lower case."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain.lower()}"


def syntax(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """An address that mail can be sent to, as far as its form says; nothing is looked up."""
    for index, value in enumerate(values):
        reason = _why_malformed(value)
        if reason:
            yield Problem(
                "email-syntax",
                f"e-mail address {value!r} is not valid: {reason}",
                hint="write it as name@example.com",
                index=index,
            )


def not_system_bot(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Not a system bot's: a second account with such an address breaks the whole server."""
    for index, value in enumerate(values):
        if is_system_bot(value):
            yield Problem(
                "email-system-bot",
                f"e-mail address {value!r} belongs to one of the server's own bots",
                hint="use an address of your own",
                index=index,
            )


def not_taken(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """No account of the realm has it in any case of letters, and no two of `values` are equal."""
    taken = _taken(values, context)
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value.lower() in taken:
            yield Problem(
                "email-taken",
                f"an account with the e-mail address {value!r} is already there"
                f" ({taken[value.lower()]})",
                hint="use another address, or give --if-not-exists to accept the account",
                index=index,
            )
        elif value.lower() in seen:
            yield Problem(
                "email-twice",
                f"the e-mail address {value!r} is asked for twice",
                hint="give each account its own",
                index=index,
            )
        seen.add(value.lower())


def _why_malformed(address: str) -> str:
    """What is wrong with the form of `address`; empty when nothing is."""
    if len(address) > LONGEST:
        return f"it has {len(address)} characters, {LONGEST} is the most"
    if PLAIN.fullmatch(address):
        return ""
    return _library_says(address) or _why_domain_refused(address.rpartition("@")[2].lower())


def _library_says(address: str) -> str:
    import email_validator

    # A server inside a company may well live at chat.local or example.test: the library's list
    # of names that are not for the public internet is not for us.
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    try:
        email_validator.validate_email(
            address, check_deliverability=False, allow_smtputf8=False, globally_deliverable=False
        )
    except email_validator.EmailNotValidError as error:
        return str(error).rstrip(".")
    return ""


def _why_domain_refused(domain: str) -> str:
    """What the server's forms ask of a domain, beyond the rules of mail."""
    if domain == DOMAIN_WITHOUT_DOT:
        return ""
    if "." not in domain:
        return "the part after the @-sign has no dot"
    if len(domain.rpartition(".")[2]) < SHORTEST_LAST_LABEL:
        return "what stands after the last dot is too short"
    return ""


def _taken(values: Sequence[str], context: Validation) -> Mapping[str, str]:
    """Who in the realm has which of the addresses, as their own or shown one; by lower case."""
    if context.database is None or context.realm_id is None:
        return {}
    from zops_realm.accounts import addresses_taken

    with context.database.read() as connection:
        return addresses_taken(connection, context.realm_id, values)
