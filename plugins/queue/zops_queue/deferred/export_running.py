"""An administrator asked for an export in the web application: it is made by `zops export`.

That is a process of its own, which takes its memory with it when it ends, and which writes down
what the web application shows. A lock that it shares with us keeps others away, also when we are
killed and it goes on.
"""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from zcore import current
from zcore.errors import ExitCode, Failed, Interrupted, Unreachable
from zcore.private_folders import make_private_folder
from zcore.schema.realms import zerver_realmexport
from zops_queue.deferred.child import run_zops
from zops_queue.deferred.export_message import say_that_it_is_there
from zops_queue.workers.fields import BadField, id_field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.broker import Event, WorkContext

REQUESTED, STARTED, SUCCEEDED, FAILED, DELETED = 1, 2, 3, 4, 5  # `zerver_realmexport.status`
FLAGS = {1: "--public-only", 2: "--export-full-with-consent", 3: "--full"}  # by its `type`
LOCKS = "requested-exports"  # in the data folder
# What trying again would not change
FOR_GOOD = (ExitCode.USAGE, ExitCode.REFUSED, ExitCode.BUG)
STOPPED = (ExitCode.INTERRUPTED, -signal.SIGTERM)  # the latter when it was just starting


class Request(NamedTuple):
    """The row of the export."""

    id: int
    realm_id: int
    type: int
    status: int


def run_export(event: Event, work: WorkContext) -> str:
    """Make the export `realm_export_id`, and say to `user_profile_id` that it is there.

    One that is there already is not made again. Raises `Failed` when another attempt may help,
    `Interrupted` when asked to stop, `Unreachable` while somebody else makes it.
    """
    user_id = id_field(event.payload, "user_profile_id")
    export_id = id_field(event.payload, "realm_export_id")
    with _alone(export_id) as lock:
        request = _find(work, export_id)
        if request.type not in FLAGS:
            return f"nobody knows what an export of the type {request.type} is"
        if request.status not in (SUCCEEDED, DELETED) and (reason := _make(request, work, lock)):
            return reason
    if request.status != DELETED:
        say_that_it_is_there(work, user_id, export_id)
    return ""


def _make(request: Request, work: WorkContext, lock: int) -> str:
    """Make the export. Returns why it can never be made, or ""."""
    words = (
        "export",
        "--realm",
        f"id:{request.realm_id}",
        "--requested",
        str(request.id),
        FLAGS[request.type],
        "--upload",
    )
    ended = run_zops(current(), words, keep_open=lock)
    if ended.exit_code in (ExitCode.DONE, ExitCode.FINDINGS):
        return ""
    if ended.exit_code in STOPPED and current().stop.is_set():
        raise Interrupted("stopped while an export was made")
    if ended.exit_code < 0:  # it could not say so to those who wait for it
        run_zops(current(), (*words, "--given-up"), keep_open=lock)
    _write_that_it_failed(work, request)
    reason = f"the export failed: {ended.reason}"
    if ended.exit_code in FOR_GOOD:
        return reason
    raise Failed(reason, code="export-failed")


def _find(work: WorkContext, export_id: int) -> Request:
    rows = zerver_realmexport.c
    chosen = sa.select(rows.id, rows.realm_id, rows.type, rows.status).where(rows.id == export_id)
    with work.database.read() as connection:
        row = connection.execute(chosen).first()
    if row is None:
        raise BadField(f"no export {export_id}")
    return Request(*row)


def _write_that_it_failed(work: WorkContext, request: Request) -> None:
    """What none of its processes could write, if so."""
    rows = zerver_realmexport.c
    update = sa.update(zerver_realmexport).where(
        rows.id == request.id, rows.status.in_([REQUESTED, STARTED])
    )
    with work.database.begin() as connection:
        connection.execute(update.values(status=FAILED, date_failed=work.clock()))


@contextmanager
def _alone(export_id: int) -> Iterator[int]:
    """While inside, nobody else on this machine makes the export; gives what proves it.

    The proof is a lock, which lasts as long as any process has it open. The file stays: whoever
    waits for it must not get one that is no more. Raises `Unreachable` when somebody else has it.
    """
    folder = current().settings.home / LOCKS
    make_private_folder(folder)
    descriptor = os.open(folder / str(export_id), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError as error:
        raise Unreachable(f"export {export_id} is being made by another process") from error
    finally:
        os.close(descriptor)
