"""What RabbitMQ and pika say, in our words."""

from __future__ import annotations

import ssl

import pika
from pika.exceptions import (
    ChannelClosed,
    ConnectionBlockedTimeout,
    ConnectionClosed,
    IncompatibleProtocolError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from zcore.errors import Refused, Unreachable, ZopsError
from zcore.text import one_line

NOT_FOUND, ACCESS_REFUSED, PRECONDITION_FAILED, NOT_ALLOWED = 404, 403, 406, 530
TOO_LARGE = "event-too-large"
CHECK = "is RabbitMQ running, and is the setting 'broker' right?"


class NoSuchQueue(ZopsError):
    """RabbitMQ does not have a queue of that name."""

    code = "no-queue"


def parameters(url: str) -> pika.ConnectionParameters:
    """The connection parameters in `url`. Raises `Refused` when it is no AMQP URL."""
    try:
        return pika.URLParameters(url)
    except (ValueError, TypeError, AttributeError, OSError):
        raise Refused(
            "the setting 'broker' is not an AMQP URL that can be read",
            hint="write amqp://user:password@host:5672/vhost, or 'embedded'",
        ) from None


def connection_error(name: str, reason: BaseException) -> Unreachable:
    """Why there is no connection to `name`."""
    cause = _root(reason)
    if isinstance(cause, ProbableAuthenticationError):
        return Unreachable(f"{name} refused the user name or password", hint="check 'broker'")
    if isinstance(cause, ProbableAccessDeniedError):
        return Unreachable(f"{name} does not let this user into the vhost", hint="check 'broker'")
    if isinstance(cause, IncompatibleProtocolError):
        return Unreachable(f"{name} does not speak AMQP 0.9.1, or not at this port", hint=CHECK)
    if isinstance(cause, ConnectionBlockedTimeout):
        return blocked_error(name)
    if isinstance(cause, ssl.SSLError):
        return Unreachable(f"{name}: no encrypted connection: {one_line(cause)}", hint=CHECK)
    if isinstance(cause, ConnectionClosed):
        return Unreachable(f"{name} closed the connection: {cause.reply_text}", hint=CHECK)
    return Unreachable(f"no connection to {name}: {_words(cause)}", hint=CHECK)


def blocked_error(name: str) -> Unreachable:
    """`name` takes no events."""
    return Unreachable(
        f"{name} has stopped accepting events: it is short of memory or disk",
        hint="'rabbitmqctl status' shows its alarms",
    )


def channel_error(name: str, reason: BaseException) -> ZopsError:
    """Why `name` closed a channel."""
    if not isinstance(reason, ChannelClosed):
        return connection_error(name, reason)
    text = f"{name}: {reason.reply_text}"
    if reason.reply_code == NOT_FOUND:
        return NoSuchQueue(text)
    if reason.reply_code == ACCESS_REFUSED:
        return Refused(text, hint="give the user the permissions on this vhost")
    if reason.reply_code == PRECONDITION_FAILED and "inequivalent arg" in reason.reply_text:
        return Refused(
            text, hint="the queue was declared otherwise; delete it, or use another vhost"
        )
    if reason.reply_code == PRECONDITION_FAILED and "message size" in reason.reply_text:
        return Refused(text, hint="RabbitMQ's 'max_message_size' is the limit", code=TOO_LARGE)
    return Unreachable(text)


def _root(reason: BaseException) -> BaseException:
    """The exception at the bottom of the ones that pika wraps around each other."""
    inner = getattr(reason, "exception", None)
    several = getattr(reason, "exceptions", None)
    if several:
        inner = several[-1]
    elif inner is None and reason.args and isinstance(reason.args[0], BaseException):
        inner = reason.args[0]
    return reason if inner is None else _root(inner)


def _words(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return one_line(cause) or type(cause).__name__
