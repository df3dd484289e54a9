"""The stages of an import that write rows, all in the one transaction."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, groupby
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa

from zcore import Finding
from zcore.organizations.audit import AuditEntry, role_counts, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.rows_in import TableRows
from zcore.schema import tables
from zcore.schema.facts import ExtraKey, references, table_facts
from zops_export.completing import complete, make_groups
from zops_export.export_index import DATA_FILES, referenced_tables, table_of_key
from zops_export.import_ids import new_upload_paths, reserve_ids
from zops_export.import_indexes import indexes_last
from zops_export.json_rows import JsonRow, Rows, TypedRows, read_blocks
from zops_export.like_server import servers_references, texts_for
from zops_export.row_changes import (
    GENERATED,
    SELF_HOSTED_PLAN,
    MessageChange,
    UserChange,
    attachment_change,
    change_group,
    change_realm,
    change_service,
    changes_of_texts,
    not_of_system_bots,
)
from zops_export.row_conversion import RowConverter
from zops_export.row_kinds import SECOND_READING, plain
from zops_export.selection import CHANNEL, GROUP
from zops_export.user_message_rows import converted_at_once

if TYPE_CHECKING:
    from zops_export.import_job import ImportJob

NOT_LOADED = ("zerver_client", "zerver_userprofile_crossrealm")
AUDIT_ENTRIES = (AuditEvent.REALM_PLAN_TYPE_CHANGED, AuditEvent.REALM_IMPORTED)

Change = Callable[[JsonRow], JsonRow | None]


def load_realm(job: ImportJob) -> dict[str, int]:
    """Everything but messages. Reserves the ids of all rows first."""
    job.ids = reserve_ids(job.writer, job.index, job.reserved)
    make_groups(job)
    job.upload_paths = new_upload_paths(job.index, job.source.names, job.new_upload_key)
    _report_lost_uploads(job)
    changes = _changes(job)
    _load(job, [name for name in DATA_FILES if name in job.source.names], changes)
    job.refuse_if_problems()
    return {"rows": sum(job.written.values())}


def load_messages(job: ImportJob) -> dict[str, int]:
    """The message files, with their user messages, and the links to attachments."""
    changes = _changes(job)
    with indexes_last(job.writer.connection, job.index.counts):
        _load(job, job.source.message_files, changes)
        job.refuse_if_problems()
    _link_attachments(job)
    return {"rows": job.written["zerver_message"] + job.written["zerver_usermessage"]}


def _load(job: ImportJob, files: Iterable[str], changes: Mapping[str, Change]) -> None:
    parts = (part for name in files for part in _parts(job, name, changes))
    for table, count in job.writer.copy_all(parts).items():
        job.written[table] += count


def _parts(
    job: ImportJob, name: str, changes: Mapping[str, Change]
) -> Generator[TableRows, None, None]:
    """The rows of a file, table by table, as they go into the database."""
    with job.source.open(name) as stream:
        found = job.looked.adapting.adapted(read_blocks(stream, name, SECOND_READING))
        for key, blocks in groupby(found, key=lambda block: block.table):
            job.may_go_on()
            table = table_of_key().get(key)
            if table is None or key in NOT_LOADED or not table_facts(table).imported:
                continue
            change = job.rewrites.before(table.name, changes.get(table.name))
            converter = make_converter(job, table)
            rows = (_usable_rows(job, converter, block, change) for block in blocks)
            yield TableRows(table, converter.columns, chain.from_iterable(rows))


def _usable_rows(
    job: ImportJob, converter: RowConverter, part: Rows | TypedRows, change: Change | None
) -> Iterable[Sequence[object]]:
    """What of a block goes into the database: nothing any more, once there are problems."""
    job.advance(rows=len(part.rows))
    if isinstance(part, Rows):
        rows = part.rows
    elif change is None and (values := _at_once(job, part)):
        return values
    else:
        rows = plain(part)
    converted = converter.rows(rows if change is None else _changed(rows, change))
    return (values for values in converted if not job.notes.problem_count)


def _at_once(job: ImportJob, part: TypedRows) -> list[tuple[object, ...]] | None:
    return None if job.notes.problem_count else converted_at_once(part, job.ids)


def make_converter(job: ImportJob, table: sa.Table) -> RowConverter:
    """The converter for `table`, with the ids of this import."""
    like_server = job.options.like_server
    return RowConverter(
        table,
        job.ids,
        texts_for(job.ids, like_server=like_server, rewritten=job.rewritten),
        job.notes,
        keyed=table.name in referenced_tables(),
        generated=GENERATED.get(table.name),
        lookups=job.index.lookups,
        checked=table.name not in job.rewrites,  # in the first phase
        references_of=servers_references if like_server else references,
    )


def _changed(rows: Iterable[JsonRow], change: Change) -> Iterator[JsonRow]:
    for row in rows:
        changed = change(row)
        if changed is not None:
            yield changed


def _changes(job: ImportJob) -> dict[str, Change]:
    """What is changed in the rows of some tables, besides their ids."""
    like_server = job.options.like_server
    texts = texts_for(job.ids, like_server=like_server, rewritten=job.rewritten)
    uploads = {} if like_server else job.upload_paths
    uuid_is_taken = _uuid_is_taken(job)  # asked before the rows flow: the connection is busy then
    bots = frozenset(int(str(bot["id"])) for bot in job.index.bots)
    typed = changes_of_texts(texts, uploads)
    describe = typed.pop("zerver_realm")
    return {
        "zerver_realm": lambda row: change_realm(
            describe(row),
            string_id=job.options.subdomain,
            name=_name(job),
            uuid_is_taken=uuid_is_taken,
        ),
        "zerver_userprofile": UserChange(None if like_server else job.find),
        "zerver_service": change_service,
        "zerver_huddle": change_group,
        "zerver_message": MessageChange(
            texts, _paths_by_row(job, "messages"), uploads, histories=not like_server
        ),
        "zerver_scheduledmessage": MessageChange(
            texts, _paths_by_row(job, "scheduled_messages"), uploads
        ),
        **typed,
        **({"zerver_namedusergroup": job.creators.take} if like_server else {}),
        "zerver_attachment": attachment_change(job.upload_paths),
        "analytics_usercount": not_of_system_bots(bots),
    }


def _name(job: ImportJob) -> str | None:
    """The organization's new name; None: it keeps its own, which the server's importer loses."""
    if job.options.name is None and job.options.like_server:
        return job.options.subdomain
    return job.options.name


def _uuid_is_taken(job: ImportJob) -> bool:
    """Has an organization the same already? Of two that come at once the later one hears of it."""
    realms, connection = tables["zerver_realm"], job.writer.connection
    if job.index.realm.get("uuid") is None:  # the row gets a new one then
        return False
    uuid = UUID(str(job.index.realm["uuid"]))
    if connection.dialect.name != "sqlite":  # where nobody else writes meanwhile
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(uuid.int % 2**63)))
    query = sa.select(realms.c.id).where(realms.c.uuid == str(uuid))
    return connection.execute(query).first() is not None


def _paths_by_row(job: ImportJob, key: str) -> dict[int, dict[str, str]]:
    """By message: the old and new paths of the uploads that it links to."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for attachment in job.index.attachments:
        old = str(attachment.get("path_id"))
        new = job.upload_paths.get(old)
        linked = attachment.get(key)
        if new is not None and isinstance(linked, list):
            for message in linked:
                found[message][old] = new
    return found


