"""Events of the mail queues: every letter is sent once, or there is a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import sqlalchemy as sa

from tests.smtp_server import DROP, HANG, MailServer
from zcore.broker import Event, WorkContext, encode_event
from zcore.errors import Unreachable
from zcore.internal_realm import ensure_internal_realm
from zcore.schema.users import zerver_userprofile
from zcore.testing.settings import settings_of
from zops_queue.mail.fates import MailDelayed
from zops_queue.mail.marks import KEPT, Marks
from zops_queue.mail.sender import find_sender
from zops_queue.mail.sending import Sending
from zops_queue.mail.server import find_server
from zops_queue.mail.smtp import Mailer
from zops_queue.plugin import zops_mail_templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zcore.database import Database

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CONTEXT = {
    "realm_name": "Acme",
    "initiated_deactivation": False,
    "event_date": "2026-03-04",
    "data_already_deleted": False,
    "scheduled_deletion_date": None,
}


def event(*addresses: str, **changes: Any) -> Event:
    """An event that a worker has just got, for the first time."""
    payload = {
        "template_prefix": "zerver/emails/realm_deactivated",
        "to_emails": list(addresses),
        "context": CONTEXT,
        **changes,
    }
    body = encode_event(payload)
    return Event(queue="email_senders", body=body, tag=1, payload=json.loads(body))


class Worker:
    """Sends as the worker does, one event after the other."""

    def __init__(self, server: MailServer, database: Database) -> None:
        settings = settings_of(ZOPS_SMTP_URL=server.url, ZOPS_EXTERNAL_HOST="chat.test")
        self.seconds = 0.3
        self.mailer = Mailer(find_server(settings, self.seconds))
        self.marks = Marks(database)
        templates = {template.name: template for template in zops_mail_templates()}
        self.sending = Sending(templates, find_sender(settings), self.marks, self.mailer)
        self.context = WorkContext(settings, no_publishing, lambda: NOW, lambda: database)

    def __call__(self, event: Event) -> str:
        return self.sending.send(event, self.context)


def no_publishing(queue: str, payload: Mapping[str, object]) -> NoReturn:
    raise AssertionError("sending mail publishes nothing")


@pytest.fixture
def worker(mail_server: MailServer, sqlite_database: Database) -> Iterator[Worker]:
    worker = Worker(mail_server, sqlite_database)
    yield worker
    worker.mailer.close()


def test_to_accounts_with_their_names(
    worker: Worker, mail_server: MailServer, sqlite_database: Database
) -> None:
    with sqlite_database.begin() as connection:
        ensure_internal_realm(connection)
        user_id = connection.scalar(sa.select(sa.func.min(zerver_userprofile.c.id)))
        named = {"full_name": "Zoë Äpfel", "delivery_email": "zoe@a.test"}
        changed = sa.update(zerver_userprofile).where(zerver_userprofile.c.id == user_id)
        connection.execute(changed.values(named))

    assert worker(event(to_emails=None, to_user_ids=[user_id])) == ""
    assert worker(event(to_emails=None, to_user_ids=[user_id, 10**6])) == "no user 1000000"

    (letter,) = mail_server.received
    assert (letter.sender, letter.recipient) == ("noreply@chat.test", "zoe@a.test")
    assert str(letter.message["To"]) == "Zoë Äpfel <zoe@a.test>"
    assert str(letter.message["List-Id"]) == "System bot realm <zulipinternal.chat.test>"
    assert str(letter.message["Reply-To"]) == "noreply@chat.test"


def test_to_a_named_mailbox(worker: Worker, mail_server: MailServer) -> None:
    assert worker(event("Ann A. <ann@a.test>")) == ""
    (letter,) = mail_server.received
    assert letter.recipient == "ann@a.test"
    assert letter.message["To"].addresses[0].display_name == "Ann A."
    assert letter.message["List-Id"] is None


@pytest.mark.parametrize("again", [{"redelivered": True}, {"attempts": 1}])
def test_sent_is_sent_whoever_asks_again(
    worker: Worker, mail_server: MailServer, again: dict[str, Any]
) -> None:
    asked = event("ann@a.test")
    assert worker(asked) == ""
    assert worker(replace(asked, **again)) == ""
    assert mail_server.recipients == ["ann@a.test"]


def test_two_events_that_say_the_same_are_two_mails(
    worker: Worker, mail_server: MailServer
) -> None:
    assert worker(event("ann@a.test")) == worker(event("ann@a.test")) == ""
    assert mail_server.recipients == ["ann@a.test", "ann@a.test"]


@pytest.mark.parametrize("word", ["RCPT", "DOT"])
def test_what_was_not_taken_is_tried_again(
    worker: Worker, mail_server: MailServer, word: str
) -> None:
    mail_server.says[word].append("451 later")
    asked = event("ann@a.test")
    with pytest.raises(MailDelayed, match="451 later"):
        worker(asked)
    assert worker(replace(asked, attempts=1)) == ""
    assert mail_server.recipients == ["ann@a.test"]


@pytest.mark.parametrize("answer", [DROP, HANG])
def test_what_is_in_doubt_stays_so(worker: Worker, mail_server: MailServer, answer: str) -> None:
    mail_server.says["DOT"].append(answer)
    asked = event("ann@a.test")
    assert "in doubt" in worker(asked)
    assert "in doubt" in worker(replace(asked, redelivered=True))
    assert mail_server.recipients == []
    assert worker(asked) == ""  # put back into the queue by somebody who knows
    assert mail_server.recipients == ["ann@a.test"]


def test_each_of_several_receivers_has_a_fate(worker: Worker, mail_server: MailServer) -> None:
    mail_server.says["RCPT"].extend(["550 no such user", "450 greylisted"])
    asked = event("no@a.test", "later@a.test", "ann@a.test")
    with pytest.raises(MailDelayed, match=r"no@a.test: .* 550 .*; later@a.test: .* 450 "):
        worker(asked)
    mail_server.says["RCPT"].append("550 no such user")

    reason = worker(replace(asked, attempts=1))

    assert reason.startswith("no@a.test: the mail server 127.0.0.1:")
    assert reason.endswith("550 no such user; 2 others were sent")
    assert mail_server.recipients == ["ann@a.test", "later@a.test"]


def test_a_mail_server_that_goes_away_between_two_receivers(
    worker: Worker, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_server.says["CONNECT"].append("220 here")

    def gone(*_: object) -> NoReturn:
        worker.mailer.close()
        mail_server.says["CONNECT"].append("554 gone")

    worker.context = replace(worker.context, clock=clock_that(gone, at=3))
    asked = event("ann@a.test", "bob@a.test")
    with pytest.raises(MailDelayed, match=r"bob@a.test: the mail server .* 554 gone"):
        worker(asked)
    assert worker(replace(asked, attempts=1)) == ""
    assert mail_server.recipients == ["ann@a.test", "bob@a.test"]


def clock_that(does: Callable[[], object], at: int) -> Callable[[], datetime]:
    """A clock that `does` something when it is looked at for the third, fourth ... time."""
    looks = iter(range(1, 100))

    def look() -> datetime:
        if next(looks) == at:
            does()
        return NOW

    return look


def test_nothing_is_sent_without_a_mark(
    worker: Worker, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> NoReturn:
        raise Unreachable("the database is away")

    monkeypatch.setattr(Marks, "put", away)
    asked = event("ann@a.test")
    with pytest.raises(Unreachable):
        worker(asked)
    monkeypatch.undo()
    assert mail_server.recipients == []
    assert worker(asked) == ""
    assert mail_server.recipients == ["ann@a.test"]


def test_marks_on_both_databases(database: Database) -> None:
    marks, other = Marks(database), Marks(database)
    marks.put("a", "begun", NOW)
    other.put("a", "sent", NOW)
    other.put("b", "begun", NOW + timedelta(days=1))
    assert [marks.state(key) for key in "abc"] == ["sent", "begun", None]
    marks.forget_old(NOW + KEPT + timedelta(hours=1))
    assert [marks.state(key) for key in "ab"] == [None, "begun"]
    marks.remove("b")
    assert marks.state("b") is None


def test_a_database_that_cannot_be_written_makes_mail_wait(
    worker: Worker, mail_server: MailServer, sqlite_database: Database
) -> None:
    asked = event("ann@a.test")
    with sqlite_database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE zops_mails (key, state, time CHECK (time < 0))")
    with pytest.raises(Unreachable, match="refused a row"):
        worker(asked)
    assert mail_server.recipients == []
