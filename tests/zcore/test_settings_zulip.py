"""A Zulip server's own configuration is read, and never run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zcore import Refused
from zcore.settings import Settings
from zcore.settings_literals import read_literals

if TYPE_CHECKING:
    from zcore.testing.commands import Zops

SECRETS = """
[secrets]
avatar_salt = salt%(of)s
secret_key = the-secret-key
rabbitmq_password = rabbit/hush
postgres_password = pg@hush
memcached_password = mem-hush
s3_key = AKEY
s3_secret_key = s3-hush
email_password = mail hush
"""


class Server:
    """The configuration of a server, and zops's settings with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.write("settings.py", "EXTERNAL_HOST = 'zulip.example.com'\n")
        self.write("zulip.conf", "[machine]\npuppet_classes = zulip::profile::standalone\n")
        self.write("zulip-secrets.conf", SECRETS)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def settings(self, program: str = "", **environ: str) -> Settings:
        """The settings with this settings.py."""
        if program:
            self.write("settings.py", program)
        variables = {"HOME": "/home/nobody", "ZOPS_ZULIP_CONF": str(self.folder), **environ}
        return Settings.load({}, variables, Path("/"))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server with secrets, and nothing special in its settings."""
    return Server(tmp_path / "zulip")


def test_what_every_server_has(server: Server) -> None:
    settings = server.settings()
    assert settings.external_host == "zulip.example.com"
    assert settings.database_url == "postgresql://zulip@/zulip"
    assert settings.broker == "amqp://zulip:rabbit%2Fhush@127.0.0.1:5672/%2F"
    assert settings.avatar_salt == "salt%(of)s"
    assert settings.server_secret_key() == "the-secret-key"
    assert settings.memcached == "127.0.0.1:11211"
    login = (settings.memcached_username, settings.memcached_password)
    assert login == ("zulip@localhost", "mem-hush")
    assert settings.http_proxy == "http://localhost:4750"
    assert settings.tornado_ports == (9800,)
    assert settings.mail_from == "noreply@zulip.example.com"
    assert settings.smtp_url is None
    assert settings.problems == ()
    assert settings.unread == ()


def test_nothing_is_read_unless_named(server: Server) -> None:
    assert Settings.load({}, {"HOME": str(server.folder)}, server.folder).external_host is None


def test_another_database_host(server: Server) -> None:
    program = "REMOTE_POSTGRES_HOST = 'db.example.com'\nREMOTE_POSTGRES_PORT = '5433'\n"
    url = "postgresql://zulip:pg%40hush@db.example.com:5433/zulip?sslmode="
    assert server.settings(program).database_url == f"{url}verify-full"
    program += "REMOTE_POSTGRES_SSLMODE = 'require'\n"
    assert server.settings(program).database_url == f"{url}require"


def test_another_database_name_and_user(server: Server) -> None:
    server.write("zulip.conf", "[postgresql]\ndatabase_name = my zulip\ndatabase_user = me\n")
    assert server.settings().database_url == "postgresql://me:pg%40hush@localhost/my%20zulip"


def test_an_address_of_version_6(server: Server) -> None:
    settings = server.settings("REMOTE_POSTGRES_HOST = '::1'\n")
    assert settings.database_url.startswith("postgresql://zulip:pg%40hush@[::1]/zulip?")


def test_another_broker(server: Server) -> None:
    program = """
RABBITMQ_HOST = "mq.example.com"
RABBITMQ_PORT = 5671
RABBITMQ_VHOST = "zulip"
RABBITMQ_USERNAME = "me"
RABBITMQ_USE_TLS = True
"""
    url = "amqps://me:rabbit%2Fhush@mq.example.com:5671/zulip"
    assert server.settings(program).broker == url


@pytest.mark.parametrize(
    ("program", "on"),
    [
        ("", False),
        ("ZULIP_SERVICE_PUSH_NOTIFICATIONS = True\n", True),
        ("PUSH_NOTIFICATION_BOUNCER_URL = 'https://push.example.com'\n", True),
        (
            "ZULIP_SERVICE_PUSH_NOTIFICATIONS = False\n"
            "PUSH_NOTIFICATION_BOUNCER_URL = 'https://push.example.com'\n",
            False,
        ),
    ],
)
def test_a_push_service(server: Server, program: str, on: bool) -> None:
    assert server.settings(program).push_service is on


@pytest.mark.parametrize(
    ("program", "on", "untold"),
    [
        ("APNS_CERT_FILE = None\n", False, False),
        ("APNS_CERT_FILE = '/etc/ssl/apns.pem'\n", True, False),
        ("APNS_TOKEN_KEY_FILE = '/etc/zulip/apns.p8'\n", True, False),
        ("ANDROID_FCM_CREDENTIALS_PATH = '/etc/zulip/fcm.json'\n", True, False),
        ("import os\nAPNS_CERT_FILE = os.environ['CERT']\n", False, True),
    ],
)
def test_a_server_that_pushes_by_itself(
    server: Server, program: str, on: bool, untold: bool
) -> None:
    settings = server.settings(program)
    assert (settings.push_service, settings.push_directly) == (False, on)
    assert ("push_directly" in settings.untold) is untold


def test_queues_of_push_notifications(server: Server) -> None:
    assert server.settings().push_shards == 1
    server.write("zulip.conf", "[application_server]\nmobile_notification_shards = 4\n")
    assert server.settings().push_shards == 4


def test_mail(server: Server) -> None:
    program = """
