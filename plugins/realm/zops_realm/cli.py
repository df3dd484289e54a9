"""The command lines of this plugin. What they do is in the modules that they import late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zcore import Result, current
from zops_realm.backend_name import BackendName
from zops_realm.collection import collect_rarely
from zops_realm.options import bare_option, dry_run_option
from zops_realm.person_options import person_options

if TYPE_CHECKING:
    from zops_realm.person_input import PersonInput


@click.command("create-realm")
@click.argument("name")
@click.option(
    "--string-id",
    default="",
    metavar="SUBDOMAIN",
    show_default="the root domain",
    help="Subdomain of the organization.",
)
@person_options("The owner's")
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
    string_id: str,
    person: PersonInput,
    allow_reserved_subdomain: bool,
    auth_methods: tuple[str, ...],
    bare: bool,
    dry_run: bool,
) -> Result:
    """Create the organization NAME and its owner, whole or not at all.

    What is not given is asked for at the terminal; no password where nobody logs in by one.

    \b
    Examples:
      zops create-realm "Acme Corp" --string-id acme
      zops create-realm Acme ann@example.com "Ann Lee" --string-id acme --password-file ann.txt
      zops create-realm Acme ann@example.com "Ann Lee" --no-password --dry-run
    """
    collect_rarely()
    owner = person.get(lambda: _asks_for_password(auth_methods))

    from zops_realm import create_realm as work  # late, and while the password is being hashed

    request = work.RealmRequest(
        name=name,
        string_id=string_id,
        email=owner.email,
        full_name=owner.full_name,
        password=owner.password,
        allow=frozenset(["--allow-reserved-subdomain"] if allow_reserved_subdomain else []),
        auth_methods=auth_methods,
        bare=bare,
        dry_run=dry_run,
    )
    return work.run(current(), request)


def _asks_for_password(auth_methods: tuple[str, ...]) -> bool:
    if not auth_methods:
        return True  # all that there are, and e-mail address and password is one

    from zops_realm.create_realm import asks_for_password

    return asks_for_password(current(), auth_methods)
