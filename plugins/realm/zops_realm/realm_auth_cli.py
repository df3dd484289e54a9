"""The command lines of the group `zops realm auth`."""

from __future__ import annotations

import click

from zcore import RealmName, Result, current
from zops_realm.backend_name import BackendName


@click.group()
def auth() -> None:
    """Ways to log in to an organization.

    What is enabled here works where the server's own settings have it, too.

    \b
    Examples:
      zops realm auth list acme
      zops realm auth disable acme Email
    """


@auth.command("list")
@click.argument("reference", metavar="R", type=RealmName())
def auth_list(reference: str) -> Result:
    """Show the ways to log in to R.

    Which are enabled, how each finds an account, and what it needs on the server.

    \b
    Examples:
      zops realm auth list acme
    """
    from zops_realm.realm_auth import list_methods

    return list_methods(current(), reference)


@auth.command("enable")
@click.argument("reference", metavar="R", type=RealmName())
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=BackendName())
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
def auth_enable(reference: str, names: tuple[str, ...], dry_run: bool) -> Result:
    """Enable ways to log in to R.

    \b
    Examples:
      zops realm auth enable acme SAML 'OpenID Connect'
    """
    return _switch(reference, names, enable=True, dry_run=dry_run)


@auth.command("disable")
@click.argument("reference", metavar="R", type=RealmName())
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=BackendName())
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
def auth_disable(reference: str, names: tuple[str, ...], dry_run: bool) -> Result:
    """Disable ways to log in to R; never the last.

    \b
    Examples:
      zops realm auth disable acme Email LDAP
    """
    return _switch(reference, names, enable=False, dry_run=dry_run)


def _switch(reference: str, names: tuple[str, ...], *, enable: bool, dry_run: bool) -> Result:
    from zops_realm.realm_auth import AuthRequest, switch_methods

    request = AuthRequest(realm=reference, names=names, enable=enable, dry_run=dry_run)
    return switch_methods(current(), request)
