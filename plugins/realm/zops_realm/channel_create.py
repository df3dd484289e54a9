"""`zops channel create`: a channel that nobody is subscribed to yet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcore import Change, Context, Refused, Result, UsageError, ZopsError
from zcore.crash_points import crash_point
from zcore.text import is_text
from zcore.validation import require_valid
from zops_realm.accounts import system_groups_of
from zops_realm.changing import changing
from zops_realm.channels import NewChannel, insert_channels, make_default
from zops_realm.realm_target import find_open_realm

if TYPE_CHECKING:
    from zcore.organizations.lookup import Realm
    from zops_realm.changing import Work

LONGEST_DESCRIPTION = 1024  # the width of the column
MARKUP = re.compile(r"[*_`~\[\]<>|$@#]|://|:\w+:")
AS_PLAIN_TEXT = "the description is shown as plain text until somebody edits it on the server"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRequest:
    """What to make, and where; `is_default`: everybody new is subscribed to it."""

    realm: str
    channel: NewChannel
    is_default: bool = False
    dry_run: bool = False


def run(context: Context, request: ChannelRequest) -> Result:
    """Make the channel.

    Raises `Refused` when a rule refuses it, `UsageError` for flags that contradict each other.
    """
    _require_coherent(request)
    realm = find_open_realm(context, request.realm)
    _require_valid(context, request, realm)
    if MARKUP.search(request.channel.description):
        context.console.warn(AS_PLAIN_TEXT)
    if request.dry_run:
        return _report(request, realm, None)
    try:
        with changing(context) as work:
            channel_id = _create(work, request, realm)
    except ZopsError as error:
        if error.code == "integrity":  # was somebody else faster?
            _require_valid(context, request, realm)
        raise
    return _report(request, realm, channel_id)


def _create(work: Work, request: ChannelRequest, realm: Realm) -> int:
    connection = work.connection
    groups = system_groups_of(connection, realm.realm_id)
    (channel_id,) = insert_channels(connection, realm.realm_id, groups, [request.channel], work.now)
    if request.is_default:
        make_default(connection, realm.realm_id, [channel_id])
    details = {"stream_ids": [channel_id]}
    work.changed(Change("channel.created", realm.realm_id, realm.string_id, details=details))
    crash_point("channel-create:before-commit")
    return channel_id


def _require_coherent(request: ChannelRequest) -> None:
    channel = request.channel
    if channel.is_private and channel.is_web_public:
        raise UsageError("a channel is private or open to the web, not both", hint="give one flag")
    if channel.shared_history and not channel.is_private:
        raise UsageError(
            "the history of a channel that is not private is shared anyway",
            hint="leave out --shared-history",
        )
    if channel.is_private and request.is_default:
        raise UsageError(
            "a private channel cannot be a default channel", hint="leave out one of the flags"
        )


def _require_valid(context: Context, request: ChannelRequest, realm: Realm) -> None:
    description = request.channel.description
    if not is_text(description):
        raise Refused(
            f"the description {description!r} has characters that cannot be stored",
            code="channel-description",
            hint="leave them out",
        )
    size = len(description)
    if size > LONGEST_DESCRIPTION:
        raise Refused(
            f"the description has {size:,} characters",
            code="channel-description",
            hint=f"use up to {LONGEST_DESCRIPTION:,} characters",
        )
    subjects = {"channel.name": [request.channel.name]}
    require_valid(context, "cannot create the channel", subjects, realm_id=realm.realm_id)


def _report(request: ChannelRequest, realm: Realm, channel_id: int | None) -> Result:
    name = request.channel.name
    data: dict[str, object] = {"channel_id": channel_id, "name": name}
    if channel_id is None:
        text = f"would create the channel {name!r} in {realm.name!r}; nothing was written"
        return Result(data | {"dry_run": True}, text=text)
    return Result(data, text=f"created the channel {name!r} (id {channel_id}) in {realm.name!r}")
