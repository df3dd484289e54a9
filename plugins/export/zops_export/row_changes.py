"""What an import changes in rows besides ids: as the server does it, where that makes sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from zcore import Finding
from zcore.identifiers import (
    random_api_key,
    random_text,
    random_uuid,
    realm_owner_secret,
    unusable_password,
)
from zcore.schema import tables
from zops_export.json_rows import JsonRow
from zops_export.text_rewriting import (
    UPLOADS_PATH,
    TextRewriter,
    with_known_uploads,
    with_new_paths,
)

if TYPE_CHECKING:
    from zops_export.row_conversion import Generated

SELF_HOSTED_PLAN = 1
TERMS_NOT_SEEN = "-1"  # the server then asks at the first login

OVER_THE_SERVER = ("is_staff", "is_superuser")

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
    if uuid_is_taken:  # a second copy: it must not be taken for the first one
        changed |= {"uuid": random_uuid(), "uuid_owner_secret": realm_owner_secret()}
    return changed


class UserChange:
    """Whoever comes from elsewhere has not agreed to anything here, and has no say over others.

    `find` hears of everybody who would get into other organizations of the server; None: they do.
    """

    def __init__(self, find: Callable[[Finding], None] | None) -> None:
        self._find = find

    def __call__(self, row: JsonRow) -> JsonRow:
        """The row of somebody as it must be here."""
        changed = row | {"tos_version": TERMS_NOT_SEEN}
        found = staff_finding(row)
        if found is None or self._find is None:
            return changed
        self._find(found)
        return changed | dict.fromkeys(OVER_THE_SERVER, False)


def staff_finding(row: JsonRow) -> Finding | None:
    """That somebody had power over the other server, which an import takes away."""
    if all(row.get(key) is not True for key in OVER_THE_SERVER):
        return None
    return Finding(
        "server-staff",
        "was staff of the other server, which sees all organizations; here it is not",
        where=str(row.get("delivery_email")),
        hint="if it is to be so, the server's own tools can do it",
    )


def change_service(row: JsonRow) -> JsonRow:
    """Outgoing webhooks get a new token: the old one is known elsewhere."""
    return row | {"token": random_text(32)}


def change_group(row: JsonRow) -> JsonRow:
    """No hash of the old members' ids, which may be that of another group here; it follows."""
    return row | {"huddle_hash": random_text(40)}


class TextChange:
    """New ids, and new paths of uploads, in a text that users typed, the value of `key`.

    One that would become longer than its column allows (`longest` characters) stays.
    """

    def __init__(
        self, texts: TextRewriter, uploads: Mapping[str, str], key: str, longest: int | None = None
    ) -> None:
        self._texts = texts
        self._uploads = uploads
        self._key = key
        self._longest = longest

    def __call__(self, row: JsonRow) -> JsonRow:
        """The row with this text as it must be here."""
        text = row.get(self._key)
        if not isinstance(text, str):
            return row
        new = with_known_uploads(self._texts.markdown(text), self._uploads)
        fits = self._longest is None or len(new) <= self._longest
        return row | {self._key: new} if fits and new != text else row


# Texts with links and mentions, besides those of messages: by table, under which key
TYPED = {
    "zerver_customprofilefieldvalue": "value",
    "zerver_realm": "description",
    "zerver_savedsnippet": "content",
    "zerver_stream": "description",
}


def changes_of_texts(texts: TextRewriter, uploads: Mapping[str, str]) -> dict[str, TextChange]:
    """By table: what puts new ids, and the new paths of `uploads`, into what users typed."""
    return {
        name: TextChange(texts, uploads, key, getattr(tables[name].c[key].type, "length", None))
        for name, key in TYPED.items()
    }


class MessageChange:
    """New ids and upload paths in the texts of messages.

    `linked` are, by message, the old and new paths of the uploads that its attachments say;
    `uploads` are all of them. `histories`: also in what a message was before.
    """

    def __init__(
        self,
        texts: TextRewriter,
        linked: Mapping[int, Mapping[str, str]],
        uploads: Mapping[str, str],
        *,
        histories: bool = True,
    ) -> None:
        self._texts = texts
        self._linked = linked
        self._uploads = uploads
        self._histories = histories

    def __call__(self, row: JsonRow) -> JsonRow:
        """The row with what users typed and what was rendered from it, as it must be here."""
        linked = self._linked.get(row["id"], {}) if row.get("has_attachment") else {}  # type: ignore[call-overload]
        changed = self._texts_of(row, "content", "rendered_content", linked)
        if self._histories and row.get("edit_history"):
            changed["edit_history"] = self._history(row["edit_history"], linked)
        return changed

    def _texts_of(
        self, row: JsonRow, typed: str, rendered: str, linked: Mapping[str, str]
    ) -> JsonRow:
        """A copy of the row with its two texts changed. Ids in HTML follow by the schema."""
        changed = dict(row)
        text = row.get(typed)
        if isinstance(text, str):
            changed[typed] = self._texts.markdown(text)
        for key in (typed, rendered):
            text = changed.get(key)
            if isinstance(text, str) and (linked or UPLOADS_PATH in text):
                changed[key] = with_known_uploads(with_new_paths(text, linked), self._uploads)
        return changed

    def _history(self, history: object, linked: Mapping[str, str]) -> object:
        """What the message was before; whatever is no history stays, and is found out later."""
        try:
            entries = msgspec.json.decode(str(history), type=list[JsonRow])
        except (msgspec.MsgspecError, RecursionError):
            return history
        changed = [
            self._texts_of(entry, "prev_content", "prev_rendered_content", linked)
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
