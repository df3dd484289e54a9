"""An export as the server's converters write them, of the data of another program.

They have fewer keys: no user groups, no presence sequence, no defaults for new users, no audit
log, no statistics; permissions that name no group; messages that nobody has rendered.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from zcore.schema.channels import CHANNEL_GROUP_SETTINGS
from zcore.schema.realms import REALM_GROUP_SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]

USERS = {1: ("olga", 100), 2: ("adam", 200), 3: ("mia", 400), 4: ("guy", 600)}
CHANNELS = {5: ("town", 1), 6: ("news", 4)}
EMPTY = (
    "zerver_userprofile_mirrordummy",
    "zerver_userprofile_crossrealm",
    "zerver_realmfilter",
    "zerver_realmplayground",
    "zerver_userpresence",
    "zerver_useractivity",
    "zerver_useractivityinterval",
    "zerver_customprofilefield",
    "zerver_customprofilefieldvalue",
)
ONE_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
NOW = 1_700_000_000
GROUP_RECIPIENT = 20


def write_converted(folder: Path, *, sort_by_date: bool = True) -> Path:
    """Write one into the new folder `folder`; returns it."""
    for kind in ("avatars", "uploads", "emoji"):
        (folder / kind).mkdir(parents=True)
        (folder / kind / "records.json").write_text("[]")
    _write_emoji(folder)
    realm = {"zerver_realm": [_realm()], **_people(), **_channels(), **_recipients()}
    realm |= {name: [] for name in EMPTY}
    if sort_by_date:
        realm["sort_by_date"] = True  # type: ignore[assignment]  # as it stands there
    _write(folder, "realm.json", realm)
    _write(folder, "attachment.json", {"zerver_attachment": []})
    _write(folder, "messages-000001.json", _messages())
    status = {"zulip_version": "10.0", "migrations_by_app": {"zerver": ["[X] 0001_initial"]}}
    _write(folder, "migration_status.json", status)
    return folder


def _write_emoji(folder: Path) -> None:
    path = "0/emoji/images/wave.png"
    (folder / "emoji" / path).parent.mkdir(parents=True)
    (folder / "emoji" / path).write_bytes(base64.b64decode(ONE_PIXEL))
    record = {"path": path, "s3_path": path, "file_name": "wave.png", "realm_id": 0, "name": "wave"}
    _write(folder, "emoji/records.json", [record])


def _write(folder: Path, name: str, document: object) -> None:
    (folder / name).write_text(json.dumps(document))


def _realm() -> Row:
    return {
        "id": 0,
        "name": "Converted",
        "string_id": "converted",
        "date_created": NOW,
        "description": "From elsewhere",
        "zulip_update_announcements_level": None,
        **{column.removesuffix("_id"): None for column in REALM_GROUP_SETTINGS},
        "moderation_request_channel": None,
        "new_stream_announcements_stream": None,
        "signup_announcements_stream": None,
        "zulip_update_announcements_stream": None,
    }


def _people() -> dict[str, list[Row]]:
    return {
        "zerver_userprofile": [
            {
                "id": ident,
                "email": f"{name}@converted.test",
                "delivery_email": f"{name}@converted.test",
                "full_name": name,
                "short_name": name,
                "role": role,
                "realm": 0,
                "date_joined": NOW,
                "last_login": NOW,
                "password": "",
                "api_key": "k" * 32,
                "uuid": f"00000000-0000-4000-8000-{ident:012}",
                "avatar_source": "G",
                "is_active": True,
                "is_bot": False,
                "bot_owner": None,
                "last_active_message_id": None,
                "default_sending_stream": None,
                "default_events_register_stream": None,
                "groups": [],
                "user_permissions": [],
            }
            for ident, (name, role) in USERS.items()
        ],
        "zerver_realmauthenticationmethod": [{"id": 1, "realm": 0, "name": "Email"}],
        "zerver_client": [
            {"id": ident, "name": name}
            for ident, name in enumerate(("populate_db", "website", "API"), start=1)
        ],
        "zerver_realmdomain": [
            {"id": 0, "realm": 0, "domain": "converted.test", "allow_subdomains": False}
        ],
        "zerver_realmemoji": [
            {"id": 1, "realm": 0, "name": "wave", "file_name": "wave.png", "author": None}
        ],
    }


def _channels() -> dict[str, list[Row]]:
    return {
        "zerver_stream": [
            {
                "id": ident,
                "realm": 0,
                "name": name,
                "description": "Talk & <more>",
                "rendered_description": "",
                "date_created": NOW,
                "deactivated": False,
                "invite_only": False,
                "creator": None,
                "stream_post_policy": policy,
                **{column.removesuffix("_id"): None for column in CHANNEL_GROUP_SETTINGS},
            }
            for ident, (name, policy) in CHANNELS.items()
        ],
        "zerver_defaultstream": [{"id": 1, "realm": 0, "stream": 5}],
    }


def _recipients() -> dict[str, list[Row]]:
    kinds = [*((1, ident) for ident in USERS), *((2, ident) for ident in CHANNELS)]
    recipients = [
        {"id": ident, "type": kind, "type_id": whom}
        for ident, (kind, whom) in enumerate(kinds, start=10)
    ]
    recipients.append({"id": GROUP_RECIPIENT, "type": 3, "type_id": 1})
    subscribed = [
        *((user, 10 + place) for place, user in enumerate(USERS)),
        *((user, channel) for user in USERS for channel in (14, 15)),
        *((user, GROUP_RECIPIENT) for user in (1, 2, 3)),
    ]
    return {
        "zerver_recipient": recipients,
        "zerver_subscription": [
            {
                "id": ident,
                "user_profile": user,
                "recipient": recipient,
                "active": True,
                "is_user_active": True,
            }
            for ident, (user, recipient) in enumerate(subscribed, start=1)
        ],
        "zerver_huddle": [{"id": 1, "huddle_hash": "", "recipient": None, "group_size": 3}],
        "zerver_reaction": [
            {
                "id": 1,
                "user_profile": 2,
                "message": 100,
                "emoji_name": "wave",
                "emoji_code": "1",
                "reaction_type": "realm_emoji",
            }
        ],
    }


def _messages() -> dict[str, list[Row]]:
    """By channel, as they are converted: the first one was sent last."""
    sent = [(100, 14, NOW + 30), (101, 15, NOW + 10), (102, GROUP_RECIPIENT, NOW + 20)]
    return {
        "zerver_message": [
            {
                "id": ident,
                "sender": 1,
                "recipient": recipient,
                "realm": None,
                "type": 1,
                "subject": "imported",
                "content": f"sent at {date}",
                "rendered_content": None,
                "rendered_content_version": 1,
                "date_sent": date,
                "sending_client": 1,
                "last_edit_time": None,
                "edit_history": None,
                "has_attachment": False,
                "has_image": False,
                "has_link": False,
            }
            for ident, recipient, date in sent
        ],
        "zerver_usermessage": [
            {"user_profile": user, "message": message, "flags_mask": 1}
            for user in (1, 2, 3)
            for message, _, _ in sent
        ],
    }
