"""What an import changes in rows besides ids: as the server does it, where that makes sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from zcore.identifiers import random_api_key, random_text, random_uuid, unusable_password
from zops_export.json_rows import JsonRow
from zops_export.text_rewriting import TextRewriter, with_new_paths

if TYPE_CHECKING:
    from zops_export.row_conversion import Generated

SELF_HOSTED_PLAN = 1
TERMS_NOT_SEEN = "-1"  # the server then asks at the first login

Change = Callable[[JsonRow], JsonRow | None]

# Columns that no export has: nobody can log in with an old password or key.
GENERATED: Mapping[str, Mapping[str, Generated]] = {
    "zerver_userprofile": {
        "password": unusable_password,
        "api_key": random_api_key,
        "uuid": random_uuid,
    }
}


def change_realm(row: JsonRow, *, string_id: str, name: str | None, uuid_is_taken: bool) -> JsonRow:
    """The organization under its new subdomain, with the limits of a server of one's own."""
    changed = row | {
        "string_id": string_id,
        "name": row.get("name") if name is None else name,
        "push_notifications_enabled": False,
        "plan_type": SELF_HOSTED_PLAN,
        "_max_invites": None,
        "message_visibility_limit": None,
        "first_visible_message_id": 0,
    }
    return changed | {"uuid": random_uuid()} if uuid_is_taken else changed


def change_user(row: JsonRow) -> JsonRow:
    """Whoever comes from elsewhere has not agreed to anything here."""
    return row | {"tos_version": TERMS_NOT_SEEN}


def change_service(row: JsonRow) -> JsonRow:
    """Outgoing webhooks get a new token: the old one is known elsewhere."""
    return row | {"token": random_text(32)}


def change_group(row: JsonRow) -> JsonRow:
    """No hash of the old members' ids, which may be that of another group here; it follows."""
    return row | {"huddle_hash": random_text(40)}


class MessageChange:
    """New ids and upload paths in the texts of messages."""

    def __init__(
        self,
        texts: TextRewriter,
        paths: Mapping[int, Mapping[str, str]],
    ) -> None:
        self._texts = texts
        self._paths = paths

    def __call__(self, row: JsonRow) -> JsonRow:
        """The row with what users typed and what was rendered from it, as it must be here."""
        linked = self._paths.get(row["id"], {}) if row.get("has_attachment") else {}  # type: ignore[call-overload]
        changed = self._texts_of(row, "content", "rendered_content", linked)
        if row.get("edit_history"):
            changed["edit_history"] = self._history(row["edit_history"], linked)
        return changed

    def _texts_of(
        self, row: JsonRow, typed: str, rendered: str, paths: Mapping[str, str]
    ) -> JsonRow:
        """A copy of the row with its two texts changed. Ids in HTML follow by the schema."""
        changed = dict(row)
        if isinstance(row.get(typed), str):
            changed[typed] = self._texts.markdown(str(row[typed]))
        for key in (typed, rendered) if paths else ():
            if isinstance(changed.get(key), str):
                changed[key] = with_new_paths(str(changed[key]), paths)
        return changed

    def _history(self, history: object, paths: Mapping[str, str]) -> object:
        """What the message was before; whatever is no history stays, and is found out later."""
        try:
            entries = msgspec.json.decode(str(history), type=list[JsonRow])
        except (msgspec.MsgspecError, RecursionError):
            return history
        changed = [
            self._texts_of(entry, "prev_content", "prev_rendered_content", paths)
            for entry in entries
        ]
        return history if changed == entries else msgspec.json.encode(changed).decode()


def attachment_change(paths: Mapping[str, str]) -> Change:
    """Attachments under their new path; those whose file is lost are left out."""

    def change(row: JsonRow) -> JsonRow | None:
        path = paths.get(str(row.get("path_id")))
        return None if path is None else row | {"path_id": path}

    return change


def not_of_system_bots(bots: frozenset[int]) -> Change:
    """Statistics of the system bots belong to the other server."""

    def change(row: JsonRow) -> JsonRow | None:
        return None if row.get("user") in bots else row

    return change
