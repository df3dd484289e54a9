"""The organization that a mail is about, which its headers name."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formataddr
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.hosts import realm_host
from zcore.schema.realms import zerver_realm
from zcore.schema.users import zerver_userprofile
from zcore.text import one_line

if TYPE_CHECKING:
    from zcore.broker import WorkContext
    from zops_queue.mail.order import MailOrder


@dataclass(frozen=True, slots=True)
class Organization:
    """Its name, and its host name in the web."""

    name: str
    host: str

    @property
    def list_id(self) -> str:
        """What mail programs sort its mails by."""
        name = one_line(self.name)
        return formataddr((name, self.host)) if name.isascii() else f"{name} <{self.host}>"


def find_organization(order: MailOrder, work: WorkContext) -> Organization | None:
    """The one that the event names, else that of its first account; None where none is known."""
    host = work.settings.external_host
    realms, users = zerver_realm.c, zerver_userprofile.c
    chosen = sa.select(realms.name, realms.string_id)
    if order.realm_id is not None:
        chosen = chosen.where(realms.id == order.realm_id)
    elif order.user_ids:
        chosen = chosen.where(realms.id == users.realm_id, users.id == order.user_ids[0])
    else:
        return None
    if host is None:
        return None
    with work.database.read() as connection:
        row = connection.execute(chosen).first()
    return None if row is None else Organization(row.name, realm_host(row.string_id, host))
