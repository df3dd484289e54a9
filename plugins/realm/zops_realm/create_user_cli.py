"""The command line of `zops create-user`: one account, or many with --from."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import click

from zcore import Result, UsageError, current, realm_option
from zcore.organizations.codes import ROLES_BY_NAME
from zops_realm.collection import collect_rarely
from zops_realm.options import bare_option, dry_run_option
from zops_realm.person_options import person_options

if TYPE_CHECKING:
    from zcore.organizations.codes import Role
    from zops_realm.person_input import PersonInput


class Words(TypedDict):
    """What one account and many are asked for with."""

    realm: str
    role: Role
    if_not_exists: bool
    bare: bool
    dry_run: bool


@click.command("create-user")
@realm_option()
@person_options("The user's")
@click.option(
    "--role",
    type=click.Choice(list(ROLES_BY_NAME)),
    default="member",
    help="What the account may do.",
)
@click.option("--from", "source", metavar="FILE|-", help="Many, of a CSV or JSON lines file.")
@click.option("--keep-going", is_flag=True, help="With --from: leave out lines that are refused.")
@click.option("--if-not-exists", is_flag=True, help="Be content with an account already there.")
@bare_option
@dry_run_option
def create_user(
    realm: str,
    person: PersonInput,
    role: str,
    source: str | None,
    keep_going: bool,
    if_not_exists: bool,
    bare: bool,
    dry_run: bool,
) -> Result:
    """Create an account in an organization, or with --from many.

    What is not given is asked for at the terminal; no password where nobody logs in by one.

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
    words: Words = {
        "realm": realm,
        "role": ROLES_BY_NAME[role],
        "if_not_exists": if_not_exists,
        "bare": bare,
        "dry_run": dry_run,
    }
    if source is not None:
        _require_alone(person)
        no_password = person.password.none
        return _create_many(source, words, no_password=no_password, keep_going=keep_going)
    if keep_going:
        raise UsageError("--keep-going is for many accounts", hint="give --from FILE with it")
    return _create_one(person, words)


def _create_one(person: PersonInput, words: Words) -> Result:
    collect_rarely()
    newcomer = person.get(lambda: _asks_for_password(words["realm"]))

    from zops_realm import create_user as work  # late, and while the password is being hashed

    request = work.UserRequest(
        email=newcomer.email,
        full_name=newcomer.full_name,
        password=newcomer.password,
        **words,
    )
    return work.run(current(), request)


def _asks_for_password(realm: str) -> bool:
    from zops_realm.create_user import asks_for_password

    return asks_for_password(current(), realm)


def _create_many(source: str, words: Words, *, no_password: bool, keep_going: bool) -> Result:
    from zops_realm.bulk import run as work

    request = work.BulkRequest(
        source=source, no_password=no_password, keep_going=keep_going, **words
    )
    return work.run(current(), request)


def _require_alone(person: PersonInput) -> None:
    """Raise `UsageError` when one account is described beside the file of many."""
    if person.is_named():
        raise UsageError(
            "an account is given, and a file of accounts with --from", hint="give one of them"
        )
    if person.password.file is not None or person.password.from_stdin:
        raise UsageError(
            "one password cannot be that of all accounts",
            hint="give the column password_hash, or --no-password",
        )
