"""Do two exports carry the same organization?

After an import every id is another one. So each row is described by its own values, with names
(`tests.interop.naming`) for what it points at, and two exports agree when every table has the
same descriptions equally often. Which column points where, and what it means when it points at
nothing, is read from `zcore.schema`. What an import changes by design is passed over, or seen
with other eyes; each such place stands below with its reason.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from tests.interop.naming import Names
from zcore.schema import tables
from zcore.schema.facts import (
    Dangling,
    Form,
    Reference,
    columns_by_key,
    exported_tables,
    references,
    table_facts,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

    from tests.interop.reading import Row, WholeExport

MOST_SHOWN = 5
SELF_HOSTED = "an organization that arrives gets the plan of a server of one's own"

IGNORED = {
    ("zerver_realm", "string_id"): "the new subdomain is an argument of the import",
    ("zerver_realm", "uuid"): "a second copy on one server gets a new one",
    ("zerver_stream", "is_recently_active"): "depends on the day of the import",
    ("zerver_realm", "uuid_owner_secret"): "belongs to the uuid",
    ("zerver_realm", "push_notifications_enabled"): "depends on the server",
    ("zerver_realm", "plan_type"): SELF_HOSTED,
    ("zerver_realm", "_max_invites"): SELF_HOSTED,
    ("zerver_realm", "message_visibility_limit"): SELF_HOSTED,
    ("zerver_realm", "first_visible_message_id"): SELF_HOSTED,
    ("zerver_stream", "first_message_id"): "an import looks for the first message that is there",
    ("zerver_userprofile", "tos_version"): "nobody has agreed to the terms of the new server",
    ("zerver_service", "token"): "the old token is known to the old server's partners",
    ("zerver_huddle", "huddle_hash"): "a hash of ids; see `_has_right_hash`",
    ("zerver_attachment", "path_id"): "files get new paths; their contents are compared",
}

IGNORED_TABLES = {
    "zerver_client": "clients belong to the server; those in use are seen through their users",
    "zerver_realmexport": "says what the old server exported; no import takes it",
}

MARK, PLAN_CHANGED, IMPORTED = 206, 204, 229
IGNORED_EVENTS = {
    MARK: "an export adds it where it is missing, and each of the server's adds one afterwards",
    PLAN_CHANGED: "written by an import",
    IMPORTED: "written by an import",
}

TYPED = {
    "zerver_message.content",
    "zerver_realm.description",
    "zerver_savedsnippet.content",
    "zerver_scheduledmessage.content",
    "zerver_stream.description",
}
"""Texts with links and mentions."""

Describe = Callable[[object, "Row"], object]


def differences(one: WholeExport, other: WholeExport, *, other_database: bool = False) -> list[str]:
    """What only one of two exports carries, a line each, a few for each table; empty: nothing.

    `other_database`: `other` is no copy of `one`, but was made from a copy of its organization.
    """
    first, second = (described(export, other_database) for export in (one, other))
    found = [*_wrong_hashes(one, "first"), *_wrong_hashes(other, "second")]
    for key in sorted(first.tables.keys() | second.tables.keys()):
        found += _compared(key, first.tables.get(key, []), second.tables.get(key, []))
    return found


def assert_agree(one: WholeExport, other: WholeExport, *, other_database: bool = False) -> None:
    """Fail with all `differences`, if there are any."""
    found = differences(one, other, other_database=other_database)
    assert not found, "the exports differ:\n" + "\n".join(found)


def differences_by_id(
    one: WholeExport, other: WholeExport, ignored: frozenset[str] = frozenset()
) -> list[str]:
    """What differs between two exports of the same database: every value, id and key counts.

    `ignored` are keys of tables, and places `table.key`, to pass over.
    """
    found: list[str] = []
    for key in sorted((one.tables.keys() | other.tables.keys()) - ignored):
        left_out = {place.partition(".")[2] for place in ignored if place.startswith(f"{key}.")}
        rows = [
            [_without(row, left_out) for row in export.tables.get(key, [])]
            for export in (one, other)
        ]
        if any(not _in_order(some) for some in rows):
            found.append(f"{key}: the rows are not in order of their ids")
        found += _compared(key, *([_as_text(row) for row in some] for some in rows))
    return found


def _in_order(rows: list[Row]) -> bool:
    ids = [row.get("id", 0) for row in rows]
    return ids == sorted(ids)


def _without(row: Row, keys: set[str]) -> Row:
    return {key: value for key, value in row.items() if key not in keys}


class Described:
    """An export's rows and files, each as a text without ids and as a dictionary of its parts."""

    def __init__(self, export: WholeExport, other_database: bool) -> None:
        self._export = export
        self._names = Names(export, other_database=other_database)
        self.tables: dict[str, list[tuple[str, Row]]] = {}
        for table in exported_tables(dict(tables)):
            if table.name not in IGNORED_TABLES:
                for key in table_facts(table).keys:
                    self.tables[key] = [_as_text(row) for row in self._rows(table, key)]
        for kind, records in export.records.items():
            self.tables[f"{kind}/records.json"] = [
                _as_text(self._record(kind, record)) for record in records
            ]

    def _rows(self, table: sa.Table, key: str) -> Iterator[Row]:
        if key == "zerver_userprofile_crossrealm":
            yield from ({"email": row["email"]} for row in self._export.tables[key])
            return
        plan = {
            name: self._by_column(column)
            for name, column in columns_by_key(table).items()
            if name != "id" and (table.name, name) not in IGNORED
        }
        dropping = _dropping(table)
        for row in self._export.tables.get(key, []):
            if not self._is_left_out(key, row, dropping):
                described = {name: describe(row[name], row) for name, describe in plan.items()}
                yield described | self._extra(table, row)

    def _extra(self, table: sa.Table, row: Row) -> Row:
        """The messages that an attachment is linked to, and its file."""
        if table.name != "zerver_attachment":
            return {}
        linked = {
            "messages": [self._names.of("zerver_message", one) for one in row["messages"]],
            "scheduled_messages": [
                self._names.of("zerver_scheduledmessage", one) for one in row["scheduled_messages"]
            ],
        }
        listed = {key: sorted(map(str, names)) for key, names in linked.items()}
        return {**listed, "file": self._export.files.get(f"uploads/{row['path_id']}")}

    def _is_left_out(self, key: str, row: Row, dropping: list[tuple[str, str]]) -> bool:
        """Is it a row that an import leaves out or adds, by rule?"""
        if key == "zerver_realmauditlog":
            return row["event_type"] in IGNORED_EVENTS
        if key == "analytics_usercount":  # of system bots, which belong to the other server
            return str(self._names.of("zerver_userprofile", row["user"])).startswith("system bot")
        return any(self._names.of(target, row[name]) is None for name, target in dropping)

    def _by_column(self, column: sa.Column[object]) -> Describe:
        """What describes the values of a column."""
        name = f"{column.table.name}.{column.name}"
        if name in TYPED:
            return lambda value, _row: self._names.text(str(value))
        found = references(column)
        if not found:
            return lambda value, _row: value
        if name == "zerver_message.edit_history":
            return self._edit_history
        forms = {reference.form for reference in found}
        if forms == {Form.HTML}:
            return lambda value, _row: self._names.text(value) if isinstance(value, str) else value
        if forms <= {Form.JSON, Form.KEYS, Form.PATH}:
            return lambda value, row: self._inside(value, found, row)
        return lambda value, row: self._reference(value, found, row)

    def _reference(self, value: object, found: tuple[Reference, ...], row: Row) -> object:
        for reference in found:
            if value is not None and self._holds(reference, row):
                return self._pointed_at(int(str(value)), reference)
        return value

    def _pointed_at(self, ident: int, reference: Reference) -> object:
        """The name of what a reference points at, or what its rule makes of nothing."""
        if reference.dangling is Dangling.LAST_BEFORE:
            return self._names.last_message(ident)
        name = self._names.of(reference.target, ident)
        if name is None and reference.dangling is Dangling.NULL:
            return None
        return name or f"{ident} (nothing)"

    def _holds(self, reference: Reference, row: Row) -> bool:
        when = reference.when
        if when is None:
            return True
        if when.through is None:
            return when.fits(row[when.column])
        ident = row[when.through.removesuffix("_id")]
        table = next(iter(tables["zerver_customprofilefieldvalue"].c[when.through].foreign_keys))
        rows = self._export.rows(table.target_fullname.split(".")[0])
        return any(one["id"] == ident and one[when.column] == when.value for one in rows)

    def _inside(self, value: object, found: tuple[Reference, ...], row: Row) -> object:
        """JSON, in a JSON column or as text, with names at the places of references."""
        if not value or not any(self._holds(reference, row) for reference in found):
            return value
        document = json.loads(value) if isinstance(value, str) else value
        for reference in found:
            if self._holds(reference, row):
                document = self._at(document, reference.path, reference)
        return document

    def _at(self, value: object, path: tuple[str, ...], reference: Reference) -> object:
        if not path:
            return self._named_inside(value, reference)
        if path[0] == "*" and isinstance(value, list):
            return [self._at(one, path[1:], reference) for one in value]
        if path[0] == "*" and isinstance(value, dict):
            return {key: self._at(one, path[1:], reference) for key, one in value.items()}
        if isinstance(value, dict) and path[0] in value:
            return value | {path[0]: self._at(value[path[0]], path[1:], reference)}
        return value

    def _named_inside(self, value: object, reference: Reference) -> object:
        if reference.form is Form.PATH:
            return self._names.text(value) if isinstance(value, str) else value
        if reference.form is Form.KEYS and isinstance(value, dict):
            return {str(self._pointed_at(int(key), reference)): value[key] for key in value}
        number = isinstance(value, int) or (isinstance(value, str) and value.isdecimal())
        return self._pointed_at(int(str(value)), reference) if number else value

    def _edit_history(self, value: object, _row: Row) -> object:
        if not value:
            return value
        entries = []
        for entry in json.loads(str(value)):
            named = {
                key: self._names.of(table, entry[key]) or entry[key]
                for key, table in (
                    ("user_id", "zerver_userprofile"),
                    ("stream", "zerver_stream"),
                    ("prev_stream", "zerver_stream"),
                )
                if key in entry
            }
            texts = {
                key: self._names.text(entry[key])
                for key in ("prev_content", "prev_rendered_content")
                if isinstance(entry.get(key), str)
            }
            entries.append({**entry, **named, **texts})
        return entries

    def _record(self, kind: str, record: Row) -> Row:
        """A record of a file: whose it is, what it is called where that stays, what is in it.

        Of emoji and icons an object store says more than a folder.
        """
        described = {"file": self._export.files.get(f"{kind}/{record['path']}")}
        if kind in ("emoji", "realm_icons"):
            record = _without(record, {"size", "user_profile_id", "user_profile_email"})
        for key in ("size", "user_profile_email", "avatar_version", "file_name", "name"):
            described |= {key: record[key]} if key in record else {}
        for key, table in (
            ("realm_id", "zerver_realm"),
            ("user_profile_id", "zerver_userprofile"),
            ("author", "zerver_userprofile"),
        ):
            described |= {key: self._names.of(table, record[key])} if key in record else {}
        suffix = ".original" if record["path"].endswith(".original") else ""
        return described | {"suffix": suffix, "deactivated": record.get("deactivated")}


