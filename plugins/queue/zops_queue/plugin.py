"""What this plugin declares: it imports zcore only."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from zcore import BrokerKind, Check, Command, MailTemplate, Setting, Worker, hookimpl

if TYPE_CHECKING:
    from types import ModuleType

zops_api = 1

# Ten times the server's: most of the time goes into the commits, and a larger batch merges more.
ACTIVITY_BATCH = 1000
NOOP_BATCH = 100  # the server's


ATTEMPTS = Setting(
    "attempts", "How often an event is tried before it becomes a dead letter", default=6, kind=int
)
MOST_DEATHS = Setting(
    "deaths",
    "How many processes may end while an event is in hand before it becomes a dead letter",
    default=3,
    kind=int,
)
MAIL_SECONDS = Setting(
    "mail_seconds", "How long the mail server may take for an answer", default=30.0, kind=float
)
STATS_FOLDER: Setting[Path | None] = Setting(
    "stats_folder",
    "Where workers write statistics for the server's monitoring; beside a server by itself "
    "/var/log/zulip/queue_stats, where that can be written",
    default=None,
    kind=Path,
)
WEBHOOK_SECONDS = Setting(
    "webhook_seconds", "How long a bot's webhook may take to answer", default=10.0, kind=float
)
WEBHOOK_NETWORKS: Setting[tuple[str, ...]] = Setting(
    "webhook_networks",
    "Private networks that webhooks may be in all the same, such as 10.1.0.0/16",
    default=(),
    kind=tuple,
)
API_URL = Setting(
    "api_url",
    "Where the server's API takes what bots answer; by itself at the organization's own address",
    default="",
)
SENTRY_TRACES: Setting[tuple[str, ...]] = Setting(
    "sentry_traces",
    "Which share of the calls of workers Sentry is told the time of: `0.01`, or `QUEUE=0.1`"
    " for one queue",
    default=(),
    kind=tuple,
)
SENTRY_BODIES = Setting(
    "sentry_bodies",
    "Whether Sentry is told what an event says that a worker failed on, without secrets",
    default=False,
    kind=bool,
)
TEST_FILE: Setting[Path | None] = Setting(
    "test_file",
    "Where the worker of queue test writes what comes; by itself zulip-worker-test-file in the"
    " data folder, beside a server in /var/log/zulip",
    default=None,
    kind=Path,
)


@hookimpl
def zops_settings() -> list[Setting[object]]:
    """How patient the workers are, and what they tell."""
    return [
        ATTEMPTS,
        MOST_DEATHS,
        MAIL_SECONDS,
        STATS_FOLDER,
        WEBHOOK_SECONDS,
        WEBHOOK_NETWORKS,
        API_URL,
        TEST_FILE,
        SENTRY_TRACES,
        SENTRY_BODIES,
    ]


@hookimpl
def zops_commands() -> list[Command]:
    """`zops process-queue` and `zops queue ...`."""
    return [
        Command(
            "process-queue",
            "zops_queue.cli:process_queue",
            "Handle the events of queues.",
            group="Queues",
            example="zops process-queue --all",
            restarts=True,
        ),
        Command(
            "queue",
            "zops_queue.cli:queue",
            "Look into queues, publish to them, empty them.",
            group="Queues",
        ),
    ]


@hookimpl
def zops_hookspecs() -> ModuleType:
    """The hooks that this plugin defines."""
    from zops_queue import hookspecs

    return hookspecs


@hookimpl
def zops_queue_workers() -> list[Worker]:
    """Workers for the server's queues, and some to try things out with."""
    return [
        Worker(
            "user_activity",
            "zops_queue.workers.user_activity:handle",
            "Counts the requests of each user.",
            batch=ACTIVITY_BATCH,
            ready="zops_queue.workers:needs_database",
        ),
        Worker(
            "user_activity_interval",
            "zops_queue.workers.user_activity_interval:handle",
            "Notes when each user was active.",
            batch=ACTIVITY_BATCH,
            ready="zops_queue.workers:needs_database",
        ),
        *_mail_workers(),
        Worker(
            "deferred_work",
            "zops_queue.workers.deferred_work:handle",
            "Does work of many kinds that nobody waits for, such as exports.",
            ready="zops_queue.workers:needs_database",
            partial="zops_queue.workers.deferred_work:partial",
            lease=True,
            timeout=math.inf,  # an export takes as long as it takes
        ),
        Worker(
            "missedmessage_mobile_notifications",
            "zops_queue.workers.push:handle",
            "Takes away what nobody can push.",
            batch=NOOP_BATCH,
            ready="zops_queue.workers.push:ready",
        ),
        Worker(
            "outgoing_webhooks",
            "zops_queue.workers.outgoing_webhooks:handle",
            "Tells bots of messages, and says what they answer.",
            ready="zops_queue.workers.outgoing_webhooks:ready",
            lease=True,
        ),
        Worker(
            "thumbnail",
            "zops_queue.workers.thumbnail:handle",
            "Makes smaller copies of uploaded images.",
            ready="zops_queue.workers.thumbnail:ready",
            partial="zops_queue.workers.thumbnail:partial",
        ),
        *_workers_to_try_out(),
    ]


def _mail_workers() -> list[Worker]:
    return [
        Worker(
            queue,
            "zops_queue.workers.email_senders:handle",
            help,
            ready="zops_queue.workers.email_senders:ready",
            partial="zops_queue.workers.email_senders:partial",
        )
        for queue, help in (
            ("email_senders", "Sends mail that somebody waits for."),
            ("deferred_email_senders", "Sends mail that can wait."),
        )
    ]


def _workers_to_try_out() -> list[Worker]:
    return [
        Worker("test", "zops_queue.workers.test:handle", "Writes what comes into a file."),
        Worker(
            "noop",
            "zops_queue.workers.noop:handle",
            "Does nothing, one event at a time, to measure all the rest.",
        ),
        Worker(
            "noop_batch",
            "zops_queue.workers.noop:handle",
            "Does nothing, with many events at a time.",
            batch=NOOP_BATCH,
        ),
    ]


@hookimpl
def zops_mail_templates() -> list[MailTemplate]:
    """The mails that zops itself causes."""
    texts = {
        "account_registered": "to somebody new",
        "onboarding_zulip_topics": "some days later: what topics are for",
        "onboarding_zulip_guide": "some days later: what others do with it",
        "onboarding_team_to_zulip": "some days later, to whoever made the organization",
        "password_reset": "a link for setting a password",
        "realm_deactivated": "to the owners of an organization",
    }
    return [
        MailTemplate(f"zerver/emails/{name}", f"zops_queue:mail/texts/{name}", help)
        for name, help in texts.items()
    ]


@hookimpl
def zops_queue_brokers() -> list[BrokerKind]:
    """A file in the data folder, and RabbitMQ."""
    return [
        BrokerKind("embedded", "zops_queue.embedded.broker:connect", "a file in the data folder"),
        BrokerKind("amqp", "zops_queue.amqp.broker:connect", "RabbitMQ"),
        BrokerKind("amqps", "zops_queue.amqp.broker:connect", "RabbitMQ, encrypted"),
    ]


@hookimpl
def zops_checks() -> list[Check]:
    """Are the broker and the mail server there?"""
    return [
        Check("broker", "zops_queue.checks:broker", "is the broker there, are events stuck?"),
        Check("mail", "zops_queue.checks:mail", "does the mail server let us in?"),
        Check(
            "server-broker",
            "zops_queue.checks:server_broker",
            "is it the server's, and does it work on its queues?",
            server=True,
        ),
    ]
