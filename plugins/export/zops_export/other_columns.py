"""Columns that the connected server has and zops does not know: exported by the same rules.

What becomes of a value follows from its type in the database, as that of a known column does:
moments are seconds, JSON is JSON, a reference loses its `_id`. A column that zops knows and that
may be empty here, while it may not in the version that zops knows, is `null` then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.schema import tables
from zcore.schema.compare import Difference, Kind
from zcore.schema.consequences import is_carried, is_taken_along
from zcore.schema.facts import json_key, row_keys
from zops_export.encoding import found_value_json, value_json
from zops_export.known_schema import finding
from zops_export.privacy import Privacy

if TYPE_CHECKING:
    from zcore import Finding

Text = sa.ColumnElement[str]
Added = Mapping[str, Mapping[str, Text]]

PERSONAL = frozenset({"zerver_userprofile", "zerver_subscription", "zerver_usermessage"})
"""Tables with rows of everybody whose unknown columns may hold what is private."""
NOBODY_KNOWS = "nobody knows whether it is private: --privacy strict leaves it out"


def other_columns(found: Iterable[Difference], dialect: str, privacy: Privacy) -> Added:
    """By table and key of its rows, the JSON text of what the known columns do not say."""
    added: dict[str, dict[str, Text]] = {}
    for one in found:
        if is_exported(one, privacy):
            added.setdefault(one.table, {})[key_of(one)] = _unknown(one, dialect)
        elif is_loosened(one):
            column = tables[one.table].c[one.column]
            value = sa.func.coalesce(value_json(column, dialect), sa.literal_column("'null'"))
            added.setdefault(one.table, {})[json_key(column)] = value
    return added


def is_exported(difference: Difference, privacy: Privacy) -> bool:
    """Is it a column that goes into an export though zops does not know it?"""
    if not is_taken_along(difference) or key_of(difference) in row_keys(tables[difference.table]):
        return False
    return privacy is Privacy.SERVER or difference.table not in PERSONAL


def is_loosened(difference: Difference) -> bool:
    """Is it a known column of an export that may be empty here only?"""
    return (
        difference.kind is Kind.OTHER_NULLABILITY
        and difference.found == "NULL"
        and is_carried(difference.table)
    )


def key_of(difference: Difference) -> str:
    """The key of an unknown column in the rows of an export, by the rule of `json_key`."""
    name = difference.column
    return name.removesuffix("_id") if difference.leads_to else name


def not_exported(found: Iterable[Difference], privacy: Privacy) -> list[Finding]:
    """What belongs to organizations and stays behind: unknown tables, and columns left out."""
    findings = []
    for one in found:
        is_column = one.kind is Kind.UNKNOWN_COLUMN and is_carried(one.table)
        if one.kind is Kind.UNKNOWN_TABLE and one.leads_to:
            findings.append(finding(one))
        elif is_column and not is_exported(one, privacy):
            private = privacy is Privacy.STRICT and is_taken_along(one)
            findings.append(finding(one, NOBODY_KNOWS if private else ""))
    return findings


def _unknown(difference: Difference, dialect: str) -> Text:
    quote = sa.sql.compiler.IdentifierPreparer(_dialect(dialect)).quote
    place = f"{quote(difference.table)}.{quote(difference.column)}"
    kind = difference.found.removesuffix(", NOT NULL").removesuffix(", NULL")
    return found_value_json(sa.literal_column(place), kind, dialect)


def _dialect(name: str) -> Any:
    from sqlalchemy.dialects import registry

    return registry.load(name)()
