"""The guides for administrators: what they show is typed, on small organizations."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import sections
from tests.docs.shell import Shell, typed
from tests.environments import ROOT
from tools.docs.examples import blocks

if TYPE_CHECKING:
    from zcore.testing.commands import Zops

GUIDES = ROOT / "docs" / "guides"
PROGRAM = "/opt/zops/bin/zops"


def type_in(zops: Zops, *parts: str, home: Path | None = None) -> None:
    """Type what is shown in these parts of a page, in one shell."""
    path = f"{zops.program.parent}:{zops.environment['PATH']}"
    environment = zops.environment | {"PATH": path}
    if home is not None:
        environment["ZOPS_HOME"] = str(home)
    with Shell(zops.folder, environment) as shell:
        for part in parts:
            for block in blocks(part):
                for one in typed(block.text) if block.language == "console" else ():
                    shell.check(one)


def test_migrate(acme: Zops) -> None:
    page = sections(GUIDES / "migrate.md")
    type_in(acme, page["On the old server"])
    type_in(acme, page["On the new server"], home=acme.folder / "new")


def test_consolidate(acme: Zops) -> None:
    page = sections(GUIDES / "consolidate.md")
    type_in(acme, page["Choose subdomains"], page["Export"])
    type_in(acme, page["Import"], home=acme.folder / "new")


def test_backup(acme: Zops) -> None:
    type_in(acme, *sections(GUIDES / "backup.md").values())
    assert len(list((acme.folder / "backup").glob("acme-*Z.tar.gz"))) == 1


def files(language: str = "text") -> dict[str, str]:
    """The files that the guide to backups shows, by their paths."""
    shown = blocks((GUIDES / "backup.md").read_text("utf-8"))
    texts = [block.text for block in shown if block.language == language]
    return {text.partition("\n")[0].removeprefix("# "): text for text in texts}


def of_systemd() -> list[str]:
    """What systemd makes of the command in its unit."""
    unit = files()["/etc/systemd/system/zops-backup@.service"]
    (command,) = re.findall(r"(?m)^ExecStart=(.*)$", unit)
    return shlex.split(command.replace("%i", "acme").replace("%%", "%"))


def of_cron() -> list[str]:
    """What cron makes of its line; the database is that of the test."""
    (line,) = files()["/etc/cron.d/zops-backup"].splitlines()[1:]
    command = line.split(maxsplit=6)[6].replace("\\%", "%")
    return ["sh", "-c", command.replace("ZOPS_ZULIP_CONF=/etc/zulip", "")]


@pytest.mark.parametrize("words", [of_systemd(), of_cron()], ids=["systemd", "cron"])
def test_nightly_commands(words: list[str], acme: Zops) -> None:
    folder = acme.folder / "backup"
    folder.mkdir()
    here = {PROGRAM: str(acme.program), "/backup/": f"{folder}/"}
    for there, place in here.items():
        words = [word.replace(there, place) for word in words]
    done = subprocess.run(words, env=acme.environment, check=True, capture_output=True)
    assert done.stderr == b""
    (made,) = folder.glob("acme-????????T??????Z.tar.gz")
    assert json.loads((folder / "acme-last-success.json").read_bytes())["path"] == str(made)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_units_are_ones_that_systemd_takes(tmp_path: Path, acme: Zops) -> None:
    units = {path: text for path, text in files().items() if "/systemd/" in path}
    for path, text in units.items():
        runnable = text.replace(PROGRAM, str(acme.program)).replace("User=zulip", "User=root")
        (tmp_path / Path(path).name).write_text(runnable)
    names = [tmp_path / Path(path).name.replace("@", "@acme") for path in units]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],  # noqa: S607 # the one on the PATH
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
