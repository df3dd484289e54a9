"""The message that called a bot, as the event brings it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from zops_queue.workers.fields import BadField, id_field, text_field

if TYPE_CHECKING:
    from zcore.broker import Event

Json = Mapping[str, object]

LONGEST_CONTENT = 1_000_000  # characters; the server allows fewer
# What is for the server itself, and not for those who are shown the message
INTERNAL = frozenset(
    {
        "can_access_sender",
        "recipient_type",
        "recipient_type_id",
        "sender_avatar_source",
        "sender_avatar_version",
        "sender_delivery_email",
        "sender_email_address_visibility",
        "sender_is_mirror_dummy",
        "sender_realm_id",
        "sender_recipient_id",
    }
)


@dataclass(frozen=True, slots=True)
class Call:
    """A bot was mentioned, or got a direct message. `tries` are those that failed before."""

    bot_id: int
    trigger: str
    message: Json
    message_id: int
    content: str
    tries: int

    @property
    def is_direct(self) -> bool:
        """Was it a direct message?"""
        return self.message.get("type") == "private"

    @property
    def topic(self) -> str:
        """The topic of a message in a channel."""
        return str(self.message.get("subject", self.message.get("topic", "")))

    def people(self) -> list[int]:
        """The accounts that a direct message is between."""
        found = self.message.get("display_recipient")
        people = found if isinstance(found, list) else []
        ids = [person.get("id") for person in people if isinstance(person, dict)]
        return [each for each in ids if isinstance(each, int)]


def read_call(event: Event) -> Call:
    """What the event says. Raises `BadField`."""
    payload = event.payload
    message = payload.get("message")
    if not isinstance(message, dict):
        raise BadField("message is not an object")
    if message.get("type") not in ("stream", "private"):
        raise BadField("the message is of no known type")
    failed = id_field(payload, "failed_tries") if "failed_tries" in payload else 0
    return Call(
        bot_id=id_field(payload, "user_profile_id"),
        trigger=text_field(payload, "trigger", 100),
        message=message,
        message_id=id_field(message, "id"),
        content=text_field(message, "content", LONGEST_CONTENT),
        tries=failed + event.attempts,
    )


def shown_message(call: Call, bot_recipient_id: int | None, avatar_url: str | None) -> Json:
    """The message as a bot is shown it, with its HTML."""
    shown = {name: value for name, value in call.message.items() if name not in INTERNAL}
    shown |= {"avatar_url": avatar_url, "content_type": "text/x-markdown"}
    sender = call.message.get("sender_recipient_id")
    if sender is not None and call.message.get("recipient_id") == bot_recipient_id:
        shown["recipient_id"] = sender  # their own would say nothing to the bot
    return shown


def avatar_url(message: Json, uploaded: str | None) -> str | None:
    """Where the sender's picture is: `uploaded` when it is one of theirs, else Gravatar's."""
    version = message.get("sender_avatar_version", 1)
    if message.get("sender_avatar_source") == "U":
        return f"{uploaded}?version={version}" if uploaded else None
    address = str(message.get("sender_delivery_email", "")).lower().encode()
    name = hashlib.md5(address, usedforsecurity=False).hexdigest()
    return f"https://secure.gravatar.com/avatar/{name}?d=identicon&version={version}"


def link_to(call: Call, realm_url: str) -> str:
    """The address of the message in the web application."""
    if call.is_direct:
        place = f"dm/{','.join(map(str, sorted(call.people())))}"
    else:
        topic = quote(call.topic, safe="").replace(".", "%2E").replace("%", ".")
        place = f"channel/{call.message.get('stream_id')}/topic/{topic}"
    return f"{realm_url}/#narrow/{place}/near/{call.message_id}"
