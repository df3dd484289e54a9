"""The testing kit does what the other tests rely on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import quote

import pika
import psycopg2
import pytest

from zcore.testing import processes, programs
from zcore.testing.commands import Completed, Zops
from zcore.testing.processes import Server, ServiceFailed, ServiceMissing, private_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.database import Database
    from zcore.testing.memcached import MemcachedServer
    from zcore.testing.postgres import PostgresServer
    from zcore.testing.s3 import S3Server


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


TABLE_NAMES = "SELECT tablename FROM pg_tables WHERE schemaname NOT LIKE 'pg_%' \
AND schemaname <> 'information_schema'"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(true: Callable[[], bool], seconds: float = 15.0) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if true():
            return True
        time.sleep(0.05)
    return true()


# --- PostgreSQL


def test_an_empty_database_has_no_tables(empty_postgres_url: str) -> None:
    assert query(empty_postgres_url, TABLE_NAMES) == []


def test_a_database_can_be_written_and_is_dropped_while_in_use(
    postgres_server: PostgresServer,
) -> None:
    name = postgres_server.create_database()
    url = postgres_server.database_url(name)
    still_open = psycopg2.connect(url)
    query(url, "CREATE TABLE written (id integer)")
    postgres_server.drop_database(name)
    still_open.close()
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        psycopg2.connect(url)


def test_a_wrong_password_is_refused(postgres_server: PostgresServer) -> None:
    if "127.0.0.1" not in postgres_server.url:
        pytest.skip("only known of the private server")
    user = postgres_server.url.split("//")[1].split(":")[0]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(postgres_server.url.replace(f"//{user}:", f"//{user}:wrong"))


def test_two_tests_do_not_share_a_postgres_database(
    postgres_url: str, empty_postgres_url: str
) -> None:
    assert postgres_url != empty_postgres_url
    tables = {name for (name,) in query(postgres_url, TABLE_NAMES)}
    assert {"zerver_realm", "zerver_userprofile", "zerver_message"} <= tables


# --- RabbitMQ


def test_a_vhost_carries_messages(rabbitmq_url: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    channel = connection.channel()
    channel.queue_declare("here", durable=True)
    channel.basic_publish("", "here", b"{}")
    _, _, body = channel.basic_get("here", auto_ack=True)
    assert body == b"{}"
    connection.close()


def test_vhosts_are_apart(rabbitmq_url: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    channel = connection.channel()
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="NOT_FOUND"):
        channel.queue_declare("here", passive=True)  # the test above declared it, in its vhost
    connection.close()


# --- memcached


def test_memcached_asks_for_a_login(memcached: MemcachedServer) -> None:
    key = b"test-kit"
    memcached.put([key])
    assert memcached.there([key, b"test-nothing"]) == {key}
    assert "memcached_password" in memcached.toml
    with socket.create_connection((memcached.host, memcached.port), 5) as stranger:
        stranger.sendall(b"get test-kit\r\n" * 2)
        assert stranger.recv(100) == b""


# --- both databases


def test_each_database_has_the_tables(database: Database) -> None:
    assert database.has_tables


def test_the_sqlite_database_is_a_file_of_this_test(
    sqlite_database: Database, tmp_path: Path
) -> None:
    assert Path(str(sqlite_database.url.database)).parent == tmp_path


# --- servers end


def sleeping_server(folder: Path) -> Server:
    return Server(["sh", "-c", "echo $$ > pid; exec sleep 600"], folder)


def started_pid(folder: Path) -> int:
    file = folder / "pid"
    assert wait_until(lambda: file.exists() and file.read_text().strip() != "")
    return int(file.read_text())


def test_a_server_ends_and_its_folder_goes() -> None:
    folder = private_folder("kit")
    assert folder.stat().st_mode & 0o777 == 0o700
    server = sleeping_server(folder)
    pid = started_pid(folder)
    server.stop()
    assert not is_alive(pid)
    assert not folder.exists()
    server.stop()


@pytest.mark.parametrize(
    ("available", "limit", "is_used"),
    [
        ("8000000", "max", True),
        ("8000000", "16000000000", True),
        ("8000000", "6000000000", False),
        ("2000000", "max", False),
        ("", "max", False),
    ],
)
def test_a_disk_in_memory_is_used_where_there_is_memory(
    available: str, limit: str, is_used: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo, container = tmp_path / "meminfo", tmp_path / "memory.max"
    meminfo.write_text(f"MemFree: 9 kB\nMemAvailable:   {available} kB\n")
    container.write_text(f"{limit}\n")
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(processes, "MEMORY", tmp_path)
    monkeypatch.setattr(processes, "MEMINFO", meminfo)
    monkeypatch.setattr(processes, "CONTAINER_LIMITS", (tmp_path / "none", container))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**11))
    assert processes.disk_in_memory() == (tmp_path if is_used else None)


OWNER = """
import sys, time
from pathlib import Path
from zcore.testing.processes import Server
folder = Path(sys.argv[1])
server = Server(["sh", "-c", "echo $$ > pid; exec sleep 600"], folder)
time.sleep(600)
"""


def test_a_server_ends_with_the_tests_that_were_killed() -> None:
    folder = private_folder("kit")
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(folder)])
    pid = started_pid(folder)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert wait_until(lambda: not is_alive(pid))
    assert wait_until(lambda: not folder.exists())


def test_a_server_that_will_not_start_shows_its_log() -> None:
    server = Server(["sh", "-c", "echo no such luck; exit 3"], private_folder("kit"))
    with pytest.raises(ServiceFailed, match="no such luck"):
        server.wait_until(lambda: False)


# --- the command


def program(folder: Path, script: str) -> Zops:
    """A runner for a stand-in of `zops`, to see what the runner itself does."""
    file = folder / "program"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return Zops(folder, program=file)


def test_the_command_runs_in_an_environment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOPS_DATABASE", "postgresql://somebody/elses")
    monkeypatch.setenv("PGHOST", "somebody.example.com")
    done = program(tmp_path, "env; pwd")()
    assert "somebody" not in done.stdout
    assert f"ZOPS_HOME={tmp_path}/" in done.stdout
    assert done.stdout.endswith(f"{tmp_path}\n")


def test_what_a_test_sets_reaches_the_command(tmp_path: Path) -> None:
    zops = program(tmp_path, 'cat; echo "$ZOPS_DATABASE $ZOPS_BROKER $1"')
    zops.environment["ZOPS_DATABASE"] = "here"
    done = zops("word", stdin="typed ", env={"ZOPS_BROKER": "there"})
    assert done.stdout == "typed here there word\n"


def test_an_unexpected_exit_code_fails_with_the_output(tmp_path: Path) -> None:
    zops = program(tmp_path, "echo out; echo err >&2; exit 3")
    with pytest.raises(AssertionError, match=r"exit code 3, not 0(.|\n)*out(.|\n)*err"):
        zops()
    assert zops(exit_code=3).stderr == "err\n"
    assert zops(check=False).exit_code == 3


def test_a_traceback_fails_whatever_the_exit_code(tmp_path: Path) -> None:
    zops = program(tmp_path, "echo 'Traceback (most recent call last):' >&2")
    with pytest.raises(AssertionError, match="a traceback"):
        zops()


def test_json_is_exactly_one_object() -> None:
    assert Completed((), 0, '{"ok": true}\n', "").json() == {"ok": True}
    for stdout in ("", "done", '{"ok": true}\n{"ok": true}', "[1]"):
        with pytest.raises(AssertionError, match="stdout is not"):
            Completed((), 0, stdout, "").json()


def test_assert_refused_looks_at_the_reasons() -> None:
    text = '{"ok": false, "error": {"code": "refused", "problems": [{"code": "taken"}]}}'
    refused = Completed((), 3, text, "")
    assert refused.assert_refused("taken") is refused
    with pytest.raises(AssertionError, match="not reserved"):
        refused.assert_refused("reserved")
    with pytest.raises(AssertionError, match="exit code 1, not 3"):
        Completed((), 1, text, "").assert_refused()


def test_what_is_started_is_killed_in_the_end(tmp_path: Path) -> None:
    zops = program(tmp_path, "exec sleep 600")
    process = zops.start()
    assert process.poll() is None
    zops.stop_all()
    assert process.returncode == -signal.SIGKILL


# --- a run of pytest with the plugin

USES_POSTGRES = """
def test_with_postgres(empty_postgres_url): pass
def test_without(): pass
"""

CONFTEST = """
pytest_plugins = ["zcore.testing"]
"""

NOTHING_INSTALLED = """
from zcore.testing import services
from zcore.testing.processes import ServiceMissing

