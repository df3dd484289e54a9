"""Rows that a server has of an organization and no export: in tables that zops has no word for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tests.sessions_of_django import log_in

if TYPE_CHECKING:
    from zcore.database import Database

# `one` is the organization that is deleted, `other` the one that stays.
STATEMENTS = """
CREATE TABLE acme_note (
    id int PRIMARY KEY,
    user_id int NOT NULL REFERENCES zerver_userprofile (id),
    seen_by_id int REFERENCES zerver_userprofile (id)
);
INSERT INTO acme_note VALUES
    (1, :user, :other_user), (2, :other_user, :user), (3, :other_user, :other_user);
CREATE TABLE acme_reply (note_id int PRIMARY KEY REFERENCES acme_note (id));
INSERT INTO acme_reply VALUES (1), (3);
INSERT INTO social_auth_usersocialauth (provider, uid, user_id, created, modified, extra_data)
    VALUES ('saml', 'a', :user, now(), now(), '{}'), ('saml', 'b', :other_user, now(), now(), '{}');
INSERT INTO zerver_archivetransaction (timestamp, restored, type, protect_from_deletion, realm_id)
    VALUES (now(), false, 1, false, :one);
INSERT INTO zerver_archivedmessage (id, subject, content, date_sent, has_attachment, has_image,
        has_link, sender_id, archive_transaction_id, sending_client_id, realm_id, recipient_id,
        is_channel_message)
    SELECT 1, 'old', 'gone', now(), false, false, false, :bot, max(t.id), 1, :one, :bot_recipient,
        false FROM zerver_archivetransaction t;
INSERT INTO zerver_archivedusermessage (flags, message_id, user_profile_id) VALUES (0, 1, :bot);
INSERT INTO zerver_preregistrationrealm (name, org_type, default_language, string_id, email, status,
        data_import_metadata, created_realm_id, created_user_id)
    VALUES ('Small', 0, 'en', 'small', 'o@a.test', 1, '{}', :one, :user),
        ('Other', 0, 'en', 'other', 'o@b.test', 1, '{}', :other, :other_user);
INSERT INTO confirmation_confirmation (object_id, date_sent, confirmation_key, content_type_id,
        type)
    SELECT r.id, now(), r.string_id, t.id, 7
    FROM zerver_preregistrationrealm r, django_content_type t
    WHERE t.model = 'preregistrationrealm';
INSERT INTO zerver_preregistrationuser (email, full_name_validated, notify_referrer_on_join,
        invited_at, realm_creation, password_required, status, invited_as,
        include_realm_default_subscriptions, referred_by_id)
    VALUES ('p@a.test', false, false, now(), false, true, 0, 400, true, :user),
        ('p@b.test', false, false, now(), false, true, 0, 400, true, :other_user);
INSERT INTO zerver_realmreactivationstatus (status, realm_id) VALUES (0, :one), (0, :other);
INSERT INTO zerver_realmauditlog (event_time, backfilled, extra_data, event_type, realm_id,
        acting_user_id)
    VALUES (now(), false, '{"note": "by a user of the other"}', 207, :other, :user);
INSERT INTO zerver_recipient (type, type_id) VALUES (3, 900001), (3, 900002);
INSERT INTO zerver_huddle (id, huddle_hash, group_size, recipient_id)
    SELECT type_id, type_id::text, 2, id FROM zerver_recipient WHERE type_id > 900000;
INSERT INTO zerver_subscription (active, is_user_active, is_muted, color, pin_to_top, recipient_id,
        user_profile_id)
    SELECT true, true, false, '#c2c2c2', false, h.recipient_id, m.user_id
    FROM zerver_huddle h, (VALUES (900001, :user), (900001, :bot), (900002, :other_user),
        (900002, :bot)) AS m (huddle_id, user_id) WHERE h.id = m.huddle_id
"""
# Where the organization that stays refers to the one that goes, and may.
CLEARED = {"acme_note": 1, "zerver_realmauditlog": 1}


def leave_rows(database: Database, one: int, other: int) -> None:
    """Write them, of both organizations."""
    with database.begin() as connection:
        names = {
            "one": one,
            "other": other,
            "user": _somebody(connection, "realm_id = :realm", one),
            "other_user": _somebody(connection, "realm_id = :realm", other),
            "bot": _somebody(connection, "email = 'welcome-bot@zulip.com' AND :realm > 0", one),
        }
        bots = sa.text("SELECT recipient_id FROM zerver_userprofile WHERE id = :bot")
        names["bot_recipient"] = connection.scalar(bots, {"bot": names["bot"]})
        for statement in STATEMENTS.split(";\n"):
            connection.execute(sa.text(statement), names)
    log_in(database, names["user"], "one")
    log_in(database, names["other_user"], "other")


def _somebody(connection: sa.Connection, condition: str, realm: int) -> Any:
    chosen = f"SELECT min(id) FROM zerver_userprofile WHERE {condition}"  # noqa: S608 # ours
    return connection.scalar(sa.text(chosen), {"realm": realm})
