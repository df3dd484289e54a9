"""How many rows an export would take, without taking them."""

from __future__ import annotations

import sqlalchemy as sa

from zcore.organizations.codes import AuditEvent
from zcore.schema import tables
from zcore.schema.facts import exported_tables, table_facts
from zops_export.selection import Selection, messages, user_messages, users

audit_log = tables["zerver_realmauditlog"]
exports = tables["zerver_realmexport"]


def count_rows(connection: sa.Connection, selection: Selection) -> dict[str, int]:
    """Rows of each key of an export."""
    counts: dict[str, int] = {}
    for table in exported_tables(dict(tables)):
        if table is users:
            ordinary, dummies, bots = table_facts(users).keys
            counts[ordinary] = _count(connection, selection.users_where(dummies=False))
            counts[dummies] = _count(connection, selection.users_where(dummies=True))
            counts[bots] = len(selection.bots)
        elif table is user_messages:
            query = (
                sa.select(sa.func.count())
                .select_from(user_messages)
                .join(messages, messages.c.id == user_messages.c.message_id)
                .where(selection.message_condition(), selection.user_message_owner())
            )
            counts[table.name] = connection.execute(query).scalar_one()
        elif table_facts(table).keys:
            counts[table.name] = _count(connection, selection.where(table), table)
    counts[audit_log.name] += not _is_marked(connection, selection)  # an export adds the mark
    counts[exports.name] += 1  # its own row, which is written before
    return dict(sorted(counts.items()))


def _count(
    connection: sa.Connection, condition: sa.ColumnElement[bool], table: sa.Table = users
) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(condition)
    return connection.execute(query).scalar_one()


def _is_marked(connection: sa.Connection, selection: Selection) -> bool:
    """Does the audit log say that the realm was exported?"""
    mark = sa.and_(selection.where(audit_log), audit_log.c.event_type == AuditEvent.REALM_EXPORTED)
    return _count(connection, mark, audit_log) > 0
