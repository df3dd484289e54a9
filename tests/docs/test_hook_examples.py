"""The example of each hook's docstring, installed as a package: it does what the docstring says."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from tests.docs.packages import assert_nothing_wrong, implementing, install
from tests.interop.reading import REAL_EXPORTS, unpack
from tools.docs.examples import files_of_docstring
from tools.docs.ours import our_plugins

if TYPE_CHECKING:
    from pathlib import Path

    from tests.smtp_server import MailServer
    from zcore.database import Database
    from zcore.testing.commands import Zops

HOOKS = our_plugins().specifications
CREATE_MAX = ["create-user", "max@acme.example", "Max Member", "-r", "acme", "--no-password"]


def install_example(hook: str, zops: Zops) -> dict[str, str]:
    """Install the example of a hook; returns its files."""
    files = files_of_docstring(HOOKS[hook].__doc__)
    install(files, zops)
    return files


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_nothing_is_wrong_with_it(hook: str, zops: Zops) -> None:
    install_example(hook, zops)
    assert_nothing_wrong(zops)
    listed = zops("--json", "plugins", "list").json()["plugins"]
    assert [plugin["hooks"] for plugin in listed if plugin["name"] == "acme"] == [[hook]]


def test_commands(zops: Zops) -> None:
    install_example("zops_commands", zops)
    host = {"ZOPS_EXTERNAL_HOST": "chat.acme.example"}
    assert zops("hello", "acme", env=host).stdout == "hello acme at chat.acme.example\n"


def test_validators(zops: Zops) -> None:
    install_example("zops_validators", zops)
    words = ["create-realm", "Gamma", "olga@acme.example", "Olga Owner", "--no-password"]
    refused = zops("--json", *words, "--string-id", "gamma", "--dry-run", exit_code=3)
    assert refused.codes() == {"acme-prefix"}
    zops(*words, "--string-id", "acme-gamma", "--dry-run")


def test_export_stages(acme: Zops) -> None:
    install_example("zops_export_stages", acme)
    acme("export", "-r", "acme", "--output", "exported")
    note = (acme.folder / "exported" / "acme-note.txt").read_text()
    assert note == "exported from acme"


def test_rewrites(acme: Zops) -> None:
    install_example("zops_export_stages", acme)
    acme("export", "-r", "acme", "--output", "with")
    acme("--disable-plugin", "acme", "export", "-r", "acme", "--output", "without")
    assert tos_versions(acme.folder / "without") == ["-1"]
    assert tos_versions(acme.folder / "with") == [None]


def tos_versions(export: Path) -> list[str | None]:
    realm = json.loads((export / "realm.json").read_text())
    return [user["tos_version"] for user in realm["zerver_userprofile"]]


def test_settings(zops: Zops) -> None:
    files = install_example("zops_settings", zops)
    files["zops_acme/plugin.py"] += COMMAND  # which is in the example of another hook
    install(files, zops)
    assert zops("hello").stdout == "hello\n"
    configuration = zops.folder / "zops.toml"
    configuration.write_text(files["zops.toml"])
    configuration.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert zops("hello").stdout == "hi\n"
    assert zops("hello", env={"ZOPS_ACME_GREETING": "hey"}).stdout == "hey\n"


COMMAND = """
from zcore import Command

@hookimpl
def zops_commands():
    return [Command("hello", "zops_acme.cli:hello", "Say hello.")]