EXTERNAL_HOST = "zulip.example.com:8443"
EMAIL_HOST = "smtp.example.com"
EMAIL_HOST_USER = "me@example.com"
EMAIL_USE_TLS = True
EMAIL_PORT = 587
"""
    settings = server.settings(program)
    url = "smtp://me%40example.com:mail%20hush@smtp.example.com:587?starttls=required"
    assert settings.smtp_url == url
    assert settings.mail_from == "noreply@zulip.example.com"
    more = "EMAIL_USE_TLS = False\nEMAIL_USE_SSL = True\nEMAIL_HOST_USER = None\n"
    assert server.settings(program + more).smtp_url == "smtps://smtp.example.com:587"


def test_files_in_a_folder(server: Server) -> None:
    settings = server.settings("LOCAL_UPLOADS_DIR = '/home/zulip/uploads'\n")
    assert settings.uploads == "/home/zulip/uploads"


def test_files_in_an_object_store(server: Server) -> None:
    program = """
LOCAL_UPLOADS_DIR = None
S3_AUTH_UPLOADS_BUCKET = "up"
S3_AVATAR_BUCKET = "av"
S3_EXPORT_BUCKET = "ex"
S3_REGION = "eu-north-1"
S3_ENDPOINT_URL = "https://s3.example.com"
"""
    settings = server.settings(program)
    assert settings.uploads == "s3"
    assert settings.s3_auth_uploads_bucket == "up"
    assert settings.s3_avatar_bucket == "av"
    assert settings.s3_export_bucket == "ex"
    assert settings.s3_region == "eu-north-1"
    assert settings.s3_endpoint_url == "https://s3.example.com"
    assert (settings.s3_access_key, settings.s3_secret_key) == ("AKEY", "s3-hush")


def test_tornado_ports_and_proxy(server: Server) -> None:
    server.write(
        "zulip.conf",
        "[tornado_sharding]\n9800 = a\n9801_9802 = b c\n9803_regex = ^d\n"
        "[http_proxy]\nhost =\nport = 4750\n",
    )
    settings = server.settings()
    assert settings.tornado_ports == (9800, 9801, 9802, 9803)
    assert settings.tornado_sharding is None
    assert settings.http_proxy is None


def test_which_tornado_process_serves_which_organization(server: Server) -> None:
    server.write("sharding.json", "{}")
    assert server.settings().tornado_sharding == server.folder / "sharding.json"


def test_secrets_are_masked(server: Server) -> None:
    program = "REMOTE_POSTGRES_HOST = 'db'\nEMAIL_HOST = 'mail'\nEMAIL_HOST_USER = 'me'\n"
    rows = repr(server.settings(program).rows())
    for secret in ("hush", "the-secret-key", "salt"):
        assert secret not in rows.replace("avatar_salt", "")


MALICIOUS = """
import os
os.system("touch {witness}")
open("{witness}", "w").close()
EXTERNAL_HOST = "zulip.example.com"
LOCAL_UPLOADS_DIR = __import__("os").system("touch {witness}") or "/evil"
class Evil:
    open("{witness}", "w").close()
