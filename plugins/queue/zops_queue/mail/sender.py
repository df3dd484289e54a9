"""From whom mail is, by the settings and by what an event says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from email.utils import parseaddr
from typing import TYPE_CHECKING

from zcore.errors import Refused
from zops_queue.mail.addresses import MailAddress, parse_address, parse_mailbox
from zops_queue.workers.fields import BadField

if TYPE_CHECKING:
    from zcore.settings import Settings
    from zops_queue.mail.order import MailOrder

SUPPORT = "SUPPORT"
NO_REPLY = ("NO_REPLY", "TOKENIZED_NO_REPLY")
HINT = "set from under [mail] in zops.toml, such as noreply@chat.example.com"


@dataclass(frozen=True, slots=True)
class Sender:
    """`no_reply` sends all mail; `support` is whom people can answer."""

    no_reply: MailAddress
    support: MailAddress

    def author(self, order: MailOrder) -> MailAddress:
        """Who the mail says it is from. Raises `BadField`."""
        named = self._named(order.from_address)
        name = order.from_name or _realm_name(order) or named.name
        return parse_address(named.spec, name)

    def replies_to(self, order: MailOrder) -> MailAddress | None:
        """Whom an answer goes to, where that is not the author. Raises `BadField`.

        An answer to nobody carries no name, so that people see that it is to nobody.
        """
        if order.reply_to:
            return parse_mailbox(order.reply_to)
        if self._named(order.from_address).spec == self.no_reply.spec:
            return replace(self.no_reply, name="")
        return None

    def _named(self, address: str | None) -> MailAddress:
        if address == SUPPORT:
            return self.support
        if address is None or address in NO_REPLY:
            return self.no_reply
        return parse_mailbox(address)


def find_sender(settings: Settings) -> Sender:
    """The addresses in the settings. Raises `Refused` when there are none, or they are wrong."""
    given = settings.mail_from
    if not given and settings.external_host:
        given = f"noreply@{settings.external_host.partition(':')[0]}"
    if not given:
        raise Refused("nobody is known whom mail is from", hint=HINT, code="no-sender")
    try:
        no_reply = _parsed(given)
        return Sender(no_reply, _parsed(settings.mail_support or given))
    except BadField as problem:
        raise Refused(f"mail cannot be sent: {problem}", hint=HINT, code="bad-setting") from None


def _parsed(text: str) -> MailAddress:
    name, address = parseaddr(text)
    return parse_address(address or text, name)


def _realm_name(order: MailOrder) -> str:
    name = order.fields.get("realm_name")
    return name if isinstance(name, str) else ""