"""


def test_checks(zops: Zops) -> None:
    install_example("zops_checks", zops)
    assert licence(zops) == "warning"
    zops.home.mkdir(exist_ok=True)
    (zops.home / "acme.licence").touch()
    assert licence(zops) == "ok"


def licence(zops: Zops) -> str:
    checks = zops("--json", "doctor", check=False).json()["checks"]
    (status,) = [check["status"] for check in checks if check["name"] == "acme-licence"]
    return str(status)


def test_committed(acme: Zops) -> None:
    install_example("zops_committed", acme)
    created = acme("--json", *CREATE_MAX).json()
    assert (acme.home / "acme.log").read_text() == f"acme: ({created['user_id']},)\n"


def test_import_stages(zops: Zops) -> None:
    install_example("zops_import_stages", zops)
    zops("import", "acme", REAL_EXPORTS["public"])
    zops("export", "-r", "acme", "--output", "exported")
    realm = json.loads((zops.folder / "exported" / "realm.json").read_text())
    assert realm["zerver_realm"][0]["description"] == "Imported by Acme"


def test_import_adapters(zops: Zops) -> None:
    install_example("zops_import_adapters", zops)
    folder = unpack(REAL_EXPORTS["public"], zops.folder)
    realm = json.loads((folder / "realm.json").read_text())
    realm["zerver_realm"][0]["acme_motto"] = "Onwards"
    (folder / "realm.json").write_text(json.dumps(realm))
    plan = zops("--json", "import", "acme", folder, "--dry-run").json()
    assert plan["adapted"] == {"acme-motto": 1}
    zops("import", "acme", folder)
    shown = zops("--json", "realm", "show", "acme").json()
    assert shown["description"] == "Onwards"


def test_queue_workers(zops: Zops) -> None:
    install_example("zops_queue_workers", zops)
    zops("db", "init")
    zops("queue", "publish", "acme_greetings", stdin='{"name": "Max"}\n{}\n')
    done = zops("--json", "process-queue", "acme_greetings", "--drain", exit_code=5).json()
    assert (done["processed"], done["dead"]) == (1, 1)
    (letter,) = zops("--json", "queue", "dead", "acme_greetings").json()["dead_letters"]
    assert letter["error"] == "it has no name"


def test_queue_brokers(zops: Zops) -> None:
    install_example("zops_queue_brokers", zops)
    failed = zops("queue", "list", env={"ZOPS_BROKER": "acmemq://broker"}, exit_code=4)
    assert "no connection to acmemq://broker: nothing listens there yet" in failed.stderr


def test_file_stores(acme: Zops) -> None:
    """Its folder is not there, and nobody can make it but root."""
    files = install_example("zops_file_stores", acme)
    share = acme.folder / "mnt"
    files["zops_acme/store.py"] = files["zops_acme/store.py"].replace('"/mnt"', repr(str(share)))
    install(files, acme)
    acme.environment["ZOPS_UPLOADS"] = "acme://files"
    acme("import", "sample", REAL_EXPORTS["public"])
    assert {path.name for path in (share / "files").iterdir()} == {"uploads", "pictures"}


def test_realm_created(zops: Zops) -> None:
    install_example("zops_realm_created", zops)
    zops("create-realm", "Gamma", "o@b.example", "Olga O", "--string-id=gamma", "--no-password")
    shown = zops("--json", "realm", "show", "gamma").json()
    assert shown["description"] == "One of the organizations of Acme."


def test_user_created(acme: Zops) -> None:
    install_example("zops_user_created", acme)
    acme(*CREATE_MAX)
    eve = ["create-user", "eve@other.example", "Eve Else", "-r", "acme", "--no-password"]
    assert acme("--json", *eve, exit_code=3).codes() == {"acme-address"}


def test_hookspecs(zops: Zops) -> None:
    """Somebody else can implement the new hook: it is known."""
    install_example("zops_hookspecs", zops)
    other = implementing("zops_acme_greetings", "['hi']")
    install({"zops_other/plugin.py": other}, zops, plugin="other")
    assert_nothing_wrong(zops, "other")


def test_mail_templates(zops: Zops, mail_server: MailServer, sqlite_database: Database) -> None:
    install_example("zops_mail_templates", zops)
    zops.on(sqlite_database)
    zops.environment |= {"ZOPS_SMTP_URL": mail_server.url, "ZOPS_EXTERNAL_HOST": "chat.test"}
    event = {
        "template_prefix": "zerver/emails/invitation",
        "to_emails": ["ann@a.test"],
        "context": {"referrer_name": "Bo", "realm_name": "A", "activate_url": "https://a.test/x"},
    }
    zops("queue", "publish", "email_senders", stdin=json.dumps(event))
    zops("process-queue", "email_senders", "--drain")

    (received,) = mail_server.received
    assert str(received.message["Subject"]) == "Bo invites you to A"
    assert received.body("plain") == "Bo would like you to join: https://a.test/x\r\n"
