"""Commands that change one account write what the server would, and keep an owner."""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_realm.normalized_rows import added, all_rows, changed
from zcore import Refused
from zcore.organizations.codes import Role
from zcore.organizations.inserts import insert_returning_id, insert_rows
from zcore.schema import tables
from zops_realm.new_password import NewPassword
from zops_realm.password_hash import is_password
from zops_realm.user_deactivate import deactivate_user
from zops_realm.user_identity import change_email, change_name
from zops_realm.user_password import change_password
from zops_realm.user_reactivate import reactivate_user
from zops_realm.user_role import change_role
from zops_realm.user_target import account_at, update_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.zops_realm.normalized_rows import Rows
    from zcore import Change, Context
    from zcore.database import Database
    from zcore.testing.commands import Zops

OLIVE, MO, GUS = "olive@example.test", "mo@a.test", "gus@a.test"
COMMANDS = [
    ("deactivate", OLIVE),
    ("change-role", OLIVE, "member"),
    ("delete", OLIVE, "--yes"),
]


class World:
    """An organization of three: Olive owns it, Mo is a member, Gus a guest."""

    def __init__(self, database: Database, context: Context, ids: dict[str, int]) -> None:
        self.database = database
        self.context = context
        self.ids = ids
        self.told: list[Change] = []
        self.before = all_rows(database)

    def changes(self, table: str) -> dict[str, dict[str, Any]]:
        """The columns that are otherwise than before, by address (or id) of the row."""
        after = {row["id"]: row for row in all_rows(self.database)[table]}
        found = {}
        for row in self.before[table]:
            now = after.get(row["id"], {})
            columns = {name: now.get(name) for name, value in row.items() if now.get(name) != value}
            if columns:
                found[row.get("delivery_email", row["id"])] = columns
        return found

    def log(self) -> list[tuple[Any, ...]]:
        """New audit entries: what, who did it, to whom, the group, and the details."""
        rows = added(self.before, all_rows(self.database))["zerver_realmauditlog"]
        names = {user_id: email for email, user_id in self.ids.items()}
        groups = {
            row["usergroup_ptr_id"]: row["name"] for row in self.before["zerver_namedusergroup"]
        }
        return [
            (
                row["event_type"],
                names.get(row["acting_user_id"]),
                names.get(row["modified_user_id"]),
                groups.get(row["modified_user_group_id"]),
                row["extra_data"],
            )
            for row in rows
        ]

    def changed_tables(self) -> set[str]:
        after = all_rows(self.database)
        new = {table for table, rows in added(self.before, after).items() if rows}
        return new | set(changed(self.before, after))


