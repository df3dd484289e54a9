"""One call of a bot, done: each of its services is called, and what they answer is said."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from zcore import current
from zcore.broker import utc_now
from zcore.errors import ZopsError
from zcore.files import LocalStore
from zcore.organizations.hosts import realm_host, realm_url
from zcore.schema.messages import zerver_message
from zops_queue.deferred.reading import mark_read, tell_of_reading
from zops_queue.web.calling import Answer, Request, call
from zops_queue.web.errors import WebBroken, WebForbidden, WebUnavailable
from zops_queue.webhooks import notices
from zops_queue.webhooks.api import Api, NotSaid
from zops_queue.webhooks.bots import SLACK, Bot, Service, find_bot
from zops_queue.webhooks.formats import (
    BadAnswer,
    Reply,
    generic_request,
    read_answer,
    slack_request,
)
from zops_queue.webhooks.message import Call, avatar_url, link_to, read_call, shown_message
from zops_queue.webhooks.notices import Trouble

if TYPE_CHECKING:
    from zcore.broker import Event, WorkContext
    from zops_queue.mail.marks import Marks
    from zops_queue.web.connecting import Way

MOST_TRIES = 4  # the server's
MOST_KEPT = 1_000  # outcomes that are still to be said


class WebhookDelayed(Exception):
    """A service could not be reached: another attempt may help."""


class Outcome(NamedTuple):
    """What a service's answer leads to; both None: nothing is to be said."""

    reply: Reply | None = None
    trouble: Trouble | None = None


@dataclass(slots=True)
class Serving:
    """Everything that calling bots needs. For one thread.

    `most_tries` is how often an event is tried at all. What a service has answered is kept until it
    is said: an API that is away for a while does not make us call the service again.
    """

    way: Way
    api_url: str
    seconds: float
    most_tries: int
    marks: Marks
    _unsaid: OrderedDict[str, Outcome] = field(default_factory=OrderedDict)

    def serve(self, event: Event, work: WorkContext) -> None:
        """Call the services of the bot that have not been called for this message yet.

        Raises `BadField`, `WebhookDelayed` when a service may be reached later, `NotSaid` when the
        server does not take what is to be said, `Unreachable` when it cannot be asked.
        """
        to = read_call(event)
        bot = find_bot(work, to.bot_id)
        problems = [
            problem
            for service in bot.services
            if (problem := self._serve_once(service, to, bot, work)) is not None
        ]
        if problems:
            raise WebhookDelayed("; ".join(problems))
        with work.database.begin() as connection:
            is_it = zerver_message.c.id == to.message_id
            read = mark_read(connection, bot.member, work, is_it)
            tell_of_reading(work, bot.member, read)
            work.complete(connection, [event])

    def _serve_once(self, service: Service, to: Call, bot: Bot, work: WorkContext) -> str | None:
        """Call one service, unless that is done. Returns why it has to be tried again."""
        key = f"{to.message_id}:{bot.user_id}:{service.id}"
        if self.marks.state(key) == "sent":
            return None
        outcome = self._unsaid.get(key)
        if outcome is None:
            try:
                outcome = self._outcome(service, to, bot, work)
            except WebUnavailable as error:
                if to.tries + 1 < self.most_tries:
                    return str(error)
                outcome = Outcome(trouble=notices.unavailable(str(error)))
            self._keep(key, outcome)
        self._say(outcome, to, bot, work)
        self.marks.put(key, "sent", utc_now())
        self._unsaid.pop(key, None)
        return None

    def _keep(self, key: str, outcome: Outcome) -> None:
        self._unsaid[key] = outcome
        if len(self._unsaid) > MOST_KEPT:
            self._unsaid.popitem(last=False)

    def _outcome(self, service: Service, to: Call, bot: Bot, work: WorkContext) -> Outcome:
        """Call a service. Raises `WebUnavailable`."""
        if service.interface == SLACK and to.is_direct:
            return Outcome(trouble=Trouble(notices.NO_DIRECT_MESSAGES))
        try:
            answer = call(self._request(service, to, bot, work), self.way)
        except WebForbidden:
            return Outcome(trouble=Trouble(notices.BLOCKED, notices.BLOCKED))
        except WebBroken as error:
            return Outcome(trouble=notices.broken(str(error)))
        return _meaning(service, answer)

    def _request(self, service: Service, to: Call, bot: Bot, work: WorkContext) -> Request:
        if service.interface == SLACK:
            host = realm_host(bot.string_id, work.settings.external_host or "")
            return slack_request(service, to, bot, host, self.seconds)
        picture = avatar_url(to.message, _uploaded_picture(to, bot))
        shown = shown_message(to, bot.recipient_id, picture)
        return generic_request(service, to, bot, shown, self.seconds)

    def _say(self, outcome: Outcome, to: Call, bot: Bot, work: WorkContext) -> None:
        api = Api.of(work.settings, bot.string_id, self.api_url)
        if outcome.reply is not None:
            try:
                api.answer(bot, to, outcome.reply)
            except NotSaid as error:
                reason = f"the server did not let the bot say it ({error})"
                _complain(api, notices.bad_answer(reason, b""), to, bot, work)
        if outcome.trouble is not None:
            _complain(api, outcome.trouble, to, bot, work)


def _meaning(service: Service, answer: Answer) -> Outcome:
    if not answer.is_success:
        return Outcome(trouble=notices.refused(answer.status, answer.body))
    try:
        return Outcome(reply=read_answer(service, answer.body))
    except BadAnswer as error:
        return Outcome(trouble=notices.bad_answer(str(error), answer.body))


def _complain(api: Api, trouble: Trouble, to: Call, bot: Bot, work: WorkContext) -> None:
    """Say that something went wrong, where that can be said; what cannot be is a warning."""
    try:
        api.answer(bot, to, Reply(trouble.in_conversation))
    except NotSaid as error:
        _warn(bot, "in the conversation", error)
    if not trouble.owner:
        return
    url = realm_url(bot.string_id, work.settings.external_host) or api.url
    try:
        api.tell_owner(bot, trouble.to_owner(bot.full_name, link_to(to, url)))
    except NotSaid as error:
        _warn(bot, "to its owner", error)


def _warn(bot: Bot, where: str, error: NotSaid) -> None:
    what = f"that the webhook of bot {bot.user_id} does not work"
    current().console.warn(f"{what} cannot be said {where}: {error}")


def _uploaded_picture(to: Call, bot: Bot) -> str | None:
    """Where a picture that the sender uploaded is; None where that is not known here."""
    message = to.message
    sender, version = message.get("sender_id"), message.get("sender_avatar_version")
    if message.get("sender_avatar_source") != "U" or not isinstance(sender, int):
        return None
    try:
        files = current().files
    except ZopsError:
        return None
    if not isinstance(version, int) or not isinstance(files.avatars, LocalStore):
        return None
    return f"/user_avatars/{files.avatar_key(bot.realm_id, sender, version)}.png"
