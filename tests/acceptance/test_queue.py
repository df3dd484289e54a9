"""`zops process-queue` and `zops queue`, as a user runs them, on both brokers and databases."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.request
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.zops_queue.receiving import until
from zcore.internal_realm import ensure_internal_realm
from zcore.schema.activity import zerver_client, zerver_useractivity, zerver_useractivityinterval
from zcore.schema.users import zerver_userprofile

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing.commands import Zops


@pytest.fixture(params=["embedded", pytest.param("amqp", marks=pytest.mark.rabbitmq)])
def zops_queue(zops: Zops, request: pytest.FixtureRequest) -> Zops:
    """`zops` with a broker; the test runs once with each kind."""
    if request.param == "amqp":
        zops.environment["ZOPS_BROKER"] = request.getfixturevalue("rabbitmq_url")
    return zops


def on(zops: Zops, database: Database) -> tuple[int, int]:
    """Let `zops` work on `database`. The ids of a user and a client in it."""
    zops.environment["ZOPS_DATABASE"] = database.url.render_as_string(hide_password=False)
    with database.begin() as connection:
        ensure_internal_realm(connection)
        user = connection.execute(sa.select(sa.func.min(zerver_userprofile.c.id))).scalar_one()
        client = connection.execute(sa.select(sa.func.min(zerver_client.c.id))).scalar_one()
    return user, client


def lines(*events: object) -> str:
    return "".join(f"{json.dumps(event)}\n" for event in events)


@pytest.fixture(
    params=[
        "sqlite and embedded",
        pytest.param("postgresql and amqp", marks=[pytest.mark.postgres, pytest.mark.rabbitmq]),
    ]
)
def small_and_large(zops: Zops, request: pytest.FixtureRequest) -> tuple[Zops, Database]:
    """`zops` as on a laptop and as beside a server, and the database that it works on."""
    kind = request.param.split()[0].removesuffix("ql")
    database: Database = request.getfixturevalue(f"{kind}_database")
    if kind == "postgres":
        zops.environment["ZOPS_BROKER"] = request.getfixturevalue("rabbitmq_url")
    return zops, database


def test_activity_is_published_and_processed(small_and_large: tuple[Zops, Database]) -> None:
    zops_queue, database = small_and_large
    user, client = on(zops_queue, database)
    good = {"user_profile_id": user, "client_id": client, "query": "q", "time": 1_700_000_000}
    bad = [good | {"user_profile_id": 10**6}, good | {"query": "x" * 51}]
    published = zops_queue(
        "--json", "queue", "publish", "user_activity", stdin=lines(good, *bad, good)
    )
    assert published.json() == {"ok": True, "published": 4}
    poison = zops_queue("queue", "publish", "user_activity", "--raw", stdin='{"cut off\n')
    assert "published 1 events" in poison.stdout

    done = zops_queue(
        "--json", "process-queue", "--queue_name", "user_activity", "--drain", exit_code=5
    )
    report = done.json()
    assert report["ok"] is False
    assert (report["processed"], report["retried"], report["dead"]) == (2, 0, 3)
    assert report["seconds"] > 0
    assert [finding["where"] for finding in report["findings"]] == ["user_activity"]

    table = zerver_useractivity.c
    with database.read() as connection:
        row = connection.execute(sa.select(table.query, table.count)).one()
    assert tuple(row) == ("q", 2)
    dead = zops_queue("--json", "queue", "dead", "user_activity").json()["dead_letters"]
    assert {letter["error"].split(":")[0] for letter in dead} == {
        "no user 1000000",
        "query has 51 characters, more than 50",
        "the event is not JSON",
    }
    again = zops_queue("--json", "process-queue", "user_activity", "--drain").json()
    assert (again["ok"], again["processed"], again["dead"]) == (True, 0, 0)


def test_several_queues_in_threads(zops_queue: Zops, sqlite_database: Database) -> None:
    user, client = on(zops_queue, sqlite_database)
    activity = {"user_profile_id": user, "client_id": client, "query": "q", "time": 1_700_000_000}
    sign = {"user_profile_id": user, "time": 1_700_000_000}
    zops_queue("queue", "publish", "user_activity", stdin=lines(*[activity] * 150))
    zops_queue("queue", "publish", "user_activity_interval", stdin=lines(sign, sign))
    done = zops_queue("--json", "process-queue", "--all", "--multi-threaded", "--drain")
    assert done.json()["processed"] == 152
    with sqlite_database.read() as connection:
        assert connection.execute(sa.select(zerver_useractivity.c.count)).scalar_one() == 150
        found = connection.execute(sa.select(zerver_useractivityinterval.c.start)).all()
    assert len(found) == 1


def test_a_signal_ends_it_after_what_is_in_hand(
    zops_queue: Zops, sqlite_database: Database
) -> None:
    how = signal.SIGTERM if "ZOPS_BROKER" in zops_queue.environment else signal.SIGINT
    user, client = on(zops_queue, sqlite_database)
    event = {"user_profile_id": user, "client_id": client, "query": "q", "time": 1_700_000_000}
    zops_queue("queue", "publish", "user_activity", stdin=lines(*[event] * 20_000))
    process = zops_queue.start("--json", "process-queue", "user_activity")
    counted = wait_for_a_row(sqlite_database, process)
    process.send_signal(how)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    report = json.loads(stdout)
    assert report["ok"] is True
    assert 0 < counted <= report["processed"]
    (state,) = zops_queue("--json", "queue", "list").json()["queues"]
    with sqlite_database.read() as connection:
        count = connection.execute(sa.select(zerver_useractivity.c.count)).scalar_one()
    assert count == report["processed"]
    assert state["ready"] + count == 20_000


def wait_for_a_row(database: Database, process: subprocess.Popen[str]) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with database.read() as connection:
            count = connection.execute(sa.select(zerver_useractivity.c.count)).scalar()
        if count:
            return int(count)
        time.sleep(0.01)
    raise AssertionError("nothing was processed")


def test_bad_input_publishes_nothing(zops_queue: Zops, tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text('{"a":1}\n{"b":2}\n[3]\n')
    refused = zops_queue("queue", "publish", "noop", path, exit_code=3)
    assert f"{path}, line 3:" in refused.stderr.splitlines()[0]
    listed = zops_queue("--json", "queue", "list").json()["queues"]
    assert [state["ready"] for state in listed if state["queue"] == "noop"] in ([], [0])


def test_looking_into_a_queue_and_emptying_it(zops_queue: Zops, tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text('{"a": 1}\n{"b": 2}\n')
    zops_queue("queue", "publish", "noop", path)
    shown = zops_queue("--json", "queue", "peek", "noop", "--count", "1").json()
    assert [each["event"] for each in shown["events"]] == [{"a": 1}]
    (state,) = zops_queue("--json", "queue", "list").json()["queues"]
    assert (state["queue"], state["ready"], state["worker"]) == ("noop", 2, True)
    assert state["handled_by"] == "zops"
    assert "noop" in zops_queue("queue", "list").stdout
    counted = zops_queue("--json", "queue", "stats", "noop").json()
    in_hand = None if "ZOPS_BROKER" in zops_queue.environment else 0
    numbers = {"ready": 2, "in_hand": in_hand, "delayed": 0, "dead": 0, "consumers": 0}
    assert counted["queues"] == [{"queue": "noop", **numbers}]
    assert counted["total"] == numbers
    assert zops_queue("queue", "stats").stdout.splitlines()[-1].split()[:2] == ["all", "2"]
    unsure = zops_queue("queue", "purge", "noop", exit_code=3)
    assert "--yes" in unsure.stderr
    purged = zops_queue("--json", "queue", "purge", "noop", "--yes").json()
    assert purged == {"ok": True, "purged": 2}
    assert "nothing is ready" in zops_queue("queue", "peek", "noop").stdout
    assert "no dead letters" in zops_queue("queue", "dead", "noop").stdout


def test_dead_letters_go_back_or_are_thrown_away(zops_queue: Zops) -> None:
    zops_queue("queue", "publish", "noop", "--raw", stdin="poison\nnull\n[1]\n")
    zops_queue("process-queue", "noop", "--drain", exit_code=5)
    dead = zops_queue("--json", "queue", "dead", "noop").json()
    assert dead["dead"] == 3
    ids = {letter["body"]: letter["id"] for letter in dead["dead_letters"]}

    chosen = ("--id", ids["null"], "--newer-than", "1h", "--error", "not an object")
    replayed = zops_queue("--json", "queue", "replay", "noop", *chosen).json()
    assert replayed == {"ok": True, "queue": "noop", "replayed": 1, "ids": [ids["null"]]}
    again = zops_queue("--json", "queue", "replay", "noop", "--id", ids["null"], exit_code=5)
    assert (again.json()["replayed"], len(again.json()["findings"])) == (0, 1)
    (state,) = zops_queue("--json", "queue", "list").json()["queues"]
    assert (state["ready"], state["dead"]) == (1, 2)

    unsure = zops_queue("queue", "drop", "noop", "--id", ids["poison"], exit_code=3)
    assert "--yes" in unsure.stderr
    assert "which dead letters?" in zops_queue("queue", "drop", "noop", "--yes", exit_code=2).stderr
    dropped = zops_queue("--json", "queue", "drop", "noop", "--id", ids["poison"], "--yes").json()
    assert (dropped["dropped"], dropped["ids"]) == (1, [ids["poison"]])
    assert "threw away 1 " in zops_queue("queue", "drop", "noop", "--all", "--yes").stdout
    assert zops_queue("--json", "queue", "dead", "noop").json()["dead"] == 0
    assert "put 0 dead letters back" in zops_queue("queue", "replay", "noop").stdout


def test_statistics_for_the_servers_monitoring(zops_queue: Zops, tmp_path: Path) -> None:
    folder = tmp_path / "var" / "queue_stats"
    zops_queue.environment["ZOPS_QUEUE_STATS_FOLDER"] = str(folder)
    zops_queue("queue", "publish", "noop", stdin=lines(*[{"n": 1}] * 250))
    zops_queue("process-queue", "noop", "--drain")
    assert [path.name for path in folder.iterdir()] == ["noop.stats"]
    assert (folder / "noop.stats").stat().st_mode & 0o777 == 0o644
    written = json.loads((folder / "noop.stats").read_text())
    assert list(written) == [
        "update_time",
        "recent_average_consume_time",
        "queue_last_emptied_timestamp",
        "consumed_since_last_emptied",
    ]
    assert 0 < written["recent_average_consume_time"] < 1
    assert abs(time.time() - written["update_time"]) < 3600
    assert written["consumed_since_last_emptied"] == 0

    folder.chmod(0o755)
    zops_queue.environment["ZOPS_QUEUE_STATS_FOLDER"] = "/dev/null/stats"
    warned = zops_queue("process-queue", "noop", "--drain").stderr
    assert warned.count("cannot be written") == 1


def test_health_and_numbers_of_a_run(zops_queue: Zops) -> None:
    zops_queue("queue", "publish", "noop", "--raw", stdin='{"n":1}\n{"n":2}\npoison\n')
    process = zops_queue.start("process-queue", "noop", "--http", ":0")
    assert process.stderr is not None
    said = next(line for line in process.stderr if "/healthz" in line)
    url = re.search(r"http://127\.0\.0\.1:\d+", said)
    assert url is not None
    try:
        done = 'zops_queue_events_total{queue="noop",outcome="processed"} 2.0'
        until(lambda: done in read(f"{url[0]}/metrics"))
        until(lambda: '"noop",outcome="dead"} 1.0' in read(f"{url[0]}/metrics"))
        health = json.loads(read(f"{url[0]}/healthz"))
        assert health == {"ok": True, "queues": {"noop": {"ok": True, "state": "idle"}}}
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_log_for_programs(zops_queue: Zops) -> None:
    zops_queue("queue", "publish", "noop", "--raw", stdin="poison\n")
    drain = ("--json", "process-queue", "noop", "--drain", "--log-format", "json")
    done = zops_queue(*drain, exit_code=5)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(each["level"], each["message"]) for each in said[:1]] == [("info", "processing noop")]
    (given_up,) = [each for each in said if each["level"] == "warning"]
    assert (given_up["queue"], given_up["attempts"]) == ("noop", 1)
    assert given_up["error"].startswith("the event is not JSON")
    assert datetime.fromisoformat(given_up["time"]).tzinfo is not None
    assert given_up["pid"] > 0


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 # ours, over http
        return str(answer.read().decode())


def test_an_error_file_of_the_server_is_replayed(zops_queue: Zops, tmp_path: Path) -> None:
    path = tmp_path / "noop.errors"
    time_of_failure = "Sun Nov 22 19:44:11 2026\t"
    text = f'{time_of_failure}[{{"n": 1}}, {{"n": 2}}]\n{time_of_failure}[{{"n": 3\n'
    path.write_text(text + f'{time_of_failure}[[{{"n": 4}}], 5]\n')
    before = path.read_bytes()
    replay = ("--json", "queue", "replay", "noop", "--from-file", path)
    report = zops_queue(*replay, exit_code=5).json()
    assert (report["replayed"], report["unreadable"], report["renamed"]) == (3, 2, None)
    wheres = [finding["where"] for finding in report["findings"]]
    assert wheres == [f"{path}, line 2", f"{path}, line 3"]
    assert path.read_bytes() == before
    shown = zops_queue("--json", "queue", "peek", "noop").json()["events"]
    assert [each["event"]["n"] for each in shown] == [1, 2, 4]

    path.write_text(f'{time_of_failure}[{{"n": 5}}]\n')
    renamed = zops_queue(*replay, "--rename").json()["renamed"]
    assert renamed == f"{path}.replayed"
    assert not path.exists()
    assert "5" in (tmp_path / "noop.errors.replayed").read_text()
    assert zops_queue("process-queue", "noop", "--drain").stdout.startswith("processed 4 events")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["process-queue", "--queue-name", "user_activty"], 2, "did you mean 'user_activity'?"),
        (["process-queue", "digest_emails"], 3, "no worker for queue 'digest_emails'"),
        (["process-queue"], 2, "which queue?"),
        (["process-queue", "noop", "--http", "everywhere"], 2, "is not HOST:PORT"),
        (["process-queue", "noop", "--http", "192.0.2.1:0"], 3, "cannot listen on 192.0.2.1:0"),
        (["process-queue", "--all", "noop"], 2, "not both"),
        (["queue", "publish", "no-op"], 2, "did you mean 'noop'?"),
        (["queue", "publish", "noop", "no-such-file"], 3, "cannot read no-such-file"),
        (["queue", "purge", "nop", "--yes"], 2, "did you mean 'noop'?"),
        (["queue", "replay", "noop", "--older-than", "soon"], 2, "30m, 2h, 7d"),
        (["queue", "replay", "noop", "--from-file", "no-such"], 3, "cannot read or rename no-such"),
        (["queue", "replay", "noop", "--from-file", "x", "--id", "1"], 2, "all events of the file"),
        (["queue", "stats", "no-op"], 2, "did you mean 'noop'?"),
        (["queue", "replay", "noop", "--rename"], 2, "goes with --from-file"),
        (["queue", "drop", "noop", "--all", "--id", "1"], 2, "not both"),
    ],
)
def test_mistakes_on_the_command_line(
    zops: Zops, arguments: list[str], exit_code: int, said: str
) -> None:
    refused = zops(*arguments, exit_code=exit_code)
    assert said in refused.stderr
    assert refused.stderr.startswith("zops: error:")


@pytest.mark.parametrize(
    "arguments",
    [["process-queue", "noop"], ["queue", "list"], ["queue", "publish", "noop"]],
    ids=lambda arguments: " ".join(arguments),
)
def test_without_a_broker_it_says_so_in_one_line(zops: Zops, arguments: list[str]) -> None:
    zops.environment["ZOPS_BROKER"] = "amqp://zops:very-secret@127.0.0.1:1/"
    failed = zops(*arguments, exit_code=4)
    errors = [line for line in failed.stderr.splitlines() if line.startswith("zops: error:")]
    assert len(errors) == 1
    assert "Connection refused" in errors[0]
    assert "very-secret" not in failed.stdout + failed.stderr


STRANGER = """
from zcore import Worker, hookimpl
from zcore.broker import Rejected

