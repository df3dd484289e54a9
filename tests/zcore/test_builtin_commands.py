"""The core's own commands: `zops doctor`, `zops db`."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Runner
    from zcore.testing.in_process import ZopsInProcess


@pytest.fixture
def zops(zops_in_process: ZopsInProcess) -> ZopsInProcess:
    """`zops` inside the process of the tests: nothing here needs one of its own."""
    return zops_in_process


def everything_in(folder: Path) -> dict[str, str]:
    """Every file below `folder`, with a hash of its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class TestDoctor:
    def test_on_a_fresh_machine(self, zops: Runner) -> None:
        before = everything_in(zops.folder)
        done = zops("doctor", "--json")
        statuses = {check["name"]: check["status"] for check in done.json()["checks"]}
        assert set(statuses.values()) <= {"ok", "skipped"}
        assert statuses.keys() >= {"versions", "settings", "data-folder", "database", "plugins"}
        assert everything_in(zops.folder) == before
        assert not zops.home.exists()

    def test_writes_nothing(self, zops: Runner) -> None:
        zops("db", "init")
        before = everything_in(zops.folder)
        zops("doctor")
        assert everything_in(zops.folder) == before

    def test_a_database_that_is_not_there(self, zops: Runner) -> None:
        path = zops.folder / "none.db"
        done = zops("--database", f"sqlite:///{path}", "doctor", "--json", exit_code=5)
        checks = {check["name"]: check for check in done.json()["checks"]}
        assert checks["database"]["status"] == "failed"
        assert "zops db init" in checks["database"]["hint"]
        assert "database" in {finding["where"] for finding in done.json()["findings"]}
        assert not path.exists()

    def test_a_database_without_tables(self, zops: Runner) -> None:
        path = zops.folder / "empty.db"
        path.touch()
        done = zops("--database", f"sqlite:///{path}", "doctor", exit_code=5)
        assert "holds no Zulip tables" in done.stdout
        assert path.stat().st_size == 0

    def test_a_server_that_does_not_answer(self, zops: Runner) -> None:
        url = "postgresql://me:hush@127.0.0.1:1/zulip"
        done = zops("doctor", exit_code=5, env={"ZOPS_DATABASE": url})
        assert "hush" not in done.stdout + done.stderr

    @pytest.mark.parametrize(
        ("prepare", "name", "words"),
        [
            ("mkdir -m 755 zops-home", "data-folder", "can be looked into by other users"),
            ("touch zops-home", "data-folder", "not a folder"),
            ("echo 'x = 1' > zops.toml", "settings", "unknown key 'x'"),
            ("echo '[files]\nuploads = \"up\"' > zops.toml", "files", "is not a folder"),
        ],
    )
    def test_what_else_is_wrong(self, prepare: str, name: str, words: str, zops: Runner) -> None:
        subprocess.run(["/bin/sh", "-c", prepare], cwd=zops.folder, check=True)
        findings = zops("doctor", "--json", exit_code=5).json()["findings"]
        assert [finding["where"] for finding in findings] == [name]
        assert words in findings[0]["message"]

    def test_a_broken_plugin(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("bad", "raise ValueError('no luck')")
        findings = zops("doctor", "--json", exit_code=5).json()["findings"]
        assert [finding["where"] for finding in findings] == ["plugins"]
        assert "bad: it cannot be loaded: ValueError: no luck" in findings[0]["message"]

    def test_each_check_is_on_its_own(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install(
            "acme",
            """
            import zcore
            from zcore import Check, CheckResult, hookimpl

            NAMES = ("raises", "exits", "refuses", "gives", "guesses", "database", "missing", "ok")

            @hookimpl
            def zops_checks():
                return [Check(f"acme-{name}", f"dist_of_acme.plugin:{name}") for name in NAMES]

            def raises(context): 1 / 0
            def exits(context): raise SystemExit(0)
            def refuses(context): raise zcore.Refused("not so", hint="do that")
            def gives(context): return "ok"
            def guesses(context): return CheckResult("perhaps", "who knows")
            def database(context): return CheckResult("ok", str(context.database))
            def ok(context): return CheckResult("ok", "all well")
            """,
        )
        done = zops("doctor", "--json", exit_code=5)
        checks = {check["name"]: check for check in done.json()["checks"]}
        wrong = {finding["where"].removeprefix("acme-") for finding in done.json()["findings"]}
        assert wrong == {"raises", "exits", "refuses", "gives", "guesses", "database", "missing"}
        assert checks["acme-refuses"]["hint"] == "do that"
        assert checks["acme-ok"]["status"] == "ok"
        assert checks["acme-ok"]["provider"] == "plugin 'acme' (dist-of-acme 1.0)"
        assert not zops.home.exists()

    def test_a_plugin_that_cannot_say_its_checks(
        self, zops: Runner, plugins: InstalledPlugins
    ) -> None:
        plugins.install("acme", "import zcore\n@zcore.hookimpl\ndef zops_checks():\n    1 / 0")
        done = zops("doctor", exit_code=5)
        assert "plugin 'acme' (dist-of-acme 1.0) cannot be asked for zops_checks" in done.stderr

    def test_and_does_not_take_those_of_others_with_it(
        self, zops: Runner, plugins: InstalledPlugins
    ) -> None:
        everything = [check["name"] for check in zops("doctor", "--json").json()["checks"]]
        bad = "import zcore\n@zcore.hookimpl\ndef zops_checks():\n    {}"
        plugins.install("acme", bad.format("1 / 0"))
        plugins.install("other", bad.format("return 3"))
        plugins.install(
            "well",
            """
            from zcore import Check, CheckResult, hookimpl

            @hookimpl
            def zops_checks():
                return [Check("well", "dist_of_well.plugin:well")]

            def well(context): return CheckResult("ok", "all well")
            """,
        )
        checks = zops("doctor", "--json", exit_code=5).json()["checks"]
        failed = [check["name"] for check in checks if check["status"] == "failed"]
        assert failed == ["acme", "other"]
        assert {check["name"] for check in checks} == {*everything, *failed, "well"}

    @pytest.mark.parametrize(
        ("variable", "names"),
        [("ZOPS_HOME", {"data-folder", "files"}), ("ZOPS_UPLOADS", {"files"})],
    )
    def test_places_that_cannot_be_looked_at(
        self, variable: str, names: set[str], zops: Runner
    ) -> None:
        place = str(zops.folder / ("x" * 300))  # longer than names may be
        done = zops("doctor", "--json", exit_code=5, env={variable: place})
        findings = {finding["where"]: finding["message"] for finding in done.json()["findings"]}
        assert findings.keys() >= names
        for name in names:
            assert findings[name].startswith(place)
            assert findings[name].endswith("cannot be looked at: File name too long")
        assert "the check itself failed" not in str(findings)


class TestDatabaseInit:
    def test_makes_a_private_file(self, zops: Runner) -> None:
        path = zops.folder / "new" / "organization.db"
        done = zops("--database", f"sqlite:///{path}", "db", "init", "--json")
        assert done.json()["ok"] is True
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert _tables(path) >= {"zerver_realm", "zerver_message"}
        zops("--database", f"sqlite:///{path}", "db", "check")

    def test_takes_an_empty_file(self, zops: Runner) -> None:
        path = zops.folder / "empty.db"
        sqlite3.connect(path).close()
        path.touch()
        zops("--database", f"sqlite:///{path}", "db", "init")
        assert "zerver_realm" in _tables(path)

    def test_refuses_when_there_are_tables(self, zops: Runner) -> None:
        path = zops.folder / "some.db"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE zerver_message (id INTEGER)")
        connection.close()
        done = zops("--database", f"sqlite:///{path}", "db", "init", "--json", exit_code=3)
        assert done.codes() == {"not-empty"}
        assert _tables(path) == {"zerver_message"}

    def test_twice_is_refused(self, zops: Runner) -> None:
        zops("db", "init")
        before = everything_in(zops.home)
        assert zops("db", "init", "--json", exit_code=3).codes() == {"not-empty"}
        assert everything_in(zops.home) == before

    def test_in_postgresql(self, zops: Runner, empty_postgres_url: str) -> None:
        zops.environment["ZOPS_DATABASE"] = empty_postgres_url
        zops("doctor", exit_code=5)
        zops("db", "check", exit_code=3)
        zops("db", "init")
        zops("db", "init", exit_code=3)
        zops("db", "check")

    def test_of_something_else(self, zops: Runner) -> None:
        zops("--database", "mysql://db/zulip", "db", "init", exit_code=3)
        zops("--database", f"sqlite:///{zops.folder}", "db", "init", exit_code=3)


class TestDatabaseCheck:
    def test_tells_each_difference(self, zops: Runner) -> None:
        path = zops.folder / "changed.db"
        zops("--database", f"sqlite:///{path}", "db", "init")
        with sqlite3.connect(path) as connection:
            connection.execute("ALTER TABLE zerver_realm ADD COLUMN colour TEXT")
            connection.execute("DROP TABLE zerver_reaction")
        connection.close()
        done = zops("--database", f"sqlite:///{path}", "db", "check", "--json", exit_code=5)
        found = {(finding["code"], finding["where"]) for finding in done.json()["findings"]}
        assert found == {
            ("unknown-column", "zerver_realm.colour"),
            ("missing-table", "zerver_reaction"),
        }


def _tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    return {name for (name,) in rows} - {"sqlite_sequence"}