def _report_lost_uploads(job: ImportJob) -> None:
    for attachment in job.index.attachments:
        path = str(attachment.get("path_id"))
        if path not in job.upload_paths:
            job.findings.append(
                Finding(
                    "missing-file",
                    "the export has the attachment but not its file; the attachment was left out",
                    where=path,
                )
            )


def _link_attachments(job: ImportJob) -> None:
    """The links that stand as lists in the rows of attachments."""
    attachment = tables["zerver_attachment"]
    kept = [row for row in job.index.attachments if str(row.get("path_id")) in job.upload_paths]
    for extra in table_facts(attachment).extra_keys:
        if extra.link_table is not None:
            _write_links(job, kept, extra, tables[extra.link_table])
    job.refuse_if_problems()


def _write_links(
    job: ImportJob, attachments: Iterable[JsonRow], extra: ExtraKey, link: sa.Table
) -> None:
    other = next(
        column for column in link.columns if column.foreign_keys and column.name != "attachment_id"
    )
    target = next(iter(other.foreign_keys)).target_fullname.split(".")[0]
    pairs: list[tuple[int, int]] = []
    for row in attachments:
        own = job.ids["zerver_attachment"].get(row["id"])  # type: ignore[arg-type]
        listed = row.get(extra.key)
        for ident in listed if isinstance(listed, list) else []:
            new = job.ids[target].get(ident)
            if new is None or own is None:
                job.notes.problem(
                    "dangling-reference",
                    f"zerver_attachment {row['id']}: {extra.key} {ident!r} is no row of {target}",
                )
            else:
                pairs.append((own, new))
    job.written[link.name] += job.writer.copy_in(link, ("attachment_id", other.name), pairs)


