"""The programs that users use, and when they use them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, String, Table, UniqueConstraint

from zcore.schema.columns import (
    big_id,
    column,
    exported,
    foreign_key,
    index,
    int_id,
    metadata,
    unsigned,
)
from zcore.schema.facts import ExportFile
from zcore.schema.types import UtcDateTime

zerver_client = Table(
    "zerver_client",
    metadata,
    int_id(),
    column("name", String(30), unique=True),
    info=exported(ExportFile.REALM, 13, "zerver_client", required=True),
)

zerver_useractivity = Table(
    "zerver_useractivity",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile"),
    foreign_key("client_id", "zerver_client"),
    column("query", String(50), index=True),
    column("count", Integer),
    column("last_visit", UtcDateTime),
    UniqueConstraint("user_profile_id", "client_id", "query"),
    info=exported(ExportFile.REALM, 28, "zerver_useractivity", required=True),
)

zerver_useractivityinterval = Table(
    "zerver_useractivityinterval",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile"),
    column("start", UtcDateTime, index=True),
    column("end", UtcDateTime, index=True),
    index(None, "user_profile_id", "end"),
    info=exported(ExportFile.REALM, 29, "zerver_useractivityinterval", required=True),
)

zerver_userpresence = Table(
    "zerver_userpresence",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("user_profile_id", "zerver_userprofile", unique=True),
    unsigned("last_update_id", BigInteger, default=0, index=True),
    column("last_connected_time", UtcDateTime, null=True, index=True),
    column("last_active_time", UtcDateTime, null=True, index=True),
    index(None, "realm_id", "last_active_time"),
    index(None, "realm_id", "last_connected_time"),
    index("zerver_userpresence_realm_last_update_id_idx", "realm_id", "last_update_id"),
    info=exported(ExportFile.REALM, 30, "zerver_userpresence", required=True),
)