@(lambda function: open("{witness}", "w"))
def decorated(): ...
RABBITMQ_HOST = [open("{witness}", "w") for _ in range(1)] and "evil"
"""


def test_settings_are_never_run(server: Server, zops: Zops, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    server.write("settings.py", MALICIOUS.format(witness=witness))
    done = zops("settings", "--json", env={"ZOPS_ZULIP_CONF": str(server.folder)})
    values = {row["name"]: row["value"] for row in done.json()["settings"]}
    assert values["external_host"] == "zulip.example.com"
    assert values["broker"] == "embedded"
    assert not witness.exists()
    notes = "\n".join(done.json()["problems"])
    assert "LOCAL_UPLOADS_DIR is computed (line 6)" in notes
    assert "RABBITMQ_HOST is computed (line 11)" in notes


class TestUnknownValues:
    def test_are_warned_of_where_zops_would_work_on_something_else(self, zops: Zops) -> None:
        server = Server(zops.folder / "zulip")
        server.write("settings.py", "import os\nREMOTE_POSTGRES_HOST = os.environ['DB']\n")
        environ = {"ZOPS_ZULIP_CONF": str(server.folder)}
        (warning,) = zops("settings", env=environ).stderr.splitlines()
        assert "does not tell database_url" in warning
        assert "REMOTE_POSTGRES_HOST is computed (line 2)" in warning
        assert "ZOPS_DATABASE" in warning
        given = environ | {"ZOPS_DATABASE": "postgresql:///zulip"}
        assert zops("plugins", "list", env=given).stderr == ""
        assert "REMOTE_POSTGRES_HOST" in zops("-v", "plugins", "list", env=given).stderr

    def test_of_files_that_are_not_there(self, server: Server) -> None:
        (server.folder / "settings.py").unlink()
        settings = server.settings()
        assert settings.is_default("database")
        assert settings.avatar_salt == "salt%(of)s"
        assert len(settings.problems) == 3
        assert settings.unread == (
            f"{server.folder}/settings.py cannot be read: No such file or directory",
        )

    def test_of_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(Refused, match="there is no folder"):
            Settings.load({}, {"HOME": "/", "ZOPS_ZULIP_CONF": str(tmp_path / "no")}, tmp_path)

    def test_of_a_folder_that_cannot_be_looked_at(self, zops: Zops) -> None:
        environ = {"ZOPS_ZULIP_CONF": str(zops.folder / ("x" * 300))}  # longer than names may be
        error, hint = zops("db", "check", exit_code=3, env=environ).stderr.splitlines()
        assert error.endswith("cannot be read: File name too long")
        assert hint.startswith("hint: name the folder")
        for command in (("doctor",), ("settings",), ("plugins", "list"), ("db", "--help")):
            done = zops(*command, env=environ, check=False)
            assert done.exit_code == (5 if command == ("doctor",) else 0)
            assert "cannot be read: File name too long" in done.stderr

    @pytest.mark.parametrize("name", ["settings.py", "zulip-secrets.conf"])
    def test_of_files_that_others_can_write(self, name: str, server: Server) -> None:
        (server.folder / name).chmod(0o666)
        settings = server.settings()
        assert f"{server.folder / name} is ignored: every user can write it" in settings.unread
        assert (settings.avatar_salt is None) == (name == "zulip-secrets.conf")
        assert (settings.external_host is None) == (name == "settings.py")

    @pytest.mark.parametrize("text", ["no section = 1\n", "[secrets\nhush\n", "[a]\n[a]\n"])
    def test_of_files_that_are_not_ini(self, text: str, server: Server) -> None:
        server.write("zulip-secrets.conf", text)
        settings = server.settings()
        note = f"{server.folder}/zulip-secrets.conf cannot be read: it is not an INI file"
        assert settings.unread == (note,)

    def test_of_files_that_are_too_large(self, server: Server) -> None:
        server.write("settings.py", "#" * 1_000_001)
        assert any("too large" in note for note in server.settings().unread)


@pytest.mark.parametrize(
    ("source", "values", "computed"),
    [
        ("A = 'x'", {"A": "x"}, {}),
        ("A: str = 'x'", {"A": "x"}, {}),
        ("A: str", {}, {}),
        ("A = 'x' 'y'", {"A": "xy"}, {}),
        ("A = -1", {"A": -1}, {}),
        ("A = [1, ('b',), {'c': None}]", {"A": [1, ("b",), {"c": None}]}, {}),
        ("A = 'x'\nA = 'y'", {"A": "y"}, {}),
        ("A = 'x'\nA = f()", {}, {"A": 2}),
        ("A = f()\nA = 'x'", {"A": "x"}, {}),
        ("if f():\n    A = 'x'", {}, {"A": 2}),
        ("A = 'x'\nif f():\n    A = 'y'", {}, {"A": 3}),
        ("if f():\n    A = 'y'\nA = 'x'", {"A": "x"}, {}),
        ("A = 'x'\nA += 'y'", {}, {"A": 2}),
        ("A, C = 'x', 'y'", {}, {"A": 1}),
        ("A = C = 'x'", {}, {"A": 1}),
        ("A = 'x'\ndel A", {}, {"A": 2}),
        ("A = 'x'\nfor A in (): pass", {}, {"A": 2}),
        ("A = 'x'\nimport a as A", {}, {"A": 2}),
        ("A = 'x'\nfrom a import A", {}, {"A": 2}),
        ("A = 'x'\ndef A(): pass", {}, {"A": 2}),
        ("A = 'x'\ndef f():\n    global A\n    A = 1", {}, {"A": 4}),
        ("A = f'{x}'", {}, {"A": 1}),
        ("A = 'x'\nB.A = 3", {"A": "x"}, {}),
        ("C = f()", {}, {}),
        ("", {}, {}),
        ("A = (", {}, {"A": 0}),
        ("A = '\x00'", {}, {"A": 0}),
        ("A = " + "(" * 5000, {}, {"A": 0}),
    ],
)
def test_literals(source: str, values: dict[str, object], computed: dict[str, int]) -> None:
    found = read_literals(source, {"A"})
    assert (found.values, found.computed) == (values, computed)


def test_literals_with_imports_of_everything() -> None:
    found = read_literals("from more import *\nA = 1\n", {"A"})
    assert found.values == {"A": 1}
    assert found.notes == ("line 1 imports * from a module that is not read",)