@hookimpl
def zops_queue_workers():
    return [Worker("acme_greetings", "zops_acme:greet", "Greets.", batch=10)]

def greet(events, context):
    for event in events:
        if event.payload.get("n") == 1 and not event.attempts:
            raise ValueError("not at the first attempt")
        context.publish("noop", {"hello": event.payload.get("n")})
    return [Rejected(event, "it has no number") for event in events if "n" not in event.payload]
"""


def test_a_strangers_worker_works_like_ours(zops_queue: Zops, tmp_path: Path) -> None:
    record = tmp_path / "site" / "zops_acme-1.0.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: zops-acme\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text("[zops]\nacme = zops_acme\n")
    (tmp_path / "site" / "zops_acme.py").write_text(STRANGER)
    zops_queue.environment["PYTHONPATH"] = str(tmp_path / "site")
    zops_queue(
        "queue", "publish", "acme_greetings", stdin=lines({"n": 0}, {"n": 1}, {"n": 2}, {"m": 3})
    )
    done = zops_queue("--json", "process-queue", "acme_greetings", "--drain", exit_code=5).json()
    assert (done["processed"], done["retried"], done["dead"]) == (3, 1, 1)
    (letter,) = zops_queue("--json", "queue", "dead", "acme_greetings").json()["dead_letters"]
    assert (letter["event"], letter["error"]) == ({"m": 3}, "it has no number")
    assert letter["first_seen"] <= letter["time"]
    shown = zops_queue("--json", "queue", "peek", "noop").json()["events"]
    assert {each["event"]["hello"] for each in shown} == {0, 1, 2, None}


def test_a_queue_that_the_server_handles(zops_queue: Zops) -> None:
    zops_queue("queue", "publish", "digest_emails", stdin=lines({"user_profile_id": 1}))
    (state,) = zops_queue("--json", "queue", "list").json()["queues"]
    assert (state["worker"], state["handled_by"]) == (False, "the server")
    assert "the server" in zops_queue("queue", "list").stdout


def test_doctor_looks_at_the_broker(zops_queue: Zops) -> None:
    zops_queue("queue", "publish", "noop", "--raw", stdin="poison\n")
    assert "broker" in zops_queue("doctor", check=False).stdout
    zops_queue("process-queue", "noop", "--drain", exit_code=5)
    checked = zops_queue("doctor", check=False)
    assert "1 dead letters" in checked.stdout
    zops_queue.environment["ZOPS_BROKER"] = "amqp://zops:very-secret@127.0.0.1:1/"
    failed = zops_queue("doctor", check=False)
    assert "no connection to RabbitMQ" in failed.stdout
    assert "very-secret" not in failed.stdout + failed.stderr
