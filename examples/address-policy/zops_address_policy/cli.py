"""The command line of this plugin."""

from __future__ import annotations

import click

from zcore import Result, current


@click.command("check-addresses")
@click.option("-r", "--realm", required=True, metavar="R", help="Subdomain, or id:N.")
def check_addresses(realm: str) -> Result:
    """List the accounts of the organization R that break the address policy.

    Looks at people whose account is active. Ends with exit code 5 when there are any.
    """
    from zops_address_policy.accounts import broken_addresses

    checked, findings = broken_addresses(current(), realm)
    text = "" if findings else f"all {checked} addresses are as the policy asks"
    return Result({"checked": checked}, text=text, findings=findings)
