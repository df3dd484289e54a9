"""What the page on running workers gives systemd and supervisor to read."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from zops_queue.cli import process_queue
from zops_queue.processing.workplace import GRACE_SECONDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "running-workers.md"


def files() -> list[str]:
    """The blocks of the page that are files, with their path in the first line."""
    blocks: list[str] = re.findall(r"(?ms)^```text\n(.*?)^```$", PAGE.read_text("utf-8"))
    return [block for block in blocks if block.startswith("# /etc/")]


def parsed(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the library's manual says
    parser.read_string(text)
    return parser


def commands() -> list[str]:
    return re.findall(r"(?m)^(?:ExecStart|command)=(.*)$", "".join(files()))


@pytest.mark.parametrize("command", commands())
def test_their_command_lines_are_right(command: str) -> None:
    program, name, *arguments = shlex.split(command)
    assert (Path(program).name, name) == ("zops", "process-queue")
    with click.Context(process_queue) as context:
        process_queue.parse_args(context, arguments)


def test_whoever_stops_them_has_enough_patience() -> None:
    service, _, supervisor = map(_parsed_or_part, files())
    assert service["Service"]["Type"] == "notify"
    assert float(service["Service"]["TimeoutStopSec"]) > GRACE_SECONDS
    assert float(supervisor["program:zops-worker"]["stopwaitsecs"]) > GRACE_SECONDS


def _parsed_or_part(text: str) -> configparser.ConfigParser:
    """A part of a file has no heading."""
    return parsed(text if "\n[" in text else f"[part]\n{text}")


ANALYZE = shutil.which("systemd-analyze")


@pytest.mark.skipif(not ANALYZE, reason="there is no systemd here")
def test_systemd_reads_the_service(tmp_path: Path) -> None:
    unit = tmp_path / "zops-worker.service"
    unit.write_text(files()[0].replace("/usr/local/bin/zops", "/bin/true"))
    assert ANALYZE
    done = subprocess.run([ANALYZE, "verify", unit], capture_output=True, text=True)
    assert "zops-worker" not in done.stderr, done.stderr
