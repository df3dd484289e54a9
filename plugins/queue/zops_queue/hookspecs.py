"""The hooks of this plugin, for plugins of the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import hookspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zcore import BrokerKind, MailTemplate, Worker


@hookspec
def zops_queue_workers() -> Iterable[Worker]:  # type: ignore[empty-body]  # a specification has no body
    """What handles the events of which queue, for `zops process-queue`.

    Called when a command looks for queues or workers. Of two workers for one queue the first, in
    order of plugin names, counts, and a warning names both. A worker is called with up to `batch`
    events, oldest first, and a context. When it returns, what it has written must be committed:
    its events are acknowledged then. It may return `Rejected(event, reason)` for events that can
    never be handled. When it raises, its batch is split until the guilty event is alone; that one
    is tried again later, and after some attempts becomes a dead letter. When it raises
    `zcore.Unreachable` no event is to blame: the same call is made again after a pause. An event
    can come twice; a worker for which that matters asks for a lease.

    Example::

        from zcore import Worker, hookimpl

        @hookimpl
        def zops_queue_workers():
            return [Worker("acme_greetings", "zops_acme.worker:greet", "Greets.", batch=50)]

        # zops_acme/worker.py
        from zcore.broker import Rejected

        def greet(events, context):
            nameless = [event for event in events if "name" not in event.payload]
            with context.database.begin() as connection:
                ...
            return [Rejected(event, "it has no name") for event in nameless]
    """


@hookspec
def zops_mail_templates() -> Iterable[MailTemplate]:  # type: ignore[empty-body]  # as above
    """Texts of mails, for the workers of `email_senders` and `deferred_email_senders`.

    Called when such a worker begins. An event names its template and brings a `context`, whose
    fields the templates see; and `language`, which is "en" when the event says none. A field that
    is not there makes the event a dead letter, and so does a template that no plugin has. Of two
    for one name the first, in order of plugin names, counts; the texts that come with zops give
    way to any other. A plugin whose hook raises is warned of, and its texts are missing.

    HTML is escaped. A template may extend `zops/layout.html` or `zops/layout.txt`, whose blocks
    are `text` and `footer`; other names are those of files beside it.

    Example::

        from zcore import MailTemplate, hookimpl

        @hookimpl
        def zops_mail_templates():
            return [
                MailTemplate("zerver/emails/invitation", "zops_acme:mails/invitation",
                             help="to who is invited"),
            ]

        {# zops_acme/mails/invitation.subject.txt #}
        {{ referrer_name }} invites you to {{ realm_name }}

        {# zops_acme/mails/invitation.txt #}
        {{ referrer_name }} would like you to join: {{ activate_url }}
    """


@hookspec
def zops_queue_brokers() -> Iterable[BrokerKind]:  # type: ignore[empty-body]  # as above
    """Kinds of message broker, by the scheme of the setting `broker`.

    Called when a command needs the broker. Of two for one scheme the first, in order of plugin
    names, counts. `target` names `(url, settings) -> zcore.broker.Broker`; it raises
    `zcore.Unreachable` when it cannot connect.

    Example::

        from zcore import BrokerKind, hookimpl

        @hookimpl
        def zops_queue_brokers():
            return [BrokerKind("acmemq", "zops_acme.broker:connect", "our own broker")]

        # zops_acme/broker.py
        from zcore import Unreachable

        class AcmeBroker:
            \"\"\"Has the methods of `zcore.broker.Broker`.\"\"\"

            def __init__(self, url):
                raise ConnectionRefusedError("nothing listens there yet")

        def connect(url, settings):
            try:
                return AcmeBroker(url)
            except OSError as error:
                raise Unreachable(f"no connection to {url}: {error}") from error
    """
