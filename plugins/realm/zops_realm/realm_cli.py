"""The command lines of the group `zops realm`."""

from __future__ import annotations

import click

from zcore import RealmName, Result, current
from zcore.organizations.codes import DEACTIVATION_REASONS
from zops_realm.realm_auth_cli import auth

REFERENCE = click.argument("reference", metavar="R", type=RealmName())
DRY_RUN = click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")


@click.group(epilog="R is the subdomain of the organization ('' for the root domain), or id:N.")
def realm() -> None:
    """Look at organizations and change them."""


realm.add_command(auth)


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
@REFERENCE
def realm_show(reference: str) -> Result:
    """Show the organization R: a subdomain ('' for the root domain), or id:N.

    \b
    Examples:
      zops realm show acme
      zops realm show id:3 --json
    """
    from zops_realm.realm_views import show_realm

    return show_realm(current(), reference)


@realm.command("rename")
@REFERENCE
@click.argument("name")
@DRY_RUN
def realm_rename(reference: str, name: str, dry_run: bool) -> Result:
    """Call the organization R by another NAME. Its subdomain stays.

    \b
    Examples:
      zops realm rename acme 'Acme and Sons'
    """
    from zops_realm.realm_rename import rename

    return rename(current(), reference, name, dry_run=dry_run)


@realm.command("deactivate")
@REFERENCE
@click.option(
    "--reason",
    "--deactivation-reason",
    type=click.Choice(DEACTIVATION_REASONS),
    default=DEACTIVATION_REASONS[0],
    show_default=True,
    help="What the audit log gives as the reason.",
)
@click.option(
    "--redirect", "--redirect-url", metavar="URL", help="Send visitors there from now on."
)
@click.option(
    "--deletion-delay-days",
    type=click.IntRange(0, 36_500),
    metavar="N",
    help="Have the server delete what people wrote, after N days.",
)
@click.option("--email-owners", is_flag=True, help="Mail the owners.")
@DRY_RUN
def realm_deactivate(
    reference: str,
    reason: str,
    redirect: str | None,
    deletion_delay_days: int | None,
    email_owners: bool,
    dry_run: bool,
) -> Result:
    """Close the organization R.

    Everybody is logged out. Nothing that is in it is lost.

    \b
    Examples:
      zops realm deactivate acme
      zops realm deactivate acme --redirect https://chat.example.com
    """
    from zops_realm.realm_deactivate import DeactivationRequest, run

    request = DeactivationRequest(
        realm=reference,
        reason=reason,
        redirect=redirect,
        deletion_delay_days=deletion_delay_days,
        email_owners=email_owners,
        dry_run=dry_run,
    )
    return run(current(), request)


@realm.command("reactivate")
@REFERENCE
@DRY_RUN
def realm_reactivate(reference: str, dry_run: bool) -> Result:
    """Open the deactivated organization R again.

    \b
    Examples:
      zops realm reactivate acme
    """
    from zops_realm.realm_reactivate import reactivate

    return reactivate(current(), reference, dry_run=dry_run)


@realm.command("change-subdomain")
@REFERENCE
@click.argument("string_id", metavar="NEW")
@click.option(
    "--allow-reserved-subdomain", is_flag=True, help="Accept a subdomain from the reserved words."
)
@click.option("--skip-redirect", is_flag=True, help="Leave nothing at the former subdomain.")
@DRY_RUN
def realm_change_subdomain(
    reference: str,
    string_id: str,
    allow_reserved_subdomain: bool,
    skip_redirect: bool,
    dry_run: bool,
) -> Result:
    """Move the organization R to the subdomain NEW.

    Everybody is logged out. A deactivated organization stays at the former subdomain and
    redirects to the new one.

    \b
    Examples:
      zops realm change-subdomain acme acme-sons
      zops realm change-subdomain acme acme-sons --skip-redirect
    """
    from zops_realm.realm_subdomain import SubdomainRequest, run

    request = SubdomainRequest(
        realm=reference,
        string_id=string_id,
        allow=frozenset(["--allow-reserved-subdomain"] if allow_reserved_subdomain else []),
        leave_redirect=not skip_redirect,
        dry_run=dry_run,
    )
    return run(current(), request)


@realm.command("delete")
@REFERENCE
@click.option(
    "--yes-delete", "confirmed", metavar="SUBDOMAIN", help="Do not ask: its subdomain, once more."
)
@click.option("--keep-files", is_flag=True, help="Do not delete its uploaded files.")
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
def realm_delete(reference: str, confirmed: str | None, keep_files: bool, dry_run: bool) -> Result:
    """Delete the organization R for good.

    Shows what is in it and asks for the subdomain. All rows go in one transaction, then the files.

    \b
    Examples:
      zops realm delete acme --dry-run
      zops realm delete acme --yes-delete acme
    """
    from zops_realm.realm_delete import DeletionRequest, run

    request = DeletionRequest(
        realm=reference, confirmed=confirmed, keep_files=keep_files, dry_run=dry_run
    )
    return run(current(), request)


@realm.command("creation-link")
def realm_creation_link() -> Result:
    """Make a link that creates one organization.

    Whoever opens it, within a week, makes an organization of their own on the server.

    \b
    Examples:
      zops realm creation-link
    """
    from zops_realm.realm_creation_link import creation_link

    return creation_link(current())
