"""Invitations, and the links that confirm an address or an action."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, String, Table, UniqueConstraint

from zcore.schema.columns import big_id, column, flag, foreign_key, index, metadata, unsigned
from zcore.schema.types import UtcDateTime

zerver_multiuseinvite = Table(
    "zerver_multiuseinvite",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("referred_by_id", "zerver_userprofile"),
    unsigned("invited_as"),
    flag("include_realm_default_subscriptions"),
    column("status", Integer),
)

zerver_preregistrationuser = Table(
    "zerver_preregistrationuser",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm", null=True),
    foreign_key("referred_by_id", "zerver_userprofile", null=True),
    foreign_key("created_user_id", "zerver_userprofile", null=True),
    foreign_key("multiuse_invite_id", "zerver_multiuseinvite", null=True),
    column("email", String(254)),
    column("full_name", String(100), null=True),
    flag("full_name_validated"),
    column("invited_at", UtcDateTime),
    unsigned("invited_as"),
    flag("include_realm_default_subscriptions"),
    flag("notify_referrer_on_join"),
    flag("password_required"),
    flag("realm_creation"),
    column("status", Integer),
    index("upper_preregistration_email_idx", "upper(email)"),
)

confirmation_confirmation = Table(
    "confirmation_confirmation",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm", null=True),
    foreign_key("content_type_id", "django_content_type"),
    unsigned("object_id", BigInteger, index=True),
    unsigned("type"),
    column("confirmation_key", String(40), index=True),
    column("date_sent", UtcDateTime, index=True),
    column("expiry_date", UtcDateTime, null=True, index=True),
    UniqueConstraint("type", "confirmation_key"),
    index("confirmatio_content_80155a_idx", "content_type_id", "object_id"),
)
