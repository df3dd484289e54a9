"""Which dead letters are meant by what is said on a command line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click
import pytest

from tests.zops_queue.receiving import FAILURE
from zcore.broker import DeadLetter
from zops_queue.dead_letters import Selection
from zops_queue.parameters import AGE

NOW = datetime(2025, 2, 1, 12, tzinfo=UTC)


def letter(number: int, hours: float, error: str = "ValueError: no good") -> DeadLetter:
    """One that was given up some hours ago."""
    failure = replace(FAILURE, time=NOW - timedelta(hours=hours), error=error)
    return DeadLetter(id=str(number), queue="q", body=b"{}", failure=failure)


LETTERS = [letter(1, 1), letter(2, 5), letter(3, 9, "KeyError: 'x'"), letter(4, 30)]


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        (Selection(), "1234"),
        (Selection(ids=("2", "4", "9")), "24"),
        (Selection(older_than=timedelta(hours=5)), "34"),
        (Selection(newer_than=timedelta(hours=9)), "12"),
        (Selection(older_than=timedelta(hours=2), newer_than=timedelta(days=1)), "23"),
        (Selection(error="KeyError"), "3"),
        (Selection(ids=("1", "3"), error="no good"), "1"),
        (Selection(ids=("3",), newer_than=timedelta(hours=1)), ""),
    ],
)
def test_what_a_selection_means(selection: Selection, ids: str) -> None:
    chosen = selection.at(NOW)
    assert "".join(each.id for each in LETTERS if chosen(each)) == ids
    assert selection.is_everything == (ids == "1234")


def test_lengths_of_time() -> None:
    said = {"90s": 90, "30m": 1800, "2h": 7200, "7d": 7 * 86400, "4w": 28 * 86400}
    assert {text: AGE.convert(text, None, None).total_seconds() for text in said} == said
    for wrong in ("", "5", "h", "-1h", "1.5h", "2 h", "1y", "100000d"):
        with pytest.raises(click.BadParameter):
            AGE.convert(wrong, None, None)