def missing():
    raise ServiceMissing("PostgreSQL's program postgres is not installed")

services.PrivatePostgres = missing
services.INSTALLABLE = ()
"""


def run_pytest(
    folder: Path, conftest: str, *arguments: str, tests: str = USES_POSTGRES, **variables: str
) -> Completed:
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_it.py").write_text(tests)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CI", "ZOPS_TEST_POSTGRES", "ZOPS_TEST_S3", "PYTEST_ADDOPTS")
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", *arguments],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
    )
    return Completed(("pytest",), done.returncode, done.stdout, done.stderr)


def test_what_could_not_be_tested_is_said_loudly(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, CONFTEST + NOTHING_INSTALLED).assert_exit(0)
    assert "1 passed, 1 skipped" in done.stdout
    assert "NOT EVERYTHING WAS TESTED" in done.stdout
    assert "install postgresql, or set ZOPS_TEST_POSTGRES" in done.stdout


def test_in_ci_a_missing_service_is_a_failure(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, CONFTEST + NOTHING_INSTALLED, CI="true").assert_exit(1)
    assert "no PostgreSQL for the tests" in done.stdout
    assert "1 passed, 1 error" in done.stdout


def test_tests_can_be_chosen_by_the_service_they_need(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, CONFTEST + NOTHING_INSTALLED, "-m", "not postgres").assert_exit(0)
    assert "1 passed, 1 deselected" in done.stdout
    assert "NOT EVERYTHING" not in done.stdout


def test_a_named_server_is_used_and_left_clean(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    databases = "SELECT datname FROM pg_database ORDER BY 1"
    before = query(postgres_server.url, databases)
    done = run_pytest(tmp_path, CONFTEST, ZOPS_TEST_POSTGRES=postgres_server.url).assert_exit(0)
    assert f"PostgreSQL {postgres_server.version} (ZOPS_TEST_POSTGRES)" in done.stdout
    assert query(postgres_server.url, databases) == before


USES_S3 = """
def test_with_s3(s3):
    s3.client.put_object(Bucket=s3.uploads, Key="1/a", Body=b"x")
    assert s3.keys(s3.uploads) == ["1/a"]
    assert s3.keys(s3.avatars) == s3.keys(s3.exports) == []
