"""The command line of `zops create-user`: one account, or many with --from."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import click

from zcore import Result, UsageError, current, realm_option
from zcore.organizations.codes import ROLES_BY_NAME
from zops_realm.asking import given_or_asked
from zops_realm.collection import collect_rarely
from zops_realm.new_password import NewPassword
from zops_realm.options import bare_option, dry_run_option
from zops_realm.password_options import password_options

if TYPE_CHECKING:
    from zcore.organizations.codes import Role
    from zops_realm.password_input import PasswordSource

Named = tuple[str | None, str | None, str | None, str | None]
"""Address and name as arguments, then as options."""


class Words(TypedDict):
    """What one account and many are asked for with."""

    realm: str
    role: Role
    if_not_exists: bool
    bare: bool
    dry_run: bool


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
@click.option("--from", "source", metavar="FILE|-", help="Many, of a CSV or JSON lines file.")
@click.option("--keep-going", is_flag=True, help="With --from: leave out lines that are refused.")
@click.option("--if-not-exists", is_flag=True, help="Be content with an account already there.")
@bare_option
@dry_run_option
def create_user(
    email_argument: str | None,
    full_name_argument: str | None,
    realm: str,
    email: str | None,
    full_name: str | None,
    role: str,
    password: PasswordSource,
    source: str | None,
    keep_going: bool,
    if_not_exists: bool,
    bare: bool,
    dry_run: bool,
) -> Result:
    """Create an account in an organization, or with --from many.

    What is not given is asked for at the terminal.

    The first line of a CSV file names its columns: email and full_name, and where wanted role,
    password_hash (as the server stores it), groups and channels (names with ; between them). Of a
    file with JSON objects, one a line, these are the keys. Either all accounts are created or none,
    unless --keep-going says otherwise; --no-password is for lines without a password_hash.

    \b
    Examples:
      zops create-user --realm acme bob@example.com "Bob Ray"
      zops create-user -r acme eve@example.com "Eve Moss" --role admin --no-password
      pass show bob | zops create-user -r acme bob@example.com "Bob Ray" --password-stdin
      zops create-user -r acme --from people.csv --no-password
    """
    named = (email_argument, full_name_argument, email, full_name)
    words: Words = {
        "realm": realm,
        "role": ROLES_BY_NAME[role],
        "if_not_exists": if_not_exists,
        "bare": bare,
        "dry_run": dry_run,
    }
    if source is not None:
        _require_alone(named, password)
        return _create_many(source, password, words, keep_going=keep_going)
    if keep_going:
        raise UsageError("--keep-going is for many accounts", hint="give --from FILE with it")
    return _create_one(named, password, words)


def _create_one(named: Named, password: PasswordSource, words: Words) -> Result:
    collect_rarely()
    password.check()
    email_argument, full_name_argument, email, full_name = named
    email = given_or_asked("E-mail", "--email", email_argument, email)
    full_name = given_or_asked("Full name", "--full-name", full_name_argument, full_name)
    new_password = NewPassword(password.read()).begin()

    from zops_realm import create_user as work  # late, and while the password is being hashed

    request = work.UserRequest(email=email, full_name=full_name, password=new_password, **words)
    return work.run(current(), request)


def _create_many(
    source: str, password: PasswordSource, words: Words, *, keep_going: bool
) -> Result:
    from zops_realm.bulk import run as work

    request = work.BulkRequest(
        source=source, no_password=password.none, keep_going=keep_going, **words
    )
    return work.run(current(), request)


def _require_alone(named: Named, password: PasswordSource) -> None:
    """Raise `UsageError` when one account is described beside the file of many."""
    if any(value is not None for value in named):
        raise UsageError(
            "an account is given, and a file of accounts with --from", hint="give one of them"
        )
    if password.file is not None or password.from_stdin:
        raise UsageError(
            "one password cannot be that of all accounts",
            hint="give the column password_hash, or --no-password",
        )
