"""`zops import --like-server`: the rows that Zulip's own importer writes, faults and all.

For whoever compares the two. Left out is what the server itself does not survive, what would lead
to rows of other organizations, and how it spells HTML: `docs/differences.md` has the list.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.schema import tables
from zcore.schema.facts import MENTIONS, Dangling, Form, Reference, references
from zops_export.text_rewriting import ATTRIBUTE, TextRewriter

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from zops_export.id_maps import IdMap
    from zops_export.json_rows import JsonRow

groups = tables["zerver_namedusergroup"]

OLD_NUMBERS = frozenset(
    {
        "analytics_realmcount.subgroup",
        "analytics_streamcount.subgroup",
        "analytics_usercount.subgroup",
        "zerver_customprofilefieldvalue.rendered_value",
        "zerver_realmauditlog.event_last_message_id",
        "zerver_realmauditlog.extra_data",
        "zerver_stream.first_message_id",
        "zerver_stream.rendered_description",
    }
)
"""Columns in which the server leaves the numbers of the old server."""

KEPT_WHEN_UNKNOWN = frozenset({"zerver_userprofile.last_active_message_id"})
IN_HISTORIES = "zerver_message.edit_history"
CLASS = re.compile(r"""\sclass=["']([^"']*)["']""")
CLASSES = {mention.attribute: mention.css_class for mention in MENTIONS.values()}


def servers_references(column: sa.Column[Any]) -> tuple[Reference, ...]:
    """What the server's importer takes for references, of those that there are."""
    place = str(column)
    if place in OLD_NUMBERS:
        return ()
    found = references(column)
    if place in KEPT_WHEN_UNKNOWN:
        return tuple(replace(one, dangling=Dangling.KEEP) for one in found)
    if place == IN_HISTORIES:
        return tuple(one for one in found if one.form is Form.HTML or one.path[-1] == "user_id")
    return found


class ServersTexts(TextRewriter):
    """Puts new ids into mentions in HTML, and nowhere else."""

    def markdown(self, text: str) -> str:
        """See `TextRewriter`."""
        return text

    def emoji_path(self, path: str) -> str:
        """See `TextRewriter`."""
        return path

    def _tag(self, match: re.Match[str]) -> str:
        tag = match.group()
        found = CLASS.search(tag)
        classes = found.group(1).split() if found else []

        def mentioned(attribute: re.Match[str]) -> str:
            known = CLASSES[attribute.group(1)] in classes
            return self._attribute(attribute) if known else attribute.group()

        return ATTRIBUTE.sub(mentioned, tag)


class GroupCreators:
    """Gives user groups creators as the server does: by the groups' numbers on the old server.

    Most lose theirs, and some get another group's.
    """

    def __init__(self) -> None:
        self._by_old_id: dict[int, int] = {}

    def take(self, row: JsonRow) -> JsonRow:
        """The row without its creator, who is remembered."""
        group, creator = row.get("id"), row.get("creator")
        if isinstance(group, int) and isinstance(creator, int):
            self._by_old_id[group] = creator
        return row | {"creator": None}

    def write(self, connection: sa.Connection, users: IdMap, realm_id: int) -> None:
        """Set those that were remembered, in the organization `realm_id` alone."""
        for group, old in self._by_old_id.items():
            creator = users.get(old)
            if creator is not None:
                connection.execute(
                    sa.update(groups)
                    .where(groups.c.usergroup_ptr_id == group, groups.c.realm_id == realm_id)
                    .values(creator_id=creator)
                )


def texts_for(
    ids: Mapping[str, IdMap], *, like_server: bool, rewritten: Counter[str] | None = None
) -> TextRewriter:
    """What puts new ids into texts, and counts them in `rewritten`, if that is given."""
    return ServersTexts(ids, rewritten) if like_server else TextRewriter(ids, rewritten)
