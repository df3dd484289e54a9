"""Each rule refuses what it is for, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zcore.organizations.system_bots import SYSTEM_BOTS
from zcore.settings import Settings
from zcore.validation import Validation
from zops_realm.rules import emails, full_names, passwords, realm_names, subdomains
from zops_realm.rules.reserved_words import REASONS, RESERVED_BY_REASON, reason_reserved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from zcore import Problem

    Rule = Callable[[Sequence[str], Validation], Iterable[Problem]]


@pytest.fixture
def validation(tmp_path: Path) -> Validation:
    """What rules get when there is no database to ask."""
    settings = Settings.load({}, {"ZOPS_HOME": str(tmp_path)}, tmp_path)
    return Validation(settings=settings, database=None, realm_id=None, allow=frozenset())


@pytest.mark.parametrize(
    ("rule", "value", "code"),
    [
        (subdomains.characters, "Big", "subdomain-characters"),
        (subdomains.characters, "big_co", "subdomain-characters"),
        (subdomains.characters, "big.co", "subdomain-characters"),
        (subdomains.characters, "big\n", "subdomain-characters"),
        (subdomains.characters, "bíg", "subdomain-characters"),
        (subdomains.characters, "-big", "subdomain-dash"),
        (subdomains.characters, "big-", "subdomain-dash"),
        (subdomains.length, "ab", "subdomain-length"),
        (subdomains.length, "a" * 41, "subdomain-length"),
        (subdomains.usable, "www", "subdomain-unusable"),
        (subdomains.usable, "zulipinternal", "subdomain-unusable"),
        (subdomains.not_reserved, "mail", "subdomain-reserved"),
        (subdomains.not_reserved, "logins", "subdomain-reserved"),
        (realm_names.length, "", "realm-name-empty"),
        (realm_names.length, "  ", "realm-name-empty"),
        (realm_names.length, "a" * 41, "realm-name-length"),
        (realm_names.characters, "two\nlines", "realm-name-characters"),
        (emails.syntax, "", "email-syntax"),
        (emails.syntax, "ann", "email-syntax"),
        (emails.syntax, "ann@", "email-syntax"),
        (emails.syntax, "@example.com", "email-syntax"),
        (emails.syntax, "ann@example", "email-syntax"),
        (emails.syntax, "ann lee@example.com", "email-syntax"),
        (emails.syntax, " ann@example.com", "email-syntax"),
        (emails.syntax, "ann@example.com\n", "email-syntax"),
        (emails.syntax, "änn@example.com", "email-syntax"),
        (emails.syntax, "ann@ex_ample.com", "email-syntax"),
        (emails.syntax, "ann@-example.com", "email-syntax"),
        (emails.syntax, "ann@example.c", "email-syntax"),
        (emails.syntax, "a..b@example.com", "email-syntax"),
        (emails.syntax, f"ann@{'a.' * 124}com", "email-syntax"),
        (emails.not_system_bot, "Notification-Bot@Zulip.com", "email-system-bot"),
        (full_names.length, "A", "full-name-length"),
        (full_names.length, " A ", "full-name-length"),
        (full_names.length, "A" * 101, "full-name-length"),
        *(
            (full_names.characters, f"An{bad}n", "full-name-characters")
            for bad in '*`\\>"@\t\ufffe'
        ),
        (full_names.characters, "An\U0001ffffn", "full-name-characters"),
        (full_names.characters, "An\ufdd0n", "full-name-characters"),
        (full_names.ending, "Ann|12", "full-name-ending"),
        (full_names.ending, "Ann|12 ", "full-name-ending"),
        (passwords.length, "five5", "password-length"),
        (passwords.length, "x" * 101, "password-length"),
        (passwords.strength, "password", "password-weak"),
        (passwords.strength, "qwerty12", "password-weak"),
        (passwords.strength, "a" * 100, "password-weak"),
        (passwords.text, "half of \ud83d", "password-text"),
        (passwords.text, "nothing\0here", "password-text"),
        *((emails.not_system_bot, address, "email-system-bot") for address in SYSTEM_BOTS),
    ],
)
def test_refused(rule: Rule, value: str, code: str, validation: Validation) -> None:
    (problem,) = rule([value], validation)

    assert problem.code == code
    assert problem.message
    assert problem.hint
    assert "\n" not in problem.message


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        (subdomains.characters, ["", "big-co", "a1b", "123"]),
        (subdomains.length, ["", "abc", "a" * 40]),
        (subdomains.usable, ["", "wwwide"]),
        (subdomains.not_reserved, ["", "acme", "mailers-guild", "s"]),
        (realm_names.length, ["A", "a" * 40]),
        (realm_names.characters, ["Ärzte & Co 🎉"]),
        (
            emails.syntax,
            [
                "ann@example.com",
                "Ann.Lee+chat@sub.example.com",
                "o'neil@example.test",
                "ann@localhost",
                "ann@server.local",
                "ann@bücher.example",
                "a" * 64 + "@example.com",
            ],
        ),
        (emails.not_system_bot, ["bot@zulip.com", "welcome-bot@example.com"]),
        (full_names.length, ["Al", "A" * 100]),
        (full_names.characters, ["Anne-Marie O'Neil", "李小龍", "Zoë 🎉"]),
        (full_names.ending, ["Ann|", "Ann 12", "Ann|12a", "|12 Ann"]),
        (passwords.length, ["sixsix", "x" * 100, "🎉" * 6]),
        # Zulip wants ten thousand guesses; the first has a million, the last is cut at 72.
        (passwords.strength, ["ab12!Q", "correcthorse", "pässwörd ☃", "q7!" * 33]),
        (passwords.text, ["pässwörd ☃", "🎉" * 6]),
    ],
)
def test_accepted(rule: Rule, values: list[str], validation: Validation) -> None:
    assert list(rule(values, validation)) == []


def test_a_problem_says_which_of_the_values_it_is_about(validation: Validation) -> None:
    problems = subdomains.characters(["good", "Bad", "fine", "-"], validation)

    assert [problem.index for problem in problems] == [1, 3]


def test_a_reserved_word_names_the_flag_that_allows_it(validation: Validation) -> None:
    (problem,) = subdomains.not_reserved(["login"], validation)

    assert problem.override == "--allow-reserved-subdomain"


def test_two_that_are_asked_for_at_once_must_differ(validation: Validation) -> None:
    assert [p.code for p in subdomains.not_taken(["one", "two", "one"], validation)] == [
        "subdomain-twice"
    ]
    assert [p.code for p in emails.not_taken(["a@b.test", "A@B.test"], validation)] == [
        "email-twice"
    ]


def test_a_password_never_stands_in_its_problem(validation: Validation) -> None:
    (short,) = passwords.length(["hush"], validation)
    (weak,) = passwords.strength(["hushhush"], validation)

    assert "hush" not in short.message + short.hint + weak.message + weak.hint


def test_reserved_words_are_words_that_could_be_subdomains(validation: Validation) -> None:
    assert len(REASONS) >= 150
    assert list(subdomains.characters(list(REASONS), validation)) == []
    assert sum(len(words.split()) for words in RESERVED_BY_REASON.values()) == len(REASONS)


@pytest.mark.parametrize("word", ["zulip", "zulips", "admin", "admins", "www2", "status"])
def test_reserved(word: str) -> None:
    assert reason_reserved(word)


@pytest.mark.parametrize(
    ("address", "stored"),
    [
        ("Ann@Example.COM", "Ann@example.com"),
        ('"a@B"@C.test', '"a@B"@c.test'),
        ("no at sign", "no at sign"),
    ],
)
def test_addresses_are_stored_with_the_domain_in_lower_case(address: str, stored: str) -> None:
    assert emails.normalized(address) == stored
