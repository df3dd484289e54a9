"""What bots say goes through the server's own API: it renders messages, and knows who gets them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from zcore import current
from zcore.errors import Unreachable
from zcore.organizations.hosts import realm_host, realm_url
from zcore.text import one_line
from zops_queue.web.addresses import read_networks
from zops_queue.web.calling import Request, call
from zops_queue.web.connecting import Way
from zops_queue.web.errors import NoAnswer

if TYPE_CHECKING:
    from zcore.settings import Settings
    from zops_queue.webhooks.bots import Bot
    from zops_queue.webhooks.formats import Reply
    from zops_queue.webhooks.message import Call

# By this the server names the client that a message comes from.
USER_AGENT = "OutgoingWebhookResponse/10.0"
EVERYWHERE = read_networks(["0.0.0.0/0", "::/0"])  # who runs the server named the place
PAUSES = (0.2, 1.0)  # seconds between attempts
SECONDS = 10.0


class NotSaid(Exception):
    """The server does not let the bot say it: why."""


@dataclass(frozen=True, slots=True)
class Api:
    """The API of one organization at `url`; `host` is its name there."""

    url: str
    host: str

    @classmethod
    def of(cls, settings: Settings, string_id: str, api_url: str) -> Api:
        """At the organization's own address, or at `api_url`, by the organization's name."""
        host = realm_host(string_id, settings.external_host or "")
        own = realm_url(string_id, settings.external_host)
        return cls(api_url.rstrip("/") or own or "", host or urlsplit(api_url).netloc)

    def answer(self, bot: Bot, to: Call, reply: Reply) -> None:
        """Have the bot say `reply` where it was called. Raises what `_send` raises."""
        fields = {"content": reply.content}
        if reply.widget is not None:
            fields["widget_content"] = json.dumps(reply.widget)
        if to.is_direct:
            others = [each for each in to.people() if each != bot.user_id] or [bot.user_id]
            self._send(bot, {**fields, "type": "private", "to": json.dumps(others)})
        else:
            place = {"to": json.dumps(to.message.get("stream_id")), "topic": to.topic}
            self._send(bot, {**fields, "type": "stream", **place})

    def tell_owner(self, bot: Bot, text: str) -> None:
        """Have the bot write to its owner, if it has one. Raises what `_send` raises."""
        if bot.owner_id is not None:
            to = json.dumps([bot.owner_id])
            self._send(bot, {"content": text, "type": "private", "to": to})

    def _send(self, bot: Bot, fields: dict[str, str]) -> None:
        """Raises `NotSaid` when the server says no, `Unreachable` when it says nothing."""
        login = base64.b64encode(f"{bot.login}:{bot.api_key}".encode()).decode()
        request = Request(
            f"{self.url}/api/v1/messages",
            urlencode(fields).encode(),
            {
                "Host": self.host,
                "Authorization": f"Basic {login}",
                "Content-Type": "application/x-www-form-urlencoded",
                "User-Agent": USER_AGENT,
            },
            seconds=SECONDS,
            follows=False,  # the key is for nobody else
        )
        problem = ""
        for pause in (0, *PAUSES):
            if pause and current().stop.wait(pause):
                break
            try:
                answer = call(request, Way(allowed=EVERYWHERE))
            except NoAnswer as error:
                problem = str(error)
                continue
            if answer.is_success:
                return
            if answer.status < 500:
                raise NotSaid(_said(answer.body) or f"status code {answer.status}")
            problem = f"status code {answer.status}"
        raise Unreachable(f"the server's API at {self.url} cannot be used: {problem}")


def _said(body: bytes) -> str:
    """The server's own words, if it has any."""
    try:
        return one_line(json.loads(body)["msg"])
    except (ValueError, LookupError, TypeError):
        return ""
