"""The command lines of the group `zops user`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zcore import Result, UsageError, current, realm_option
from zcore.organizations.codes import ROLES_BY_NAME, Role
from zops_realm.new_password import NewPassword
from zops_realm.options import dry_run_option
from zops_realm.password_options import known_password_options, password_options

if TYPE_CHECKING:
    from zops_realm.password_input import PasswordSource

user_argument = click.argument("account", metavar="USER")


class Roles(click.ParamType[list[Role]]):
    """Names of roles with commas between them."""

    name = "roles"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[Role]:
        """The roles. Raises `UsageError` for a word that is none."""
        words = [word.strip() for word in str(value).split(",")]
        for word in words:
            if word not in ROLES_BY_NAME:
                raise UsageError(
                    f"there is no role {word!r}", hint=f"the roles are {', '.join(ROLES_BY_NAME)}"
                )
        return [ROLES_BY_NAME[word] for word in words]


@click.group()
def user() -> None:
    """Look at accounts and change them.

    USER is an e-mail address in any case of letters, or id:N.
    """


@user.command("list")
@realm_option()
@click.option("--all", "everyone", is_flag=True, help="Bots and deactivated accounts as well.")
@click.option("--role", "roles", type=Roles(), metavar="ROLE,...", help="Only these roles.")
def user_list(realm: str, everyone: bool, roles: list[Role] | None) -> Result:
    """List the people of an organization.

    \b
    Examples:
      zops user list --realm acme
      zops user list -r acme --role owner,admin
      zops user list -r acme --all
    """
    from zops_realm.user_views import list_users

    return list_users(current(), realm, everyone=everyone, roles=roles or ())


@user.command("show")
@realm_option()
@user_argument
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
@user_argument
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


@user.command("deactivate")
@realm_option()
@user_argument
@dry_run_option
def user_deactivate(realm: str, account: str, dry_run: bool) -> Result:
    """Deactivate USER and the bots that USER owns; what they wrote stays.

    \b
    Examples:
      zops user deactivate --realm acme bob@example.com
      zops user deactivate -r acme id:9 --dry-run
    """
    from zops_realm.user_deactivate import deactivate_user

    return deactivate_user(current(), realm, account, dry_run=dry_run)


@user.command("reactivate")
@realm_option()
@user_argument
@dry_run_option
def user_reactivate(realm: str, account: str, dry_run: bool) -> Result:
    """Let USER, who was deactivated, log in again.

    \b
    Examples:
      zops user reactivate --realm acme bob@example.com
    """
    from zops_realm.user_reactivate import reactivate_user

    return reactivate_user(current(), realm, account, dry_run=dry_run)


@user.command("change-role")
@realm_option()
@user_argument
@click.argument("role", type=click.Choice(list(ROLES_BY_NAME)))
@dry_run_option
def user_change_role(realm: str, account: str, role: str, dry_run: bool) -> Result:
    """Give USER another role. An organization keeps an owner.

    \b
    Examples:
      zops user change-role --realm acme bob@example.com moderator
    """
    from zops_realm.user_role import change_role

    return change_role(current(), realm, account, ROLES_BY_NAME[role], dry_run=dry_run)


@user.command("change-name")
@realm_option()
@user_argument
@click.argument("full_name", metavar="FULL_NAME")
@dry_run_option
def user_change_name(realm: str, account: str, full_name: str, dry_run: bool) -> Result:
    """Give USER another name.

    \b
    Examples:
      zops user change-name --realm acme bob@example.com "Bob Roy"
    """
    from zops_realm.user_identity import change_name

    return change_name(current(), realm, account, full_name, dry_run=dry_run)


@user.command("change-email")
@realm_option()
@user_argument
@click.argument("email")
@dry_run_option
def user_change_email(realm: str, account: str, email: str, dry_run: bool) -> Result:
    """Give USER another e-mail address; nobody is asked to confirm it.

    \b
    Examples:
      zops user change-email --realm acme bob@example.com bob@example.org
    """
    from zops_realm.user_identity import change_email

    return change_email(current(), realm, account, email, dry_run=dry_run)


@user.command("change-password")
@realm_option()
@user_argument
@password_options
@click.option(
    "--rotate-api-key", is_flag=True, help="Give a new API key as well: old clients log in again."
)
@dry_run_option
def user_change_password(
    realm: str, account: str, password: PasswordSource, rotate_api_key: bool, dry_run: bool
) -> Result:
    """Give USER another password, or with --no-password none.

    It is asked for at the terminal, twice.

    \b
    Examples:
      zops user change-password --realm acme bob@example.com
      zops user change-password -r acme bob@example.com --no-password --rotate-api-key
    """
    password.check()
    new_password = NewPassword(password.read()).begin()

    from zops_realm.user_password import change_password

    return change_password(
        current(), realm, account, new_password, rotate_api_key=rotate_api_key, dry_run=dry_run
    )


@user.command("delete")
@realm_option()
@user_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option
def user_delete(realm: str, account: str, yes: bool, dry_run: bool) -> Result:
    """Forget who USER was: the messages stay, under the name of a deleted user.

    \b
    Examples:
      zops user delete --realm acme bob@example.com
      zops user delete -r acme id:9 --dry-run
    """
    from zops_realm.user_delete import delete_user

    return delete_user(current(), realm, account, is_sure=yes, dry_run=dry_run)


@user.command("send-password-reset")
@realm_option()
@click.argument("accounts", metavar="[USER]...", nargs=-1)
@click.option("--all-users", is_flag=True, help="All people with an active account.")
@click.option(
    "--only-never-logged-in", is_flag=True, help="Of these, only those who never logged in."
)
@click.option("--show", is_flag=True, help="Show the links, to be handed out, and send nothing.")
@dry_run_option
def user_send_password_reset(
    realm: str,
    accounts: tuple[str, ...],
    all_users: bool,
    only_never_logged_in: bool,
    show: bool,
    dry_run: bool,
) -> Result:
    """Mail links with which people set a password of their own.

    The server's worker sends the mails, or that of zops where a mail server is known. The server's
    broker, its host name and its secret key must be known.

    \b
    Examples:
      zops user send-password-reset --realm acme bob@example.com
      zops user send-password-reset -r acme --all-users --only-never-logged-in
      zops user send-password-reset -r acme bob@example.com --show
    """
    from zops_realm import user_password_reset as work

    if bool(accounts) == all_users:
        raise UsageError("who is to get a link?", hint="give USER..., or --all-users")
    request = work.ResetRequest(
        realm=realm,
        users=accounts,
        all_users=all_users,
        never_logged_in=only_never_logged_in,
        show=show,
        dry_run=dry_run,
    )
    return work.run(current(), request)
