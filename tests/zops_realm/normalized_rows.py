"""Rows in a form in which two databases can be compared: ids by name, no times, no random values.

`server_rows.json` beside this file holds, in that form, what a Zulip 10.0 server wrote, in every
table, when it made its internal realm ("internal realm"), its first organization ("first
organization": with the internal realm), another one ("organization") and a user ("user"). The
texts of messages and channel descriptions are left out: zops has words of its own.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.schema import tables
from zcore.schema.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zcore.database import Database

Row = dict[str, Any]
Rows = dict[str, list[Row]]
Labels = dict[str, dict[int, str]]

OUR_OWN_WORDS = {
    "zerver_stream": {"description", "rendered_description"},
    "zerver_message": {"content", "rendered_content"},
}
RANDOM_VALUES = {
    "api_key": ("an API key", r"[A-Za-z0-9]{32}"),
    "confirmation_key": ("a confirmation key", r"[a-z2-7]{24}"),
    "uuid": (
        "a random UUID",
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    ),
    "uuid_owner_secret": ("an owner secret", r"zuliprealm_[A-Za-z0-9]{32}"),
}
PASSWORDS = (
    ("no password", r"![A-Za-z0-9]{40}"),
    (
        "a hash",
        r"argon2\$argon2id\$v=19\$m=102400,t=2,p=8\$[A-Za-z0-9+/]{30}\$[A-Za-z0-9+/]{43}",
    ),
)
# References that are no foreign keys.
REFERENCES = {
    ("confirmation_confirmation", "object_id"): "zerver_userprofile",
    ("fts_update_log", "message_id"): "zerver_message",
    ("zerver_realmauditlog", "event_last_message_id"): "zerver_message",
    ("zerver_stream", "first_message_id"): "zerver_message",
}
OWNER_OF_RECIPIENT = {1: "zerver_userprofile", 2: "zerver_stream"}


def server_rows(what: str) -> Rows:
    """What the server wrote; see above for what there is."""
    path = Path(__file__).with_name("server_rows.json")
    rows: Rows = json.loads(path.read_text("utf-8"))[what]
    return rows


def all_rows(database: Database) -> Rows:
    """Every row of every table that zops knows, in the order of their ids."""
    with database.read() as connection:
        return {name: _rows_of(connection, table) for name, table in tables.items()}


def added(before: Rows, after: Rows) -> Rows:
    """The rows of `after` that `before` did not have."""
    result = {}
    for name, rows in after.items():
        known = {row[_key(name)] for row in before[name]}
        result[name] = [row for row in rows if row[_key(name)] not in known]
    return result


def changed(before: Rows, after: Rows) -> dict[str, list[int]]:
    """Ids of the rows of `before` that `after` has otherwise, or no longer, by table."""
    result = {}
    for name, rows in before.items():
        now = {row[_key(name)]: row for row in after[name]}
        different = [row[_key(name)] for row in rows if now.get(row[_key(name)]) != row]
        if different:
            result[name] = different
    return result


def normalized(rows: Rows, world: Rows) -> Rows:
    """`rows` (of the tables that have any) in comparable form; `world` has all rows there are."""
    labels = _labels(world)
    return {
        name: [_normalized_row(name, row, labels) for row in rows[name]]
        for name in sorted(rows)
        if rows[name]
    }


def renamed(rows: Rows, names: Mapping[str, str]) -> Rows:
    """`rows` with other names of people and organizations: for a second run with other ones."""
    text = json.dumps(rows)
    for old, new in names.items():
        text = text.replace(old, new)
    result: Rows = json.loads(text)
    return result


def _rows_of(connection: sa.Connection, table: sa.Table) -> list[Row]:
    rows = connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()
    return [dict(row) for row in rows]


def _key(table: str) -> str:
    return next(iter(tables[table].primary_key)).name


def _labels(world: Rows) -> Labels:
    """What stands for an id, by table."""
    labels: Labels = {}

    def label(table: str, name_of: Callable[[Row], str]) -> None:
        labels[table] = {row[_key(table)]: name_of(row) for row in world[table]}

    label("zerver_realm", lambda row: str(row["string_id"]))
    label("zerver_userprofile", lambda row: str(row["delivery_email"]))
    label("zerver_client", lambda row: str(row["name"]))
    label("zerver_stream", lambda row: f"{labels['zerver_realm'][row['realm_id']]}/{row['name']}")
    label("zerver_namedusergroup", lambda row: _of_realm(row, labels))
    label("zerver_usergroup", lambda row: _group(row, labels))
    label("zerver_recipient", lambda row: f"recipient {_owner_of_recipient(row, labels)}")
    label("django_content_type", lambda row: f"{row['app_label']}.{row['model']}")
    label("zerver_scheduledemail", lambda row: json.loads(row["data"])["template_prefix"])
    labels["zerver_message"] = _message_labels(world["zerver_message"], labels)
    return labels


def _of_realm(row: Row, labels: Labels) -> str:
    return f"{labels['zerver_realm'][row['realm_id']]}/{row['name']}"


def _group(row: Row, labels: Labels) -> str:
    anonymous = f"{labels['zerver_realm'][row['realm_id']]}/a group without a name"
    return labels["zerver_namedusergroup"].get(row["id"], anonymous)


def _owner_of_recipient(row: Row, labels: Labels) -> str:
    return labels[OWNER_OF_RECIPIENT[row["type"]]][row["type_id"]]


def _message_labels(messages: Sequence[Row], labels: Labels) -> dict[int, str]:
    """A message is the n-th of its topic."""
    counts: dict[str, int] = {}
    named = {}
    for row in messages:
        place = f"{labels['zerver_recipient'][row['recipient_id']]} > {row['subject']}"
        counts[place] = counts.get(place, 0) + 1
        named[row["id"]] = f"{place} #{counts[place]}"
    return named


def _normalized_row(name: str, row: Row, labels: Labels) -> Row:
    left_out = {"id"} | OUR_OWN_WORDS.get(name, set())
    values = {
        column: _normalized_value(name, tables[name].c[column], value, labels)
        for column, value in row.items()
        if value is not None and column not in left_out
    }
    if name == "zerver_recipient":
        values["type_id"] = _owner_of_recipient(row, labels)
    return dict(sorted(values.items()))


def _normalized_value(table: str, column: sa.Column[Any], value: Any, labels: Labels) -> Any:
    if isinstance(column.type, UtcDateTime):
        return "a time"
    if (table, column.name) in REFERENCES:
        return labels[REFERENCES[table, column.name]].get(value, value)
    if column.name == "password":
        return _kind_of_password(value)
    if column.name in RANDOM_VALUES:
        kind, pattern = RANDOM_VALUES[column.name]
        return kind if re.fullmatch(pattern, str(value)) else value
    if column.name == "extra_data":
        return _normalized_extra(value, labels["zerver_usergroup"])
    if (table, column.name) == ("zerver_scheduledemail", "data"):
        return json.loads(re.sub(r"(unsubscribe/welcome/)[a-z2-7]{24}", r"\1KEY", value))
    for key in column.foreign_keys:
        return labels[key.target_fullname.split(".")[0]][value]
    return value


def _kind_of_password(value: str) -> str:
    return next((kind for kind, pattern in PASSWORDS if re.fullmatch(pattern, value)), value)


def _normalized_extra(extra: Row, groups: Mapping[int, str]) -> Row:
    def named(value: Any) -> Any:
        ids: Sequence[int] = value if isinstance(value, list) else ()
        return [groups[number] for number in ids] if ids else value

    return {key: named(value) for key, value in extra.items()}
