"""An export that an administrator asked for in the web application, from the queue to its end."""

from __future__ import annotations

import fcntl
import json
import signal
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.zops_queue.receiving import until
from tests.zops_realm.beside_server import BesideServer, published
from tests.zops_realm.realm_state import insert, rows, update
from zcore.broker import encode_event
from zcore.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.testing import SampleRealm, TemporaryPlugins, Zops

REQUESTED, STARTED, SUCCEEDED, FAILED, DELETED = 1, 2, 3, 4, 5
WORK = ("process-queue", "deferred_work", "--drain")
SLOW = """
    import os, pathlib, time

    def more(job):
        home = pathlib.Path(os.environ["ZOPS_HOME"])
        (home / "exporting").touch()
        while not (home / "go on").exists():
            job.may_go_on()
            time.sleep(0.05)
"""
KILLED_ONCE = """
    import os, pathlib, signal

    def more(job):
        mark = pathlib.Path(os.environ["ZOPS_HOME"]) / "killed"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""
STOPPED_EARLY = """
    import os, signal, time

    def more(job):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as when it is just starting
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(60)
"""
STAGE = """
    from zcore import Stage, hookimpl

    @hookimpl
    def zops_export_stages():
        return [Stage("more", "dist_of_slow.work:more", needs=("realm",))]
