"""From an event to a letter: the words, the headers, and what is no mail at all."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTPUTF8
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcore.errors import Refused
from zcore.testing.settings import settings_of
from zops_queue.mail.addresses import parse_address, parse_mailbox
from zops_queue.mail.letter import write_letter
from zops_queue.mail.order import read_order
from zops_queue.mail.organization import Organization
from zops_queue.mail.sender import find_sender
from zops_queue.mail.texts import write
from zops_queue.plugin import zops_mail_templates
from zops_queue.workers.fields import BadField

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path


NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ACME = Organization("Acme, Zoë & Sons", "acme.chat.test")
OURS = {template.name: template for template in zops_mail_templates()}
RESET: dict[str, Any] = {
    "template_prefix": "zerver/emails/password_reset",
    "to_user_ids": None,
    "to_emails": ["ann@a.test"],
    "from_name": "chat.test account security",
    "from_address": "TOKENIZED_NO_REPLY",
    "language": None,
    "context": {
        "email": "ann@a.test",
        "realm_url": "https://acme.chat.test",
        "realm_name": "Acme & Sons",
        "active_account_in_realm": True,
        "reset_url": "https://acme.chat.test/reset?a=1&b=2",
    },
}


def letter_of(event: dict[str, Any], **changes: str) -> EmailMessage:
    return cast("EmailMessage", message_from_bytes(content_of(event, **changes), policy=SMTPUTF8))


def content_of(
    event: dict[str, Any], to: str = "ann@a.test", name: str = "", **variables: str
) -> bytes:
    sender = find_sender(settings_of(**{"ZOPS_EXTERNAL_HOST": "chat.test:8443", **variables}))
    order = read_order(event)
    recipient = parse_address(to, name)
    return write_letter(order, write(order, OURS), sender, recipient, NOW, ACME).content


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_headers_and_both_texts() -> None:
    message = letter_of(RESET, name="Ann Äpfel")
    headers = {name: str(value) for name, value in message.items()}
    message_id = headers.pop("Message-ID")
    assert headers.pop("Content-Type").startswith("multipart/alternative")
    assert headers == {
        "From": '"chat.test account security" <noreply@chat.test>',
        "Reply-To": "noreply@chat.test",
        "List-Id": "Acme, Zoë & Sons <acme.chat.test>",
        "To": "Ann Äpfel <ann@a.test>",
        "Subject": "A password for Acme & Sons",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
        "Date": "Wed, 04 Mar 2026 05:06:07 +0000",
    }
    assert message_id.endswith("@chat.test>")
    assert "https://acme.chat.test/reset?a=1&b=2" in part(message, "plain")
    assert 'href="https://acme.chat.test/reset?a=1&amp;b=2"' in part(message, "html")
    assert "<b>ann@a.test</b>" in part(message, "html")


def test_the_same_event_has_the_same_message_id() -> None:
    def message_id(event: dict[str, Any], to: str = "ann@a.test") -> str:
        return str(letter_of(event, to=to)["Message-ID"])

    first = message_id(RESET)
    assert message_id({**RESET, "failed_tries": 2}) == first
    assert message_id(dict(reversed(RESET.items()))) == first
    assert message_id(RESET, to="bob@a.test") != first
    assert message_id({**RESET, "date": "Mon, 02 Mar 2026 10:00:00 -0000"}) != first


def test_what_an_event_can_say_of_headers() -> None:
    context = {**RESET["context"], "unsubscribe_link": "https://acme.chat.test/u/1?x=2"}
    message = letter_of(
        {
            **RESET,
            "context": context,
            "from_name": None,
            "from_address": "owner@acme.test",
            "reply_to_email": '"Mia, and others" <thread+123@chat.test>',
            "date": "Mon, 02 Mar 2026 10:00:00 -0000",
        }
    )
    assert str(message["From"]) == "Acme & Sons <owner@acme.test>"
    (answered,) = message["Reply-To"].addresses
    assert (answered.display_name, answered.addr_spec) == (
        "Mia, and others",
        "thread+123@chat.test",
    )
    assert str(message["Date"]) == "Mon, 02 Mar 2026 10:00:00 -0000"
    assert str(message["List-Unsubscribe"]) == "<https://acme.chat.test/u/1?x=2>"
    assert str(message["List-Unsubscribe-Post"]) == "List-Unsubscribe=One-Click"


def test_who_sends_is_said_in_the_settings(tmp_path: Path) -> None:
    toml = '[mail]\nfrom = "Chat <no-reply@x.test>"\nsupport = "help@x.test"\n'
    (tmp_path / "zops.toml").write_text(toml)
    settings = {"ZOPS_CONFIG": str(tmp_path / "zops.toml")}
    nameless = {**RESET, "from_name": None, "context": {**RESET["context"], "realm_name": ""}}

    assert str(letter_of(nameless, **settings)["From"]) == "Chat <no-reply@x.test>"
    supported = letter_of({**RESET, "from_address": "SUPPORT"}, **settings)
    assert str(supported["From"]) == '"chat.test account security" <help@x.test>'
    with pytest.raises(Refused, match="whom mail is from"):
        find_sender(settings_of())


def test_an_address_outside_of_ascii_is_written_as_it_is() -> None:
    content = content_of(RESET, to="jörg@bücher.test", name="Jörg")
    assert "\r\nTo: Jörg <jörg@xn--bcher-kva.test>\r\n" in content.decode()


def test_a_name_that_is_too_long_is_left_out() -> None:
    assert str(letter_of(RESET, name="ä" * 20)["To"]) == f"{'ä' * 20} <ann@a.test>"
    # a hundred characters of a few bytes each are many more in a header
    assert str(letter_of(RESET, name="語" * 100)["To"]) == "ann@a.test"


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("Ann <ann@a.test>", "Ann", "ann@a.test"),
        ('"Ann \\"A\\" <x>" <ann@a.test>', 'Ann "A" <x>', "ann@a.test"),
        (" <ann@a.test> ", "", "ann@a.test"),
        ("ann@a.test", "", "ann@a.test"),
    ],
)
def test_a_mailbox_with_a_name(text: str, name: str, address: str) -> None:
    found = parse_mailbox(text)
    assert (found.name, found.spec) == (name, address)


@pytest.mark.parametrize("text", ["", "<>", "a@a.test, Ann <b@a.test>, c@a.test", "a@a.test>"])
def test_what_is_no_mailbox(text: str) -> None:
    with pytest.raises(BadField, match="no mail address"):
        parse_mailbox(text)


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


@given(name=ANY_TEXT, realm=ANY_TEXT, link=ANY_TEXT, reply_to=ANY_TEXT, breaks=st.booleans())
def test_no_text_gets_out_of_its_header(
    name: str, realm: str, link: str, reply_to: str, breaks: bool
) -> None:
    inject = "\r\nBcc: everybody@a.test\r\n\r\n" if breaks else ""
    event = {
        **RESET,
        "from_name": name + inject,
        "reply_to_email": reply_to + inject or None,
        "context": {
            **RESET["context"],
            "realm_name": realm + inject,
            "unsubscribe_link": f"https://a.test/{link}{inject}",
        },
    }
    for each in (event, {**event, "reply_to_email": None}):
        try:
            message = letter_of(each, name=realm + inject)
        except BadField:
            continue
        allowed = {"From", "To", "Subject", "Reply-To", "Auto-Submitted", "Date", "Message-ID"}
        allowed |= {"X-Auto-Response-Suppress", "MIME-Version", "Content-Type"}
        allowed |= {"List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"}
        assert set(message.keys()) <= allowed
        assert len(message.keys()) == len(set(message.keys()))
        assert [address.addr_spec for address in message["To"].addresses] == ["ann@a.test"]
        assert [each.addr_spec for each in message["From"].addresses] == ["noreply@chat.test"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bcc": "x@a.test"}, "nobody knows what bcc means"),
        ({"to_emails": None}, "for accounts or for addresses"),
        ({"to_user_ids": [1]}, "for accounts or for addresses"),
        ({"to_emails": "ann@a.test"}, "to_emails is not a list"),
        ({"to_emails": [1]}, "to_emails is not a list of texts"),
        ({"to_emails": None, "to_user_ids": ["1"]}, "not a list of whole numbers"),
        ({"to_emails": None, "to_user_ids": [2**31]}, "out of range"),
        ({"from_name": 1}, "from_name is not a text"),
        ({"from_address": "nobody"}, "'nobody' is no mail address"),
        ({"date": "tomorrow"}, "date is not a date"),
        ({"context": [1]}, "context is not an object"),
        ({"context": None}, "is undefined"),
        ({"realm_id": "x"}, "realm_id is not a whole number"),
        ({"context": {"realm_name": ""}}, "'active_account_in_realm' is undefined"),
        ({"template_prefix": None}, "there is no template_prefix"),
        ({"template_prefix": "zerver/emails/digest"}, "with the hook zops_mail_templates"),
    ],
)
def test_an_event_that_is_no_mail(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadField) as raised:
        letter_of({**RESET, **change})
    assert said in str(raised.value)


def test_old_servers_name_one_receiver() -> None:
    event = {name: value for name, value in RESET.items() if not name.startswith("to_")}
    assert read_order({**event, "to_email": "a@a.test"}).addresses == ("a@a.test",)
    assert read_order({**event, "to_user_id": 7}).user_ids == (7,)
