"""What this plugin declares: it imports zcore only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Check, Command, Validator, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = "Organizations and users"
RULES = "zops_realm.rules"


@hookimpl
def zops_commands() -> Iterable[Command]:
    """Creating and looking at organizations and accounts."""
    return [
        Command(
            "create-realm",
            "zops_realm.cli:create_realm",
            "Create an organization and its owner.",
            GROUP,
        ),
        Command("create-user", "zops_realm.cli:create_user", "Create an account.", GROUP),
        Command("realm", "zops_realm.cli:realm", "Look at organizations.", GROUP),
        Command("user", "zops_realm.cli:user", "Look at accounts.", GROUP),
    ]


@hookimpl
def zops_validators() -> Iterable[Validator]:
    """One validator a rule; the name is what a message and `zops plugins show` say."""
    return [
        Validator("subdomain-characters", "subdomain", f"{RULES}.subdomains:characters"),
        Validator("subdomain-length", "subdomain", f"{RULES}.subdomains:length"),
        Validator("subdomain-usable", "subdomain", f"{RULES}.subdomains:usable"),
        Validator("subdomain-reserved", "subdomain", f"{RULES}.subdomains:not_reserved"),
        Validator("subdomain-taken", "subdomain", f"{RULES}.subdomains:not_taken"),
        Validator("realm-name-length", "realm-name", f"{RULES}.realm_names:length"),
        Validator("realm-name-characters", "realm-name", f"{RULES}.realm_names:characters"),
        Validator("email-syntax", "email", f"{RULES}.emails:syntax"),
        Validator("email-system-bot", "email", f"{RULES}.emails:not_system_bot"),
        Validator("email-taken", "email", f"{RULES}.emails:not_taken"),
        Validator("full-name-length", "full-name", f"{RULES}.full_names:length"),
        Validator("full-name-characters", "full-name", f"{RULES}.full_names:characters"),
        Validator("full-name-ending", "full-name", f"{RULES}.full_names:ending"),
        Validator("full-name-unique", "full-name", f"{RULES}.full_names:unique"),
        Validator("password-length", "password", f"{RULES}.passwords:length"),
    ]


@hookimpl
def zops_checks() -> Iterable[Check]:
    """What `zops doctor` looks at in the database."""
    return [
        Check(
            "schema-version",
            "zops_realm.checks:schema_version",
            "are the tables those of the server that zops is made for?",
        ),
        Check("realms", "zops_realm.checks:realms", "how many organizations are there?"),
    ]
