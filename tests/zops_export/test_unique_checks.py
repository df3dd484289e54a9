"""Which rows of an export may be there once."""

from __future__ import annotations

import pytest

from zcore.schema import tables
from zcore.schema.columns import WHERE
from zcore.schema.facts import exported_tables
from zops_export.notes import Notes
from zops_export.unique_checks import UniqueChecks, rules_of


def _twice(table: str, *rows: dict[str, object]) -> list[str]:
    """The rows that are named, when these are looked at."""
    checks, notes = UniqueChecks(), Notes()
    checks.take(tables[table], rows)
    for name, suspects in checks.suspects().items():
        for row in rows:
            suspects.look(name, row, notes)
    return [problem.row for problem in notes.problems]


def _topic(ident: int, name: str) -> dict[str, object]:
    return {"id": ident, "user_profile": 1, "stream": 2, "topic_name": name}


def _channel(ident: int, name: str) -> dict[str, object]:
    return {"id": ident, "realm": 1, "name": name}


def _count(ident: int, subgroup: str | None) -> dict[str, object]:
    return {"id": ident, "realm": 1, "property": "p", "end_time": 0.0, "subgroup": subgroup}


def test_every_rule_of_the_schema_can_be_looked_at() -> None:
    for table in exported_tables(dict(tables)):
        assert all(rule.keys for rule in rules_of(table))  # no condition is unknown
    conditions = {
        str(index.info[WHERE])
        for table in exported_tables(dict(tables))
        for index in table.indexes
        if index.unique and WHERE in index.info
    }
    assert conditions == {"NOT deactivated", "subgroup IS NULL", "subgroup IS NOT NULL"}


@pytest.mark.parametrize(("one", "other"), [("Été", "éTÉ"), ("news", "NEWS")])
def test_capitals_make_no_other_name(one: str, other: str) -> None:
    assert _twice("zerver_stream", _channel(1, one), _channel(2, other)) == ["zerver_stream 2"]


@pytest.mark.parametrize(("one", "other"), [("straße", "STRASSE"), ("ﬁn", "FIN")])
def test_letters_that_databases_leave_alone(one: str, other: str) -> None:
    assert _twice("zerver_stream", _channel(1, one), _channel(2, other)) == []


def test_topics_are_compared_in_small_letters() -> None:
    """A Greek word ends with another sigma, which is the same only in capitals."""
    assert _twice("zerver_usertopic", _topic(1, "λόγος"), _topic(2, "λόγοσ")) == []
    assert _twice("zerver_usertopic", _topic(1, "Plans"), _topic(2, "plANS")) != []


def test_clients_are_looked_up_by_their_names() -> None:
    names = ({"id": ident, "name": "website"} for ident in (1, 2))
    assert _twice("zerver_client", *names) == []


def test_counts_with_a_subgroup_and_without() -> None:
    table = "analytics_realmcount"
    assert _twice(table, _count(1, None), _count(2, "a"), _count(3, "b")) == []
    assert _twice(table, _count(1, None), _count(2, None)) == [f"{table} 2"]
    assert _twice(table, _count(1, "a"), _count(2, "a")) == [f"{table} 2"]


def test_the_same_row_again() -> None:
    row = _count(1, None)
    assert _twice("analytics_realmcount", row, dict(row)) == ["analytics_realmcount 1"]
    channel = _channel(1, "news")
    assert _twice("zerver_stream", channel, dict(channel)) == []  # its id is a problem already
