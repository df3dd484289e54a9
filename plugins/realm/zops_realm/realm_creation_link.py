"""`zops realm creation-link`: a link with which somebody makes an organization on the server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Context, Refused, Result
from zcore.identifiers import confirmation_key
from zcore.organizations.hosts import realm_url
from zops_realm.changing import changing

if TYPE_CHECKING:
    from zops_realm.changing import Work

VALID = timedelta(days=7)  # the server's REALM_CREATION_LINK_VALIDITY_DAYS, unless it is changed

creation_keys = sa.table(
    "confirmation_realmcreationkey",
    sa.column("creation_key", sa.String),
    sa.column("date_created", sa.DateTime(timezone=True)),
    sa.column("presume_email_valid", sa.Boolean),
)


def creation_link(context: Context) -> Result:
    """Make a link. The server looks its key up in the database: no secret key is needed.

    Raises `Refused` where no server is that could open the page, or its host is not known.
    """
    url = realm_url("", context.settings.external_host)
    if url is None:
        raise Refused(
            "the link needs the server's host name",
            code="no-external-host",
            hint="set ZOPS_EXTERNAL_HOST, or external_host under [server] in zops.toml",
        )
    if not context.database.is_server:
        raise Refused(
            f"{context.database.name} is not a Zulip server's database: nobody opens such links",
            code="no-server",
            hint="make the organization with 'zops create-realm'",
        )
    with changing(context) as work:
        key = _write(work)
    link = f"{url}/new/{key}"
    expires = (work.now + VALID).isoformat()
    text = f"{link}\nwhoever has it can make one organization, until {expires[:16]} UTC"
    return Result({"url": link, "expires": expires}, text=text)


def _write(work: Work) -> str:
    """A new key. Whoever uses it need not confirm their address: they were given the link."""
    key = confirmation_key()
    row = {"creation_key": key, "date_created": work.now, "presume_email_valid": True}
    work.connection.execute(sa.insert(creation_keys).values(row))
    return key
