"""The packages in `examples/`, installed from their folders beside zops, and used."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.environments import ROOT, new_environment, pip_install
from tests.interop.reading import REAL_EXPORTS
from zcore.testing.commands import Zops

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = ("address-policy", "message-statistics")
PLUGINS = set(EXAMPLES)
CREATE_MAX = ["create-user", "-r", "acme", "--no-password", "--full-name", "Max Member"]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with zops and both packages, from copies of their folders."""
    folder = tmp_path_factory.mktemp("examples")
    made = new_environment(folder / "environment", wheel)
    for name in EXAMPLES:
        shutil.copytree(ROOT / "examples" / name, folder / name)
    pip_install(made, *(folder / name for name in EXAMPLES))
    return made


@pytest.fixture(scope="module")
def zops(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zops]:
    """The `zops` of that environment, with a real organization: acme."""
    runner = Zops(tmp_path_factory.mktemp("acme"), program=environment / "bin" / "zops")
    runner.environment["ZOPS_ADDRESS_POLICY_DOMAINS"] = "acme.example"
    runner("import", "acme", REAL_EXPORTS["public"])
    yield runner
    runner.stop_all()


@pytest.fixture(scope="module")
def exported(zops: Zops, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That organization, exported to a folder."""
    folder = tmp_path_factory.mktemp("exported") / "acme"
    zops("export", "-r", "acme", "--output", folder)
    return folder


def plugins(zops: Zops, *words: str) -> dict[str, dict[str, Any]]:
    listed = zops("--json", *words, "plugins", "list").json()["plugins"]
    return {plugin["name"]: plugin for plugin in listed}


def test_they_are_listed_and_nothing_is_wrong_with_them(zops: Zops, environment: Path) -> None:
    found = plugins(zops)
    assert {"realm", "export", "queue"} < found.keys()
    for name in EXAMPLES:
        plugin = found[name]
        assert (plugin["status"], plugin["error"]) == ("active", "")
        assert plugin["distribution"] == f"zops-{name}"
        assert plugin["origin"].startswith(str(environment))
    assert found["address-policy"]["commands"] == ["check-addresses"]
    assert {"zops_export_stages", "zops_queue_workers"} <= {*found["message-statistics"]["hooks"]}
    checked = zops("--json", "plugins", "check").json()
    assert {*checked["checked"]} >= PLUGINS


def test_the_policy_refuses_an_account(zops: Zops) -> None:
    refused = zops("--json", *CREATE_MAX, "office+1@gmail.example", exit_code=3)
    assert refused.codes() == {"invalid", "address-domain", "address-function", "address-tag"}
    accepted = zops("--json", *CREATE_MAX, "max@acme.example", "--dry-run").json()
    assert accepted["ok"] is True


def test_the_policy_looks_at_the_accounts_that_are_there(zops: Zops) -> None:
    broken = zops("--json", "check-addresses", "-r", "acme", exit_code=5).json()
    people = zops("--json", "user", "list", "-r", "acme").json()["users"]
    assert broken["checked"] == len(people) > 0
    assert {finding["where"] for finding in broken["findings"]} == {
        f"account {user['user_id']}" for user in people
    }


def test_the_statistics_are_in_the_export_and_right(zops: Zops, exported: Path) -> None:
    zops("verify", exported)
    with (exported / "message-statistics.csv").open() as file:
        rows = list(csv.DictReader(file))
    counted = sum(int(row["messages"]) for row in rows)
    assert counted == messages_in_public_channels(exported) > 0
    assert rows == sorted(rows, key=lambda row: (row["day"], row["channel"]))


def messages_in_public_channels(export: Path) -> int:
    """Counted from the export itself."""
    realm = json.loads((export / "realm.json").read_text())
    public = {
        channel["recipient"] for channel in realm["zerver_stream"] if not channel["invite_only"]
    }
    files = sorted(export.glob("messages-*.json"))
    assert files
    return sum(
        message["recipient"] in public
        for path in files
        for message in json.loads(path.read_text())["zerver_message"]
    )


def test_the_worker_handles_events_on_the_embedded_broker(
    zops: Zops, exported: Path, tmp_path: Path
) -> None:
    lines = (exported / "message-statistics.csv").read_text().splitlines()
    day = lines[1].partition(",")[0]
    folder = {"ZOPS_MESSAGE_STATISTICS_FOLDER": str(tmp_path / "statistics")}
    events = [{"realm": "acme", "day": day}, {"realm": "nobody", "day": day}]
    published = "".join(f"{json.dumps(event)}\n" for event in events)
    zops("queue", "publish", "message_statistics", stdin=published)
    queue = ["process-queue", "--queue-name", "message_statistics", "--drain"]
    done = zops("--json", *queue, env=folder, exit_code=5).json()
    assert (done["processed"], done["dead"]) == (1, 1)
    written = (tmp_path / "statistics" / f"acme-{day}.csv").read_text().splitlines()
    assert written == [lines[0], *(line for line in lines if line.startswith(day))]


def test_switched_off_all_of_it_is_gone(zops: Zops, tmp_path: Path) -> None:
    off = [word for name in EXAMPLES for word in ("--disable-plugin", name)]
    found = plugins(zops, *off)
    assert {found[name]["status"] for name in EXAMPLES} == {"disabled"}
    zops(*off, "check-addresses", "-r", "acme", exit_code=2)
    zops(*off, *CREATE_MAX, "office+1@gmail.example", "--dry-run")
    zops(*off, "export", "-r", "acme", "--output", tmp_path / "acme")
    assert not (tmp_path / "acme" / "message-statistics.csv").exists()
    zops(*off, "process-queue", "--queue-name", "message_statistics", "--drain", exit_code=2)


@pytest.mark.parametrize("name", EXAMPLES)
def test_their_own_tests_pass(name: str, wheel: Path, tmp_path: Path) -> None:
    """Where its author runs them: with nothing beside it but zops."""
    folder = tmp_path / name
    shutil.copytree(ROOT / "examples" / name, folder)
    alone = new_environment(tmp_path / "environment", wheel)
    pip_install(alone, folder)
    shutil.rmtree(folder / f"zops_{name.replace('-', '_')}")  # what is tested is what is installed
    done = subprocess.run(
        [alone / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
