"""What this plugin declares: it imports zcore only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Check, Command, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from zcore import AuthBackend, Change, Context, RealmCreated, UsersCreated, Validator

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
    from zops_realm.validators import validators

    return validators()


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
