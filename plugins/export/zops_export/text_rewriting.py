"""Ids inside texts: mentions, links to channels, topics and messages, custom emoji, uploads.

The texts are edited in place, only where an id stands; everything else stays byte for byte. An
id that the export does not know stays too: it names something that was not exported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from zcore.schema.facts import MENTIONS

if TYPE_CHECKING:
    from zops_export.id_maps import IdMap

ATTRIBUTE_TABLES = {mention.attribute: table for table, mention in MENTIONS.items()}
# A tag in which an id may stand: of all tags they are few.
TAG = re.compile(
    rf'<(?:a|span|img)\b(?=[^>]*(?:(?:{"|".join(ATTRIBUTE_TABLES)})="|#|/avatar/|/emoji/))[^>]*>'
)
ATTRIBUTE = re.compile(rf'(?<=\s)({"|".join(ATTRIBUTE_TABLES)})="([0-9]+)"')
# A link inside this organization: never behind a host name, which may be another server's.
OWN_LINK = re.compile(r"(^|[\s(\"'\[<])(/?#narrow/[^\s)\"'\]<>]+)")
# A dash before an operator turns it round: everything but.
CHANNEL_IN_LINK = re.compile(r"(/-?(?:channel|stream)/)([0-9]+)(?=-|/|$)")
MESSAGE_IN_LINK = re.compile(r"(/-?(?:near|with|id)/)([0-9]+)")
PEOPLE_IN_LINK = re.compile(
    r"(/-?(?:dm|pm-with|sender|dm-including|group-pm-with)/)([0-9]+(?:,[0-9]+)*)(?=-|/|$)"
)
# What opens over the messages: a channel's settings, a person, a group
OWN_PAGE = re.compile(r"#(channels|streams|user|groups)/([0-9]+)(?=[/\s)\"'\]<>]|$)")
BEFORE_OWN_PAGE = re.compile(r"(?:^|[\s(\"'\[<])/?$")
PAGE_TABLES = {
    "channels": "zerver_stream",
    "streams": "zerver_stream",
    "user": "zerver_userprofile",
    "groups": "zerver_usergroup",
}
AVATAR_IN_LINK = re.compile(r'(\ssrc="/avatar/)([0-9]+)(?=[/?"])')
EMOJI_IN_LINK = re.compile(r'(="/user_avatars/)([0-9]+)(/emoji/)')
EMOJI_PATH = re.compile(r"(/user_avatars/)([0-9]+)(/emoji/)")
# A server that keeps its files in S3 shows emoji at the address of the bucket, and nothing else
# that a message shows has their class. Below its own address every server finds them.
EMOJI_CLASS = re.compile(r'\sclass="(?:[^"]*\s)?emoji[\s"]')
EMOJI_OF_BUCKET = re.compile(
    r"(?<![^\"])https?://[^\s\"?#]+?/([0-9]+)(/emoji/images/(?:still/)?[^\s\"/?#]+)(?![^\"])"
)
EMOJI_FOLDER = "/emoji/images/"
MENTION_WITH_ID = re.compile(r"(@_?\*\*[^*\n]*\|)([0-9]+)(\*\*)")  # the name may be missing
MESSAGE_MENTION = re.compile(r"(#\*\*[^*>\n]+>[^*\n]*@)([0-9]+)(\*\*)")
UPLOADS_PATH = "user_uploads/"
UPLOAD = re.compile(rf"(?<={UPLOADS_PATH})(thumbnail/|download/)?([^\s\"'()<>\[\]?#]+)")
PARTS_OF_PATHS = (4, 3)  # the organization, a shelf unless in an object store, a token, a name
LONGEST_ID = 19  # in digits; a text may hold thousands, which Python does not like to count with

Replace = Callable[[re.Match[str]], str]


class TextRewriter:
    """Puts the new ids into texts of messages.

    `rewritten` counts what has another number now in rendered texts, by kind: "links" to channels,
    topics, messages and people, "mentions", "emoji".
    """

    def __init__(self, ids: Mapping[str, IdMap], rewritten: Counter[str] | None = None) -> None:
        self.rewritten: Counter[str] = Counter() if rewritten is None else rewritten
        self._users = ids["zerver_userprofile"]
        self._channels = ids["zerver_stream"]
        self._messages = ids["zerver_message"]
        self._realms = ids["zerver_realm"]
        self._by_page = {name: ids[table] for name, table in PAGE_TABLES.items()}
        self._by_attribute = {name: ids[table] for name, table in ATTRIBUTE_TABLES.items()}

    def html(self, text: str) -> str:
        """Rendered HTML: ids in attributes, and in links."""
        if "data-" in text or "#" in text or "/emoji/" in text or "/avatar/" in text:
            return TAG.sub(self._tag, text)
        return text

    def markdown(self, text: str) -> str:
        """What a user typed: mentions with an id, of people and of messages, and links."""
        if "**" in text:
            if "|" in text:
                text = MENTION_WITH_ID.sub(self._middle(self._users), text)
            if "#**" in text:
                text = MESSAGE_MENTION.sub(self._middle(self._messages), text)
        return self._links(text)

    def emoji_path(self, path: str) -> str:
        """The address of a custom emoji's picture."""
        if path.startswith("http"):
            return EMOJI_OF_BUCKET.sub(self._own_emoji, path)
        return EMOJI_PATH.sub(self._middle(self._realms), path, count=1)

    def _tag(self, match: re.Match[str]) -> str:
        tag = ATTRIBUTE.sub(self._attribute, match.group())
        if "/user_avatars/" in tag:
            tag = EMOJI_IN_LINK.sub(self._middle(self._realms), tag)
        if "/avatar/" in tag:
            tag = AVATAR_IN_LINK.sub(self._second(self._users), tag)
        if EMOJI_FOLDER in tag and EMOJI_CLASS.search(tag):
            tag = EMOJI_OF_BUCKET.sub(self._own_emoji, tag)
        tag = self._links(tag)
        if tag != match.group():
            self.rewritten[_kind_of(tag)] += 1
        return tag

    def _own_emoji(self, match: re.Match[str]) -> str:
        """The address on this server of an emoji in the bucket of the other one."""
        realm = self._realms.get(int(match.group(1))) if len(match.group(1)) <= LONGEST_ID else None
        return match.group() if realm is None else f"/user_avatars/{realm}{match.group(2)}"

    def _attribute(self, match: re.Match[str]) -> str:
        name, ident = match.groups()
        return f'{name}="{_new(self._by_attribute[name], ident)}"'

    def _links(self, text: str) -> str:
        if "#" not in text:
            return text
        if "#narrow/" in text:
            text = OWN_LINK.sub(self._link, text)
        return OWN_PAGE.sub(self._page, text)

    def _page(self, match: re.Match[str]) -> str:
        before = match.string[max(match.start() - 2, 0) : match.start()]
        if not BEFORE_OWN_PAGE.search(before):
            return match.group()
        page, ident = match.groups()
        return f"#{page}/{_new(self._by_page[page], ident)}"

    def _link(self, match: re.Match[str]) -> str:
        link = CHANNEL_IN_LINK.sub(self._second(self._channels), match.group(2))
        link = MESSAGE_IN_LINK.sub(self._second(self._messages), link)
        return match.group(1) + PEOPLE_IN_LINK.sub(self._people, link)

    def _people(self, match: re.Match[str]) -> str:
        listed = match.group(2).split(",")
        return match.group(1) + ",".join(_new(self._users, ident) for ident in listed)

    @staticmethod
    def _second(ids: IdMap) -> Replace:
        return lambda match: match.group(1) + _new(ids, match.group(2))

    @staticmethod
    def _middle(ids: IdMap) -> Replace:
        return lambda match: match.group(1) + _new(ids, match.group(2)) + match.group(3)


def _kind_of(tag: str) -> str:
    if tag.startswith("<a"):
        return "links"
    return "emoji" if "/user_avatars/" in tag else "mentions"


def _new(ids: IdMap, ident: str) -> str:
    found = ids.get(int(ident)) if len(ident) <= LONGEST_ID else None
    return ident if found is None else str(found)


def with_known_uploads(text: str, paths: Mapping[str, str]) -> str:
    """`text` with the new paths of those uploads that it links to, of all that there are."""

    def new(match: re.Match[str]) -> str:
        parts = match.group(2).split("/")
        for size in PARTS_OF_PATHS:
            old = "/".join(parts[:size])
            found = paths.get(unquote(old))
            if found is not None:
                path = found if old == unquote(old) else quote(found)
                return "/".join([(match.group(1) or "") + path, *parts[size:]])
        return match.group()

    return UPLOAD.sub(new, text) if UPLOADS_PATH in text else text


def with_new_paths(text: str, paths: Mapping[str, str]) -> str:
    """`text` with the new path of each upload, plain or percent-encoded, wherever it stands."""
    for old, new in paths.items():
        text = text.replace(old, new)
        encoded = quote(old)
        if encoded != old:
            text = text.replace(encoded, quote(new))
    return text
