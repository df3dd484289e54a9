"""Rows in a form in which two databases can be compared: ids by name, no times, no random values.

`server_rows.json` beside this file holds, in that form, what a Zulip 10.0 server wrote when it
made its internal realm, an organization and a user: without messages, mails and what comes with
them, and without channel descriptions, which are our own.
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
    from collections.abc import Mapping, Sequence

    from zcore.database import Database

Row = dict[str, Any]
Rows = dict[str, list[Row]]

COMPARED = (
    "zerver_client",
    "zerver_defaultstream",
    "zerver_groupgroupmembership",
    "zerver_namedusergroup",
    "zerver_onboardingstep",
    "zerver_presencesequence",
    "zerver_realm",
    "zerver_realmauditlog",
    "zerver_realmauthenticationmethod",
    "zerver_realmuserdefault",
    "zerver_recipient",
    "zerver_stream",
    "zerver_subscription",
    "zerver_usergroup",
    "zerver_usergroupmembership",
    "zerver_userprofile",
)
NOT_COMPARED = {"id", "first_message_id", "event_last_message_id"}
OUR_OWN_WORDS = {"description", "rendered_description"}

RANDOM_VALUES = {
    "api_key": ("an API key", r"[A-Za-z0-9]{32}"),
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


def server_rows(what: str) -> Rows:
    """What the server wrote: "internal realm", "organization" or "user"."""
    path = Path(__file__).with_name("server_rows.json")
    rows: Rows = json.loads(path.read_text("utf-8"))[what]
    return rows


def all_rows(database: Database) -> Rows:
    """Every row of the compared tables, in the order of their ids."""
    with database.read() as connection:
        return {name: _rows_of(connection, tables[name]) for name in COMPARED}


def added(before: Rows, after: Rows) -> Rows:
    """The rows of `after` that `before` did not have."""
    result = {}
    for name, rows in after.items():
        key = _key(name)
        known = {row[key] for row in before[name]}
        result[name] = [row for row in rows if row[key] not in known]
    return result


def normalized(rows: Rows, world: Rows) -> Rows:
    """`rows` (of the tables that have any) in comparable form; `world` has all rows there are."""
    labels = _labels(world)
    return {
        name: [_normalized_row(name, row, labels) for row in rows[name]]
        for name in sorted(rows)
        if rows[name]
    }


def _rows_of(connection: sa.Connection, table: sa.Table) -> list[Row]:
    rows = connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()
    return [dict(row) for row in rows]


def _key(table: str) -> str:
    return next(iter(tables[table].primary_key)).name


def _labels(world: Rows) -> dict[str, dict[int, str]]:
    """What stands for an id, by table."""
    realms = {row["id"]: str(row["string_id"]) for row in world["zerver_realm"]}
    users = {row["id"]: str(row["delivery_email"]) for row in world["zerver_userprofile"]}
    channels = {
        row["id"]: f"{realms[row['realm_id']]}/{row['name']}" for row in world["zerver_stream"]
    }
    groups = {
        row["usergroup_ptr_id"]: f"{realms[row['realm_id']]}/{row['name']}"
        for row in world["zerver_namedusergroup"]
    }
    owners = {1: users, 2: channels}
    recipients = {
        row["id"]: f"recipient {owners[row['type']][row['type_id']]}"
        for row in world["zerver_recipient"]
    }
    return {
        "zerver_realm": realms,
        "zerver_userprofile": users,
        "zerver_stream": channels,
        "zerver_usergroup": groups,
        "zerver_namedusergroup": groups,
        "zerver_recipient": recipients,
    }


def _normalized_row(name: str, row: Row, labels: Mapping[str, Mapping[int, str]]) -> Row:
    left_out = NOT_COMPARED | (OUR_OWN_WORDS if name == "zerver_stream" else set())
    values = {
        column: _normalized_value(tables[name].c[column], value, labels)
        for column, value in row.items()
        if value is not None and column not in left_out
    }
    if name == "zerver_recipient":
        kind = "zerver_userprofile" if row["type"] == 1 else "zerver_stream"
        values["type_id"] = labels[kind][row["type_id"]]
    return dict(sorted(values.items()))


def _normalized_value(
    column: sa.Column[Any], value: Any, labels: Mapping[str, Mapping[int, str]]
) -> Any:
    if isinstance(column.type, UtcDateTime):
        return "a time"
    if column.name == "password":
        return _kind_of_password(value)
    if column.name in RANDOM_VALUES:
        kind, pattern = RANDOM_VALUES[column.name]
        return kind if re.fullmatch(pattern, str(value)) else value
    if column.name == "extra_data":
        return _normalized_extra(value, labels["zerver_usergroup"])
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
