"""Options that several commands of this plugin have."""

from __future__ import annotations

import click

REALM_HELP = "Subdomain of the organization ('' for the root domain), or id:N."

realm_argument = click.argument("realm", metavar="R")
realm_option = click.option("-r", "--realm", required=True, metavar="R", help=REALM_HELP)
bare_option = click.option("--bare", is_flag=True, help="Without welcome messages and mails.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
