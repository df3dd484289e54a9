"""The command lines of the group `zops user`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zcore import Result, current
from zops_realm.options import realm_option
from zops_realm.password_options import known_password_options

if TYPE_CHECKING:
    from zops_realm.password_input import PasswordSource


@click.group()
def user() -> None:
    """Look at accounts."""


@user.command("list")
@realm_option
@click.option("--all", "everyone", is_flag=True, help="Bots and deactivated accounts as well.")
def user_list(realm: str, everyone: bool) -> Result:
    """List the people of an organization."""
    from zops_realm.user_views import list_users

    return list_users(current(), realm, everyone=everyone)


@user.command("show")
@realm_option
@click.argument("account", metavar="USER")
def user_show(realm: str, account: str) -> Result:
    """Show one account: USER is its e-mail address, or id:N."""
    from zops_realm.user_views import show_user

    return show_user(current(), realm, account)


@user.command("check-password")
@realm_option
@click.argument("account", metavar="USER")
@known_password_options
def user_check_password(realm: str, account: str, password: PasswordSource) -> Result:
    """Say whether a password is that of USER: an e-mail address, or id:N.

    It is asked for at the terminal, and exit code 3 says that it is another one.
    """
    from zops_realm.check_password import check_password

    password.check()
    return check_password(current(), realm, account, password.read() or "")
