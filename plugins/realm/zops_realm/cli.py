"""The command lines of this plugin. What they do is in the modules that they import late."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from zcore import RealmName, Result, UsageError, current, realm_option
from zcore.organizations.codes import ROLES_BY_NAME
from zops_realm.new_password import NewPassword
from zops_realm.password_options import known_password_options, password_options

if TYPE_CHECKING:
    from zops_realm.password_input import PasswordSource

OBJECTS_BETWEEN_COLLECTIONS = 200_000
BARE_HELP = "Without welcome messages and mails."


@click.command("create-realm")
@click.argument("name")
@click.argument("email_argument", metavar="[EMAIL]", required=False)
@click.argument("full_name_argument", metavar="[FULL_NAME]", required=False)
@click.option(
    "--string-id",
    default="",
    metavar="SUBDOMAIN",
    show_default="the root domain",
    help="Subdomain of the organization.",
)
@click.option("--email", help="The owner's e-mail address.")
@click.option("--full-name", help="The owner's name.")
@password_options
@click.option(
    "--allow-reserved-subdomain", is_flag=True, help="Accept a subdomain from the reserved words."
)
@click.option("--bare", is_flag=True, help=BARE_HELP)
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
def create_realm(
    name: str,
    email_argument: str | None,
    full_name_argument: str | None,
    string_id: str,
    email: str | None,
    full_name: str | None,
    password: PasswordSource,
    allow_reserved_subdomain: bool,
    bare: bool,
    dry_run: bool,
) -> Result:
    """Create the organization NAME and its owner, whole or not at all.

    What is not given is asked for at the terminal.

    \b
    Examples:
      zops create-realm "Acme Corp" --string-id acme
      zops create-realm Acme ann@example.com "Ann Lee" --string-id acme --password-file ann.txt
      zops create-realm Acme ann@example.com "Ann Lee" --no-password --dry-run
    """
    _collect_rarely()
    password.check()
    email = _given_or_asked("E-mail", "--email", email_argument, email)
    full_name = _given_or_asked("Full name", "--full-name", full_name_argument, full_name)
    new_password = NewPassword(password.read()).begin()

    from zops_realm import create_realm as work  # late, and while the password is being hashed

    request = work.RealmRequest(
        name=name,
        string_id=string_id,
        email=email,
        full_name=full_name,
        password=new_password,
        allow=frozenset(["--allow-reserved-subdomain"] if allow_reserved_subdomain else []),
        bare=bare,
        dry_run=dry_run,
    )
    return work.run(current(), request)


@click.command("create-user")
@click.argument("email_argument", metavar="[EMAIL]", required=False)
@click.argument("full_name_argument", metavar="[FULL_NAME]", required=False)
@realm_option()
@click.option("--email", help="The user's e-mail address.")
@click.option("--full-name", help="The user's name.")
@click.option(
    "--role",
    type=click.Choice(list(ROLES_BY_NAME)),
    default="member",
    help="What the account may do.",
)
@password_options
@click.option("--if-not-exists", is_flag=True, help="Be content with an account already there.")
@click.option("--bare", is_flag=True, help=BARE_HELP)
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
def create_user(
    email_argument: str | None,
    full_name_argument: str | None,
    realm: str,
    email: str | None,
    full_name: str | None,
    role: str,
    password: PasswordSource,
    if_not_exists: bool,
    bare: bool,
    dry_run: bool,
) -> Result:
    """Create an account in an organization.

    What is not given is asked for at the terminal.

    \b
    Examples:
      zops create-user --realm acme bob@example.com "Bob Ray"
      zops create-user -r acme eve@example.com "Eve Moss" --role admin --no-password
      pass show bob | zops create-user -r acme bob@example.com "Bob Ray" --password-stdin
    """
    _collect_rarely()
    password.check()
    email = _given_or_asked("E-mail", "--email", email_argument, email)
    full_name = _given_or_asked("Full name", "--full-name", full_name_argument, full_name)
    new_password = NewPassword(password.read()).begin()

    from zops_realm import create_user as work  # late, and while the password is being hashed

    request = work.UserRequest(
        realm=realm,
        email=email,
        full_name=full_name,
        password=new_password,
        role=ROLES_BY_NAME[role],
        if_not_exists=if_not_exists,
        bare=bare,
        dry_run=dry_run,
    )
    return work.run(current(), request)


@click.group()
def realm() -> None:
    """Look at organizations."""


@realm.command("list")
def realm_list() -> Result:
    """List all organizations of the server.

    \b
    Examples:
      zops realm list
      zops realm list --json
    """
    from zops_realm.realm_views import list_realms

    return list_realms(current())


@realm.command("show")
@click.argument("reference", metavar="R", type=RealmName())
def realm_show(reference: str) -> Result:
    """Show the organization R: a subdomain ('' for the root domain), or id:N.

    \b
    Examples:
      zops realm show acme
      zops realm show id:3 --json
    """
    from zops_realm.realm_views import show_realm

    return show_realm(current(), reference)


@click.group()
def user() -> None:
    """Look at accounts."""


@user.command("list")
@realm_option()
@click.option("--all", "everyone", is_flag=True, help="Bots and deactivated accounts as well.")
def user_list(realm: str, everyone: bool) -> Result:
    """List the people of an organization.

    \b
    Examples:
      zops user list --realm acme
      zops user list -r acme --all
    """
    from zops_realm.user_views import list_users

    return list_users(current(), realm, everyone=everyone)


@user.command("show")
@realm_option()
@click.argument("account", metavar="USER")
def user_show(realm: str, account: str) -> Result:
    """Show one account: USER is its e-mail address, or id:N.

    \b
    Examples:
      zops user show --realm acme ann@example.com
      zops user show -r acme id:9 --json
    """
    from zops_realm.user_views import show_user

    return show_user(current(), realm, account)


@user.command("check-password")
@realm_option()
@click.argument("account", metavar="USER")
@known_password_options
def user_check_password(realm: str, account: str, password: PasswordSource) -> Result:
    """Say whether a password is that of USER: an e-mail address, or id:N.

    It is asked for at the terminal, and exit code 3 says that it is another one.

    \b
    Examples:
      zops user check-password --realm acme ann@example.com
      zops user check-password -r acme id:9 --password-file password.txt
    """
    from zops_realm.check_password import check_password

    password.check()
    return check_password(current(), realm, account, password.read() or "")


def _collect_rarely() -> None:
    """Spare a tenth of the time: what is imported stays, and there is hardly any garbage in it."""
    import gc

    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


def _given_or_asked(label: str, flag: str, argument: str | None, option: str | None) -> str:
    """The value from the argument or the option, or what a person at the terminal types."""
    if argument is not None and option is not None:
        raise UsageError(
            f"{label.lower()} is given twice: as an argument and with {flag}",
            hint="give it once",
        )
    value = argument if argument is not None else option
    if value is not None:
        return value
    if not sys.stdin.isatty():
        raise UsageError(
            f"no {label.lower()} was given, and there is no terminal to ask for it at",
            hint=f"give {flag}",
        )
    with current().stop.at_once():  # Ctrl-C at a question ends the program, as everywhere
        answer: str = click.prompt(label, err=True)
    return answer
