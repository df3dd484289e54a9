"""`zops realm delete` asks, deletes everything or nothing, and leaves everybody else alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_realm.normalized_rows import all_rows
from tests.zops_realm.realm_state import insert, rows, update
from tests.zops_realm.test_asking_at_a_terminal import run_at_terminal
from zcore import Refused, Unreachable
from zcore.crash_points import CRASHED
from zcore.files import LocalStore
from zcore.organizations.codes import Role
from zcore.schema import tables
from zcore.testing.plugins import hooks
from zops_realm.catalogue import read_catalogue
from zops_realm.realm_delete import DeletionRequest, run
from zops_realm.realm_files import RealmFiles
from zops_realm.realm_rows import RealmRows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore import Change, Context
    from zcore.database import Database
    from zcore.testing.commands import Runner, Zops

DELETE = ("--json", "realm", "delete", "acme")


@pytest.fixture
def other_rows(
    database: Database,
    make_realm: Callable[[Database, str], int],
    make_user: Callable[[Database, int, str, Role], int],
) -> dict[str, list[Any]]:
    """All rows there were before `acme` was made and got a member."""
    make_realm(database, "other")
    before = all_rows(database)
    realm_id = make_realm(database, "acme")
    make_user(database, realm_id, "mo@a.test", Role.MEMBER)
    return before


def upload(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("content")


def test_only_the_organization_goes(
    zops_here: Runner, database: Database, other_rows: dict[str, list[Any]]
) -> None:
    (acme,) = rows(database, "zerver_realm", string_id="acme")
    number, uploads = acme["id"], (zops_here.home / "uploads")
    of_acme = (f"files/{number}/a/b/x.txt", f"files/thumbnail/{number}/a/b/x.txt/1.webp")
    pictures = (f"avatars/{number}/ab.png", f"avatars/exports/{number}/t/x.tar.gz")
    upload(uploads, *of_acme, *pictures, f"files/{number}1/a/b/y.txt", "avatars/1/cd.png")

    planned = zops_here(*DELETE, "--dry-run").json()
    deleted = zops_here(*DELETE, "--yes-delete", "acme").json()

    assert all_rows(database) == other_rows
    left = sorted(str(path.relative_to(uploads)) for path in uploads.rglob("*") if path.is_file())
    assert left == ["avatars/1/cd.png", f"files/{number}1/a/b/y.txt"]
    assert (deleted["files"], deleted["bytes"]) == (4, 28)
    assert deleted["rows"]["zerver_userprofile"] == 2
    assert planned == deleted | {"dry_run": True}
    zops_here("create-realm", "Acme", "o@a.test", "Olive O", "--string-id=acme", "--no-password")


def test_files_can_be_kept(
    zops_here: Runner, database: Database, other_rows: dict[str, list[Any]]
) -> None:
    (acme,) = rows(database, "zerver_realm", string_id="acme")
    upload((zops_here.home / "uploads"), f"files/{acme['id']}/a/b/x.txt")

    deleted = zops_here(*DELETE, "--yes-delete", "acme", "--keep-files").json()

    assert deleted["files"] is None
    assert ((zops_here.home / "uploads") / f"files/{acme['id']}/a/b/x.txt").exists()


@pytest.mark.parametrize(
    ("flags", "code"), [((), "no-terminal"), (("--yes-delete", "other"), "not-confirmed")]
)
def test_without_its_name_nothing_goes(
    flags: tuple[str, ...],
    code: str,
    zops_here: Runner,
    database: Database,
    other_rows: dict[str, list[Any]],
) -> None:
    before = all_rows(database)

    zops_here(*DELETE, *flags, check=False).assert_refused(code)

    assert all_rows(database) == before


def test_at_a_terminal_the_subdomain_is_asked_for(
    zops: Zops, sqlite_database: Database, make_realm: Callable[[Database, str], int]
) -> None:
    make_realm(sqlite_database, "acme")

    shown = run_at_terminal(
        zops.on(sqlite_database),
        ["realm", "delete", "acme"],
        [("Type its subdomain to go on", "acme")],
    )

    assert "'Acme Realm' (id 2) at 'acme': 1 accounts, 3 channels, 0 messages, 0 files" in shown
    assert rows(sqlite_database, "zerver_realm", string_id="acme") == []


def test_a_crash_before_the_commit_leaves_everything(
    zops: Zops, database: Database, other_rows: dict[str, list[Any]]
) -> None:
    zops_here = zops.on(database)
    before = all_rows(database)
    upload(zops_here.home / "uploads", "files/3/a/b/x.txt")

    crash = {"ZOPS_CRASH_AT": "realm-delete:before-commit"}
    done = zops_here(*DELETE, "--yes-delete", "acme", env=crash, check=False)

    assert done.exit_code == CRASHED
    assert all_rows(database) == before
    assert (zops_here.home / "uploads" / "files/3/a/b/x.txt").exists()


def test_rows_of_others_that_need_its_rows_refuse_it(
    zops_here: Runner, database: Database, other_rows: dict[str, list[Any]]
) -> None:
    (other,) = rows(database, "zerver_realm", string_id="other")
    mo = rows(database, "zerver_userprofile", delivery_email="mo@a.test")[0]["id"]
    insert(database, "zerver_alertword", realm_id=other["id"], user_profile_id=mo, word="acme")
    before = all_rows(database)

    refused = zops_here(*DELETE, "--yes-delete", "acme", check=False)

    refused.assert_refused("realm-referred-to")
    assert "zerver_alertword" in refused.json()["error"]["message"]
    assert all_rows(database) == before


def test_what_others_may_name_of_it_becomes_null(
    zops_here: Runner, database: Database, other_rows: dict[str, list[Any]]
) -> None:
    (other,) = rows(database, "zerver_realm", string_id="other")
    (owner,) = rows(database, "zerver_userprofile", realm_id=other["id"])
    mo = rows(database, "zerver_userprofile", delivery_email="mo@a.test")[0]["id"]
    update(database, "zerver_userprofile", owner["id"], bot_owner_id=mo)

    zops_here(*DELETE, "--yes-delete", "acme")

    assert all_rows(database) == other_rows  # there, it was NULL


def test_a_group_with_somebody_of_another_organization_stays(
    zops_here: Runner, database: Database, other_rows: dict[str, list[Any]]
) -> None:
    """No server lets that be, but a row of others is never deleted because of it."""
    (other,) = rows(database, "zerver_realm", string_id="other")
    (owner,) = rows(database, "zerver_userprofile", realm_id=other["id"])
    (mo,) = rows(database, "zerver_userprofile", delivery_email="mo@a.test")
    recipient = insert(database, "zerver_recipient", type=3, type_id=99)
    insert(database, "zerver_huddle", id=99, huddle_hash="h", group_size=2, recipient_id=recipient)
    for user in (owner, mo):
        subscription = {"recipient_id": recipient, "user_profile_id": user["id"]}
        insert(database, "zerver_subscription", **subscription, is_user_active=True)

    zops_here(*DELETE, "--yes-delete", "acme")

    assert len(rows(database, "zerver_huddle", id=99)) == 1
    left = rows(database, "zerver_subscription", recipient_id=recipient)
    assert [subscription["user_profile_id"] for subscription in left] == [owner["id"]]


def test_a_folder_that_leads_elsewhere_is_seen_before_anything_goes(
    sqlite_database: Database, context_of: Callable[..., Context], make_realm: Any, tmp_path: Path
) -> None:
    number = make_realm(sqlite_database, "acme")
    upload(tmp_path, "elsewhere/x", "home/uploads/avatars/x")
    (tmp_path / f"home/uploads/avatars/{number}").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(Refused):
        run(context_of(sqlite_database), DeletionRequest(realm="acme", confirmed="acme"))

    assert rows(sqlite_database, "zerver_realm", string_id="acme") != []
    assert (tmp_path / "elsewhere/x").exists()


class Stuck(LocalStore):
    """A store that does not delete."""

    def delete(self, prefix: str) -> None:
        raise Unreachable(f"{prefix} cannot be deleted just now")


def test_files_that_stay_are_told_and_the_others_go(tmp_path: Path) -> None:
    upload(tmp_path, "stuck/7/x", "fine/7/x")
    places = ((Stuck(tmp_path / "stuck"), "7"), (LocalStore(tmp_path / "fine"), "7"))

    (finding,) = RealmFiles(places).delete()

    assert (finding.code, finding.where) == ("files-left", "7")
    assert "7 cannot be deleted just now" in finding.message
    assert [path.name for path in tmp_path.rglob("7")] == ["7"]


def test_plugins_are_told_what_only_the_rows_could_tell(
    sqlite_database: Database, context_of: Callable[..., Context], make_realm: Any
) -> None:
    number = make_realm(sqlite_database, "acme")
    (owner,) = rows(sqlite_database, "zerver_userprofile", realm_id=number)
    told: list[Change] = []
    listener = hooks(zops_committed=lambda change: told.append(change))

    context = context_of(sqlite_database, plugins={"x": listener})
    run(context, DeletionRequest(realm="acme", confirmed="acme"))

    (change,) = told
    assert (change.kind, change.realm_id, change.string_id) == ("realm.deleted", number, "acme")
    known = {name: owner[name] for name in ("id", "email", "delivery_email", "api_key")}
    assert change.details == {"users": [known], "session_keys": []}


def test_every_table_with_a_way_to_the_organization_is_known(database: Database) -> None:
    """A table of the schema that has no rule would leave rows behind: it has to be named here."""
    of_the_server = {"django_content_type", "django_migrations", "django_session", "zerver_client"}
    with database.read() as connection:
        found = RealmRows(read_catalogue(connection), 1)

    assert {*tables} - {*found.tables} == of_the_server
    order = found.tables
    assert order[-1] == "zerver_realm"
    assert order.index("zerver_usermessage") < order.index("zerver_message")
    assert order.index("zerver_scheduledemail_users") < order.index("zerver_scheduledemail")


def test_the_owner_of_a_row_is_found_on_both_databases(
    database: Database, other_rows: dict[str, list[Any]]
) -> None:
    with database.read() as connection:
        found = RealmRows(read_catalogue(connection), rows(database, "zerver_realm")[-1]["id"])
        chosen = found.select("zerver_recipient", "id")
        assert chosen is not None
        recipients = set(connection.scalars(chosen))
        types = sa.select(tables["zerver_recipient"].c.type).where(
            tables["zerver_recipient"].c.id.in_(recipients)
        )
        assert sorted(connection.scalars(types)) == [1, 1, 2, 2, 2]
