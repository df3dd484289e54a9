"""What is sent to a bot's service, and what its answer means: generic, or as Slack has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from zcore.text import is_text
from zops_queue.web.calling import Request
from zops_queue.webhooks.bots import SLACK

if TYPE_CHECKING:
    from zops_queue.webhooks.bots import Bot, Service
    from zops_queue.webhooks.message import Call, Json

USER_AGENT = "ZulipOutgoingWebhook/10.0"
JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"


class BadAnswer(Exception):
    """The service has answered, and what it says is of no use: why, in words for a person."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the bot is to say. `widget` is how clients that can show it otherwise."""

    content: str
    widget: object = None


def generic_request(service: Service, call: Call, bot: Bot, shown: Json, seconds: float) -> Request:
    """What is sent to a service that understands Zulip."""
    body = {
        "data": call.content,
        "message": shown,
        "bot_email": bot.email,
        "bot_full_name": bot.full_name,
        "token": service.token,
        "trigger": call.trigger,
    }
    return _request(service, json.dumps(body).encode(), JSON_TYPE, seconds)


def slack_request(service: Service, call: Call, bot: Bot, host: str, seconds: float) -> Request:
    """What is sent to a service that expects Slack; `host` is the organization's."""
    message = call.message
    fields = {
        "token": service.token,
        "team_id": f"T{bot.realm_id}",
        "team_domain": host,
        "channel_id": f"C{message.get('stream_id')}",
        "channel_name": message.get("display_recipient"),
        "thread_ts": message.get("timestamp"),
        "timestamp": message.get("timestamp"),
        "user_id": f"U{message.get('sender_id')}",
        "user_name": message.get("sender_full_name"),
        "text": call.content,
        "trigger_word": call.trigger,
        "service_id": bot.user_id,
    }
    return _request(service, urlencode(fields).encode(), FORM_TYPE, seconds)


def read_answer(service: Service, body: bytes) -> Reply | None:
    """What the bot is to say, None when nothing. Raises `BadAnswer`."""
    try:
        said: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("the answer is no JSON") from error
    if said == "":  # what some services say for nothing
        return None
    if not isinstance(said, dict):
        raise BadAnswer("the answer is no JSON object")
    reply = _slack_reply(said) if service.interface == SLACK else _generic_reply(said)
    if reply is None or not reply.content.strip():
        return None
    if not is_text(reply.content):
        raise BadAnswer("the answer holds half a character, or NUL")
    return reply


def _generic_reply(said: Mapping[str, object]) -> Reply | None:
    if said.get("response_not_required"):
        return None
    if "response_string" in said:
        return Reply(str(said["response_string"]))
    if "content" in said:
        return Reply(str(said["content"]), said.get("widget_content"))
    return None


def _slack_reply(said: Mapping[str, object]) -> Reply | None:
    text = said.get("text")
    return None if text is None else Reply(str(text))


def _request(service: Service, body: bytes, content_type: str, seconds: float) -> Request:
    headers = {
        "Content-Type": content_type,
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate",
        "Connection": "keep-alive",
    }
    return Request(service.base_url, body, headers, seconds=seconds)
