"""The names of organizations that commands leave for the shell to complete."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore import Context, realm_names
from zcore.console import Console
from zcore.internal_realm import ensure_internal_realm
from zcore.realm_names import FILE, MOST_DATABASES, keep, known, refresh
from zcore.schema.realms import zerver_realm
from zcore.settings import Settings
from zcore.testing.plugins import plugins_of

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing.commands import Zops

CREATE = ("ann@example.com", "Ann Lee", "--no-password")


def settings(home: Path, url: str = "postgresql://me@host/zulip") -> Settings:
    """Settings that name this database and data folder."""
    environ = {"ZOPS_HOME": str(home), "ZOPS_DATABASE": url, "HOME": "/nowhere"}
    return Settings.load({}, environ, home.parent)


def names(zops: Zops) -> list[str]:
    """What is known of the database that commands of this test use."""
    environ = {**zops.environment, "ZOPS_HOME": str(zops.home)}
    return known(Settings.load({}, environ, zops.folder))


class TestFile:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """A data folder that is not there yet."""
        return tmp_path / "new" / "home"

    def test_is_private(self, home: Path) -> None:
        keep(settings(home), ["acme"])
        assert stat.S_IMODE((home / FILE).stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert [entry.name for entry in home.iterdir()] == [FILE]

    def test_does_not_tell_where_the_database_is(self, home: Path) -> None:
        keep(settings(home, "postgresql://me:hush@host/zulip"), ["acme"])
        content = (home / FILE).read_text()
        assert not [word for word in ("postgresql", "hush", "host", "zulip") if word in content]

    def test_a_password_makes_no_other_database(self, home: Path) -> None:
        keep(settings(home, "postgresql://me:hush@host/zulip"), ["acme"])
        assert known(settings(home)) == ["acme"]
        assert known(settings(home, "postgresql://me@other/zulip")) == []

    def test_a_relative_path_is_of_this_folder(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        keep(settings(home, "sqlite:///one.db"), ["acme"])
        monkeypatch.chdir("/")
        assert known(settings(home, "sqlite:///one.db")) == []
        assert known(settings(home, f"sqlite:///{tmp_path}/one.db")) == ["acme"]

    def test_is_written_only_when_something_is_new(self, home: Path) -> None:
        keep(settings(home), ["acme"])
        before = (home / FILE).stat()
        keep(settings(home), ["acme"])
        assert (home / FILE).stat() == before
        keep(settings(home), ["acme", "lear"])
        assert (home / FILE).stat().st_ino != before.st_ino

    def test_is_not_made_for_nothing(self, home: Path) -> None:
        keep(settings(home), [])
        assert not home.exists()

    def test_forgets_what_is_gone(self, home: Path) -> None:
        keep(settings(home), ["acme"])
        keep(settings(home, "postgresql:///two"), ["lear"])
        keep(settings(home), [])
        assert len(json.loads((home / FILE).read_text())) == 1

    def test_keeps_the_last_databases(self, home: Path) -> None:
        for number in range(MOST_DATABASES + 1):
            keep(settings(home, f"postgresql:///{number}"), ["acme"])
        assert known(settings(home, "postgresql:///0")) == []
        assert known(settings(home, "postgresql:///1")) == ["acme"]

    def test_holds_nothing_that_a_shell_could_take_for_more(self, home: Path) -> None:
        odd = ["$(reboot)", "a b", "a;b", "*", "", "a\nb", "ä", "-rf"]
        keep(settings(home), ["acme-2", *odd])
        assert known(settings(home)) == ["acme-2"]

    @pytest.mark.parametrize(
        "content", ["", "[]", "{", '{"a": 1}', '"x"', "\xff", "null"], ids=ascii
    )
    def test_that_is_something_else_is_no_error(self, content: str, home: Path) -> None:
        home.mkdir(parents=True)
        (home / FILE).write_text(content, encoding="latin-1")
        assert known(settings(home)) == []
        keep(settings(home), ["acme"])
        assert known(settings(home)) == ["acme"]


class TestCommands:
    def test_that_make_an_organization_leave_its_name(self, zops: Zops) -> None:
        zops("create-realm", "Acme", *CREATE, "--string-id", "acme")
        assert names(zops) == ["acme"]
        zops("create-realm", "Lear", *CREATE, "--string-id", "lear")
        assert names(zops) == ["acme", "lear"]

    def test_that_only_look_leave_them_too(self, zops: Zops) -> None:
        zops("create-realm", "Acme", *CREATE, "--string-id", "acme")
        (zops.home / FILE).unlink()
        database = (zops.home / "zops.db").read_bytes()
        zops("realm", "list")
        assert names(zops) == ["acme"]
        assert (zops.home / "zops.db").read_bytes() == database

    def test_that_run_dry_leave_nothing(self, zops: Zops) -> None:
        zops("create-realm", "Acme", *CREATE, "--string-id", "acme")
        (zops.home / FILE).unlink()
        zops("create-realm", "Lear", *CREATE, "--string-id", "lear", "--dry-run")
        assert not (zops.home / FILE).exists()

    def test_that_fail_or_need_no_database_leave_nothing(self, zops: Zops) -> None:
        zops("realm", "list")
        zops("realm", "show", "acme", exit_code=3)
        zops("settings")
        zops("realm", "list", "--help")
        assert not (zops.home / FILE).exists()

    def test_in_postgresql(self, zops: Zops, postgres_url: str) -> None:
        zops.environment["ZOPS_DATABASE"] = postgres_url
        zops("create-realm", "Acme", *CREATE, "--string-id", "acme")
        assert names(zops) == ["acme"]

    def test_do_not_mind_a_folder_that_cannot_be_written(self, zops: Zops) -> None:
        url = f"sqlite:///{zops.folder / 'here.db'}"
        zops("--database", url, "db", "init")
        zops.home.write_text("not a folder")
        done = zops("--database", url, "create-realm", "Acme", *CREATE)
        assert done.stderr == ""

    def test_do_not_wait_for_them(self, zops: Zops, postgres_database: Database) -> None:
        zops.environment["ZOPS_DATABASE"] = postgres_database.url.render_as_string(False)
        with postgres_database.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE zerver_realm IN ACCESS EXCLUSIVE MODE")
            zops("db", "check")
        assert not (zops.home / FILE).exists()


def test_of_too_many_none_are_kept(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_database.url.render_as_string()
    context = Context(settings(tmp_path / "home", url), Console(), plugins_of({}))
    with context.database.begin() as connection:
        ensure_internal_realm(connection)
    refresh(context)
    assert known(context.settings) == []  # nobody works on that one
    with context.database.begin() as connection:
        connection.execute(sa.update(zerver_realm).values(string_id="acme"))
    refresh(context)
    assert known(context.settings) == ["acme"]
    monkeypatch.setattr(realm_names, "MOST_NAMES", 0)
    refresh(context)
    assert known(context.settings) == []
    context.close()
