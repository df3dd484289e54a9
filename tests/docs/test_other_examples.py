"""The examples on the other pages for authors, and the session in the README."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from tests.docs.packages import assert_nothing_wrong, implementing, install, write
from tests.docs.pages import PLUGIN_DOCS, blocks_of
from tests.environments import ROOT
from tools.docs.examples import files
from zcore import testing as kit
from zcore.testing.plugin import MARKERS

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.testing.commands import Zops


def files_of(page: str) -> dict[str, str]:
    return files((PLUGIN_DOCS / page).read_text())


def test_the_smallest_plugin(zops: Zops) -> None:
    install(files_of("README.md"), zops)
    assert_nothing_wrong(zops)
    assert zops("hello").stdout == "hello\n"
    assert zops("--json", "hello").json() == {"ok": True, "greeting": "hello"}
    (zops.folder / "zops.toml").write_text(blocks_of(PLUGIN_DOCS / "README.md", "toml")[-1].text)
    (zops.folder / "zops.toml").chmod(0o600)
    zops("hello", exit_code=2)


def test_a_deprecated_hook(zops: Zops) -> None:
    install(files_of("versioning.md"), zops)
    assert_nothing_wrong(zops)
    user = implementing("zops_acme_old")
    install({"zops_other/plugin.py": user}, zops, plugin="other")
    warning = "zops_acme_old is deprecated and goes away with zops 2.0; use zops_acme_new instead"
    assert warning in zops("plugins", "list").stderr
    assert warning in (PLUGIN_DOCS / "versioning.md").read_text()


def test_a_worker_with_a_lease(acme: Zops) -> None:
    install(files((ROOT / "docs" / "leases.md").read_text()), acme)
    assert_nothing_wrong(acme)
    with closing(sqlite3.connect(acme.home / "zops.db")) as connection:
        connection.execute("CREATE TABLE acme_orders (number INTEGER)")
        acme("queue", "publish", "acme_orders", stdin='{"number": 7}\n{"number": 8}\n')
        acme("process-queue", "acme_orders", "--drain")
        assert connection.execute("SELECT number FROM acme_orders").fetchall() == [(7,), (8,)]
        (done,) = connection.execute("SELECT count(*) FROM zops_leases WHERE done > 0").fetchone()
    assert done == 2


def test_the_tests_on_the_page_about_tests_pass(tmp_path: Path) -> None:
    write(files_of("testing.md"), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not postgresql"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "11 passed" in done.stdout


def test_the_page_about_tests_has_all_fixtures_functions_and_markers() -> None:
    page = (PLUGIN_DOCS / "testing.md").read_text()
    told_of = re.findall(r"(?m)^`(\w+)` ", kit.__doc__ or "")
    assert {"zops", "database", "work"} <= {*told_of}
    assert [name for name in (*told_of, *MARKERS) if f"`{name}`" not in page] == []


def test_the_session_in_the_readme_is_what_the_demonstration_prints(zops: Zops) -> None:
    (session,) = blocks_of(ROOT / "README.md", "console")
    typed, _, seen = session.text.partition("\n")
    assert typed == "$ zops demo"
    said = zops("demo", "--folder", "demo").stdout
    assert without_times(said).startswith(without_times(seen))


def without_times(text: str) -> str:
    return re.sub(r"\d+\.\d+ s\b", "N s", text)
