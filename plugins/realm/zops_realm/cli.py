"""The command lines of this plugin. What they do is in the modules that they import late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zcore import Result, current
from zops_realm.asking import given_or_asked
from zops_realm.backend_name import BackendName
from zops_realm.collection import collect_rarely
from zops_realm.new_password import NewPassword
from zops_realm.options import bare_option, dry_run_option
from zops_realm.password_options import password_options

if TYPE_CHECKING:
    from zops_realm.password_input import PasswordSource


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
@click.option(
    "--auth-method",
    "auth_methods",
    multiple=True,
    type=BackendName(),
    metavar="NAME",
    show_default="all of them",
    help="A way to log in, such as Email or SAML; no others are enabled. Can be repeated.",
)
@bare_option
@dry_run_option
def create_realm(
    name: str,
    email_argument: str | None,
    full_name_argument: str | None,
    string_id: str,
    email: str | None,
    full_name: str | None,
    password: PasswordSource,
    allow_reserved_subdomain: bool,
    auth_methods: tuple[str, ...],
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
    collect_rarely()
    password.check()
    email = given_or_asked("E-mail", "--email", email_argument, email)
    full_name = given_or_asked("Full name", "--full-name", full_name_argument, full_name)
    new_password = NewPassword(password.read()).begin()

    from zops_realm import create_realm as work  # late, and while the password is being hashed

    request = work.RealmRequest(
        name=name,
        string_id=string_id,
        email=email,
        full_name=full_name,
        password=new_password,
        allow=frozenset(["--allow-reserved-subdomain"] if allow_reserved_subdomain else []),
        auth_methods=auth_methods,
        bare=bare,
        dry_run=dry_run,
    )
    return work.run(current(), request)