"""


def test_a_named_object_store_is_used_and_left_clean(tmp_path: Path, s3_server: S3Server) -> None:
    account = s3_server.account
    before = buckets(s3_server)
    login = f"//{account.access_key}:{quote(account.secret_key, safe='')}@"
    url = account.endpoint_url.replace("//", login)
    done = run_pytest(tmp_path, CONFTEST, tests=USES_S3, ZOPS_TEST_S3=url).assert_exit(0)
    assert "S3 (ZOPS_TEST_S3)" in done.stdout
    assert buckets(s3_server) == before


def buckets(server: S3Server) -> set[str]:
    return {bucket["Name"] for bucket in server.account.client().list_buckets()["Buckets"]}


def test_in_ci_a_missing_object_store_is_a_failure(tmp_path: Path) -> None:
    nothing = NOTHING_INSTALLED.replace("PrivatePostgres", "PrivateS3")
    done = run_pytest(tmp_path, CONFTEST + nothing, tests=USES_S3, CI="true").assert_exit(1)
    assert "no S3 for the tests" in done.stdout
    assert "set ZOPS_TEST_S3" in done.stdout


def test_the_report_shows_the_versions_that_matter(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, CONFTEST, "-k", "without").assert_exit(0)
    assert re.search(r"zops tests with: Python 3\.\d+.*SQLAlchemy 2\.", done.stdout)


@pytest.mark.parametrize(
    "conftest",
    [
        "",
        'from zcore.testing import Zops, work\npytest_plugins = ["zcore.testing"]',
        'pytest_plugins = ["zcore.testing.plugin"]',
    ],
    ids=["flag only", "and imported from", "and the module behind it"],
)
def test_it_can_be_loaded_by_a_flag_and_by_a_conftest(conftest: str, tmp_path: Path) -> None:
    arguments = ("-p", "zcore.testing", "-k", "without", "-W", "error")
    done = run_pytest(tmp_path, conftest, *arguments).assert_exit(0)
    assert "1 passed" in done.stdout


# --- installing what is missing

APT_GET = """#!/bin/sh
echo begin $3 >> {log}
sleep 0.2
case "$*" in *install*) touch {folder}/program;; esac
echo end >> {log}
"""


def test_of_several_runs_that_miss_a_program_one_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, found = tmp_path / "log", tmp_path / "program"
    (tmp_path / "apt-get").write_text(APT_GET.format(log=log, folder=tmp_path))
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(programs, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def find() -> None:
        if not found.exists():
            raise ServiceMissing("no program")

    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(programs.install, "some-package", find) for _ in range(3)]
    assert [run.result() for run in runs] == [True, True, True]
    words = [line.split()[0] for line in log.read_text().splitlines()]
    assert words == ["begin", "end", "begin", "end"]  # the update and the installation, once
    assert not programs.POLICY.exists()


# --- the server dumps


def test_a_broken_dump_is_an_error_and_leaves_nothing(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    dump = tmp_path / "broken.dump"
    dump.write_bytes(b"PGDMP and nothing more")
    databases = "SELECT count(*) FROM pg_database"
    before = query(postgres_server.url, databases)
    with pytest.raises(ServiceFailed, match="pg_restore"):
        postgres_server.restore(dump)
    assert query(postgres_server.url, databases) == before


@pytest.mark.parametrize("name", ["zulip10-base", "zulip10-small"])
def test_a_dump_is_restored_and_writable(restored_dump: Callable[[str], str], name: str) -> None:
    url = restored_dump(name)
    (before,) = query(url, "SELECT count(*) FROM zulip.zerver_message")
    query(
        url,
        "INSERT INTO zulip.zerver_message (type, subject, content, date_sent, has_attachment,"
        " has_image, has_link, sender_id, sending_client_id, realm_id, recipient_id,"
        " is_channel_message) SELECT type, subject, content, date_sent, has_attachment, has_image,"
        " has_link, sender_id, sending_client_id, realm_id, recipient_id, is_channel_message"
        " FROM zulip.zerver_message ORDER BY id LIMIT 1",
    )
    (after,) = query(url, "SELECT count(*) FROM zulip.zerver_message")
    assert after[0] == int(str(before[0])) + 1
    assert restored_dump(name) != url
