"""The stage of an export that writes messages, and who has them: nearly all of its rows."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from zops_export.export_layout import message_file
from zops_export.gathering import gathered_ids, gathered_rows
from zops_export.row_files import TableFile
from zops_export.row_stages import row_query
from zops_export.selection import messages, user_messages

if TYPE_CHECKING:
    from zops_export.export_job import ExportJob
    from zops_export.row_stages import RowQuery

MESSAGES_IN_A_FILE = 1000
MOST_LISTED = 10_000  # owners: their list goes to the database with every query
HASHES_LISTS = (14,)  # the version from which on PostgreSQL does not look through a list
Owners = sa.ColumnElement[Sequence[int]]
FIRST, LAST, IDS = "first_message", "last_message", "message_ids"


@dataclass(frozen=True, slots=True)
class MessageFile:
    """One message file: its number from 1, and the ids of its messages, ascending."""

    number: int
    ids: Sequence[int]

    @property
    def dense(self) -> bool:
        """Does no other message lie in between?"""
        return isinstance(self.ids, range)

    def values(self, dialect: str) -> dict[str, object]:
        """What the queries are asked with."""
        values: dict[str, object] = {FIRST: self.ids[0], LAST: self.ids[-1]}
        if not self.dense:
            listed = ",".join(map(str, self.ids))
            values[IDS] = f"[{listed}]" if dialect == "sqlite" else f"{{{listed}}}"
        return values


@dataclass(frozen=True, slots=True)
class MessageQueries:
    """The queries for the rows of one message file after the other."""

    messages: RowQuery
    user_messages: RowQuery

    @classmethod
    def of(cls, job: ExportJob, owners: Owners | None, *, dense: bool) -> MessageQueries:
        """Those for files of one kind; `owners` as in `_owners`."""
        owner = job.selection.user_message_owner(owners)
        condition = sa.and_(_is_in_file(user_messages.c.message_id, job.dialect, dense), owner)
        return cls(
            row_query(job, messages, _is_in_file(messages.c.id, job.dialect, dense)),
            row_query(job, user_messages, condition)
            if job.dialect == "sqlite"
            else gathered_rows(user_messages, condition, job.rewrites.replaced(user_messages)),
        )


def _is_in_file(column: sa.Column[int], dialect: str, dense: bool) -> sa.ColumnElement[bool]:
    """Is it one of the messages? The range leads even a database without statistics to its index;
    where other messages lie in between, each id has to be named too.
    """
    first, last = (sa.bindparam(name, 0, sa.BigInteger) for name in (FIRST, LAST))
    within = column.between(first, last)
    if dense:
        return within
    ids = sa.bindparam(IDS, "", sa.Text)
    if dialect == "sqlite":
        listed = sa.func.json_each(ids).table_valued("value")
        return sa.and_(within, column.in_(sa.select(listed.c.value)))
    # of the column's own type: PostgreSQL makes a hash table only of such a list
    return sa.and_(within, column == sa.any_(sa.cast(ids, ARRAY(column.type))))


def write_messages(job: ExportJob) -> dict[str, int]:
    """The message files, a thousand messages each, with the user messages that belong to them."""
    files = _message_files(job)
    owners = _owners(job)
    queries = {dense: MessageQueries.of(job, owners, dense=dense) for dense in (True, False)}
    with ThreadPoolExecutor(job.readers, thread_name_prefix="zops-messages") as pool:
        futures = [pool.submit(_write_file, job, file, queries[file.dense]) for file in files]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {"rows": sum(future.result() for future in futures), "files": len(files)}


def _owners(job: ExportJob) -> Owners | None:
    """Whose user messages are written, as a list: looked up once, not once for each file.

    None where PostgreSQL had better look them up.
    """
    with job.read() as reader:
        version = reader.connection.dialect.server_version_info or ()
        if job.dialect == "sqlite" or version < HASHES_LISTS:
            return None
        query = job.selection.owner_ids().limit(MOST_LISTED + 1)
        found = reader.connection.execute(query).scalars().all()
    if len(found) > MOST_LISTED:
        return None
    listed = sa.literal(f"{{{','.join(map(str, found))}}}", sa.Text)
    return sa.cast(listed, ARRAY(sa.Integer))


def _message_files(job: ExportJob) -> list[MessageFile]:
    """Which messages each file holds: asked once, because the rules look at many tables."""
    ids = array("q")
    files: list[MessageFile] = []

    def cut(size: int) -> None:
        while len(ids) >= size:
            files.append(MessageFile(len(files) + 1, _compact(ids[:MESSAGES_IN_A_FILE])))
            del ids[:MESSAGES_IN_A_FILE]

    def take(block: bytes) -> None:
        ids.extend(map(int, block.split()))
        cut(MESSAGES_IN_A_FILE)

    with job.read() as reader:
        reader.copy_out(_id_query(job), take)
    cut(1)
    return files


def _id_query(job: ExportJob) -> sa.Select[str]:
    condition = job.selection.message_condition()
    if job.dialect == "postgresql":
        return gathered_ids(messages.c.id, condition)
    ident = messages.c.id
    return sa.select(sa.cast(ident, sa.Text)).where(condition).order_by(ident)


def _compact(ids: array[int]) -> Sequence[int]:
    """The same ids, as a range where they are one."""
    whole = range(ids[0], ids[-1] + 1)
    return whole if len(whole) == len(ids) else ids


def _write_file(job: ExportJob, part: MessageFile, queries: MessageQueries) -> int:
    """One message file; how many rows."""
    job.may_go_on()
    name = message_file(part.number)
    values = part.values(job.dialect)
    with job.open(name) as file, job.read() as reader:
        target = TableFile(file)
        target.write_rows(messages.name, reader, queries.messages, values=values)
        if job.dialect == "sqlite":
            target.write_rows(user_messages.name, reader, queries.user_messages, values=values)
        else:
            target.write_lines(user_messages.name, reader, queries.user_messages, values=values)
        target.close()
    count = sum(target.rows.values())
    job.rows[name.removesuffix(".json")] = target.rows
    job.advance(rows=count)
    return count
