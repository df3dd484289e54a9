"""Mail from the command that causes it to the mail server, as whoever runs zops sees it."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.smtp_server import DROP, HANG
from tests.zops_queue.dangerous import until_stopping
from zcore.schema.queues import zerver_scheduledemail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.smtp_server import MailServer, Received
    from zcore.database import Database
    from zcore.testing.commands import Runner, Zops
    from zcore.testing.in_process import ZopsInProcess

SEND = ("--json", "process-queue", "--drain", "--queue-name", "email_senders")
SEND_ALL = (*SEND, "--queue-name", "deferred_email_senders")
TEXT = {
    "realm_name": "Acme",
    "initiated_deactivation": False,
    "event_date": "2026-03-04",
    "data_already_deleted": False,
    "scheduled_deletion_date": None,
}


def mailing(zops: Runner, server: MailServer, database: Database) -> None:
    """Let `zops` send mail through `server`."""
    zops.on(database)
    zops.environment |= {
        "ZOPS_EXTERNAL_HOST": "chat.test",
        "ZOPS_SMTP_URL": server.url,
        "ZOPS_QUEUE_MAIL_SECONDS": "5",
    }


@pytest.fixture
def zops_here(
    zops_in_process: ZopsInProcess, mail_server: MailServer, sqlite_database: Database
) -> ZopsInProcess:
    """The command with a mail server, SQLite and the broker that comes with it."""
    mailing(zops_in_process, mail_server, sqlite_database)
    return zops_in_process


@pytest.fixture
def zops_as_process(zops: Zops, mail_server: MailServer, sqlite_database: Database) -> Zops:
    """The same as processes, which can be killed."""
    mailing(zops, mail_server, sqlite_database)
    return zops


def publish(zops: Runner, *addresses: str, queue: str = "email_senders") -> None:
    """One mail to each of `addresses`."""
    mail = {"template_prefix": "zerver/emails/realm_deactivated", "context": TEXT}
    events = [{**mail, "to_emails": [address]} for address in addresses]
    zops("queue", "publish", queue, stdin="".join(f"{json.dumps(each)}\n" for each in events))


def dead(zops: Runner, queue: str = "email_senders") -> dict[str, str]:
    """Why the mail to each address was given up."""
    letters = zops("--json", "queue", "dead", queue).json()["dead_letters"]
    return {letter["event"]["to_emails"][0]: letter["error"] for letter in letters}


def subjects(received: list[Received]) -> dict[str, str]:
    return {str(each.message["To"]): str(each.message["Subject"]) for each in received}


def test_somebody_new_gets_mail(zops_here: ZopsInProcess, mail_server: MailServer) -> None:
    owner = ("create-realm", "Acme & Sons", "olive@acme.test", "Olive Öwner", "--string-id=acme")
    zops_here(*owner, "--no-password")
    zops_here("create-user", "una@acme.test", "Una User", "-r", "acme", "--no-password")

    done = zops_here(*SEND_ALL).json()

    assert (done["processed"], done["retried"], done["dead"]) == (2, 0, 0)
    assert subjects(mail_server.received) == {
        "Olive Öwner <olive@acme.test>": "Acme & Sons is ready",
        "Una User <una@acme.test>": "Your account in Acme & Sons",
    }
    assert {str(each.message["From"]) for each in mail_server.received} == {
        "Acme & Sons <noreply@chat.test>"
    }
    assert "https://acme.chat.test/help/moving-to-zulip" in mail_server.received[0].body("plain")
    assert "<b>Acme &amp; Sons</b>" in mail_server.received[1].body("html")
    assert mail_server.connections == 1


def test_owners_and_links_are_mailed(
    zops_here: ZopsInProcess, mail_server: MailServer, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("s3cret-key\n")
    (tmp_path / "zops.toml").write_text('[server]\nsecret_key_file = "key"\n')
    zops_here.environment["ZOPS_CONFIG"] = str(tmp_path / "zops.toml")
    zops_here(
        "create-realm", "Acme", "o@acme.test", "Ol O", "--string-id=acme", "--no-password", "--bare"
    )
    zops_here("user", "send-password-reset", "-r", "acme", "o@acme.test")
    zops_here("realm", "deactivate", "acme", "--email-owners", "--deletion-delay-days", "3")

    assert zops_here(*SEND).json()["processed"] == 2

    link, news = mail_server.received
    assert str(link.message["Subject"]) == "A password for Acme"
    assert "https://acme.chat.test/accounts/password/reset/" in link.body("html")
    assert str(news.message["Subject"]) == "Acme was deactivated"
    assert str(news.message["From"]) == '"chat.test account security" <noreply@chat.test>'
    assert "is kept until 2" in news.body("plain")


def test_scheduled_mails_are_published_when_they_are_due(
    zops_as_process: Zops, mail_server: MailServer, sqlite_database: Database
) -> None:
    owner = ("create-realm", "Acme", "olive@acme.test", "Olive Owner", "--string-id=acme")
    zops_as_process(*owner, "--no-password")
    words = ("--json", "queue", "publish-scheduled-mails")
    assert zops_as_process(*words).json()["published"] == 0
    long_ago = datetime(2026, 1, 2, tzinfo=UTC)
    with sqlite_database.begin() as connection:
        connection.execute(sa.update(zerver_scheduledemail).values(scheduled_timestamp=long_ago))
        scheduled = connection.scalar(sa.select(sa.func.count()).select_from(zerver_scheduledemail))

    zops_as_process(*words, exit_code=137, env={"ZOPS_CRASH_AT": "scheduled-mail:published"})
    assert zops_as_process(*words).json()["published"] == scheduled
    zops_as_process(*SEND_ALL, "--multi-threaded")

    texts = [str(each.message["Subject"]) for each in mail_server.received]
    assert sorted(texts) == [
        "Acme is ready",
        "Bring your people to Acme",
        "Conversations stay in order in Acme",
    ]
    assert mail_server.received[-1].message["List-Unsubscribe"]
    with sqlite_database.read() as connection:
        assert connection.execute(sa.select(zerver_scheduledemail)).first() is None


@pytest.mark.rabbitmq
def test_the_same_from_a_servers_broker(
    zops_here: ZopsInProcess, mail_server: MailServer, rabbitmq_url: str
) -> None:
    zops_here.environment["ZOPS_BROKER"] = rabbitmq_url
    publish(zops_here, "ann@a.test", "bob@a.test")
    mail_server.says["RCPT"].append("450 greylisted")

    assert zops_here(*SEND).json()["retried"] == 1

    assert mail_server.recipients == ["bob@a.test", "ann@a.test"]
    left_out = zops_here("process-queue", "--all", "--drain")
    assert "nobody has the text of the server's mails digest" in left_out.stderr


def test_every_mail_is_sent_once_or_is_a_dead_letter(
    zops_here: ZopsInProcess, mail_server: MailServer
) -> None:
    zops_here.environment["ZOPS_QUEUE_MAIL_SECONDS"] = "0.5"
    zops_here.environment["ZOPS_QUEUE_ATTEMPTS"] = "2"
    names = ["greylisted", "refused", "late", "spam", "lost", "silent", "fine"]
    publish(zops_here, *(f"{name}@a.test" for name in names))
    mail_server.says["RCPT"].extend(["450 look again", "550 unknown", "421 going down"])
    mail_server.says["DOT"].extend(["554 spam", DROP, HANG])

    report = zops_here(*SEND, exit_code=5).json()

    assert (report["processed"], report["retried"], report["dead"]) == (3, 2, 4)
    assert sorted(mail_server.recipients) == ["fine@a.test", "greylisted@a.test", "late@a.test"]
    reasons = dead(zops_here)
    assert reasons.keys() == {f"{name}@a.test" for name in ("refused", "spam", "lost", "silent")}
    assert "550 unknown" in reasons["refused@a.test"]
    assert "554 spam" in reasons["spam@a.test"]
    assert "in doubt" in reasons["lost@a.test"]
    assert "in doubt" in reasons["silent@a.test"]


def test_the_doctor_looks_for_the_mail_server(
    zops_here: ZopsInProcess, mail_server: MailServer
) -> None:
    def found() -> tuple[str, str]:
        checks = zops_here("--json", "doctor", check=False).json()["checks"]
        (mail,) = (each for each in checks if each["name"] == "mail")
        return mail["status"], mail["message"]

    assert found() == ("ok", f"127.0.0.1:{mail_server.port}, from noreply@chat.test")
    mail_server.says["CONNECT"].append("554 closed")
    assert found()[0] == "failed"
    zops_here.environment.pop("ZOPS_SMTP_URL")
    assert found()[0] == "skipped"


def test_mail_without_a_text_is_a_dead_letter(zops_here: ZopsInProcess) -> None:
    digest = {"template_prefix": "zerver/emails/digest", "to_emails": ["a@a.test"], "context": {}}
    zops_here("queue", "publish", "email_senders", stdin=json.dumps(digest))

    zops_here(*SEND, exit_code=5)

    (reason,) = dead(zops_here).values()
    assert "'zerver/emails/digest'" in reason
    assert "hook zops_mail_templates" in reason


def test_without_a_mail_server_mail_waits(zops_here: ZopsInProcess) -> None:
    publish(zops_here, "ann@a.test")
    zops_here.environment.pop("ZOPS_SMTP_URL")

    refused = zops_here(*SEND, check=False)
    refused.assert_refused("not-ready")
    assert "no mail server is known (set ZOPS_SMTP_URL" in refused.json()["error"]["message"]
    assert (
        "leaving out queue email_senders" in zops_here("process-queue", "--all", "--drain").stderr
    )
    (waiting,) = zops_here("--json", "queue", "peek", "email_senders").json()["events"]
    assert waiting["attempts"] == 0


@pytest.mark.parametrize(
    ("where", "sent", "in_doubt"),
    [("mail:before-dot", 0, True), ("mail:after-dot", 1, True), ("mail:sent", 1, False)],
)
def test_killed_it_sends_nothing_twice(
    zops_as_process: Zops, mail_server: MailServer, where: str, sent: int, in_doubt: bool
) -> None:
    publish(zops_as_process, "ann@a.test", "bob@a.test")
    zops_as_process(*SEND, exit_code=137, env={"ZOPS_CRASH_AT": where})
    assert len(mail_server.received) == sent

    report = zops_as_process(*SEND, check=False).json()

    assert report["dead"] == in_doubt
    assert mail_server.recipients == [*["ann@a.test"] * sent, "bob@a.test"]
    if in_doubt:
        assert "in doubt" in dead(zops_as_process)["ann@a.test"]


@pytest.mark.rabbitmq
def test_a_servers_broker_delivers_again(
    zops_as_process: Zops, mail_server: MailServer, rabbitmq_url: str
) -> None:
    zops_as_process.environment["ZOPS_BROKER"] = rabbitmq_url
    publish(zops_as_process, "ann@a.test", "bob@a.test")
    zops_as_process(*SEND, exit_code=137, env={"ZOPS_CRASH_AT": "mail:sent"})
    assert mail_server.recipients == ["ann@a.test"]

    assert zops_as_process(*SEND).json()["dead"] == 0

    assert mail_server.recipients == ["ann@a.test", "bob@a.test"]


def test_told_to_stop_it_ends_the_letter_in_hand(
    zops_as_process: Zops, mail_server: MailServer
) -> None:
    publish(zops_as_process, "ann@a.test", "bob@a.test")
    mail_server.answers.clear()
    process = zops_as_process.start("process-queue", "--queue-name", "email_senders")
    assert mail_server.has_letter.wait(60)
    process.send_signal(signal.SIGTERM)
    until_stopping(zops_as_process.home)
    mail_server.answers.set()
    assert process.wait(60) == 0

    assert mail_server.recipients == ["ann@a.test"]
    assert zops_as_process(*SEND).json()["processed"] == 1
    assert mail_server.recipients == ["ann@a.test", "bob@a.test"]


def test_a_plugins_texts_are_used(
    zops_here: ZopsInProcess,
    mail_server: MailServer,
    tmp_path: Path,
    temporary_plugin: Callable[..., Any],
) -> None:
    """Theirs go before ours, and may be plain text only, or in the layout of zops."""
    mails = tmp_path / "site" / "acme_mails"
    mails.mkdir(parents=True)
    (mails / "__init__.py").touch()
    (mails / "gone.subject.txt").write_text("{{ realm_name }}\n is gone ({{ language }})")
    (mails / "gone.txt").write_text(
        '{% extends "zops/layout.txt" %}{% block text %}Bye!{% endblock %}'
    )
    temporary_plugin(
        "zz",
        "from zcore import MailTemplate, hookimpl\n"
        "@hookimpl\n"
        "def zops_mail_templates():\n"
        '    return [MailTemplate("zerver/emails/realm_deactivated", "acme_mails:gone")]\n',
    )
    paths = [str(mails.parent), zops_here.environment.get("PYTHONPATH", "")]
    zops_here.environment["PYTHONPATH"] = ":".join(filter(None, paths))
    publish(zops_here, "ann@a.test")

    zops_here(*SEND)

    (received,) = mail_server.received
    assert str(received.message["Subject"]) == "Acme is gone (en)"
    assert received.message.get_content_type() == "text/plain"
    assert received.body("plain").startswith("Bye!\r\n")
