"""A mail to one mailbox, as the bytes that SMTP carries."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zcore.text import is_text, one_line
from zops_queue.workers.fields import BadField

if TYPE_CHECKING:
    from datetime import datetime

    from zops_queue.mail.addresses import MailAddress
    from zops_queue.mail.order import MailOrder
    from zops_queue.mail.organization import Organization
    from zops_queue.mail.sender import Sender
    from zops_queue.mail.texts import MailText


@dataclass(frozen=True, slots=True)
class Letter:
    """`key` names it for ever: the same event to the same mailbox has the same one.

    `is_unique` says that no other event has. `content` is headers and text with line ends of SMTP,
    without what ends it.
    """

    key: str
    is_unique: bool
    sender: MailAddress
    recipient: MailAddress
    content: bytes

    @property
    def needs_utf8(self) -> bool:
        """Must the mail server understand addresses outside of ASCII, in headers too?"""
        is_plain = self.content.isascii()
        return self.sender.needs_utf8 or self.recipient.needs_utf8 or not is_plain


def write_letter(
    order: MailOrder,
    text: MailText,
    sender: Sender,
    recipient: MailAddress,
    now: datetime,
    organization: Organization | None = None,
) -> Letter:
    """The letter to one `recipient`, about an `organization`.

    Raises `BadField` when it cannot be written.
    """
    key = hashlib.sha256(f"{order.fingerprint} {recipient.spec}".encode()).hexdigest()
    message = _message(order, text, sender, recipient)
    if organization is not None:
        message["List-Id"] = organization.list_id
    message["Date"] = format_datetime(order.date or now)
    message["Message-ID"] = f"<{key[:40]}@{sender.no_reply.domain}>"
    # Seven bits are what every mail server takes, so nothing depends on what this one can.
    policy = (SMTPUTF8 if _needs_utf8(message) else SMTP).clone(cte_type="7bit")
    try:
        content = message.as_bytes(policy=policy)
    except (ValueError, MessageError) as error:
        raise BadField(f"the mail cannot be written: {one_line(error)}") from None
    return Letter(key, order.is_unique, sender.no_reply, recipient, content)


def _message(
    order: MailOrder, text: MailText, sender: Sender, recipient: MailAddress
) -> EmailMessage:
    if not (is_text(text.subject) and is_text(text.plain) and is_text(text.html or "")):
        raise BadField("its text holds half a character, or NUL")
    message = EmailMessage(SMTPUTF8.clone(cte_type="7bit"))
    message["From"] = _header(sender.author(order))
    message["To"] = _header(recipient)
    message["Subject"] = text.subject
    if (replies_to := sender.replies_to(order)) is not None:
        message["Reply-To"] = _header(replies_to)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    _say_how_to_unsubscribe(message, order)
    message.set_content(text.plain)
    if text.html is not None:
        message.add_alternative(text.html, subtype="html")
    return message


def _say_how_to_unsubscribe(message: EmailMessage, order: MailOrder) -> None:
    link = order.fields.get("unsubscribe_link")
    if isinstance(link, str) and _is_url(link):
        message["List-Unsubscribe"] = f"<{link}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


def _is_url(text: str) -> bool:
    """Can it stand in a header, between angle brackets?"""
    try:
        has_host = bool(urlsplit(text).hostname)
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and not set(text) & set(" <>")
    return has_host and is_plain and text.startswith(("http://", "https://"))


def _header(address: MailAddress) -> Address:
    return Address(address.name, address.local, address.domain)


def _needs_utf8(message: EmailMessage) -> bool:
    headers = (message[name] for name in ("From", "To", "Reply-To") if message[name])
    return any(not each.username.isascii() for header in headers for each in header.addresses)
