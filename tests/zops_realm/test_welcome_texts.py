"""Markdown and HTML of a text say the same, and lead to the same places."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from zcore import CreatedUser
from zops_realm import welcome_texts
from zops_realm.signup_announcement import _announcement
from zops_realm.welcome_texts import CHANNEL_ID, INTRODUCTION, Text

VOID = {"br", "img"}
TEXTS = {
    **{f"introduction {place}": message.text for place, message in enumerate(INTRODUCTION, 1)},
    **{name: value for name, value in vars(welcome_texts).items() if isinstance(value, Text)},
}


class Page(HTMLParser):
    """The visible text of some HTML, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._hidden = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a" and attributes.get("title") is None:
            self.links.append(attributes["href"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def plain(markdown: str) -> str:
    """Markdown without its marks, as far as our texts have any."""
    text = re.sub(r"^(`{3,}spoiler |`{3,}\w*|- )", "", markdown, flags=re.M)
    text = re.sub(r"#\*\*(\w+)>(.+?)\*\*", r"#\1 > \2", text)
    text = re.sub(r"@_\*\*(.+?)\|\d+\*\*", r"\1", text)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return words(re.sub(r"\*\*|`", "", text))


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_both_say_the_same(text: Text) -> None:
    page = Page(text.rendered)

    assert words(page.text) == plain(text.content)
    written = re.findall(r"\]\(([^)]+)\)", text.content)
    assert [link for link in page.links if CHANNEL_ID not in link] == written
    assert text.has_link == bool(page.links)


def test_a_name_is_escaped_in_html() -> None:
    text = _announcement(CreatedUser(7, "a@b.test", "Ann <& Sons>", 400, 1))

    assert "Ann &lt;&amp; Sons&gt;" in text.rendered
    assert words(Page(text.rendered).text) == plain(text.content)


def test_the_introduction_has_the_shape_of_the_servers() -> None:
    topics = [(message.channel, message.topic) for message in INTRODUCTION]

    assert [topics.count(topic) for topic in dict.fromkeys(topics)] == [2, 2, 3, 2, 3]
    assert [message.text.has_link for message in INTRODUCTION].count(True) == 5
    assert max(len(topic) for _, topic in topics) <= 60
