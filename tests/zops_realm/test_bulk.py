"""`zops create-user --from` makes of many lines what as many single commands would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_realm.normalized_rows import added, all_rows, changed, normalized, renamed
from zcore import Refused
from zcore.schema import tables
from zops_realm.bulk.checking import Checked, Checker
from zops_realm.bulk.run import BulkRequest, run
from zops_realm.password_hash import hash_password

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.zops_realm.normalized_rows import Row, Rows
    from zcore import Context, Result
    from zcore.database import Database
    from zcore.testing.commands import Zops
    from zops_realm.bulk.spool import Spool

HOST = {"ZOPS_EXTERNAL_HOST": "peer.example.test"}
PEOPLE = (
    ("ada@one.test", "Ada Adams", "member"),
    ("bo@one.test", "Bo Berg", "guest"),
    ("cy@one.test", "Cy Cole", "admin"),
    ("di@one.test", "Di Dunn", "member"),
    ("ed@one.test", "Ed Ek", "owner"),
)
CSV = "email,full_name\nann@a.test,Ann Ames\nbob@a.test,Bob Boyle\ncem@a.test,Cem Can\n"


@pytest.fixture
def bulk(
    database: Database,
    context_of: Callable[[Database], Context],
    make_realm: Callable[[Database, str], int],
    tmp_path: Path,
) -> Callable[..., Result]:
    """`bulk(text, keep_going=True)` makes the accounts of a file in the organization `acme`."""
    make_realm(database, "acme")
    context = context_of(database)

    def make(text: str | bytes, name: str = "people.csv", **words: Any) -> Result:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        words = {"no_password": True, "bare": True} | words
        return run(context, BulkRequest(realm="acme", source=str(path), **words))

    return make


def rows(database: Database, table: str) -> list[Any]:
    chosen = tables[table]
    with database.read() as connection:
        return list(connection.execute(sa.select(chosen).order_by(*chosen.primary_key)))


def addresses(database: Database) -> set[str]:
    """Of people: the owner olive@example.test is always there."""
    return {
        row.delivery_email for row in rows(database, "zerver_userprofile") if not row.is_bot
    } - {"olive@example.test"}


def refused(error: pytest.ExceptionInfo[Refused]) -> list[tuple[object, object]]:
    """Line and code of all that is refused."""
    found = error.value.data["refused"]
    assert isinstance(found, list)
    return [(each["line"], each["code"]) for each in found]


def in_any_order(found: Rows) -> dict[str, list[str]]:
    """Rows without the newest message before: it depends on who was greeted by then."""
    return {
        table: sorted(json.dumps(_without_message(row), sort_keys=True) for row in each)
        for table, each in found.items()
    }


def _without_message(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "event_last_message_id"}


def test_five_at_once_get_the_rows_of_five_commands(zops_here: Zops, database: Database) -> None:
    for number, word in enumerate(("one", "two")):
        words = ("--string-id", f"realm{word}", "--no-password")
        zops_here("create-realm", f"Realm {number}", f"o@{word}.test", "Ol O", *words, env=HOST)
    before = all_rows(database)
    for email, full_name, role in PEOPLE:
        words = ("-r", "realmone", "--role", role, "--no-password")
        zops_here("create-user", email, full_name, *words, env=HOST)
    middle = all_rows(database)
    lines = "\n".join(",".join(person).replace("one.test", "two.test") for person in PEOPLE)

    zops_here(
        *("create-user", "-r", "realmtwo", "--no-password", "--from", "-"),
        stdin=f"email,name,role\n{lines}\n",
        env=HOST,
    )

    after = all_rows(database)
    singly = in_any_order(normalized(added(before, middle), after))
    together = normalized(added(middle, after), after)
    names = {"two.test": "one.test", "realmtwo": "realmone", "Realm 1": "Realm 0"}
    assert in_any_order(renamed(together, names)) == singly
    assert changed(middle, after) == {}


def test_each_entry_counts_the_accounts_so_far(
    bulk: Callable[..., Result], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zops_realm.bulk.spool.BLOCK", 2)

    bulk(CSV)

    log = [row for row in rows(database, "zerver_realmauditlog") if row.event_type == 101]
    assert [row.extra_data["10"]["11"]["400"] for row in log[-3:]] == [1, 2, 3]


def test_one_refused_line_refuses_all(bulk: Callable[..., Result], database: Database) -> None:
    before = all_rows(database)
    text = CSV + "not an address,X\nOLIVE@example.test,Olive Again\nANN@a.test,Ann Again\n"

    with pytest.raises(Refused) as error:
        bulk(text)

    assert refused(error) == [
        (5, "email-syntax"),
        (5, "full-name-length"),
        (6, "email-taken"),
        (7, "email-twice"),
    ]
    assert "3 of 6 lines" in error.value.message
    assert all_rows(database) == before


def test_going_on_leaves_out_what_is_refused(zops_here: Zops, database: Database) -> None:
    zops_here("create-realm", "A", "o@a.test", "Ol O", "--string-id=acme", "--no-password")
    words = ("create-user", "-r", "acme", "--no-password", "--keep-going", "--from", "-")

    result = zops_here("--json", *words, stdin=CSV + "x,Xavier\n", exit_code=5).json()

    assert (result["ok"], result["created"], result["existing"]) == (False, 3, 0)
    (line,) = result["refused"]
    assert (line["line"], line["email"], line["code"]) == (5, "x", "email-syntax")
    assert {"ann@a.test", "bob@a.test", "cem@a.test"} <= addresses(database)


def test_a_line_that_only_the_database_refuses_is_left_out_alone(
    bulk: Callable[..., Result], database: Database
) -> None:
    check = "CHECK (delivery_email <> 'bob@a.test')"
    with database.begin() as connection:
        if database.dialect == "postgresql":
            connection.execute(sa.text(f"ALTER TABLE zerver_userprofile ADD {check}"))
        else:
            connection.execute(
                sa.text(
                    "CREATE TRIGGER no_bob BEFORE INSERT ON zerver_userprofile"
                    " WHEN NEW.delivery_email = 'bob@a.test'"
                    " BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
            )

    result = bulk(CSV, keep_going=True)

    assert [finding.where for finding in result.findings] == ["line 3"]
    assert addresses(database) == {"ann@a.test", "cem@a.test"}
    assert result.data["created"] == 2


def test_again_with_if_not_exists(bulk: Callable[..., Result], database: Database) -> None:
    bulk(CSV)
    before = all_rows(database)

    result = bulk(CSV + "dee@a.test,Dee Dahl\n", if_not_exists=True)

    assert (result.data["created"], result.data["existing"]) == (1, 3)
    assert changed(before, all_rows(database)) == {}


@pytest.mark.parametrize("keep_going", [False, True])
def test_others_may_be_faster(
    bulk: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, keep_going: bool
) -> None:
    bulk(CSV)
    really_check, too_early = Checker.check, [Checked()]

    def check(checker: Checker, spool: Spool) -> Checked:
        return too_early.pop() if too_early else really_check(checker, spool)

    monkeypatch.setattr(Checker, "check", check)

    result = bulk(CSV + "dee@a.test,Dee Dahl\n", if_not_exists=True, keep_going=keep_going)

    assert (result.data["created"], result.data["existing"]) == (1, 3)
    assert not result.findings


def test_accounts_that_cannot_be_accepted_are_refused(
    bulk: Callable[..., Result], database: Database
) -> None:
    bulk(CSV)
    users = tables["zerver_userprofile"]
    ann = users.c.delivery_email == "ann@a.test"
    with database.begin() as connection:
        connection.execute(sa.update(users).where(ann).values(is_active=False))

    with pytest.raises(Refused) as error:
        bulk(CSV, if_not_exists=True)

    assert refused(error) == [(2, "user-deactivated")]


def test_names_that_the_organization_wants_once(
    bulk: Callable[..., Result], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zops_realm.bulk.spool.BLOCK", 1)
    with database.begin() as connection:
        connection.execute(sa.update(tables["zerver_realm"]).values(require_unique_names=True))

    with pytest.raises(Refused) as error:
        bulk("email,name\na@a.test,Ann A\nb@a.test,ANN a\nc@a.test,Olive Owner\n")

    assert refused(error) == [(3, "full-name-taken"), (4, "full-name-taken")]


def test_groups_and_channels(bulk: Callable[..., Result], database: Database) -> None:
    with database.begin() as connection:
        group_id = _add_group(connection, "helpers")
        _add_channel(connection, "Secret plans")
    line = {"email": "ann@a.test", "full_name": "Ann Ames", "role": "guest"}
    more = {"groups": ["helpers"], "channels": "secret PLANS; general"}

    bulk(json.dumps(line | more) + "\n", "people.jsonl")

    ann = rows(database, "zerver_userprofile")[-1].id
    groups = rows(database, "zerver_usergroupmembership")
    assert group_id in {row.user_group_id for row in groups if row.user_profile_id == ann}
    mine = [row for row in rows(database, "zerver_subscription") if row.user_profile_id == ann]
    assert len(mine) == 5  # direct messages, three default channels, one more
    assert len({row.color for row in mine}) == 5
    log = [row for row in rows(database, "zerver_realmauditlog") if row.modified_user_id == ann]
    assert sorted(row.event_type for row in log) == [101, 301, 301, 301, 301, 703, 703]


def test_names_of_groups_and_channels_that_are_not_there(bulk: Callable[..., Result]) -> None:
    text = "email,name,groups,channels\na@a.test,Ann A,role:members;nobody,sandbax\n"

    with pytest.raises(Refused) as error:
        bulk(text)

    assert refused(error) == [(2, "group-closed"), (2, "group-unknown"), (2, "channel-unknown")]
    assert any("'sandbox'" in problem.hint for problem in error.value.problems)


def test_a_hash_of_a_server_is_kept(zops_here: Zops, database: Database) -> None:
    zops_here("create-realm", "A", "o@a.test", "Ol O", "--string-id=acme", "--no-password")
    stored = hash_password("correct horse battery")
    line = json.dumps({"email": "a@a.test", "name": "Ann A", "password_hash": stored})

    zops_here("create-user", "-r", "acme", "--from", "-", stdin=line + "\n")

    check = ("user", "check-password", "-r", "acme", "a@a.test", "--password-stdin")
    zops_here(*check, stdin="correct horse battery")
    zops_here(*check, stdin="another", exit_code=3)


@pytest.mark.parametrize(
    ("stored", "code"),
    [("", "password-none"), ("secret", "password-hash"), ("argon2$" + "x" * 130, "password-hash")],
)
def test_passwords_that_are_no_hashes(bulk: Callable[..., Result], stored: str, code: str) -> None:
    with pytest.raises(Refused) as error:
        bulk(f"email,name,password_hash\na@a.test,Ann A,{stored}\n", no_password=False)

    assert refused(error) == [(2, code)]
    assert "secret" not in str(error.value.data)


def test_a_dry_run_writes_nothing(bulk: Callable[..., Result], database: Database) -> None:
    before = all_rows(database)

    result = bulk(CSV, dry_run=True)

    assert (result.data["created"], result.data["to_create"]) == (0, 3)
    assert all_rows(database) == before


def _add_group(connection: sa.Connection, name: str) -> int:
    from zcore.organizations.inserts import insert_returning_id, insert_rows
    from zcore.organizations.system_groups import GROUP_PERMISSIONS, NOBODY, read_system_groups

    realm_id = _acme(connection)
    group_id = insert_returning_id(connection, tables["zerver_usergroup"], {"realm_id": realm_id})
    nobody = read_system_groups(connection, realm_id)[NOBODY]
    named = {"usergroup_ptr_id": group_id, "realm_id": realm_id, "name": name}
    permissions = dict.fromkeys(GROUP_PERMISSIONS, nobody)
    insert_rows(connection, tables["zerver_namedusergroup"], [named | permissions])
    return group_id


def _add_channel(connection: sa.Connection, name: str) -> None:
    from datetime import UTC, datetime

    from zcore.organizations.inserts import insert_returning_id
    from zcore.schema.channels import CHANNEL_GROUP_SETTINGS

    streams = tables["zerver_stream"]
    example = connection.execute(sa.select(streams).limit(1)).mappings().one()
    settings = {column: example[column] for column in CHANNEL_GROUP_SETTINGS}
    row = {"realm_id": _acme(connection), "name": name, "date_created": datetime.now(UTC)}
    channel_id = insert_returning_id(connection, streams, row | settings)
    recipient = {"type": 2, "type_id": channel_id}
    recipient_id = insert_returning_id(connection, tables["zerver_recipient"], recipient)
    update = sa.update(streams).where(streams.c.id == channel_id)
    connection.execute(update.values(recipient_id=recipient_id))


def _acme(connection: sa.Connection) -> int:
    realms = tables["zerver_realm"].c
    found = connection.scalar(sa.select(realms.id).where(realms.string_id == "acme"))
    assert found is not None
    return found
