"""Mail addresses in the form that headers and SMTP want."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formataddr, unquote

from zcore.text import one_line
from zops_queue.workers.fields import BadField

LONGEST_HEADER = 320  # bytes; some mail services refuse a longer "name <address>"


@dataclass(frozen=True, slots=True)
class MailAddress:
    """A mailbox: `domain` is in ASCII, `local` need not be. `name` is who it is, or empty."""

    local: str
    domain: str
    name: str = ""

    @property
    def spec(self) -> str:
        """The address without the name."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_utf8(self) -> bool:
        """Can only a mail server with SMTPUTF8 deliver to it?"""
        return not self.local.isascii()


def parse_address(text: str, name: str | None = "") -> MailAddress:
    """The mailbox that `text` is the address of. Raises `BadField` when it is none.

    The name is left out where the header would be too long for some.
    """
    import email_validator

    # A server inside a company may well live at chat.local or example.test: the library's list
    # of names that are not for the public internet is not for us.
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    try:
        found = email_validator.validate_email(
            text, check_deliverability=False, globally_deliverable=False
        )
    except email_validator.EmailNotValidError as error:
        raise BadField(f"{one_line(text)!r} is no mail address: {one_line(error)}") from None
    shown = one_line(name or "")
    if _bytes_in_header(shown, text) > LONGEST_HEADER:
        shown = ""
    return MailAddress(found.local_part, found.ascii_domain, shown)


def parse_mailbox(text: str) -> MailAddress:
    """The mailbox in `text`, which is an address or, as in a header, `Name <address>`.

    Raises `BadField` when it is neither.
    """
    text = text.strip()
    name, bracket, address = text.rpartition("<")
    if not (bracket and address.endswith(">")):
        return parse_address(text)
    address = address.removesuffix(">")
    return parse_address(address, unquote(name.strip()))


def _bytes_in_header(name: str, address: str) -> int:
    """What both need, with the name as it is written where only ASCII is allowed."""
    encodable = name.encode("utf-8", "replace").decode()
    return len(formataddr((encodable, "@"))) - 1 + len(address.encode())
