"""Where settings come from: nearest wins, and nothing is created by looking."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zcore import Refused
from zcore.settings import Settings
from zcore.settings_table import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.testing.commands import Zops

    Load = Callable[..., Settings]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a user with a home of their own."""
    return {"HOME": str(tmp_path / "home")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def load(environ: dict[str, str], folder: Path) -> Load:
    """Load settings with these flags and environment variables."""

    def load(flags: dict[str, object] | None = None, **variables: str) -> Settings:
        return Settings.load(flags or {}, environ | variables, folder)  # type: ignore[arg-type]

    return load


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


class TestDefaults:
    def test_are_in_the_data_folder(self, load: Load, tmp_path: Path) -> None:
        home = tmp_path / "home/.local/share/zops"
        settings = load()
        assert settings.home == home
        assert settings.database_url == f"sqlite:///{home}/zops.db"
        assert settings.uploads == f"{home}/uploads"
        assert settings.broker == "embedded"
        assert settings.external_host is None
        assert settings.disabled_plugins == ()

    def test_follow_the_data_folder(self, load: Load, tmp_path: Path) -> None:
        settings = load(ZOPS_HOME=str(tmp_path / "data"))
        assert settings.database_url == f"sqlite:///{tmp_path}/data/zops.db"
        assert settings.is_default("database")

    def test_create_nothing(self, load: Load, tmp_path: Path) -> None:
        load(ZOPS_HOME=str(tmp_path / "data")).rows()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["here"]

    @pytest.mark.parametrize("variable", ["XDG_DATA_HOME", "XDG_CONFIG_HOME"])
    def test_agree_with_platformdirs(
        self, variable: str, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import platformdirs

        given = str(tmp_path / "base")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv(variable, given)
        assert load(**{variable: given}).home == Path(platformdirs.user_data_dir("zops"))
        config = Path(platformdirs.user_config_dir("zops")) / "zops.toml"
        write(config, "[server]\nexternal_host = 'found'\n")
        assert load(**{variable: given}).external_host == "found"

    def test_without_a_home(self, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "relative")
        with pytest.raises(Refused, match="no home folder"):
            load(HOME="", XDG_DATA_HOME="relative")


class TestPrecedence:
    """Flag, environment, file, the Zulip server's files, default."""

    @pytest.fixture(autouse=True)
    def everything(self, folder: Path, tmp_path: Path) -> None:
        self.zulip = tmp_path / "zulip"
        write(self.zulip / "settings.py", "EXTERNAL_HOST = 'zulip'\n")
        write(self.zulip / "zulip.conf", "")
        write(self.zulip / "zulip-secrets.conf", "[secrets]\n")
        self.file = folder / "zops.toml"

    def test_flag(self, load: Load) -> None:
        write(self.file, "[database]\nurl = 'sqlite:///file'\n")
        settings = load({"database_url": "sqlite:///flag"}, ZOPS_DATABASE="sqlite:///environment")
        assert settings.database_url == "sqlite:///flag"
        assert settings.origin("database") == "flag --database"

    def test_environment(self, load: Load) -> None:
        write(self.file, f"[zulip]\nconf='{self.zulip}'\n[server]\nexternal_host = 'file'\n")
        settings = load(ZOPS_EXTERNAL_HOST="environment")
        assert settings.external_host == "environment"
        assert settings.origin("external_host") == "environment ZOPS_EXTERNAL_HOST"

    def test_file(self, load: Load) -> None:
        write(self.file, f"[zulip]\nconf='{self.zulip}'\n[server]\nexternal_host = 'file'\n")
        settings = load()
        assert settings.external_host == "file"
        assert settings.origin("external_host") == f"file {self.file}"

    def test_zulip_server(self, load: Load) -> None:
        settings = load(ZOPS_ZULIP_CONF=str(self.zulip))
        assert settings.external_host == "zulip"
        assert settings.origin("external_host") == f"Zulip server {self.zulip}/settings.py"

    def test_default(self, load: Load) -> None:
        assert load().origin("external_host") == "default"

    def test_an_empty_variable_is_none(self, load: Load) -> None:
        write(self.file, "[server]\nexternal_host = 'file'\n")
        assert load(ZOPS_EXTERNAL_HOST="").external_host == "file"

    def test_of_lists_is_not_a_sum(self, load: Load) -> None:
        write(self.file, "[plugins]\ndisabled = ['one', 'two']\n")
        assert load().disabled_plugins == ("one", "two")
        assert load(ZOPS_DISABLE_PLUGINS="three,, four").disabled_plugins == ("three", "four")
        assert load({"disabled_plugins": ("five",)}).disabled_plugins == ("five",)


class TestFile:
    """Which file applies, and what is wrong with it."""

    def _host(self, name: str) -> str:
        return f"[server]\nexternal_host = '{name}'\n"

    def test_the_first_that_is_found(self, load: Load, folder: Path, tmp_path: Path) -> None:
        write(tmp_path / "home/.config/zops/zops.toml", self._host("user"))
        assert load().external_host == "user"
        write(folder / "zops.toml", self._host("here"))
        assert load().external_host == "here"
        named = write(tmp_path / "named.toml", self._host("variable"))
        assert load(ZOPS_CONFIG=str(named)).external_host == "variable"
        write(folder / "flag.toml", self._host("flag"))
        assert load({"config": "flag.toml"}, ZOPS_CONFIG=str(named)).external_host == "flag"

    def test_only_one_applies(self, load: Load, folder: Path, tmp_path: Path) -> None:
        write(tmp_path / "home/.config/zops/zops.toml", self._host("user"))
        write(folder / "zops.toml", "[mail]\nfrom = 'me@example.com'\n")
        assert load().external_host is None

    def test_paths_are_relative_to_it(self, load: Load, tmp_path: Path) -> None:
        text = "[files]\nuploads = 'up'\n[mail]\npassword_file = '~/secret'\n"
        write(tmp_path / "else/zops.toml", text)
        settings = load({"config": "../else/zops.toml"})
        assert os.path.samefile(tmp_path / "else", Path(settings.uploads).parent)
        assert settings.mail_password_file == Path("~/secret").expanduser()

    @pytest.mark.parametrize("place", ["s3", "gs://bucket/uploads"])
    def test_other_stores_are_no_paths(self, place: str, load: Load, folder: Path) -> None:
        write(folder / "zops.toml", f"[files]\nuploads = '{place}'\n")
        assert load().uploads == place

    def test_that_is_named_must_be_there(self, load: Load) -> None:
        with pytest.raises(Refused, match=r"nowhere.toml cannot be read: No such file"):
            load({"config": "nowhere.toml"})

    @pytest.mark.parametrize(
        "text", ["not toml", "[database\n", "a = 1\na = 2\n", "\x00", "[server]\nx = 'ü'\n"]
    )
    def test_must_be_toml(self, text: str, load: Load, folder: Path) -> None:
        (folder / "zops.toml").write_bytes(text.encode("latin-1"))
        with pytest.raises(Refused, match=r"here/zops.toml is not valid TOML: ") as error:
            load()
        assert "\n" not in error.value.message

    def test_that_others_can_write_is_ignored(self, load: Load, folder: Path) -> None:
        path = write(folder / "zops.toml", self._host("evil"), mode=0o646)
        settings = load()
        assert settings.external_host is None
        assert settings.problems == (f"{path} is ignored: every user can write it",)

    def test_that_others_can_write_is_refused_when_named(self, load: Load, folder: Path) -> None:
        write(folder / "named.toml", self._host("evil"), mode=0o666)
        with pytest.raises(Refused, match="every user can write it"):
            load({"config": "named.toml"})

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_that_belongs_to_another_user_is_ignored(self, load: Load, folder: Path) -> None:
        path = write(folder / "zops.toml", self._host("evil"))
        os.chown(path, 12345, -1)
        settings = load()
        assert settings.external_host is None
        assert settings.problems == (f"{path} is ignored: it belongs to another user",)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
    def test_that_cannot_be_read(self, load: Load, folder: Path) -> None:
        write(folder / "zops.toml", "", mode=0)
        with pytest.raises(Refused, match="Permission denied"):
            load()

    def test_unknown_keys_are_named(self, load: Load, folder: Path) -> None:
        path = write(folder / "zops.toml", "top = 1\n[files.s3]\nbucket = 'b'\n[server]\nx = 1\n")
        assert load().problems == tuple(
            f"{path}: the unknown key {key!r} is ignored"
            for key in ("top", "files.s3.bucket", "server.x")
        )

    def test_plugins_have_tables_of_their_own(self, load: Load, folder: Path) -> None:
        text = "[plugins]\ndisabled = ['one']\n[plugins.acme]\nlicence = 'l'\n"
        write(folder / "zops.toml", text)
        settings = load()
        assert settings.problems == ()
        assert settings.plugin_table("acme") == {"licence": "l"}
        assert settings.plugin_table("other") == {}

    @pytest.mark.parametrize(
        "text",
        [
            "[database]\nurl = 3",
            "[database]\nurl = ''",
            "[plugins]\ndisabled = [1]",
            "[server]\ntornado_ports = ['a']",
            "[server]\ntornado_ports = 9800",
            "[files]\nuploads = true",
            "[files.s3]\naddressing_style = 'x'",
            "[files.s3]\ntimeout = 0",
            "[server]\npush_shards = 0",
            "[files.s3]\ntimeout = '60'",
            "[files.s3]\nattempts = 1.5",
            "[files.s3]\nattempts = true",
        ],
    )
    def test_values_have_their_types(self, text: str, load: Load, folder: Path) -> None:
        write(folder / "zops.toml", text)
        with pytest.raises(Refused, match=r"the setting \S+ \(file .*zops.toml\) must be"):
            load()

    def test_every_setting_can_be_given(self, load: Load, folder: Path) -> None:
        values = {
            "server.tornado_ports": "[9800]",
            "server.push_service": "true",
            "server.push_directly": "true",
            "server.push_shards": "3",
            "plugins.disabled": "['x']",
            "files.s3.addressing_style": "'virtual'",
            "files.s3.timeout": "0.5",
            "files.s3.attempts": "3",
        }
        places = [setting.toml for setting in SETTINGS if setting.toml]
        lines = [f"{place} = {values.get(place, repr('/x'))}" for place in places]
        write(folder / "zops.toml", "\n".join(line for line in lines if "zulip" not in line))
        settings = load()
        assert settings.problems == ()
        given = {row.name for row in settings.rows() if row.origin.startswith("file ")}
        assert given == {s.name for s in SETTINGS if s.toml and s.name != "zulip_conf"}


SECRETS = {
    "ZOPS_DATABASE": "postgresql://me:hush@db/zulip",
    "ZOPS_BROKER": "amqp://me:hush@mq/",
    "ZOPS_SMTP_URL": "smtp://me:hush@mail",
    "ZOPS_AVATAR_SALT": "hush",
    "SENTRY_DSN": "https://hush@sentry/1",
}


class TestSecrets:
    def test_are_not_shown(self, load: Load) -> None:
        settings = load(**SECRETS)
        assert settings.database_url == SECRETS["ZOPS_DATABASE"]
        assert settings.avatar_salt == "hush"
        assert "hush" not in repr(settings.rows())
        assert "hush" not in repr(settings)

    def test_are_not_shown_by_the_command(self, zops: Zops) -> None:
        done = zops("settings", env=SECRETS)
        assert "hush" not in done.stdout + done.stderr
        assert "postgresql://me:***@db/zulip" in done.stdout
        assert "hush" not in zops("settings", "--json", env=SECRETS).stdout

    def test_a_password_on_the_command_line_is_warned_of(self, zops: Zops) -> None:
        done = zops("--database", "postgresql://me:hush@db/zulip", "settings")
        (warning,) = done.stderr.splitlines()
        assert "ZOPS_DATABASE" in warning
        assert "PGPASSFILE" in warning
        assert "hush" not in warning
        assert zops("--database", "postgresql://me@db/zulip", "settings").stderr == ""

    def test_are_read_from_files(self, load: Load, folder: Path) -> None:
        write(folder / "zops.toml", "[mail]\npassword_file = 'mail'\n")
        write(folder / "mail", "hush\n")
        assert load().mail_password() == "hush"
        assert load().server_secret_key() is None

    def test_in_files_that_are_not_there(self, load: Load, folder: Path) -> None:
        write(folder / "zops.toml", "[mail]\npassword_file = 'mail'\n")
        with pytest.raises(Refused, match=r"the secret in .*mail cannot be read: No such file"):
            load().mail_password()


class TestCommand:
    """`zops settings`."""

    def test_says_where_each_came_from(self, zops: Zops) -> None:
        path = write(zops.folder / "zops.toml", "[server]\nexternal_host = 'zulip.example.com'\n")
        document = zops("settings", "--json", env={"ZOPS_BROKER": "embedded"}).json()
        found = {row["name"]: row for row in document["settings"]}
        assert {setting.name for setting in SETTINGS} <= found.keys()
        assert found["external_host"] == {
            "name": "external_host",
            "value": "zulip.example.com",
            "origin": f"file {path}",
        }
        assert found["broker"]["origin"] == "environment ZOPS_BROKER"
        assert found["uploads"]["origin"] == "default"
        shown = zops("settings").stdout
        assert "external_host" in shown
        assert str(path) in shown

    @pytest.mark.parametrize("command", [("settings",), ("doctor",), ("plugins", "list")])
    def test_helps_when_the_file_is_broken(self, command: tuple[str, ...], zops: Zops) -> None:
        write(zops.folder / "zops.toml", "[database\n")
        done = zops(*command, check=False)
        assert done.exit_code in {0, 5}
        (first, *_) = done.stderr.splitlines()
        assert first.startswith("zops: warning: the configuration file ")
        if command == ("settings",):
            assert f"{zops.home}  " in done.stdout

    def test_nothing_else_runs_when_the_file_is_broken(self, zops: Zops) -> None:
        write(zops.folder / "zops.toml", "[database\n")
        done = zops("db", "init", exit_code=3)
        error, hint = done.stderr.splitlines()
        assert error.startswith("zops: error: the configuration file ")
        assert "--config" in hint
        assert not zops.home.exists()
        assert "create-realm" in zops("--help").stdout
        assert "Create Zulip's tables" in zops("db", "init", "--help").stdout

    def test_creates_nothing(self, zops: Zops) -> None:
        zops("settings")
        assert not zops.home.exists()
