"""What people are told when a webhook does not work: in the conversation, and the bot's owner."""

from __future__ import annotations

from dataclasses import dataclass

BLOCKED = "The address of the webhook is in a private network, or otherwise not allowed."
NO_DIRECT_MESSAGES = "Webhooks in the format of Slack take no direct messages."
UNAVAILABLE = "The bot cannot be reached."
LONGEST_ANSWER = 1_000  # characters of an answer that its owner is shown


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong: for the conversation, and for the bot's owner ("": not to be told)."""

    here: str
    owner: str = ""

    @property
    def in_conversation(self) -> str:
        """As the bot says it where it was called."""
        return f"Failure! {self.here}"

    def to_owner(self, bot_name: str, link: str) -> str:
        """As the bot tells its owner; `link` leads to the message."""
        return f"[A message]({link}) called the webhook of your bot @_**{bot_name}**.\n{self.owner}"


def refused(status: int, body: bytes) -> Trouble:
    """The service, or a proxy on the way, has said no."""
    if status == 407:
        return Trouble(BLOCKED, BLOCKED)
    says = f"It answered with the status code *{status}*."
    return Trouble(f"The webhook answered with {status}.", says + _quoted(body))


def bad_answer(reason: str, body: bytes) -> Trouble:
    """The service has said something that the bot cannot."""
    says = f"What it answered could not be used: {reason}."
    return Trouble(f"The webhook's answer could not be used: {reason}.", says + _quoted(body))


def unavailable(reason: str) -> Trouble:
    """The service could not be reached, however often it was tried."""
    return Trouble(UNAVAILABLE, f"It could not be reached: {reason}.")


def broken(reason: str) -> Trouble:
    """The service cannot be called like this."""
    return Trouble("The webhook cannot be called.", f"It cannot be called: {reason}.")


def _quoted(body: bytes) -> str:
    """The beginning of an answer, on one line, so that it stays in its block."""
    if not body:
        return ""
    shown = repr(body.decode("utf-8", "replace")[:LONGEST_ANSWER])
    return f"\nThe answer was:\n```\n{shown}\n```"
