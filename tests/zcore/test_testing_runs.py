"""The testing kit: runs in process, temporary plugins, a realm, a stub broker, and helpers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

import zcore.testing
from zcore import Problem, Validator, Worker, current
from zcore.broker import Event, Rejected
from zcore.errors import Refused, Unreachable
from zcore.schema import tables
from zcore.testing import (
    StubBroker,
    StubQueues,
    export_of,
    fixtures,
    hooks,
    plugins_of,
    problems_of,
    service_fixtures,
    settings_of,
    work,
)
from zcore.testing.broker import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zcore.broker import WorkContext
    from zcore.database import Database
    from zcore.testing import SampleRealm, TemporaryPlugins, Zops, ZopsInProcess

# --- runs in process

NOISE = """
import os, subprocess, sys
print("on stdout")
sys.stdout.flush()
os.write(1, b"below Python\\n")
subprocess.run(["echo", "from a child"])
print("on stderr", file=sys.stderr)
raise zcore.Refused("no, thank you", hint="ask again")
"""
ECHO = """
import os, sys
read = sys.stdin.read()
text = f"{read}|{os.environ['WORD']}|{os.path.basename(os.getcwd())}|{sys.stdin.isatty()}"
return zcore.Result({"said": text, "ä": "ö"}, text=text)
"""


@pytest.fixture
def commands(temporary_plugins: TemporaryPlugins) -> None:
    """Two commands of a plugin: `noise` and `echo`."""
    temporary_plugins.install_command("noise", NOISE)
    temporary_plugins.install_command("echo", ECHO)
    temporary_plugins.install("broken", "raise ValueError('no luck')")


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["--version"],
        ["--json", "nothing"],
        ["noise"],
        ["noise", "--json"],
        ["echo"],
        ["echo", "--json"],
    ],
    ids=" ".join,
)
def test_a_run_in_process_is_what_a_process_is(
    words: list[str], zops: Zops, zops_in_process: ZopsInProcess, tmp_path: Path
) -> None:
    around = {"stdin": "wörds\n", "env": {"WORD": "up"}, "cwd": tmp_path, "check": False}
    assert zops_in_process(*words, **around) == zops(*words, **around)


VANDAL = """
import contextvars, os, signal, sys
os.environ["ZOPS_DATABASE"] = "elsewhere"
os.environ.pop("PATH", None)
os.chdir("/")
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.path.insert(0, "/nowhere")
sys.argv[:] = []
print("left over", end="")
"""


def state_of_this_process() -> tuple[object, ...]:
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    streams = [sys.stdin, sys.stdout, sys.stderr, *(os.fstat(each).st_ino for each in range(3))]
    return (dict(os.environ), os.getcwd(), handlers, list(sys.path), list(sys.argv), streams)


def test_a_run_in_process_leaves_everything_as_it_was(
    zops_in_process: ZopsInProcess,
    temporary_plugins: TemporaryPlugins,
    capfd: pytest.CaptureFixture[str],
) -> None:
    temporary_plugins.install_command("vandal", VANDAL)
    old_timer = signal.setitimer(signal.ITIMER_REAL, 1000)
    before = state_of_this_process()
    try:
        done = zops_in_process("vandal")
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 900
    finally:
        signal.setitimer(signal.ITIMER_REAL, *old_timer)
    assert state_of_this_process() == before
    assert done.stdout == "left over"
    assert capfd.readouterr() == ("", "")
    assert "dist_of_vandal.cli" not in sys.modules
    with pytest.raises(RuntimeError, match="only there while a zops command runs"):
        current()


def test_a_run_in_process_sees_nothing_of_this_process(
    zops_in_process: ZopsInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOPS_EXTERNAL_HOST", "somebody.example.com")
    settings = zops_in_process("settings", "--json").json()["settings"]
    assert "somebody" not in str(settings)
    assert str(zops_in_process.home) in str(settings)


def test_a_plugin_is_imported_anew_for_each_run(
    zops_in_process: ZopsInProcess, temporary_plugins: TemporaryPlugins
) -> None:
    temporary_plugins.install_command(
        "count",
        "counted.append(1)\nreturn zcore.Result({'n': len(counted)})",
        imports="counted = []",
    )
    assert [zops_in_process("count", "--json").json()["n"] for _ in range(2)] == [1, 1]


def test_both_runners_share_their_environment(zops: Zops, zops_in_process: ZopsInProcess) -> None:
    zops_in_process("create-realm", "Acme", "a@acme.test", "Ann", "--no-password")
    assert zops.home == zops_in_process.home
    realms = zops("realm", "list", "--json").json()["realms"]
    assert [realm["name"] for realm in realms if realm["name"] == "Acme"] == ["Acme"]


@pytest.mark.parametrize("capture", ["fd", "sys", "no"])
def test_a_run_in_process_however_pytest_captures(capture: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_it(zops_in_process):\n"
        "    assert zops_in_process('plugins', 'list', '--json').json()['ok'] is True\n"
        "    print('the test itself')\n"
        "    assert 'plugins' in zops_in_process('--help').stdout\n"
        "    assert False\n"
    )
    pytest_ = [sys.executable, "-m", "pytest", "-p", "zcore.testing", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*pytest_, f"--capture={capture}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "assert False" in done.stdout
    assert done.stdout.count("the test itself") == 2  # shown, and a line of the test
    assert "Usage" not in done.stdout


# --- the realm


def test_the_realm_goes_out_and_in_again(
    realm: SampleRealm, database: Database, uploads: Path, zops_in_process: ZopsInProcess
) -> None:
    exported = export_of(zops_in_process, realm)
    assert zops_in_process("verify", exported.folder, "--json").json()["problems"] == []
    assert exported.read(f"uploads/{realm.file.path_id}") == realm.file.content
    rows = exported.report["rows"]
    assert rows["zerver_userprofile"] == len(realm.users)
    assert rows["zerver_message"] == len(realm.message_ids)
    (attachment,) = exported.json("attachment.json")["zerver_attachment"]
    assert (attachment["id"], attachment["messages"]) == (
        realm.file.attachment_id,
        [realm.file.message_id],
    )
    imported = zops_in_process("import", "copy", exported.folder, "--json").json()
    assert imported["rows"]["zerver_message"] == len(realm.message_ids)
    assert len(list((uploads / "files").rglob(realm.file.name))) == 2
    zops_in_process("db", "check")


def test_the_realm_is_what_it_says(realm: SampleRealm, database: Database) -> None:
    with database.read() as connection:
        users = tables["zerver_userprofile"].c
        query = sa.select(users.id, users.recipient_id, users.delivery_email, users.role)
        found = connection.execute(query.where(users.realm_id == realm.realm_id)).all()
        messages = tables["zerver_message"].c
        texts = dict(connection.execute(sa.select(messages.id, messages.recipient_id)).all())
        reactions = sa.select(tables["zerver_reaction"].c.message_id)
        reacted_to = set(connection.scalars(reactions))
    told = [(user.user_id, user.recipient_id, user.email, user.role) for user in realm.users]
    assert sorted(map(tuple, found)) == sorted(told)
    for channel in realm.channels:
        assert {texts[number] for number in channel.message_ids} == {channel.recipient_id}
    assert set(texts) >= set(realm.message_ids)
    assert reacted_to == {realm.file.message_id}


def test_several_realms(
    sqlite_database: Database,
    make_realm: Callable[..., SampleRealm],
    zops_in_process: ZopsInProcess,
) -> None:
    realms = [make_realm(sqlite_database, name) for name in ("acme", "beta")]
    assert len({realm.realm_id for realm in realms}) == 2
    listed = zops_in_process.on(sqlite_database)("realm", "list", "--json").json()["realms"]
    assert {"acme", "beta"} <= {realm["string_id"] for realm in listed}


def test_a_stage_and_what_it_writes(
    sqlite_realm: SampleRealm,
    zops_in_process: ZopsInProcess,
    temporary_plugin: Callable[..., str],
) -> None:
    temporary_plugin(
        "acme",
        "from zcore import Stage, hookimpl\n"
        "@hookimpl\ndef zops_export_stages():\n"
        "    return [Stage('note', 'dist_of_acme.work:note')]",
        work="def note(job):\n"
        "    with job.open('note.txt') as file:\n"
        "        file.write(b'hello')\n"
        "    return {'files': 1}",
    )
    exported = export_of(zops_in_process, sqlite_realm)
    assert (exported.read("note.txt"), exported.stage("note")["files"]) == (b"hello", 1)
    with pytest.raises(AssertionError, match="no stage 'nothing' ran, only"):
        exported.stage("nothing")
    assert export_of(zops_in_process, "acme").folder != exported.folder


# --- validators


def is_short(values: Sequence[str], context: object) -> Iterable[Problem]:
    for index, value in enumerate(values):
        if len(value) > 5:
            yield Problem("long", f"{value} is long", index=index, override="--long")


def test_the_problems_of_values() -> None:
    rule = Validator("short", "acme.word", f"{__name__}:is_short")
    plugins = plugins_of({"acme": hooks(zops_validators=lambda: [rule])})
    (problem,) = problems_of("acme.word", ["short", "too long"], plugins=plugins)
    assert (problem.code, problem.index) == ("long", 1)
    assert problems_of("acme.word", ["too long"], plugins=plugins, allow=["--long"]) == []
    assert problems_of("acme.word", ["too long"]) == []  # no installed plugin has that rule


def test_the_problems_that_installed_plugins_see(
    sqlite_realm: SampleRealm, sqlite_database: Database
) -> None:
    def codes(subject: str, value: str, **where: object) -> list[str]:
        return [each.code for each in problems_of(subject, [value], **where)]  # type: ignore[arg-type]

    assert codes("realm.subdomain", "a b")
    here = {"database": sqlite_database, "realm_id": sqlite_realm.realm_id}
    assert codes("user.email", "new@acme.test", **here) == []
    assert codes("user.email", sqlite_realm.owner.email, **here) == ["email-taken"]


# --- workers and the stub broker


def greet(events: Sequence[Event], context: WorkContext) -> list[Rejected]:
    assert len(events) <= 2
    for event in events:
        if "name" in event.payload:
            context.publish("greetings", {"hello": event.payload["name"], "of": (1, 2)})
    return [Rejected(event, "no name") for event in events if "name" not in event.payload]


def test_what_a_worker_does() -> None:
    worker = Worker("names", f"{__name__}:greet", batch=2)
    done = work(worker, [{"name": "Ann"}, {"name": "Bob"}, {}])
    assert done.published == tuple(
        ("greetings", {"hello": name, "of": [1, 2]}) for name in ("Ann", "Bob")
    )
    assert (done.reasons, done.rejected[0].event.queue) == (["no name"], "names")


def test_a_worker_with_mistakes() -> None:
    foreign = Event(queue="other", body=b"{}", tag=9, payload={})
    with pytest.raises(TypeError, match="not Rejected"):
        work(lambda events, context: [Rejected(foreign, "not mine")], [{"n": 1}])
    with pytest.raises(TypeError, match="not Rejected"):
        work(lambda events, context: ["no"], [{"n": 1}])  # type: ignore[list-item]
    with pytest.raises(AssertionError, match="asks for a database"):
        work(lambda events, context: context.database and None, [{"n": 1}])
    with pytest.raises(ZeroDivisionError):
        work(lambda events, context: [1 / 0], [{"n": 1}])  # type: ignore[list-item]


def test_a_worker_with_a_database(sqlite_database: Database) -> None:
    seen: list[object] = []
    settings = settings_of(ZOPS_EXTERNAL_HOST="chat.example.com")

    def look(events: Sequence[Event], context: WorkContext) -> None:
        seen.extend([context.database, context.settings.external_host])

    work(look, [{"n": 1}], database=sqlite_database, settings=settings)
    assert seen == [sqlite_database, "chat.example.com"]


def test_commands_use_the_stub_broker(
    stub_broker: StubBroker, zops: Zops, zops_in_process: ZopsInProcess
) -> None:
    zops_in_process("queue", "publish", "noop", stdin='{"n": 1}\n{"n": 2}\n')
    assert stub_broker.stub.payloads("noop") == [{"n": 1}, {"n": 2}]
    done = zops_in_process("process-queue", "noop", "--drain", "--json").json()
    assert (done["processed"], stub_broker.stub.payloads("noop")) == (2, [])
    assert zops_in_process("doctor", "--json", check=False).json()["checks"]
    zops("queue", "list", exit_code=3)  # another process


def test_a_stub_broker_that_is_away(
    stub_broker: StubBroker, zops_in_process: ZopsInProcess
) -> None:
    stub_broker.publish("noop", [b"{}"])
    consumer = stub_broker.consume({"noop": 1}, "test")
    stub_broker.stub.away = "the cable is cut"
    for call in (
        lambda: stub_broker.publish("noop", [b"{}"]),
        lambda: stub_broker.state("noop"),
        lambda: consumer.wait(0),
    ):
        with pytest.raises(Unreachable, match="the cable is cut"):
            call()
    done = zops_in_process("queue", "publish", "noop", stdin="{}", exit_code=4)
    assert "the cable is cut" in done.stderr


def test_a_stub_broker_lives_as_long_as_its_queues() -> None:
    queues = StubQueues()
    url = queues.url
    assert connect(url, settings_of()).stub is queues
    del queues
    with pytest.raises(Refused, match=url):
        connect(url, settings_of())


# --- what the kit says of itself


def test_the_public_names_are_there_and_told_of() -> None:
    told = zcore.testing.__doc__ or ""
    for name in zcore.testing.__all__:
        assert getattr(zcore.testing, name).__doc__, name
        if name[0].islower():
            assert f"\n`{name}` " in told, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        zcore.testing.nothing  # noqa: B018 # it is not there


def test_the_fixtures_are_told_of() -> None:
    told = set(re.findall(r"`(\w+)`", zcore.testing.__doc__ or ""))
    sources = [Path(module.__file__).read_text() for module in (fixtures, service_fixtures)]
    names = set(re.findall(r"@pytest\.fixture.*\ndef (\w+)", "\n".join(sources)))
    assert {"zops", "realm", "database"} <= names
    untold = {name for name in names - told if "template" not in name}
    assert untold == set()


def test_importing_the_kit_imports_nothing_else() -> None:
    code = "import sys, zcore.testing; print({'pytest', 'sqlalchemy', 'click'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
