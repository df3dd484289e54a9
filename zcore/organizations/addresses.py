"""Comparing many addresses with those in the database, in any case of letters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.text import is_text

if TYPE_CHECKING:
    from collections.abc import Iterable

UNFOLDED = {
    "postgresql": "SELECT upper(value) FROM json_array_elements_text(CAST(:addresses AS json))",
    "sqlite": "SELECT upper(value) FROM json_each(:addresses)",
}


def in_upper_case(connection: sa.Connection, addresses: Iterable[str]) -> sa.TextualSelect:
    """A query for `addresses` as the database's own `upper` makes them; what is no text, not.

    `sa.func.upper(column).in_(...)` of it asks for any number of them in one statement.
    """
    wanted = [address for address in addresses if is_text(address)]
    query = sa.text(UNFOLDED[connection.dialect.name])
    bound = query.bindparams(addresses=json.dumps(wanted, ensure_ascii=False))
    return bound.columns(sa.column("upper", sa.Text))
