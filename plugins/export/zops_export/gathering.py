"""Many short rows of a table in few long ones: each row that COPY sends costs a call of Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.schema.facts import columns_by_key
from zops_export.encoding import joined, object_parts, value_json

if TYPE_CHECKING:
    from collections.abc import Mapping

BETWEEN_ROWS = ",\n"
IDS_TOGETHER_BITS = 8
"""Rows stand together when their ids are the same but for so many bits: at most 256 of them.

Never all rows of a file: PostgreSQL has a limit for one value (1 GB), and we for our memory.
"""


def gathered_rows(
    table: sa.Table,
    condition: sa.ColumnElement[bool],
    replaced: Mapping[str, sa.ColumnElement[Any]],
) -> sa.Select[str]:
    """The JSON of the rows of `table` under `condition`, by ascending id, for PostgreSQL.

    A row of the result holds several, a line each. `replaced` as in `encoding.row_json`.
    """
    (ident,) = table.primary_key
    group = ident.op(">>", return_type=ident.type)(IDS_TOGETHER_BITS).label("zops_group")
    columns = {key: column for key, column in columns_by_key(table).items() if key not in replaced}
    texts = {key: replaced[key].label(f"zops_{key}") for key in replaced}
    chosen = {ident.name: ident} | {column.name: column for column in columns.values()}
    inner = (
        sa.select(*chosen.values(), *texts.values(), group)
        .where(condition)
        .order_by(group, ident)
        .subquery("rows")
    )
    values = {
        key: inner.c[f"zops_{key}"]
        if key in texts
        else value_json(columns[key], "postgresql", inner.c[columns[key].name])
        for key in columns_by_key(table) | texts
    }
    opening, inside, closing = object_parts(values)
    # What is the same between any two rows is put there without a copy of either.
    lines = sa.func.string_agg(joined(inside), f"{closing}{BETWEEN_ROWS}{opening}")
    text = joined([sa.literal_column(f"'{opening}'"), lines, sa.literal_column(f"'{closing}'")])
    return sa.select(text).group_by(inner.c.zops_group).order_by(inner.c.zops_group)


def gathered_ids(ident: sa.ColumnElement[int], condition: sa.ColumnElement[bool]) -> sa.Select[str]:
    """The ids in ascending order, several in a row of the result, a line each; for PostgreSQL."""
    group = ident.op(">>", return_type=sa.Integer())(IDS_TOGETHER_BITS).label("zops_group")
    inner = sa.select(ident, group).where(condition).order_by(group, ident).subquery("rows")
    lines = sa.func.string_agg(sa.cast(inner.c[0], sa.Text), "\n")
    return sa.select(lines).group_by(inner.c.zops_group).order_by(inner.c.zops_group)
