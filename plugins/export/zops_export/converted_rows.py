"""How rows that the server's converters made are read: the targets of `adapters`."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zcore import AdaptedExport

Row = Mapping[str, object]


def user(row: Row, export: AdaptedExport) -> Row:
    """Nothing more: an import makes keys and passwords anew, and the rest is no column any more."""
    return {}


def channel(row: Row, export: AdaptedExport) -> Row:
    """The description as HTML: converters leave that to the server, which renders Markdown."""
    description = row.get("description")
    if row.get("rendered_description") or not isinstance(description, str) or not description:
        return {}
    return {"rendered_description": f"<p>{escape(description)}</p>"}
