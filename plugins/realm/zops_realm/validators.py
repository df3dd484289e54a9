"""The rules of this plugin as a table: which there are, for what, and what each asks for."""

from __future__ import annotations

from zcore import Validator

# By subject: name, target in `zops_realm.rules`, help.
RULES = {
    "realm.subdomain": (
        ("subdomain-characters", "subdomains:characters", "a-z, 0-9 and dashes, no dash at an end"),
        (
            "subdomain-length",
            "subdomains:length",
            "3 to 40 characters, or none for the root domain",
        ),
        ("subdomain-usable", "subdomains:usable", "not one that the server keeps for itself"),
        (
            "subdomain-reserved",
            "subdomains:not_reserved",
            "not a word that could be taken for the server",
        ),
        ("subdomain-taken", "subdomains:not_taken", "no other organization has it"),
    ),
    "realm.auth_method": (
        ("auth-method-known", "auth_methods:known", "one that Zulip or a plugin has"),
    ),
    "realm.auth_methods": (
        ("auth-methods-way-in", "auth_methods:way_in", "at least one of them works in production"),
    ),
    "realm.name": (
        ("realm-name-length", "realm_names:length", "1 to 40 characters"),
        ("realm-name-characters", "realm_names:characters", "no control characters"),
    ),
    "user.email": (
        ("email-syntax", "emails:syntax", "an address that mail can be sent to"),
        ("email-system-bot", "emails:not_system_bot", "not one of the server's own bots'"),
        ("email-domain", "email_policy:domain", "of a domain that the organization allows"),
        (
            "email-disposable",
            "email_policy:not_disposable",
            "a lasting one, where the organization asks for that",
        ),
        ("email-taken", "emails:not_taken", "no other account of the organization has it"),
    ),
    "user.full_name": (
        ("full-name-length", "full_names:length", "2 to 100 characters"),
        (
            "full-name-characters",
            "full_names:characters",
            "none that would break mentioning the person",
        ),
        ("full-name-ending", "full_names:ending", "no ending that looks like a user's number"),
        ("full-name-unique", "full_names:unique", "unique, where the organization asks for that"),
    ),
    "user.password": (
        ("password-length", "passwords:length", "6 to 100 characters"),
        ("password-strength", "passwords:strength", "hard enough to guess"),
        ("password-text", "passwords:text", "text, not bytes"),
    ),
    "channel.name": (
        ("channel-name-length", "channel_names:length", "1 to 60 characters"),
        ("channel-name-characters", "channel_names:characters", "no control characters"),
        (
            "channel-name-taken",
            "channel_names:not_taken",
            "no other channel of the organization has it",
        ),
    ),
}


def validators() -> list[Validator]:
    """One validator a rule; nothing of it is imported before it is asked."""
    return [
        Validator(name, subject, f"zops_realm.rules.{target}", help=help_)
        for subject, rules in RULES.items()
        for name, target, help_ in rules
    ]
