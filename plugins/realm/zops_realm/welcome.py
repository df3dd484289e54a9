"""What zops itself adds to what is created: its own implementation of its own hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zops_realm.introduction import write_introduction
from zops_realm.signup_announcement import announce
from zops_realm.welcome_mails import send_welcome_mails
from zops_realm.welcome_message import send_welcome_messages
from zops_realm.welcomed import read_realm

if TYPE_CHECKING:
    from zcore import Context, RealmCreated, UsersCreated


def welcome_realm(created: RealmCreated) -> None:
    """Begin the first conversations."""
    if not created.bare:
        write_introduction(created)


def welcome_users(created: UsersCreated, context: Context) -> None:
    """Tell the others who is there, and greet the newcomers by mail and by message."""
    if created.bare or not created.users:
        return
    realm = read_realm(created.connection, created.realm_id)
    announce(created, realm)
    send_welcome_mails(created, realm, context)
    send_welcome_messages(created, realm)
