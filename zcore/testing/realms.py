"""What a test knows of the organization that it works on (made by `zcore.testing.realm_rows`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zcore.organizations.codes import Role


@dataclass(frozen=True, slots=True)
class SampleUser:
    """An account; `recipient_id` is where direct messages to it go."""

    user_id: int
    recipient_id: int
    email: str
    full_name: str
    role: Role


@dataclass(frozen=True, slots=True)
class SampleChannel:
    """A channel, and what was said in it."""

    channel_id: int
    recipient_id: int
    name: str
    topics: tuple[str, ...]
    message_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SampleFile:
    """An uploaded file: `path_id` is its key among the uploads."""

    attachment_id: int
    message_id: int
    path_id: str
    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRealm:
    """The organization's ids and names.

    Everybody but the guest and the bot is in the public channel; the private one has the owner,
    the admin and the first member. The first member and the guest write to each other; owner,
    admin and first member have a group of their own. The bot is the admin's, and writes to the
    owner. The first member's file is linked from a message of the public channel, to which both
    members have reacted.
    """

    realm_id: int
    string_id: str
    name: str
    owner: SampleUser
    admin: SampleUser
    members: tuple[SampleUser, SampleUser]
    guest: SampleUser
    bot: SampleUser
    public_channel: SampleChannel
    private_channel: SampleChannel
    direct_message_ids: tuple[int, ...]
    group_id: int
    group_message_ids: tuple[int, ...]
    file: SampleFile

    @property
    def users(self) -> tuple[SampleUser, ...]:
        """All of them, the bot too."""
        return (self.owner, self.admin, *self.members, self.guest, self.bot)

    @property
    def channels(self) -> tuple[SampleChannel, ...]:
        """Both of them."""
        return (self.public_channel, self.private_channel)

    @property
    def message_ids(self) -> tuple[int, ...]:
        """All messages, oldest first."""
        in_channels = self.public_channel.message_ids + self.private_channel.message_ids
        return tuple(sorted(in_channels + self.direct_message_ids + self.group_message_ids))
