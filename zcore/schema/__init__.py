"""Zulip's tables as SQLAlchemy Core has them: facts, no behaviour, a module for each subject.

A table is called here what it is called in the database: `from zcore.schema.messages import
zerver_message`, or `zcore.schema.tables["zerver_message"]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.schema import (
    activity,
    analytics,
    channels,
    files,
    groups,
    invitations,
    messages,
    queues,
    realms,
    server,
    users,
)
from zcore.schema.columns import metadata
from zcore.schema.create import create_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

SERVER_VERSION = "10.0"
"""The version of the Zulip server whose tables these are."""

tables: Mapping[str, Table] = metadata.tables
"""Every table that zops knows, by its name."""

__all__ = [
    "SERVER_VERSION",
    "activity",
    "analytics",
    "channels",
    "create_tables",
    "files",
    "groups",
    "invitations",
    "messages",
    "metadata",
    "queues",
    "realms",
    "server",
    "tables",
    "users",
]
