"""Spoilt exports by dice: a small part of the campaign of `bench/fuzz_import.py`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.zops_export.fuzzing import KEPT, KINDS, Outcome, Seen, judge, spoil

ROOT = Path(__file__).parents[2]


def campaign(*words: str) -> subprocess.CompletedProcess[str]:
    """Run cases in a process of its own: they are forked, which threads do not survive."""
    command = [sys.executable, "-m", "bench.fuzz_import", "--postgres", "0", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_each_kind_of_spoilt_export_is_refused_or_sound() -> None:
    names = [*KEPT, *(f"{kind}:2" for kind in sorted(set(KINDS)))]
    done = campaign(*(word for name in names for word in ("--case", name)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 with faults" in done.stdout


NOTHING = Seen({"zerver_realm": ["(1)"]}, frozenset())
REFUSED = Outcome("swap-value:1", 3, "zops: error: no\nhint: other\n", 0.1, 0)


@pytest.mark.parametrize(
    ("outcome", "after", "fault"),
    [
        (REFUSED, NOTHING, ""),
        (replace(REFUSED, exit_code=70), NOTHING, "exit code 70"),
        (replace(REFUSED, exit_code=-9), NOTHING, "exit code -9"),
        (replace(REFUSED, said="zops: error: no\nTraceback\n"), NOTHING, "said 'Traceback'"),
        (replace(REFUSED, said=""), NOTHING, "0 errors were said"),
        (replace(REFUSED, more_resident=1 << 30), NOTHING, "took 1024 MB"),
        (REFUSED, replace(NOTHING, rows={"zerver_realm": []}), "zerver_realm has changed"),
        (REFUSED, replace(NOTHING, files=frozenset({"tmp/x"})), "left the file tmp/x"),
        (
            REFUSED,
            replace(NOTHING, files=frozenset({"home/uploads/files/2/x"})),
            "left the file home/uploads/files/2/x",
        ),
    ],
)
def test_what_must_not_be_is_seen(outcome: Outcome, after: Seen, fault: str) -> None:
    judged = replace(outcome, faults=[])
    judge(judged, NOTHING, after, "")
    assert judged.faults == ([fault] if fault else [])


def test_a_case_is_the_same_each_time(light: Path, tmp_path: Path) -> None:
    contents = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        spoilt = spoil("swap-value:7", light, folder)
        contents.append({path.name: path.read_bytes() for path in spoilt.glob("*.json")})
    assert contents[0] == contents[1]
    assert contents[0] != {path.name: path.read_bytes() for path in light.glob("*.json")}