def finish(job: ImportJob) -> None:
    """What follows from the rows that are there now."""
    connection = job.writer.connection
    complete(job)
    _set_group_hashes(connection, job)
    _set_first_messages(connection, job.realm_id)
    _set_user_activity_of_subscriptions(connection, job.realm_id)
    job.creators.write(connection, job.ids["zerver_userprofile"], job.realm_id)
    plans = {"old_value": job.index.realm.get("plan_type"), "new_value": SELF_HOSTED_PLAN}
    now = datetime.now(UTC)
    said = (plans, role_counts(connection, job.realm_id))
    write_audit_entries(
        connection,
        [
            AuditEntry(event_type=event, realm_id=job.realm_id, event_time=now, extra_data=extra)
            for event, extra in zip(AUDIT_ENTRIES, said, strict=True)
        ],
    )


def _set_group_hashes(connection: sa.Connection, job: ImportJob) -> None:
    """A direct message group is found by a hash of its members' ids, which are new."""
    groups, recipients = tables["zerver_huddle"], tables["zerver_recipient"]
    subscriptions = tables["zerver_subscription"]
    members: dict[int, set[int]] = defaultdict(set)
    new_ids = [job.ids["zerver_huddle"].get(old) for old in job.index.ids["zerver_huddle"]]
    for some in _slices([ident for ident in new_ids if ident is not None]):
        query = (
            sa.select(recipients.c.type_id, subscriptions.c.user_profile_id)
            .join(subscriptions, subscriptions.c.recipient_id == recipients.c.id)
            .where(recipients.c.type == GROUP, recipients.c.type_id.in_(some))
        )
        for group, user in connection.execute(query):
            members[group].add(user)
    if members:
        connection.execute(
            sa.update(groups)
            .where(groups.c.id == sa.bindparam("group_id"))
            .values(huddle_hash=sa.bindparam("group_hash")),
            [
                {"group_id": group, "group_hash": group_hash(users)}
                for group, users in members.items()
            ],
        )


def group_hash(user_ids: Iterable[int]) -> str:
    """The server's key of a direct message group: SHA-1 over the members' ids, ascending."""
    joined = ",".join(str(ident) for ident in sorted(set(user_ids)))
    return hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()


def _slices(ids: list[int], size: int = 500) -> Iterator[list[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _set_first_messages(connection: sa.Connection, realm_id: int) -> None:
    """Where the history of each channel begins."""
    channels, recipients, messages = (
        tables[name] for name in ("zerver_stream", "zerver_recipient", "zerver_message")
    )
    # Asked for on its own: inside of the update it would be found out for each channel again.
    first = (
        sa.select(
            recipients.c.type_id.label("channel_id"), sa.func.min(messages.c.id).label("first_id")
        )
        .join(messages, messages.c.recipient_id == recipients.c.id)
        .where(recipients.c.type == CHANNEL, messages.c.realm_id == realm_id)
        .group_by(recipients.c.type_id)
    )
    if found := [dict(row) for row in connection.execute(first).mappings()]:
        connection.execute(
            sa.update(channels)
            .where(channels.c.realm_id == realm_id, channels.c.id == sa.bindparam("channel_id"))
            .values(first_message_id=sa.bindparam("first_id")),
            found,
        )


def _set_user_activity_of_subscriptions(connection: sa.Connection, realm_id: int) -> None:
    """`is_user_active` repeats what the user's own row says."""
    subscriptions, users = tables["zerver_subscription"], tables["zerver_userprofile"]
    for active in (True, False):
        mine = sa.select(users.c.id).where(
            users.c.realm_id == realm_id, users.c.is_active.is_(active)
        )
        connection.execute(
            sa.update(subscriptions)
            .where(
                subscriptions.c.user_profile_id.in_(mine),
                subscriptions.c.is_user_active.is_not(active),
            )
            .values(is_user_active=active)
        )
