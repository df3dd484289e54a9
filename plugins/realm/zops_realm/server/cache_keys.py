"""The keys under which a Zulip server keeps in memcached what it has read from its database.

Each is the part that follows the deployment's prefix (`deployments`); `on_the_wire` puts both
together. Entries live up to seven days.
"""

from __future__ import annotations

import hashlib

from zcore.organizations.system_bots import EMAIL_GATEWAY_BOT, NOTIFICATION_BOT, WELCOME_BOT

# The bots that every organization shows, as the server's settings list them.
CROSS_REALM_BOTS = (EMAIL_GATEWAY_BOT, NOTIFICATION_BOT, WELCOME_BOT)


def on_the_wire(prefix: str, key: str) -> bytes:
    """The key as memcached has it; `prefix` is a deployment's, with its colon."""
    return f":1:{prefix}{key}".encode()


def session(session_key: str) -> bytes:
    """A login session's key as memcached has it: the only one without a deployment's prefix."""
    return f":1:django.contrib.sessions.cached_db{session_key}".encode()


def user_by_id(user_id: int) -> str:
    """An account by its number."""
    return f"user_profile_by_id:{user_id}"


def narrow_user_by_id(user_id: int) -> str:
    """The few columns of an account that authentication needs."""
    return f"user_profile_narrow_by_id:{user_id}"


def user_by_api_key(api_key: str) -> str:
    """An account by its API key; that nobody has a key is kept, too."""
    return f"user_profile_by_api_key:{api_key}"


def user_by_email(email: str, realm_id: int) -> str:
    """An account by the address that others see."""
    return f"user_profile:{_digest(email)}:{realm_id}"


def user_by_delivery_email(email: str, realm_id: int) -> str:
    """An account by its own address."""
    return f"user_profile_by_delivery_email:{_digest(email)}:{realm_id}"


def system_bot(email: str) -> str:
    """A bot of the internal realm by its address."""
    return f"bot_profile:{_digest(email)}"


def cross_realm_bots() -> str:
    """What every organization shows of the system bots."""
    return f"get_cross_realm_dicts:{_digest(','.join(sorted(CROSS_REALM_BOTS)))}"


def user_list(realm_id: int) -> str:
    """What clients get to know of all accounts."""
    return f"realm_user_dicts:{realm_id}"


def active_users(realm_id: int) -> str:
    """The numbers of all active accounts: whom events go to."""
    return f"active_user_ids:{realm_id}"


def active_non_guests(realm_id: int) -> str:
    """The numbers of all active accounts that are no guests'."""
    return f"active_non_guest_user_ids:{realm_id}"


def bot_list(realm_id: int) -> str:
    """What clients get to know of the bots."""
    return f"bot_dicts_in_realm:{realm_id}"


def recipient(recipient_id: int) -> str:
    """Whom messages to a recipient are shown to be addressed to."""
    return f"display_recipient_dict:{recipient_id}"


def single_user_recipient(user_id: int) -> str:
    """One user as a recipient of direct messages."""
    return f"single_user_display_recipient:{user_id}"


def message(message_id: int) -> str:
    """A message as clients are shown it."""
    return f"message_dict:{message_id}"


def alert_words(realm_id: int) -> str:
    """The alert words of all users."""
    return f"realm_alert_words:{realm_id}"


def alert_words_automaton(realm_id: int) -> str:
    """What finds the alert words in a message."""
    return f"realm_alert_words_automaton:{realm_id}"


def rendered_description(string_id: str) -> str:
    """An organization's description as HTML, by its subdomain."""
    return f"realm_rendered_description:{string_id}"


def text_description(string_id: str) -> str:
    """An organization's description as text, by its subdomain."""
    return f"realm_text_description:{string_id}"


def _digest(text: str) -> str:
    return hashlib.sha1(text.strip().encode(), usedforsecurity=False).hexdigest()