def _dropping(table: sa.Table) -> list[tuple[str, str]]:
    """Keys whose reference, when it points at nothing, leaves the row out; and at which table."""
    return [
        (name, reference.target)
        for name, column in columns_by_key(table).items()
        for reference in references(column)
        if reference.dangling is Dangling.DROP_ROW
    ]


@cache
def described(export: WholeExport, other_database: bool) -> Described:
    """The description of an export, made once."""
    return Described(export, other_database)


def _as_text(row: Row) -> tuple[str, Row]:
    return json.dumps(row, sort_keys=True, default=str), row


def _compared(key: str, one: list[tuple[str, Row]], other: list[tuple[str, Row]]) -> Iterator[str]:
    """Lines about the rows of one table that only one side has."""
    first, second = (Counter(text for text, _ in side) for side in (one, other))
    missing, added = first - second, second - first
    if not missing and not added:
        return
    rows = dict([*one, *other])
    yield f"{key}: {missing.total()} rows only in the first, {added.total()} only in the second"
    for text in list(missing)[:MOST_SHOWN]:
        yield f"{key}: only in the first: {_nearest(rows[text], [rows[new] for new in added])}"
    for text in list(added)[: MOST_SHOWN if not missing else 0]:
        yield f"{key}: only in the second: {rows[text]}"


def _nearest(row: Row, others: list[Row]) -> str:
    """How the row differs from the one of `others` that is most like it."""
    if not others:
        return str(row)
    like = max(others, key=lambda other: sum(other.get(key) == row[key] for key in row))
    changed = {key: (row.get(key), like.get(key)) for key in row if row[key] != like.get(key)}
    return f"{changed} (otherwise as another row)"


def _wrong_hashes(export: WholeExport, which: str) -> Iterator[str]:
    """Direct message groups are found by a hash of their members' ids, which must be right."""
    members: dict[int, set[int]] = {}
    for row in export.rows("zerver_subscription"):
        members.setdefault(row["recipient"], set()).add(row["user_profile"])
    for row in export.rows("zerver_huddle"):
        listed = ",".join(map(str, sorted(members.get(row["recipient"], set()))))
        if row["huddle_hash"] != hashlib.sha1(listed.encode(), usedforsecurity=False).hexdigest():
            yield f"zerver_huddle: {which} export: row {row['id']} has a hash of other members"
