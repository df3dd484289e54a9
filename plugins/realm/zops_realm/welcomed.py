"""What decides how somebody is welcomed in an organization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.codes import Role
from zcore.schema.realms import zerver_realm

if TYPE_CHECKING:
    from datetime import datetime

EDUCATION_TYPES = (30, 35)  # of `zerver_realm.org_type`: not for profit, and for profit
ADMINISTRATORS = (Role.OWNER, Role.ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class WelcomingRealm:
    """Columns of `zerver_realm`."""

    name: str
    org_type: int
    send_welcome_emails: bool
    signup_announcements_stream_id: int | None
    demo_organization_scheduled_deletion_date: datetime | None

    @property
    def is_demo(self) -> bool:
        """Is there a day on which it will be deleted?"""
        return self.demo_organization_scheduled_deletion_date is not None

    @property
    def is_for_education(self) -> bool:
        """Is it a school's?"""
        return self.org_type in EDUCATION_TYPES


def read_realm(connection: sa.Connection, realm_id: int) -> WelcomingRealm:
    """The organization with this number."""
    realms = zerver_realm.c
    chosen = sa.select(
        realms.name,
        realms.org_type,
        realms.send_welcome_emails,
        realms.signup_announcements_stream_id,
        realms.demo_organization_scheduled_deletion_date,
    ).where(realms.id == realm_id)
    return WelcomingRealm(*connection.execute(chosen).one())


def is_administrator(role: int) -> bool:
    """May somebody with this role run the organization?"""
    return role in ADMINISTRATORS
