"""Letters and a mail server that behaves badly: what is said of each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.smtp_server import DROP, HANG, MailServer, Serve, make_certificate
from zcore.errors import Refused, Unreachable
from zcore.testing.settings import settings_of
from zops_queue.mail.addresses import parse_address
from zops_queue.mail.fates import MailDelayed, MailError, MailInDoubt, MailRefused
from zops_queue.mail.letter import Letter
from zops_queue.mail.server import find_server
from zops_queue.mail.smtp import Mailer

if TYPE_CHECKING:
    from pathlib import Path

MakeMailer = Callable[..., Mailer]


@pytest.fixture
def mailer_for() -> Iterator[Callable[..., Mailer]]:
    """Makes mailers for a URL; each is closed after the test."""
    mailers: list[Mailer] = []

    def make(url: str, seconds: float = 5) -> Mailer:
        mailers.append(Mailer(find_server(settings_of(ZOPS_SMTP_URL=url), seconds)))
        return mailers[-1]

    yield make
    for mailer in mailers:
        mailer.close()


def letter(recipient: str = "ann@a.test", content: bytes = b"Subject: hi\r\n\r\n.\r\n") -> Letter:
    return Letter("key", False, parse_address("noreply@a.test"), parse_address(recipient), content)


def patience(answer: str) -> float:
    """Seconds to wait for an answer: not many when it is known that there is none."""
    return 0.3 if answer == HANG else 10


class Dots:
    """Counts how often a letter was about to be ended."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.mark.parametrize(
    ("word", "answer", "fate", "said", "dots"),
    [
        ("MAIL", "451 later", MailDelayed, "451 later", 0),
        ("MAIL", "550 not from you", MailRefused, "550 not from you", 0),
        ("MAIL", DROP, MailDelayed, "connection was lost", 0),
        ("RCPT", "450 greylisted", MailDelayed, "450 greylisted", 0),
        ("RCPT", "550 no such user", MailRefused, "550 no such user", 0),
        ("RCPT", "421 going away", MailDelayed, "421 going away", 0),
        ("RCPT", DROP, MailDelayed, "connection was lost", 0),
        ("RCPT", HANG, MailDelayed, "timed out", 0),
        ("DATA", "452 full", MailDelayed, "452 full", 0),
        ("DATA", "554 no", MailRefused, "554 no", 0),
        ("DATA", DROP, MailDelayed, "connection was lost", 0),
        ("BODY", DROP, (MailDelayed, MailInDoubt), "ann@a.test", None),
        ("DOT", "451 look again later", MailDelayed, "451 look again later", 1),
        ("DOT", "554 spam", MailRefused, "554 spam", 1),
        ("DOT", "99 what", MailInDoubt, "in doubt", 1),
        ("DOT", DROP, MailInDoubt, "in doubt", 1),
        ("DOT", HANG, MailInDoubt, "timed out", 1),
    ],
)
def test_what_becomes_of_a_letter(
    mail_server: MailServer,
    word: str,
    answer: str,
    fate: type[MailError],
    said: str,
    dots: int | None,
    mailer_for: MakeMailer,
) -> None:
    mailer = mailer_for(mail_server.url, seconds=patience(answer))
    mail_server.says[word].append(answer)
    counted = Dots()

    with pytest.raises(fate) as raised:
        mailer.send(letter(), counted)

    assert "ann@a.test" in str(raised.value)
    assert said in str(raised.value)
    assert dots is None or counted.count == dots
    assert mail_server.received == []
    mailer.send(letter(), counted)  # the next one is none the worse for it
    assert mail_server.recipients == ["ann@a.test"]


def test_one_connection_is_kept(mail_server: MailServer, mailer_for: MakeMailer) -> None:
    mailer = mailer_for(mail_server.url)
    mail_server.says["RCPT"].extend(["550 no", "450 later"])
    for fate in (MailRefused, MailDelayed):
        with pytest.raises(fate):
            mailer.send(letter(), Dots())
    mailer.send(letter("a@a.test"), Dots())
    mailer.send(letter("b@a.test"), Dots())

    assert mail_server.recipients == ["a@a.test", "b@a.test"]
    assert mail_server.connections == 1


@pytest.mark.parametrize("answer", [DROP, HANG, "421 you were away for too long"])
def test_a_stale_connection_is_made_anew(
    mail_server: MailServer, answer: str, mailer_for: MakeMailer
) -> None:
    mailer = mailer_for(mail_server.url, seconds=patience(answer))
    mailer.send(letter("a@a.test"), Dots())
    mail_server.says["MAIL"].append(answer)
    mailer.send(letter("b@a.test"), Dots())

    assert mail_server.recipients == ["a@a.test", "b@a.test"]
    assert mail_server.connections == 2


def test_lines_of_dots_arrive(mail_server: MailServer, mailer_for: MakeMailer) -> None:
    content = b"Subject: hi\r\n\r\n.\r\n..\r\n.x\r\nx."
    mailer_for(mail_server.url).send(letter(content=content), Dots())
    assert mail_server.received[0].content == content + b"\r\n"


