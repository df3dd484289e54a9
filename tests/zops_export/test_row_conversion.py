"""Rows of an export become rows of the database: each rule of the schema, and what breaks them."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from zcore.schema import tables
from zcore.schema.facts import (
    INFO_KEY,
    ColumnFacts,
    Dangling,
    ExtraKey,
    Form,
    Reference,
    TableFacts,
    When,
    row_keys,
)
from zcore.schema.types import Json, UtcDateTime
from zops_export.id_maps import IdMap
from zops_export.notes import Notes
from zops_export.row_conversion import RowConverter, secret_columns
from zops_export.text_rewriting import TextRewriter

if TYPE_CHECKING:
    from zops_export.json_rows import JsonRow

# Each table has other new ids, so that none can be taken for another.
STARTS = {
    "zerver_realm": 50,
    "zerver_userprofile": 1000,
    "zerver_stream": 2000,
    "zerver_usergroup": 3000,
    "zerver_realmemoji": 4000,
    "zerver_message": 70000,
    "things": 500,
}
KNOWN = (10, 20, 30, 40)
IDS = {
    table: IdMap(array("q", KNOWN), [start + ident for ident in KNOWN])
    for table, start in STARTS.items()
}
TEXTS = TextRewriter(IDS)
GONE = 35
USERS = "zerver_userprofile"


def facts(*references: Reference, **more: Any) -> dict[str, ColumnFacts]:
    return {INFO_KEY: ColumnFacts(references=references, **more)}


def things(*columns: sa.Column[Any], extra_keys: tuple[ExtraKey, ...] = ()) -> sa.Table:
    """A table `things` with an id, a word, and `columns`."""
    return sa.Table(
        "things",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("word", sa.Text, default="none"),
        *columns,
        info={INFO_KEY: TableFacts(extra_keys=extra_keys)},
    )


class Converted:
    """What a converter made of rows, by the names of the columns; and what it noted."""

    def __init__(self, table: sa.Table, **options: Any) -> None:
        self.notes = Notes()
        options = {"keyed": True} | options
        self.converter = RowConverter(table, IDS, TEXTS, self.notes, **options)

    def row(self, **row: object) -> dict[str, object] | None:
        """One row; `id` and `word` need not be given."""
        values = self.converter.row({"id": 10, "word": "w"} | row)
        if values is None:
            return None
        return dict(zip(self.converter.columns, values, strict=True))

    def value(self, **row: object) -> object:
        """The value of the column `it` in a good row."""
        found = self.row(**row)
        assert self.notes.problems == []
        assert found is not None
        return found["it"]

    def problem(self, **row: object) -> tuple[str, str]:
        """The code and message of the one problem of a row."""
        self.row(**row)
        (problem,) = self.notes.problems
        assert "things" in problem.message
        return problem.code, problem.message


def reference(dangling: Dangling, **more: Any) -> Converted:
    column = sa.Column(
        "it", sa.Integer, nullable=True, info=facts(Reference(USERS, dangling=dangling, **more))
    )
    return Converted(things(column))


# --- the key


def test_a_keyed_row_has_its_new_id() -> None:
    assert Converted(things()).row(id=20) == {"id": 520, "word": "w"}


def test_an_unkeyed_row_has_none() -> None:
    column = sa.Column("it", sa.Integer)
    assert Converted(things(column), keyed=False).row(id=999, it=5) == {"word": "w", "it": 5}


def test_rows_that_are_left_out_are_missing() -> None:
    dropping = reference(Dangling.DROP_ROW)
    rows: list[JsonRow] = [
        {"id": 10, "word": "a", "it": 10},
        {"id": 20, "word": "b", "it": GONE},
        {"id": 30, "word": "c", "it": None},
    ]
    assert list(dropping.converter.rows(rows)) == [[510, "a", 1010], [530, "c", None]]


# --- references to nothing


@pytest.mark.parametrize("rule", list(Dangling))
def test_a_reference_that_leads_somewhere_follows_no_rule(rule: Dangling) -> None:
    converted = reference(rule)
    assert converted.value(it=20) == 1020
    assert converted.value(it=None) is None
    assert converted.notes.soft == {}


@pytest.mark.parametrize(
    ("rule", "value"), [(Dangling.KEEP, GONE), (Dangling.NULL, None), (Dangling.LAST_BEFORE, 1030)]
)
def test_a_soft_reference_to_nothing_follows_its_rule(rule: Dangling, value: int | None) -> None:
    converted = reference(rule)
    assert converted.value(it=GONE) == value
    assert converted.notes.soft == {"things.it": 1}
    converted.value(it=GONE)
    assert converted.notes.soft == {"things.it": 2}


def test_dropping_is_counted_and_no_problem() -> None:
    converted = reference(Dangling.DROP_ROW)
    assert converted.row(it=GONE) is None
    assert converted.notes.soft == {"things.it": 1}
    assert converted.notes.problems == []


def test_a_hard_reference_to_nothing_is_a_problem() -> None:
    code, message = reference(Dangling.FINDING).problem(it=GONE)
    assert code == "dangling-reference"
    assert message == f"things 10: it {GONE} is no row of {USERS}"


def test_a_foreign_key_is_a_hard_reference_and_loses_its_id() -> None:
    metadata = sa.MetaData()
    sa.Table(USERS, metadata, sa.Column("id", sa.Integer, primary_key=True))
    table = sa.Table(
        "things",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("word", sa.Text),
        sa.Column("user_id", sa.ForeignKey(f"{USERS}.id"), nullable=False),
    )
    assert Converted(table).row(user=20) == {"id": 510, "word": "w", "user_id": 1020}
    assert Converted(table).problem(user=GONE)[0] == "dangling-reference"
    assert Converted(table).problem(user=None)[0] == "bad-value"


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (-1, -1), (5, -1), (99, 1040)])
def test_the_last_row_before(value: int, expected: int) -> None:
    """0 and less say that there was none yet; before the first row there is none here."""
    assert reference(Dangling.LAST_BEFORE).value(it=value) == expected


# --- forms


def test_an_id_in_digits_stays_text() -> None:
    table = things(sa.Column("it", sa.Text, info=facts(Reference(USERS, Form.TEXT))))
    assert Converted(table).value(it="20") == "1020"
    assert Converted(table).problem(it=str(GONE))[0] == "dangling-reference"
    assert Converted(table).problem(it="word")[0] == "bad-row"
    assert Converted(table).problem(it="9" * 6000)[0] == "bad-row"


def json_column(kind: sa.types.TypeEngine[Any], *references: Reference) -> Converted:
    return Converted(things(sa.Column("it", kind, nullable=True, info=facts(*references))))


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (("user",), {"user": 10, "other": 10}, {"user": 1010, "other": 10}),
        (("*",), [10, 20], [1010, 1020]),
        (
            ("*", "user"),
            [{"user": 10}, {"x": 1}, {"user": None}, 5],
            [{"user": 1010}, {"x": 1}, {"user": None}, 5],
        ),
        (("a", "*", "b"), {"a": [{"b": 20}], "b": 10}, {"a": [{"b": 1020}], "b": 10}),
        (("a", "b"), {"a": 10}, {"a": 10}),
        (("a", "b"), {"a": [{"b": 10}]}, {"a": [{"b": 10}]}),
        (("*",), {"*": 10}, {"*": 1010}),
        (("*",), [], []),
        (("a",), {}, {}),
        (("a",), "text", "text"),
        (
            ("a",),
            {"\u00fc \U0001f600 },{": '\\"\n', "a": 10},
            {"\u00fc \U0001f600 },{": '\\"\n', "a": 1010},
        ),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_ids_inside_json(
    path: tuple[str, ...], before: object, after: object, as_text: bool
) -> None:
    converted = json_column(
        sa.Text() if as_text else Json(), Reference(USERS, Form.JSON, path, dangling=Dangling.KEEP)
    )
    if not as_text:
        assert converted.value(it=before) == after
        return
    found = converted.value(it=json.dumps(before))
    assert isinstance(found, str)
    assert json.loads(found) == after


def test_several_ids_inside_the_same_json() -> None:
    converted = json_column(
        Json(),
        Reference(USERS, Form.JSON, ("*", "user_id")),
        Reference("zerver_stream", Form.JSON, ("*", "stream"), dangling=Dangling.KEEP),
        Reference(USERS, Form.HTML, ("*", "html"), dangling=Dangling.KEEP),
    )
    mention = '<span class="user-mention" data-user-id="{}">'
    before = [{"user_id": 10, "stream": 20, "html": mention.format(30)}, {"stream": GONE}]
    after = [{"user_id": 1010, "stream": 2020, "html": mention.format(1030)}, {"stream": GONE}]
    assert converted.value(it=before) == after
    assert converted.value(it=[{"html": None}, {"html": ""}]) == [{"html": None}, {"html": ""}]


def test_what_was_given_is_not_changed() -> None:
    converted = json_column(Json(), Reference(USERS, Form.JSON, ("*", "user")))
    before = [{"user": 10}]
    converted.value(it=before)
    assert before == [{"user": 10}]


@pytest.mark.parametrize("value", [None, ""])
def test_no_json_is_no_problem(value: str | None) -> None:
    converted = json_column(sa.Text(), Reference(USERS, Form.JSON, ("a",)))
    assert converted.value(it=value) == value


def test_a_hard_reference_inside_json_is_a_problem() -> None:
    converted = json_column(Json(), Reference(USERS, Form.JSON, ("*",)))
    assert converted.problem(it=[10, GONE])[0] == "dangling-reference"


@pytest.mark.parametrize("value", ["{", "nope", "[1,]", "[" * 100_000])
def test_text_that_is_no_json_is_a_problem(value: str) -> None:
    converted = json_column(sa.Text(), Reference(USERS, Form.JSON, ("a",)))
    code, message = converted.problem(it=value)
    assert code == "bad-row"
    assert len(message) < 300


def test_mentions_in_html() -> None:
    column = sa.Column(
        "it",
        sa.Text,
        nullable=True,
        info=facts(Reference(USERS, Form.HTML, dangling=Dangling.KEEP)),
    )
    converted = Converted(things(column))
    before = '<span class="user-mention" data-user-id="{}">@x</span>'
    assert converted.value(it=before.format(10)) == before.format(1010)
    for same in (before.format(GONE), before.format("*"), "", None, "data-user-id"):
        assert converted.value(it=same) == same


# --- conditions


def test_a_condition_chooses_the_table() -> None:
    column = sa.Column(
        "it",
        sa.Integer,
        info=facts(
            Reference(USERS, when=When("type", 1)),
            Reference("zerver_stream", when=When("type", 2), dangling=Dangling.DROP_ROW),
        ),
    )
    table = things(sa.Column("type", sa.Integer), column)
    converted = Converted(table)
    assert converted.value(type=1, it=10) == 1010
    assert converted.value(type=2, it=10) == 2010
    assert converted.value(type=3, it=10) == 10
    assert converted.row(type=2, it=GONE) is None
    assert Converted(table).problem(type=1, it=GONE)[0] == "dangling-reference"


def test_a_condition_of_a_word_and_digits() -> None:
    column = sa.Column(
        "it",
        sa.Text,
        info=facts(Reference("zerver_realmemoji", Form.TEXT, when=When("kind", "realm_emoji"))),
    )
    converted = Converted(things(sa.Column("kind", sa.Text), column))
    assert converted.value(kind="realm_emoji", it="10") == "4010"
    assert converted.value(kind="unicode_emoji", it="1f600") == "1f600"
    assert converted.value(kind="unicode_emoji", it="10") == "10"


@pytest.fixture
def through() -> Callable[[], Converted]:
    """The type is that of the row that `field` points at: 10 is of type 6, 20 of type 1."""
    lookups: Mapping[str, Mapping[object, object]] = {"field.field_type": {10: 6, 20: 1}}

    def make() -> Converted:
        when = When("field_type", 6, through="field_id")
        columns = (
            sa.Column("field_id", sa.Integer, info={INFO_KEY: ColumnFacts(json_key="field")}),
            sa.Column("it", sa.Text, info=facts(Reference(USERS, Form.JSON, ("*",), when=when))),
        )
        return Converted(things(*columns), lookups=lookups)

    return make


def test_a_condition_in_another_row(through: Callable[[], Converted]) -> None:
    converted = through()
    assert converted.value(field=10, it="[10, 20]") == "[1010,1020]"
    assert converted.value(field=20, it="[10, 20]") == "[10, 20]"
    assert converted.value(field=20, it="no JSON at all") == "no JSON at all"
    assert converted.value(field=99, it="[10, 20]") == "[10, 20]"
    assert through().problem(field=10, it=f"[{GONE}]")[0] == "dangling-reference"
    assert through().problem(field=10, it="no JSON")[0] == "bad-row"


def test_a_condition_in_a_row_that_cannot_be_named(through: Callable[[], Converted]) -> None:
    through_list = through()
    through_list.row(field=[10], it="[10]")
    assert {problem.code for problem in through_list.notes.problems} <= {"bad-row", "bad-value"}
    assert through_list.notes.problem_count


# --- keys


def test_a_missing_key_gets_its_default() -> None:
    numbers = iter(range(100))
    table = things(
        sa.Column("number", sa.Integer, default=7, nullable=False),
        sa.Column("nothing", sa.Integer, nullable=True),
        sa.Column("empty", sa.Text, nullable=False),
        sa.Column("made", sa.Integer, default=lambda: next(numbers), nullable=False),
    )
    converted = Converted(table)
    values = converted.converter.row({"id": 10})
    assert values == [510, "none", 7, None, "", 0]
    assert converted.converter.row({"id": 10}) == [510, "none", 7, None, "", 1]
    assert converted.notes.problems == []


def test_a_default_is_followed_like_a_value() -> None:
    column = sa.Column("it", sa.Integer, default=20, info=facts(Reference(USERS)))
    assert Converted(things(column)).value() == 1020


def test_a_missing_key_without_a_default_is_a_problem() -> None:
    code, message = Converted(things(sa.Column("it", sa.Integer, nullable=False))).problem()
    assert (code, message) == ("missing-key", "things 10 lacks the key 'it'")


def test_an_unknown_key_is_passed_over_and_counted() -> None:
    converted = Converted(things())
    assert converted.row(strange=1) == {"id": 510, "word": "w"}
    assert converted.row(strange=2) == {"id": 510, "word": "w"}
    assert converted.notes.problems == []
    assert converted.notes.unknown_keys == {"things.strange": 2}


def test_an_extra_key_is_known_and_no_column() -> None:
    converted = Converted(things(extra_keys=(ExtraKey("flags"),)))
    assert converted.row(flags=["read"]) == {"id": 510, "word": "w"}
    assert converted.row() == {"id": 510, "word": "w"}
    assert converted.notes.problems == []


def test_secret_columns_are_made_and_never_taken() -> None:
    secret = {INFO_KEY: ColumnFacts(left_out=True, secret=True)}
    table = things(sa.Column("api_key", sa.Text, info=secret), sa.Column("it", sa.Integer))
    assert secret_columns(table) == ["api_key"]
    keys = iter("abc")
    converted = Converted(table, generated={"api_key": lambda: next(keys)})
    assert converted.row(it=1) == {"id": 510, "word": "w", "it": 1, "api_key": "a"}
    assert converted.row(it=1) == {"id": 510, "word": "w", "it": 1, "api_key": "b"}
    assert converted.problem(it=1, api_key="from elsewhere")[0] == "secret"


# --- wrong values

WRONG = {
    sa.Integer: ["5", 5.0, True, [5], {"a": 5}],
    sa.BigInteger: ["5", 1.5, False, []],
    sa.Boolean: [1, 0, "true", [True]],
    sa.Text: [5, True, ["a"], {"a": "b"}, 1.5],
    UtcDateTime: ["2025-01-01", True, [], {}],
}


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in WRONG.items() for value in values]
)
def test_a_value_of_a_wrong_kind_is_a_problem(
    kind: type[sa.types.TypeEngine[Any]], value: object, nullable: bool
) -> None:
    table = things(sa.Column("it", kind, nullable=nullable))
    code, message = Converted(table).problem(it=value)
    assert code == "bad-value"
    assert message.startswith("things 10: it cannot be ")


@pytest.mark.parametrize("kind", [*WRONG, Json])
def test_null_is_a_problem_only_where_none_may_be(kind: type[sa.types.TypeEngine[Any]]) -> None:
    assert Converted(things(sa.Column("it", kind, nullable=True))).value(it=None) is None
    table = things(sa.Column("it", kind, nullable=False))
    assert Converted(table).problem(it=None)[0] == "bad-value"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (sa.Integer, 5),
        (sa.Boolean, False),
        (sa.Text, ""),
        (UtcDateTime, 1738367999.123456),
        (UtcDateTime, 0),
        *[(Json, value) for value in ({}, [], "", 0, 1.5, True)],
    ],
)
def test_a_value_of_the_right_kind_stays(
    kind: type[sa.types.TypeEngine[Any]], value: object
) -> None:
    assert Converted(things(sa.Column("it", kind, nullable=False))).value(it=value) == value


def test_a_wrong_value_is_found_after_many_good_ones() -> None:
    converted = Converted(things(sa.Column("it", sa.Integer, nullable=True)))
    for number in range(20):
        converted.value(it=number if number % 3 else None)
    assert converted.problem(it="5")[0] == "bad-value"


@pytest.mark.parametrize("value", ["10", 10.5, [10], {"id": 10}, {}, []])
@pytest.mark.parametrize("rule", list(Dangling))
def test_a_reference_of_a_wrong_kind_is_a_problem_or_leaves_out(
    rule: Dangling, value: object
) -> None:
    """Whatever the rule says: never a traceback, never the value itself."""
    converted = reference(rule)
    found = converted.row(it=value)
    if not converted.notes.problems:
        assert found is None or found["it"] != value


@pytest.mark.parametrize("value", [5, [1], {"a": 1}, True])
def test_html_of_a_wrong_kind_is_a_problem(value: object) -> None:
    column = sa.Column("it", sa.Text, info=facts(Reference(USERS, Form.HTML)))
    assert Converted(things(column)).problem(it=value)[0] in {"bad-row", "bad-value"}


@pytest.mark.parametrize("value", ["10", [10], {}, None])
def test_a_key_of_a_wrong_kind_is_a_problem(value: object) -> None:
    converted = Converted(things())
    found = converted.row(id=value)
    assert converted.notes.problems or found == {"id": None, "word": "w"}


def test_a_long_value_is_not_shown_whole() -> None:
    _, message = Converted(things(sa.Column("it", sa.Integer))).problem(it="x" * 5000)
    assert len(message) < 120


def test_only_the_first_hundred_problems_are_kept_and_all_are_counted() -> None:
    converted = reference(Dangling.FINDING)
    for _ in range(150):
        converted.row(it=GONE)
    assert len(converted.notes.problems) == 100
    assert converted.notes.problem_count == 150


# --- the real tables


@pytest.mark.parametrize("name", sorted(tables))
def test_every_table_can_be_planned_and_no_row_is_a_traceback(name: str) -> None:
    """Rows of any shape: what is wrong with them is a problem."""

    class AllIds(dict[str, IdMap]):
        def __missing__(self, key: str) -> IdMap:
            return IDS["things"]

    class AllLookups(dict[str, Mapping[object, object]]):
        def __missing__(self, key: str) -> Mapping[object, object]:
            return {10: 6}

    table, notes = tables[name], Notes()
    converter = RowConverter(
        table, AllIds(IDS), TEXTS, notes, keyed="id" in table.c, lookups=AllLookups()
    )
    keys = row_keys(table)
    for value in (None, True, 10, -1, 2**70, 1.5, "10", "text", "[10]", "{", [10], {"a": 1}, []):
        converter.row(dict.fromkeys(keys, value))
    assert notes.problem_count or not keys
    assert all("\n" not in problem.message for problem in notes.problems)
