"""What an event asks for: which mail, to whom, filled with what."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from zops_queue.workers.fields import LARGEST_ID, BadField, id_field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# Those of `failed_tries` are the attempts of the server's own worker.
FIELDS = frozenset(
    {
        "template_prefix",
        "to_user_ids",
        "to_emails",
        "to_user_id",  # what servers before version 2 wrote
        "to_email",
        "from_name",
        "from_address",
        "reply_to_email",
        "language",
        "date",
        "context",
        "realm_id",
        "failed_tries",
    }
)

# A field of the context: the number that a mail had in the database while it waited for its day.
SCHEDULED = "zops_scheduled_mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOrder:
    """An event of `email_senders` or `deferred_email_senders`, read.

    One of `user_ids` and `addresses` is empty. `fields` is what the template is filled with;
    `fingerprint` is the same for the same event, and only for that.
    """

    template: str
    user_ids: tuple[int, ...]
    addresses: tuple[str, ...]
    from_name: str | None
    from_address: str | None
    reply_to: str | None
    language: str | None
    date: datetime | None
    realm_id: int | None
    fields: Mapping[str, object]
    fingerprint: str

    @property
    def is_unique(self) -> bool:
        """Does no other mail have the same fingerprint?"""
        return SCHEDULED in self.fields


def read_order(payload: Mapping[str, object]) -> MailOrder:
    """What an event asks for. Raises `BadField`."""
    if unknown := sorted(payload.keys() - FIELDS):
        raise BadField(f"nobody knows what {', '.join(unknown)} means for a mail")
    user_ids = _user_ids(payload)
    addresses = _addresses(payload)
    if bool(user_ids) == bool(addresses):
        raise BadField("it has to be for accounts or for addresses, one of both")
    template = _text(payload, "template_prefix")
    if not template:
        raise BadField("there is no template_prefix")
    return MailOrder(
        template=template,
        user_ids=user_ids,
        addresses=addresses,
        from_name=_text(payload, "from_name"),
        from_address=_text(payload, "from_address"),
        reply_to=_text(payload, "reply_to_email"),
        language=_text(payload, "language"),
        date=_date(payload),
        realm_id=_realm_id(payload),
        fields=_fields(payload),
        fingerprint=_fingerprint(payload),
    )


def _fingerprint(payload: Mapping[str, object]) -> str:
    said = {name: value for name, value in payload.items() if name != "failed_tries"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _user_ids(payload: Mapping[str, object]) -> tuple[int, ...]:
    found = []
    for user_id in _listed(payload, "to_user_ids", "to_user_id"):
        if not isinstance(user_id, int) or isinstance(user_id, bool):
            raise BadField("to_user_ids is not a list of whole numbers")
        if not 0 <= user_id <= LARGEST_ID:
            raise BadField("to_user_ids is out of range")
        found.append(user_id)
    return tuple(dict.fromkeys(found))


def _addresses(payload: Mapping[str, object]) -> tuple[str, ...]:
    found = []
    for address in _listed(payload, "to_emails", "to_email"):
        if not isinstance(address, str):
            raise BadField("to_emails is not a list of texts")
        found.append(address)
    return tuple(dict.fromkeys(found))


def _listed(payload: Mapping[str, object], name: str, name_of_one: str) -> list[object]:
    many, one = payload.get(name), payload.get(name_of_one)
    if many is not None and not isinstance(many, list):
        raise BadField(f"{name} is not a list")
    return [*(many or ()), *(() if one is None else (one,))]


def _text(payload: Mapping[str, object], name: str) -> str | None:
    value = payload.get(name)
    if value is not None and not isinstance(value, str):
        raise BadField(f"{name} is not a text")
    return value


def _fields(payload: Mapping[str, object]) -> Mapping[str, object]:
    value = payload.get("context")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadField("context is not an object")
    return value


def _realm_id(payload: Mapping[str, object]) -> int | None:
    return None if payload.get("realm_id") is None else id_field(payload, "realm_id")


def _date(payload: Mapping[str, object]) -> datetime | None:
    text = _text(payload, "date")
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        raise BadField("date is not a date of RFC 5322") from None
