"""What can become of a letter other than being sent."""

from __future__ import annotations


class MailError(Exception):
    """A letter was not sent, or it is not known; the text says to whom and why."""


class MailRefused(MailError):
    """The mail server will never take it."""


class MailDelayed(MailError):
    """The mail server did not take it, and may do so later."""


class MailInDoubt(MailError):
    """Nobody can tell whether the mail server has taken it: sending it again may send it twice."""
