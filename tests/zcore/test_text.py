"""What is shown is on one line, without control characters and without passwords."""

from __future__ import annotations

import pytest

from zcore.console import table
from zcore.text import describe, has_password, mask_passwords, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one  two\n three\r\n", "one two three"),
        ("\x1b[31mred\x1b[0m", "?[31mred?[0m"),
        ("tab\there", "tab here"),
        ("naïve 世界", "naïve 世界"),
        (3, "3"),
        ("", ""),
    ],
)
def test_one_line(text: object, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hush@db/zulip", "postgresql://me:***@db/zulip"),
        ("amqp://:hush@mq", "amqp://:***@mq"),
        ("cannot reach POSTGRESQL://me:hush@db now", "cannot reach POSTGRESQL://me:***@db now"),
        ("postgresql+psycopg2://me:a@b/c?d#e@db/zulip", "postgresql+psycopg2://me:***@db/zulip"),
        ("'redis://me:a:b@db'", "'redis://me:***@db'"),
        ("postgresql:///zulip?password=hush&user=me", "postgresql:///zulip?password=***&user=me"),
        ("a://b/?client_secret=hush", "a://b/?client_secret=***"),
        ("postgresql://me@db:5432/zulip", "postgresql://me@db:5432/zulip"),
        ("https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("sqlite:////tmp/zops.db", "sqlite:////tmp/zops.db"),
        ("Ann: ann@example.com", "Ann: ann@example.com"),
    ],
)
def test_mask_passwords(text: str, shown: str) -> None:
    assert mask_passwords(text) == shown
    assert has_password(text) == (text != shown)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no\nluck"), "ValueError: no luck"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (ModuleNotFoundError("x", name="acme"), "the module 'acme' is not installed"),
        (ImportError("cannot import name 'x'"), "ImportError: cannot import name 'x'"),
    ],
)
def test_describe(error: BaseException, text: str) -> None:
    assert describe(error) == text


def test_table() -> None:
    rows = [("a", 1), ("long name", "two\nlines")]
    assert table(("NAME", "N"), rows).splitlines() == [
        "NAME       N",
        "a          1",
        "long name  two lines",
    ]
    assert table(("NAME",), []) == "NAME"
