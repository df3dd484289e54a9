"""What tables and columns mean to an export, against what a Zulip 10.0 server exports.

`data/zulip-10.0-export.json` holds, for each key of an export, its table, file and place, whether
the server's importer wants it, the keys of its rows, which of them are moments in seconds, and what
the importer takes for a key that is missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from zcore.schema import SERVER_VERSION, tables
from zcore.schema.audit_data import CHANNEL_SETTINGS, GROUP_SETTINGS
from zcore.schema.defaults import default_of, has_default
from zcore.schema.facts import (
    INFO_KEY,
    ColumnFacts,
    Dangling,
    Form,
    Reference,
    TableFacts,
    When,
    column_facts,
    columns_by_key,
    export_columns,
    exported_tables,
    json_key,
    references,
    row_keys,
    table_facts,
)
from zcore.schema.types import UtcDateTime

SERVER: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / f"zulip-{SERVER_VERSION}-export.json").read_text()
)
OF_COLUMNS = {key: facts for key, facts in SERVER.items() if key != "zerver_userprofile_crossrealm"}
ROWS = {key: facts for key, facts in OF_COLUMNS.items() if facts["keys"]}
ALL_COLUMNS = [column for table in tables.values() for column in table.columns]
ALL_REFERENCES = [(column, reference) for column in ALL_COLUMNS for reference in references(column)]

NOT_IDS = {
    "zerver_attachment.path_id",
    "zerver_imageattachment.path_id",
    "zerver_presencesequence.last_update_id",
    "zerver_realm.first_visible_message_id",  # where the visible messages begin
    "zerver_realm.string_id",
    "zerver_userpresence.last_update_id",
}
"""Columns that end in "_id" and point at nothing."""


@pytest.mark.parametrize("key", SERVER)
def test_each_key_of_an_export_belongs_to_its_table(key: str) -> None:
    server = SERVER[key]
    facts = table_facts(tables[server["table"]])
    assert facts.file is not None
    assert facts.file.value == server["file"]
    assert key in facts.keys or (key.startswith("zerver_attachment[]") and not facts.keys)
    assert server["order"] == facts.order + (facts.keys.index(key) if facts.keys else 0)
    assert server["required"] == facts.required


def test_no_other_table_is_exported() -> None:
    exported = [table.name for table in exported_tables(tables)]
    assert exported == list(dict.fromkeys(facts["table"] for facts in SERVER.values()))


@pytest.mark.parametrize("key", ROWS)
def test_rows_have_exactly_the_servers_keys(key: str) -> None:
    found = row_keys(tables[ROWS[key]["table"]])
    assert len(found) == len(set(found))
    assert set(found) == set(ROWS[key]["keys"])


@pytest.mark.parametrize("key", ROWS)
def test_moments_are_seconds_but_for_those_that_say_otherwise(key: str) -> None:
    columns = export_columns(tables[ROWS[key]["table"]])
    moments = [column for column in columns if isinstance(column.type, UtcDateTime)]
    seconds = {json_key(column) for column in moments if not column_facts(column).iso_time}
    assert seconds == set(ROWS[key]["seconds"])


def test_moments_in_another_form() -> None:
    assert {str(column) for column in ALL_COLUMNS if column_facts(column).iso_time} == {
        "zerver_realm.push_notifications_enabled_end_timestamp",
        "zerver_realm.scheduled_deletion_date",
        "zerver_realm.demo_organization_scheduled_deletion_date",
    }


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ("zerver_realm.max_invites", "_max_invites"),
        ("zerver_realm.string_id", "string_id"),
        ("zerver_realm.can_create_groups_id", "can_create_groups"),
        ("zerver_usermessage.flags", "flags_mask"),
        ("zerver_onboardingusermessage.flags", "flags_mask"),
        ("zerver_namedusergroup.realm_id", "realm_for_sharding"),
        ("zerver_namedusergroup.usergroup_ptr_id", "usergroup_ptr"),
        ("zerver_recipient.type_id", "type_id"),
    ],
)
def test_the_key_of_a_column(column: str, key: str) -> None:
    table, name = column.split(".")
    assert json_key(tables[table].c[name]) == key
    assert columns_by_key(tables[table])[key].name == name


def test_secrets_are_left_out() -> None:
    left_out = {str(column) for column in ALL_COLUMNS if column_facts(column).left_out}
    secret = {str(column) for column in ALL_COLUMNS if column_facts(column).secret}
    assert secret == {"zerver_userprofile.password", "zerver_userprofile.api_key"}
    assert left_out == secret | {"zerver_userprofile.uuid"}


def test_an_import_passes_over_the_exports_of_the_past() -> None:
    ignored = [table.name for table in tables.values() if not table_facts(table).imported]
    assert ignored == ["zerver_realmexport"]


def test_every_number_that_looks_like_an_id_says_what_it_points_at() -> None:
    silent = {
        str(column)
        for table in exported_tables(tables)
        for column in table.columns
        if column.name.endswith("_id") and not references(column)
    }
    assert silent == NOT_IDS - {"zerver_imageattachment.path_id"}


@pytest.mark.parametrize(("column", "reference"), ALL_REFERENCES)
def test_references_fit_their_columns(column: sa.Column[Any], reference: Reference) -> None:
    assert reference.target in tables
    inside = reference.form in (Form.JSON, Form.KEYS, Form.PATH)
    assert bool(reference.path) == inside or reference.form is Form.HTML
    if reference.dangling is Dangling.NULL:
        assert column.nullable
    if reference.dangling in (Dangling.DROP_ROW, Dangling.LOSE_ROW, Dangling.MEND_DROP):
        assert not column.nullable
    if column.foreign_keys:
        assert reference.dangling not in (Dangling.KEEP, Dangling.LAST_BEFORE)
    if reference.when is not None:
        table = column.table
        if reference.when.through is not None:
            (key,) = table.c[reference.when.through].foreign_keys
            table = key.column.table
        assert reference.when.column in table.c


def test_a_recipient_points_at_what_its_type_says() -> None:
    found = references(tables["zerver_recipient"].c.type_id)
    assert {(one.target, one.when.column, one.when.value) for one in found if one.when} == {
        ("zerver_userprofile", "type", 1),
        ("zerver_stream", "type", 2),
        ("zerver_huddle", "type", 3),
    }
    assert all(one.hard for one in found)


def test_settings_in_the_audit_log_are_those_of_the_tables() -> None:
    """A setting that names a group or a channel is a foreign key, of three tables."""
    of_groups, of_channels = (
        {
            key.parent.name.removesuffix("_id")
            for name in some
            for key in tables[name].foreign_keys
            if key.target_fullname == f"{target}.id"
        }
        for target, some in (
            ("zerver_usergroup", ("zerver_realm", "zerver_stream", "zerver_namedusergroup")),
            ("zerver_stream", ("zerver_realm",)),
        )
    )
    assert of_groups - {"usergroup_ptr"} == GROUP_SETTINGS
    assert of_channels == CHANNEL_SETTINGS


@pytest.mark.parametrize(
    ("when", "fitting", "others"),
    [
        (When("a", 1), [1], [2, None, [1], "1"]),
        (When("a", frozenset({1, 2})), [1, 2], [3, None, [1], {}]),
        (
            When("a", frozenset({"x"}), path=("b", "c")),
            [{"b": {"c": "x"}}],
            [{"b": {"c": "y"}}, {"b": "x"}, {}, None, "x", {"b": {"c": ["x"]}}],
        ),
    ],
)
def test_when_a_reference_holds(when: When, fitting: list[object], others: list[object]) -> None:
    assert all(when.fits(value) for value in fitting)
    assert not any(when.fits(value) for value in others)


def test_soft_references() -> None:
    soft = {
        (str(column), reference.dangling)
        for column, reference in ALL_REFERENCES
        if reference.form is Form.NUMBER and not reference.hard
    }
    assert soft == {
        ("zerver_onboardingusermessage.message_id", Dangling.DROP_ROW),
        ("zerver_realmauditlog.acting_user_id", Dangling.NULL),
        ("zerver_realmauditlog.event_last_message_id", Dangling.LAST_BEFORE),
        ("zerver_scheduledmessage.delivered_message_id", Dangling.NULL),
        ("zerver_scheduledmessage.recipient_id", Dangling.LOSE_ROW),
        ("zerver_stream.first_message_id", Dangling.NULL),
        ("zerver_userprofile.last_active_message_id", Dangling.NULL),
        ("zerver_userprofile.recipient_id", Dangling.NULL),
    }


@pytest.mark.parametrize("key", [key for key, facts in SERVER.items() if "defaults" in facts])
def test_a_missing_key_gets_what_the_server_gives_it(key: str) -> None:
    columns = columns_by_key(tables[SERVER[key]["table"]])
    expected = SERVER[key]["defaults"]
    assert {name: default_of(columns[name]) for name in expected} == expected


def test_random_defaults_are_new_each_time() -> None:
    column = tables["zerver_realm"].c.uuid
    assert default_of(column) != default_of(column)
    audit = tables["zerver_realmauditlog"].c.extra_data
    assert default_of(audit) is not default_of(audit)


def test_text_without_a_default_is_empty_and_anything_else_has_to_be_given() -> None:
    message = tables["zerver_message"].c
    assert default_of(message.content) == ""
    assert default_of(message.last_edit_time) is None
    assert not has_default(message.date_sent)
    with pytest.raises(LookupError, match=r"zerver_message\.date_sent"):
        default_of(message.date_sent)


def test_facts_of_the_wrong_kind_are_an_error() -> None:
    table = sa.Table(
        "wrong",
        sa.MetaData(),
        sa.Column("id", sa.Integer, info={INFO_KEY: TableFacts()}),
        info={INFO_KEY: ColumnFacts()},
    )
    with pytest.raises(TypeError, match="wrong"):
        table_facts(table)
    with pytest.raises(TypeError, match=r"wrong\.id"):
        column_facts(table.c.id)
