"""Finding a realm by what a command line says: a subdomain, or `id:N`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.errors import Refused, UsageError
from zcore.frozen import frozen
from zcore.schema.realms import zerver_realm
from zcore.text import is_text

if TYPE_CHECKING:
    from datetime import datetime


@frozen
class Realm:
    """What commands need to know of the realm that they work on."""

    realm_id: int
    string_id: str
    name: str
    deactivated: bool
    date_created: datetime


REALM_COLUMNS = (
    zerver_realm.c.id,
    zerver_realm.c.string_id,
    zerver_realm.c.name,
    zerver_realm.c.deactivated,
    zerver_realm.c.date_created,
)


def find_realm(connection: sa.Connection, reference: str) -> Realm:
    """The realm that `reference` names: its subdomain, `""` for the root realm, or `id:N`.

    Raises `UsageError` for a number that is none, `Refused` when there is no such realm.
    """
    row = None
    if is_text(reference):
        chosen = sa.select(*REALM_COLUMNS).where(_condition(reference))
        row = connection.execute(chosen).first()
    if row is None:
        raise Refused(
            f"there is no organization {describe(reference)}",
            code="no-realm",
            hint="'zops realm list' shows the organizations that there are",
        )
    return Realm(*row)


def describe(reference: str) -> str:
    """`reference` as it stands in a message."""
    return repr(reference) if reference else "at the root domain (subdomain '')"


def id_condition(
    column: sa.ColumnElement[int], reference: str, kind: str
) -> sa.ColumnElement[bool]:
    """`column` is the number in `reference`, which reads `id:N`; `kind` is for the message.

    Raises `UsageError` when N is no number.
    """
    number = reference.removeprefix("id:")
    if not (number.isascii() and number.isdigit()):
        raise UsageError(f"{reference!r} is not the number of {kind}", hint="write it as id:7")
    # Compared as text: a number too large for the column is one that no row has.
    return sa.cast(column, sa.Text) == number.lstrip("0")


def _condition(reference: str) -> sa.ColumnElement[bool]:
    if reference.startswith("id:"):
        return id_condition(zerver_realm.c.id, reference, "an organization")
    return zerver_realm.c.string_id == reference
