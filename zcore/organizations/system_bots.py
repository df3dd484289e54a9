"""The server's own bots, known by their addresses."""

from __future__ import annotations

EMAIL_GATEWAY_BOT = "emailgateway@zulip.com"
NOTIFICATION_BOT = "notification-bot@zulip.com"
WELCOME_BOT = "welcome-bot@zulip.com"

# Full names by address, in the order in which the server makes them.
SYSTEM_BOTS = {
    EMAIL_GATEWAY_BOT: "Email Gateway",
    "nagios-receive-bot@zulip.com": "Nagios Receive Bot",
    "nagios-send-bot@zulip.com": "Nagios Send Bot",
    "nagios-staging-receive-bot@zulip.com": "Nagios Staging Receive Bot",
    "nagios-staging-send-bot@zulip.com": "Nagios Staging Send Bot",
    NOTIFICATION_BOT: "Notification Bot",
    WELCOME_BOT: "Welcome Bot",
}


def is_system_bot(email: str) -> bool:
    """Is this, in any case of letters, the address of one of the server's own bots?"""
    return email.lower() in SYSTEM_BOTS