"""


@pytest.fixture
def asking(zops: Zops, sqlite_realm: SampleRealm, sqlite_database: Database) -> Asking:
    return Asking(zops, sqlite_database, sqlite_realm)


class Asking:
    """An administrator who asks for exports."""

    def __init__(self, zops: Zops, database: Database, realm: SampleRealm) -> None:
        self.zops = zops
        self.database = database
        self.realm = realm

    def ask(self, kind: int = 1, status: int = REQUESTED, **changes: object) -> int:
        """Ask for an export. Returns its number."""
        row = {
            "realm_id": self.realm.realm_id,
            "type": kind,
            "status": status,
            "date_requested": datetime.now(UTC) - timedelta(minutes=1),
            "acting_user_id": self.realm.admin.user_id,
        }
        number = insert(self.database, "zerver_realmexport", **{**row, **changes})
        event = {"user_profile_id": self.realm.admin.user_id, "realm_export_id": number}
        body = encode_event({"type": "realm_export", "time": 1.0, **event})
        self.zops("queue", "publish", "deferred_work", stdin=f"{body.decode()}\n")
        return number

    def row(self, number: int) -> dict[str, Any]:
        (found,) = rows(self.database, "zerver_realmexport", id=number)
        return found

    def messages(self) -> list[str]:
        """What the administrator has been told since the beginning."""
        to = self.realm.admin.recipient_id
        return [row["content"] for row in rows(self.database, "zerver_message", recipient_id=to)]


def test_an_export_is_made_and_announced(asking: Asking, uploads: Path) -> None:
    number = asking.ask()
    assert "Warning" not in asking.zops(*WORK).stderr
    row = asking.row(number)
    assert row["status"] == SUCCEEDED
    assert row["export_path"].startswith(f"/user_avatars/exports/{asking.realm.realm_id}/")
    archive = uploads / "avatars" / row["export_path"].removeprefix("/user_avatars/")
    assert archive.stat().st_size == row["tarball_size_bytes"]
    (entry,) = rows(asking.database, "zerver_realmauditlog", event_type=206)
    assert entry["acting_user_id"] == asking.realm.admin.user_id
    assert entry["extra_data"] == {"realm_export_id": number}
    (message,) = asking.messages()
    assert "[see and download it](/#organization/data-exports-admin)" in message
    asking.zops("queue", "publish", "deferred_work", stdin=_again(asking, number))
    asking.zops(*WORK)
    assert asking.row(number) == row
    assert len(asking.messages()) == 1


def _again(asking: Asking, number: int) -> str:
    user = asking.realm.admin.user_id
    event = {"type": "realm_export", "user_profile_id": user, "realm_export_id": number}
    return f"{json.dumps(event)}\n"


def test_which_exports_are_made(asking: Asking, uploads: Path) -> None:
    """One whose maker was killed, and one that failed; what is deleted stays so."""
    numbers = [asking.ask(kind, status) for kind, status in ((2, STARTED), (3, FAILED))]
    deleted = asking.ask(1, DELETED)
    strange = asking.ask(9)
    asking.zops(*WORK, exit_code=5)
    assert [asking.row(number)["status"] for number in numbers] == [SUCCEEDED] * 2
    assert asking.row(deleted)["status"] == DELETED
    assert asking.row(strange)["status"] == REQUESTED
    dead = asking.zops("--json", "queue", "dead", "deferred_work").json()["dead_letters"]
    assert [each["error"] for each in dead] == ["nobody knows what an export of the type 9 is"]


def test_an_export_that_is_refused(asking: Asking) -> None:
    update(asking.database, "zerver_userprofile", asking.realm.owner.user_id, is_active=False)
    number = asking.ask()
    asking.zops(*WORK, exit_code=5)
    row = asking.row(number)
    assert row["status"] == FAILED
    assert row["date_failed"] is not None
    (dead,) = asking.zops("--json", "queue", "dead", "deferred_work").json()["dead_letters"]
    assert dead["error"].startswith("the export failed: ")
    assert dead["attempts"] == 1
    assert asking.messages() == []


def test_a_stop_leaves_the_event_in_the_queue(
    asking: Asking, temporary_plugins: TemporaryPlugins, uploads: Path
) -> None:
    temporary_plugins.install("slow", STAGE, work=SLOW)
    number = asking.ask()
    process = asking.zops.start("process-queue", "deferred_work")
    until(lambda: (asking.zops.home / "exporting").exists(), 30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert asking.row(number)["status"] == FAILED
    (counted,) = asking.zops("--json", "queue", "stats", "deferred_work").json()["queues"]
    assert counted["ready"] == 1
    asking.zops.environment["ZOPS_DISABLE_PLUGINS"] = "slow"
    asking.zops(*WORK)
    assert asking.row(number)["status"] == SUCCEEDED
    assert asking.row(number)["date_failed"] is None


def test_a_stop_while_an_export_is_just_starting_is_no_failure(
    asking: Asking, temporary_plugins: TemporaryPlugins, uploads: Path
) -> None:
    temporary_plugins.install("slow", STAGE, work=STOPPED_EARLY)
    number = asking.ask()
    asking.zops("process-queue", "deferred_work")
    assert asking.row(number)["status"] == STARTED
    (counted,) = asking.zops("--json", "queue", "stats", "deferred_work").json()["queues"]
    assert (counted["ready"], counted["delayed"]) == (1, 0)


def test_an_export_goes_on_when_its_worker_is_killed(
    asking: Asking, temporary_plugins: TemporaryPlugins, uploads: Path
) -> None:
    """The next worker waits for it, makes no other one, and says that it is there."""
    temporary_plugins.install("slow", STAGE, work=SLOW)
    number = asking.ask()
    killed = asking.zops.start("process-queue", "deferred_work")
    until(lambda: (asking.zops.home / "exporting").exists(), 30)
    killed.kill()
    killed.wait(20)
    process = asking.zops.start("process-queue", "deferred_work")
    said = f"waits: export {number} is being made by another process"
    assert process.stderr is not None
    assert any(said in line for line in process.stderr)
    (asking.zops.home / "go on").touch()
    until(asking.messages, 30)
    process.terminate()
    assert process.wait(20) == 0
    assert asking.row(number)["status"] == SUCCEEDED
    assert len(list((uploads / "avatars" / "exports").rglob("*.tar.gz"))) == 1
    assert len(rows(asking.database, "zerver_realmauditlog", event_type=206)) == 1


def test_what_somebody_else_makes_is_left_to_them(asking: Asking) -> None:
    number = asking.ask()
    folder = asking.zops.home / "requested-exports"
    folder.mkdir()
    with (folder / str(number)).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = asking.zops.start("process-queue", "deferred_work")
        said = f"waits: export {number} is being made by another process"
        assert process.stderr is not None
        assert any(said in line for line in process.stderr)
        assert asking.row(number)["status"] == REQUESTED
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.rabbitmq
def test_beside_a_server_administrators_hear_of_it(
    zops: Zops,
    temporary_plugins: TemporaryPlugins,
    postgres_url: str,
    rabbitmq_url: str,
    tmp_path: Path,
) -> None:
    """Also when the process that made it was killed, before another attempt goes well."""
    temporary_plugins.install("slow", STAGE, work=KILLED_ONCE)
    beside = BesideServer(zops, postgres_url, "0" * 16)
    beside.tell(None, rabbitmq_url)
    zops.environment |= {"ZOPS_UPLOADS": str(tmp_path / "files"), "ZOPS_AVATAR_SALT": "salt"}
    with closing(Database.connect(postgres_url)) as database:
        (owner,) = rows(database, "zerver_userprofile", delivery_email="olive@a.test")
        row = {
            "realm_id": owner["realm_id"],
            "type": 1,
            "status": REQUESTED,
            "date_requested": datetime(2026, 3, 4, tzinfo=UTC),
            "acting_user_id": owner["id"],
        }
        number = insert(database, "zerver_realmexport", **row)
        event = {"type": "realm_export", "user_profile_id": owner["id"]}
        body = encode_event({**event, "realm_export_id": number})
        zops("queue", "publish", "deferred_work", stdin=f"{body.decode()}\n")
        zops(*WORK)
        (done,) = rows(database, "zerver_realmexport")
    (failed, _), (told, _) = published(rabbitmq_url, "notify_tornado")
    (listed,) = failed["event"]["exports"]
    assert (listed["id"], listed["pending"], listed["export_url"]) == (number, False, None)
    assert listed["failed_timestamp"] is not None
    assert failed["users"] == told["users"] == [owner["id"]]
    assert told["event"] == {
        "type": "realm_export",
        "exports": [
            {
                "id": number,
                "export_time": 1772582400,
                "acting_user_id": owner["id"],
                "export_url": f"https://acme.chat.test{done['export_path']}",
                "deleted_timestamp": None,
                "failed_timestamp": None,
                "pending": False,
                "export_type": 1,
            }
        ],
    }
