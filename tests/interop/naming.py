"""What the ids of an export stand for, said without ids.

A user is an address, a channel its name, a message who wrote it to whom and when. Two exports of
one organization have other ids but the same names, so that rows can be compared with the ids
replaced, in columns and inside texts alike.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.reading import Row, WholeExport

PERSONAL, CHANNEL, GROUP = 1, 2, 3

BY_ATTRIBUTE = {
    "data-user-id": "zerver_userprofile",
    "data-stream-id": "zerver_stream",
    "data-user-group-id": "zerver_usergroup",
}
ATTRIBUTE_ID = re.compile(rf'(?P<name>{"|".join(BY_ATTRIBUTE)})="(?P<id>\d+)"')
MENTION_ID = re.compile(r"(?P<before>@_?\*\*[^*|]+\|)(?P<id>\d+)(?=\*\*)")
MESSAGE_ID = re.compile(r"(?P<before>#\*\*[^*>\n]+>[^*\n]*@)(?P<id>\d+)(?=\*\*)")
EMOJI_REALM = re.compile(r"(?<=/user_avatars/)(?P<id>\d+)(?=/emoji/)")
# A link inside the organization; one with a host name may lead to another.
NARROW_LINK = re.compile(r"(?<![\w./%-])/?#narrow/[^\s\"'<>()\[\]]+")
LINK_PARTS = {
    "channel": "zerver_stream",
    "stream": "zerver_stream",
    "near": "zerver_message",
    "with": "zerver_message",
    "id": "zerver_message",
    "dm": "zerver_userprofile",
    "pm-with": "zerver_userprofile",
    "sender": "zerver_userprofile",
}
LEADING_IDS = re.compile(r"\d+(,\d+)*(?=-|$)")


class Names:
    """The names of everything in one export. `of` answers None for what is not in it.

    In texts, an id of something that the export does not carry stays, or is "elsewhere" when
    there is nothing to compare it with because the other export is of another database.
    """

    def __init__(self, export: WholeExport, *, other_database: bool = False) -> None:
        self._export = export
        self._other_database = other_database
        self._names: dict[str, dict[int, str]] = defaultdict(dict)
        self._name_simple_things()
        self._name_groups()
        self._name_recipients()
        self._name_messages()
        self._message_ids = sorted(self._names["zerver_message"])
        self._uploads = [
            (row["path_id"], quote(row["path_id"]), export.files.get(f"uploads/{row['path_id']}"))
            for row in export.rows("zerver_attachment")
        ]

    def of(self, table: str, ident: object) -> str | None:
        """The name of the row `ident` of `table`."""
        return self._names[table].get(ident) if isinstance(ident, int) else None

    def last_message(self, ident: int) -> str:
        """The name of the last message that is not after `ident`."""
        place = bisect_right(self._message_ids, ident)
        found = self.of("zerver_message", self._message_ids[place - 1]) if place else None
        return found or "no message"

    def text(self, text: str) -> str:
        """`text` with names for the ids and the paths of uploads in it."""
        text = ATTRIBUTE_ID.sub(self._attribute, text)
        text = MENTION_ID.sub(
            lambda found: found["before"] + self._named("zerver_userprofile", found["id"]), text
        )
        text = MESSAGE_ID.sub(
            lambda found: found["before"] + self._named("zerver_message", found["id"]), text
        )
        text = EMOJI_REALM.sub(lambda found: self._named("zerver_realm", found["id"]), text)
        text = NARROW_LINK.sub(self._link, text)
        for path, quoted, digest in self._uploads if "user_uploads" in text else []:
            text = text.replace(path, f"file {digest}").replace(quoted, f"file {digest}")
        return text

    def _named(self, table: str, ident: str) -> str:
        return self.of(table, int(ident)) or ("elsewhere" if self._other_database else ident)

    def _attribute(self, found: re.Match[str]) -> str:
        return f'{found["name"]}="{self._named(BY_ATTRIBUTE[found["name"]], found["id"])}"'

    def _link(self, found: re.Match[str]) -> str:
        parts = found.group().split("/")
        for place in range(1, len(parts)):
            table = LINK_PARTS.get(parts[place - 1])
            if table is not None:
                parts[place] = LEADING_IDS.sub(self._list_namer(table), parts[place], count=1)
        return "/".join(parts)

    def _list_namer(self, table: str) -> Callable[[re.Match[str]], str]:
        return lambda found: ",".join(self._named(table, one) for one in found.group().split(","))

    def _name_simple_things(self) -> None:
        say: dict[str, Callable[[Row], str]] = {
            "zerver_realm": lambda _row: "this organization",
            "zerver_client": lambda row: f"client {row['name']}",
            "zerver_userprofile": lambda row: f"user {row['delivery_email']}",
            "zerver_userprofile_crossrealm": lambda row: f"system bot {row['email']}",
            "zerver_stream": lambda row: f"channel {row['name']}",
            "zerver_realmemoji": lambda row: f"emoji {row['name']} {row['file_name']}",
            "zerver_realmfilter": lambda row: f"linkifier {row['pattern']}",
            "zerver_realmplayground": lambda row: f"playground {row['name']}",
            "zerver_customprofilefield": lambda row: f"field {row['name']}",
        }
        for key, name in say.items():
            table = "zerver_userprofile" if key.startswith("zerver_userprofile") else key
            self._names[table] |= {row["id"]: name(row) for row in self._export.rows(key)}

    def _name_groups(self) -> None:
        """User groups by name; those without a name by what is in them."""
        named = {
            row["id"]: f"group {row['name']}" for row in self._export.rows("zerver_namedusergroup")
        }
        inside: dict[int, list[str]] = defaultdict(list)
        for row in self._export.rows("zerver_usergroupmembership"):
            user = self.of("zerver_userprofile", row["user_profile"])
            inside[row["user_group"]].append(str(user))
        for row in self._export.rows("zerver_groupgroupmembership"):
            inside[row["supergroup"]].append(str(named.get(row["subgroup"])))
        for row in self._export.rows("zerver_usergroup"):
            members = ", ".join(sorted(inside[row["id"]]))
            self._names["zerver_usergroup"][row["id"]] = named.get(row["id"], f"({members})")
        self._names["zerver_namedusergroup"] = named

    def _name_recipients(self) -> None:
        """Direct message groups by their members, recipients by who is behind them."""
        members: dict[int, list[str]] = defaultdict(list)
        for row in self._export.rows("zerver_subscription"):
            user = self.of("zerver_userprofile", row["user_profile"])
            members[row["recipient"]].append(str(user))
        for row in self._export.rows("zerver_huddle"):
            listed = ", ".join(sorted(members[row["recipient"]]))
            self._names["zerver_huddle"][row["id"]] = f"the group of {listed}"
        behind = {
            PERSONAL: "zerver_userprofile",
            CHANNEL: "zerver_stream",
            GROUP: "zerver_huddle",
        }
        self._names["zerver_recipient"] = {
            row["id"]: f"to {self.of(behind[row['type']], row['type_id'])}"
            for row in self._export.rows("zerver_recipient")
        }
        for row in self._export.rows("zerver_userprofile_crossrealm"):
            to_bot = f"to {self.of('zerver_userprofile', row['id'])}"
            self._names["zerver_recipient"][row["recipient_id"]] = to_bot

    def _name_messages(self) -> None:
        """By sender, recipient, topic and moment; where these are the same, also by order."""
        for table, moment in (
            ("zerver_message", "date_sent"),
            ("zerver_scheduledmessage", "scheduled_timestamp"),
        ):
            seen: Counter[str] = Counter()
            for row in sorted(self._export.rows(table), key=lambda row: int(row["id"])):
                sender = self.of("zerver_userprofile", row["sender"])
                recipient = self.of("zerver_recipient", row["recipient"])
                name = f"[{sender} {recipient}, {row['subject']!r}, {row[moment]}]"
                seen[name] += 1
                self._names[table][row["id"]] = f"{name} {seen[name]}"