@pytest.fixture
def world(
    database: Database,
    context_of: Callable[[Database], Context],
    make_realm: Callable[[Database, str], int],
    make_user: Callable[[Database, int, str, Role], int],
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    realm_id = make_realm(database, "acme")
    ids = {
        MO: make_user(database, realm_id, MO, Role.MEMBER),
        GUS: make_user(database, realm_id, GUS, Role.GUEST),
    }
    with database.read() as connection:
        users = tables["zerver_userprofile"].c
        ids[OLIVE] = connection.scalar(sa.select(users.id).where(users.delivery_email == OLIVE))
    made = World(database, context_of(database), ids)
    monkeypatch.setattr(made.context, "committed", made.told.append)
    return made


def counts(**humans: int) -> dict[str, Any]:
    """What an entry says of how many there are."""
    names = {"owner": "100", "admin": "200", "moderator": "300", "member": "400", "guest": "600"}
    return {"10": {"11": {code: humans.get(name, 0) for name, code in names.items()}, "12": 0}}


def test_deactivate_and_reactivate(world: World) -> None:
    deactivate_user(world.context, "acme", MO)

    assert world.changes("zerver_userprofile") == {MO: {"is_active": False}}
    subscriptions = world.changes("zerver_subscription")
    assert list(subscriptions.values()) == [{"is_user_active": False}] * 4
    assert world.log() == [(103, None, MO, None, counts(owner=1, guest=1))]
    assert [(change.kind, change.user_ids) for change in world.told] == [
        ("user.deactivated", (world.ids[MO],))
    ]

    reactivate_user(world.context, "acme", MO)

    assert world.changes("zerver_userprofile") == world.changes("zerver_subscription") == {}
    assert world.log()[1:] == [(104, None, MO, None, counts(owner=1, member=1, guest=1))]
    assert world.told[1].kind == "user.reactivated"


def test_deactivating_ends_sessions_invitations_and_mails(world: World) -> None:
    mo, gus = world.ids[MO], world.ids[GUS]
    with world.database.begin() as connection:
        sessions = [_session("mo", mo), _session("gus", gus)]
        insert_rows(connection, tables["django_session"], sessions)
        mail_ids = [_add_mail(connection, [mo]), _add_mail(connection, [mo, gus])]
        _add_invitation(connection, mo)

    deactivate_user(world.context, "acme", MO)

    rows = all_rows(world.database)
    assert [row["session_key"] for row in rows["django_session"]] == ["gus"]
    assert world.told[0].details == {"session_keys": ["mo"], "invitations_ended": 1}
    assert [row["id"] for row in rows["zerver_scheduledemail"]] == mail_ids[1:]
    assert [row["userprofile_id"] for row in rows["zerver_scheduledemail_users"]] == [gus]
    (confirmation,) = rows["confirmation_confirmation"]
    assert confirmation["expiry_date"] <= datetime.now(UTC)


def test_the_bots_of_somebody_go_first(world: World) -> None:
    mo = world.ids[MO]
    users = tables["zerver_userprofile"]
    with world.database.begin() as connection:
        gus = users.c.id == world.ids[GUS]
        bot = {"is_bot": True, "bot_type": 1, "bot_owner_id": mo}
        connection.execute(sa.update(users).where(gus).values(**bot))

    result = deactivate_user(world.context, "acme", MO)

    assert result.data["bots"] == [GUS]
    assert [(entry[0], entry[2]) for entry in world.log()] == [(103, GUS), (103, MO)]
    assert world.told[0].user_ids == (world.ids[GUS], mo)


def test_change_role(world: World) -> None:
    change_role(world.context, "acme", MO, Role.OWNER)

    assert world.changes("zerver_userprofile") == {MO: {"role": 100}}
    assert world.log() == [
        (105, None, MO, None, {"1": 400, "2": 100} | counts(owner=2, guest=1)),
        (704, None, MO, "role:members", {}),
        (703, None, MO, "role:owners", {}),
        (704, None, MO, "role:fullmembers", {}),
    ]
    assert _groups(world, MO) == {"role:owners"}
    (change,) = world.told
    assert (change.kind, change.details) == (
        "user.role_changed",
        {"old": {"role": 400}, "new": {"role": 100}},
    )
    change_role(world.context, "acme", OLIVE, Role.MEMBER)  # there is another owner now


@pytest.mark.parametrize(
    ("days", "groups"), [(0, {"role:members", "role:fullmembers"}), (3, {"role:members"})]
)
def test_a_new_member_may_have_to_wait(world: World, days: int, groups: set[str]) -> None:
    with world.database.begin() as connection:
        connection.execute(sa.update(tables["zerver_realm"]).values(waiting_period_threshold=days))

    change_role(world.context, "acme", GUS, Role.MEMBER)

    assert _groups(world, GUS) == groups


def test_change_name(world: World) -> None:
    with world.database.begin() as connection:
        connection.execute(sa.update(tables["zerver_realm"]).values(require_unique_names=True))

    change_name(world.context, "acme", MO, " MO lee ")  # only written otherwise

    assert world.changes("zerver_userprofile") == {MO: {"full_name": "MO lee"}}
    assert world.log() == [(124, None, MO, None, {"1": "Mo Lee", "2": "MO lee"})]
    assert world.told[0].details == {"old": {"full_name": "Mo Lee"}, "new": {"full_name": "MO lee"}}
    for name, code in (("Gus Lee", "full-name-taken"), ("X", "full-name-length")):
        with pytest.raises(Refused) as error:
            change_name(world.context, "acme", MO, name)
        assert error.value.code == code


@pytest.mark.parametrize("is_shown", [True, False])
def test_change_email(world: World, is_shown: bool) -> None:
    users = tables["zerver_userprofile"]
    if not is_shown:
        hidden = {"email": "user9@acme.test", "email_address_visibility": 3}
        with world.database.begin() as connection:
            mo = users.c.id == world.ids[MO]
            connection.execute(sa.update(users).where(mo).values(**hidden))
        world.before = all_rows(world.database)

    change_email(world.context, "acme", "MO@a.test", "new@A.test")

    expected = {"delivery_email": "new@a.test"}
    shown = {"email": "new@a.test"} if is_shown else {}
    assert world.changes("zerver_userprofile") == {MO: expected | shown}
    assert world.log() == [(125, MO, MO, None, {})]
    assert world.told[0].details["old"] == {
        "email": MO if is_shown else "user9@acme.test",
        "delivery_email": MO,
    }
    with pytest.raises(Refused) as error:
        change_email(world.context, "acme", "new@a.test", GUS.upper())
    assert error.value.code == "email-taken"
    assert f"{GUS} (id {world.ids[GUS]})" in error.value.message


@pytest.mark.parametrize("rotate", [False, True])
def test_change_password(world: World, rotate: bool) -> None:
    password = NewPassword("correct horse battery").begin()

    change_password(world.context, "acme", MO, password, rotate_api_key=rotate)

    columns = world.changes("zerver_userprofile")[MO]
    assert is_password("correct horse battery", columns["password"])
    assert columns.keys() == {"password"} | ({"api_key"} if rotate else set())
    assert [entry[:3] for entry in world.log()] == [(122, MO, MO), (127, MO, MO)][: 1 + rotate]
    assert world.changed_tables() == {"zerver_userprofile", "zerver_realmauditlog"}


def test_a_weak_password_is_refused(world: World) -> None:
    with pytest.raises(Refused) as error:
        change_password(world.context, "acme", MO, NewPassword("123456").begin())

    assert error.value.code == "password-weak"
    assert world.changed_tables() == set()


@pytest.mark.parametrize("words", COMMANDS, ids=[words[0] for words in COMMANDS])
def test_the_last_owner_stays(zops_here: Zops, world: World, words: tuple[str, ...]) -> None:
    host = {"ZOPS_EXTERNAL_HOST": "chat.test"}
    command = ("--json", "user", words[0], "-r", "acme", *words[1:])

    zops_here(*command, env=host, check=False).assert_refused("last-owner")

    assert world.changed_tables() == set()


def test_of_two_owners_who_go_at_once_one_stays(
    postgres_database: Database,
    context_of: Callable[[Database], Context],
    make_realm: Callable[[Database, str], int],
    make_user: Callable[[Database, int, str, Role], int],
) -> None:
    make_user(postgres_database, make_realm(postgres_database, "acme"), MO, Role.OWNER)
    refused: list[str] = []

    def leave() -> None:
        try:
            change_role(context_of(postgres_database), "acme", MO, Role.MEMBER)
        except Refused as error:
            refused.append(error.code)

    other = threading.Thread(target=leave)
    with account_at(context_of(postgres_database), "acme", OLIVE) as target:
        target.require_other_owner("deactivate")
        other.start()
        _wait_for_a_lock(postgres_database, other)
        assert target.work is not None
        update_user(target.work, target.user.user_id, is_active=False)
    other.join()

    assert refused == ["last-owner"]


def _wait_for_a_lock(database: Database, other: threading.Thread) -> None:
    """Until `other` waits for somebody else's transaction, or is through."""
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while other.is_alive():
        with database.read() as connection:
            if connection.scalar(waiting):
                return


def test_the_bots_of_the_server_stay(zops_on_sqlite: Zops) -> None:
    zops_on_sqlite("create-realm", "A", "o@a.test", "Ol O", "--string-id=acme", "--no-password")
    bot = ("-r", "zulipinternal", "welcome-bot@zulip.com")

    zops_on_sqlite("--json", "user", "deactivate", *bot, check=False).assert_refused("system-bot")


def test_dry_runs_write_nothing(world: World) -> None:
    context = world.context
    results = [
        deactivate_user(context, "acme", MO, dry_run=True),
        change_role(context, "acme", MO, Role.ADMINISTRATOR, dry_run=True),
        change_name(context, "acme", MO, "Another Name", dry_run=True),
        change_email(context, "acme", MO, "another@a.test", dry_run=True),
        change_password(context, "acme", MO, NewPassword(None), dry_run=True),
    ]

    assert all(result.data["dry_run"] for result in results)
    assert world.changed_tables() == set()
    assert world.told == []


def test_what_is_so_already_is_refused(world: World) -> None:
    context = world.context
    refusals: list[tuple[Callable[[], object], str]] = [
        (lambda: reactivate_user(context, "acme", MO), "user-active"),
        (lambda: change_role(context, "acme", MO, Role.MEMBER), "role-same"),
        (lambda: change_name(context, "acme", MO, "Mo Lee"), "name-same"),
        (lambda: change_email(context, "acme", MO, MO), "email-same"),
        (lambda: change_email(context, "acme", "nobody@a.test", MO), "no-user"),
    ]
    for run, code in refusals:
        with pytest.raises(Refused) as error:
            run()
        assert error.value.code == code


def test_list_by_role(zops_here: Zops, world: World) -> None:
    listed = zops_here("--json", "user", "list", "-r", "acme", "--role", "owner,guest").json()

    assert [row["email"] for row in listed["users"]] == [OLIVE, GUS]
    zops_here("user", "list", "-r", "acme", "--role", "boss", exit_code=2)


def _groups(world: World, email: str) -> set[str]:
    rows: Rows = all_rows(world.database)
    names = {row["usergroup_ptr_id"]: row["name"] for row in rows["zerver_namedusergroup"]}
    return {
        names[row["user_group_id"]]
        for row in rows["zerver_usergroupmembership"]
        if row["user_profile_id"] == world.ids[email]
    }


def _session(key: str, user_id: int) -> dict[str, object]:
    content = json.dumps({"_auth_user_id": str(user_id)}).encode()
    packed = base64.urlsafe_b64encode(content).decode().rstrip("=")
    expires = datetime.now(UTC) + timedelta(days=1)
    return {"session_key": key, "session_data": f"{packed}:time:signature", "expire_date": expires}


def _add_mail(connection: sa.Connection, user_ids: list[int]) -> int:
    realm_id = connection.scalar(sa.select(sa.func.max(tables["zerver_realm"].c.id)))
    row = {"realm_id": realm_id, "type": 1, "data": "{}", "scheduled_timestamp": datetime.now(UTC)}
    mail_id = insert_returning_id(connection, tables["zerver_scheduledemail"], row)
    links = [{"scheduledemail_id": mail_id, "userprofile_id": user_id} for user_id in user_ids]
    insert_rows(connection, tables["zerver_scheduledemail_users"], links)
    return mail_id


def _add_invitation(connection: sa.Connection, user_id: int) -> None:
    now = datetime.now(UTC)
    invitation = {
        "referred_by_id": user_id,
        "email": "friend@a.test",
        "invited_at": now,
        "invited_as": 400,
        "status": 0,
        "full_name_validated": False,
        "include_realm_default_subscriptions": True,
        "notify_referrer_on_join": True,
        "password_required": True,
        "realm_creation": False,
    }
    number = insert_returning_id(connection, tables["zerver_preregistrationuser"], invitation)
    kind = insert_returning_id(
        connection, tables["django_content_type"], {"app_label": "zerver", "model": "prereg"}
    )
    row = {
        "content_type_id": kind,
        "object_id": number,
        "type": 2,
        "confirmation_key": "k" * 24,
        "date_sent": now,
        "expiry_date": now + timedelta(days=10),
    }
    insert_rows(connection, tables["confirmation_confirmation"], [row])
