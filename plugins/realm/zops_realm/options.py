"""Options and arguments that several commands of this plugin have."""

from __future__ import annotations

import click

from zcore import RealmName

realm_argument = click.argument("realm", metavar="R", type=RealmName())
bare_option = click.option("--bare", is_flag=True, help="Without welcome messages and mails.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