def test_an_address_outside_of_ascii(serve_mail: Serve, mailer_for: MakeMailer) -> None:
    able, unable = serve_mail(), serve_mail(extensions=())
    mailer_for(able.url).send(letter("jörg@bücher.test"), Dots())
    assert able.recipients == ["jörg@xn--bcher-kva.test"]
    with pytest.raises(MailRefused, match="SMTPUTF8"):
        mailer_for(unable.url).send(letter("jörg@a.test"), Dots())
    mailer_for(unable.url).send(letter("ann@bücher.test"), Dots())
    assert unable.recipients == ["ann@xn--bcher-kva.test"]
    headers = "Reply-To: jörg@a.test\r\n\r\nhi\r\n".encode()
    mailer_for(able.url).send(letter(content=headers), Dots())
    assert able.received[-1].content == headers
    with pytest.raises(MailRefused, match="SMTPUTF8"):
        mailer_for(unable.url).send(letter(content=headers), Dots())


class TestEncryption:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        return make_certificate(tmp_path / "server.pem")

    @pytest.fixture
    def trusted(self, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The certificate, as one that this machine trusts."""
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        return certificate

    def test_starttls_and_a_login(self, serve_mail: Serve, trusted: Path, tmp_path: Path) -> None:
        server = serve_mail(certificate=trusted, login=("zoe", "s3cret"))
        (tmp_path / "password").write_text("s3cret\n")
        toml = f'[mail]\nurl = "smtp://zoe@127.0.0.1:{server.port}"\npassword_file = "password"\n'
        (tmp_path / "zops.toml").write_text(toml)
        settings = settings_of(ZOPS_CONFIG=str(tmp_path / "zops.toml"))

        mailer = Mailer(find_server(settings, 5))
        mailer.send(letter(), Dots())
        mailer.close()

        (received,) = server.received
        assert (received.encrypted, received.user) == (True, "zoe")

    def test_encrypted_from_the_beginning(
        self, serve_mail: Serve, trusted: Path, mailer_for: MakeMailer
    ) -> None:
        server = serve_mail(certificate=trusted, tls=True, login=("zoe", "s3cret"))
        mailer_for(server.url).send(letter(), Dots())
        assert server.received[0].encrypted

    @pytest.mark.parametrize("tls", [True, False])
    def test_a_certificate_that_nobody_knows(
        self, serve_mail: Serve, certificate: Path, tls: bool, mailer_for: MakeMailer
    ) -> None:
        server = serve_mail(certificate=certificate, tls=tls)
        with pytest.raises(Unreachable, match="certificate verify failed"):
            mailer_for(f"{server.url}?starttls=required").send(letter(), Dots())

    def test_what_is_offered_is_taken_without_a_question(
        self, serve_mail: Serve, certificate: Path, mailer_for: MakeMailer
    ) -> None:
        server = serve_mail(certificate=certificate)
        mailer_for(server.url).send(letter(), Dots())
        mailer_for(f"{server.url}?starttls=never").send(letter(), Dots())
        assert [each.encrypted for each in server.received] == [True, False]

    def test_a_wrong_password(
        self, serve_mail: Serve, trusted: Path, mailer_for: MakeMailer
    ) -> None:
        server = serve_mail(certificate=trusted, login=("zoe", "s3cret"))
        url = f"smtp://zoe:guessed@127.0.0.1:{server.port}"
        with pytest.raises(Unreachable, match="535 not with that password") as raised:
            mailer_for(url).send(letter(), Dots())
        assert "guessed" not in str(raised.value)

    def test_nobody_logs_in_on_an_open_line(
        self, mail_server: MailServer, mailer_for: MakeMailer
    ) -> None:
        url = mail_server.url.replace("//", "//zoe:s3cret@")
        with pytest.raises(Unreachable, match="does not offer encryption"):
            mailer_for(url).send(letter(), Dots())

    def test_a_server_that_wants_a_login(
        self, serve_mail: Serve, trusted: Path, mailer_for: MakeMailer
    ) -> None:
        server = serve_mail(certificate=trusted, login=("zoe", "s3cret"))
        with pytest.raises(Unreachable, match="wants a login"):
            mailer_for(f"smtp://127.0.0.1:{server.port}").send(letter(), Dots())


@pytest.mark.parametrize("answer", [DROP, HANG, "554 not today"])
def test_a_server_that_does_not_greet(
    mail_server: MailServer, answer: str, mailer_for: MakeMailer
) -> None:
    mail_server.says["CONNECT"].append(answer)
    with pytest.raises(Unreachable, match="cannot be reached"):
        mailer_for(mail_server.url, seconds=patience(answer)).send(letter(), Dots())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://a.test", "not of the form"),
        ("smtp://", "not of the form"),
        ("smtp://a.test/box", "not of the form"),
        ("smtp://a.test:x", "Port"),
        ("smtp://zoe@a.test", "no password"),
        ("smtp://a.test?starttls=maybe", "'maybe'"),
        ("smtp://a.test?tls=1", "tls means"),
    ],
)
def test_a_url_that_is_none(url: str, said: str) -> None:
    with pytest.raises(Refused) as raised:
        find_server(settings_of(ZOPS_SMTP_URL=url), 5)
    assert said in raised.value.message
