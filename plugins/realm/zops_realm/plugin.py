"""What this plugin declares: it imports zcore only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Check, Command, Validator, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from zcore import AuthBackend, Change, Context, RealmCreated, UsersCreated

zops_api = 1

GROUP = "Organizations and users"


@hookimpl
def zops_commands() -> Iterable[Command]:
    """Creating and looking at organizations and accounts."""
    return [
        Command(
            "create-realm",
            "zops_realm.cli:create_realm",
            "Create an organization and its owner.",
            GROUP,
            example="zops create-realm Acme ann@example.com 'Ann Lee' --string-id acme",
        ),
        Command(
            "create-user",
            "zops_realm.create_user_cli:create_user",
            "Create an account, or many.",
            GROUP,
            example="zops create-user --realm acme bob@example.com 'Bob Ray'",
        ),
        Command(
            "channel",
            "zops_realm.channel_cli:channel",
            "Look at channels, make them, subscribe people.",
            GROUP,
        ),
        Command(
            "realm", "zops_realm.realm_cli:realm", "Look at organizations and change them.", GROUP
        ),
        Command("user", "zops_realm.user_cli:user", "Look at accounts and change them.", GROUP),
    ]


@hookimpl
def zops_validators() -> Iterable[Validator]:
    """One validator a rule; the name is what a message and `zops plugins show` say."""
    rules = (
        (
            "subdomain-characters",
            "realm.subdomain",
            "subdomains:characters",
            "a-z, 0-9 and dashes, no dash at an end",
        ),
        (
            "subdomain-length",
            "realm.subdomain",
            "subdomains:length",
            "3 to 40 characters, or none for the root domain",
        ),
        (
            "subdomain-usable",
            "realm.subdomain",
            "subdomains:usable",
            "not one that the server keeps for itself",
        ),
        (
            "subdomain-reserved",
            "realm.subdomain",
            "subdomains:not_reserved",
            "not a word that could be taken for the server",
        ),
        (
            "subdomain-taken",
            "realm.subdomain",
            "subdomains:not_taken",
            "no other organization has it",
        ),
        (
            "auth-method-known",
            "realm.auth_method",
            "auth_methods:known",
            "one that Zulip or a plugin has",
        ),
        ("realm-name-length", "realm.name", "realm_names:length", "1 to 40 characters"),
        ("realm-name-characters", "realm.name", "realm_names:characters", "no control characters"),
        ("email-syntax", "user.email", "emails:syntax", "an address that mail can be sent to"),
        (
            "email-system-bot",
            "user.email",
            "emails:not_system_bot",
            "not one of the server's own bots'",
        ),
        (
            "email-domain",
            "user.email",
            "email_policy:domain",
            "of a domain that the organization allows",
        ),
        (
            "email-disposable",
            "user.email",
            "email_policy:not_disposable",
            "a lasting one, where the organization asks for that",
        ),
        (
            "email-taken",
            "user.email",
            "emails:not_taken",
            "no other account of the organization has it",
        ),
        ("full-name-length", "user.full_name", "full_names:length", "2 to 100 characters"),
        (
            "full-name-characters",
            "user.full_name",
            "full_names:characters",
            "none that would break mentioning the person",
        ),
        (
            "full-name-ending",
            "user.full_name",
            "full_names:ending",
            "no ending that looks like a user's number",
        ),
        (
            "full-name-unique",
            "user.full_name",
            "full_names:unique",
            "unique, where the organization asks for that",
        ),
        ("password-length", "user.password", "passwords:length", "6 to 100 characters"),
        ("password-strength", "user.password", "passwords:strength", "hard enough to guess"),
        ("password-text", "user.password", "passwords:text", "text, not bytes"),
        ("channel-name-length", "channel.name", "channel_names:length", "1 to 60 characters"),
        (
            "channel-name-characters",
            "channel.name",
            "channel_names:characters",
            "no control characters",
        ),
        (
            "channel-name-taken",
            "channel.name",
            "channel_names:not_taken",
            "no other channel of the organization has it",
        ),
    )
    return [
        Validator(name, subject, f"zops_realm.rules.{target}", help=help_)
        for name, subject, target, help_ in rules
    ]


@hookimpl
def zops_hookspecs() -> ModuleType:
    """The hooks by which others add to what is created."""
    from zops_realm import hookspecs

    return hookspecs


@hookimpl
def zops_auth_backends() -> Iterable[AuthBackend]:
    """The ways to log in that a Zulip 10.0 server has."""
    from zops_realm.auth_backends import BACKENDS

    return BACKENDS


@hookimpl
def zops_realm_created(created: RealmCreated) -> None:
    """Begin the first conversations of an organization."""
    from zops_realm.welcome import welcome_realm

    welcome_realm(created)


@hookimpl
def zops_user_created(created: UsersCreated, context: Context) -> None:
    """Welcome new users, by message and by mail."""
    from zops_realm.welcome import welcome_users

    welcome_users(created, context)


@hookimpl
def zops_committed(change: Change, context: Context) -> None:
    """Tell a running server, or say what it does not see at once."""
    from zops_realm.server.telling import tell

    tell(change, context)


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
        Check(
            "server-database",
            "zops_realm.server.checks:database",
            "is it a server's, of the right version, and may zops write to it?",
            server=True,
        ),
        Check(
            "server-memcached",
            "zops_realm.server.checks:memcached",
            "can stale entries of the server's cache be deleted?",
            server=True,
        ),
    ]
