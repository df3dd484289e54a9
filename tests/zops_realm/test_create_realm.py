"""`zops create-realm` makes what a server makes, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from tests.zops_realm.normalized_rows import all_rows
from zcore.internal_realm import ensure_internal_realm
from zcore.schema import tables

if TYPE_CHECKING:
    from zcore.database import Database
    from zcore.testing.commands import Runner, Zops

SECOND = ("create-realm", "Second Realm", "sol@example.test", "Sol Second", "--string-id", "second")
PASSWORD = "not so secret"  # noqa: S105


def owner_of(database: Database) -> Any:
    users = tables["zerver_userprofile"]
    with database.read() as connection:
        return connection.execute(sa.select(users).where(users.c.role == 100)).one()


def test_channels_point_at_their_recipients_and_first_messages(
    zops_here: Runner, database: Database
) -> None:
    zops_here(*SECOND, "--no-password")

    rows = all_rows(database)
    recipients = {row["id"]: (row["type"], row["type_id"]) for row in rows["zerver_recipient"]}
    for channel in rows["zerver_stream"]:
        assert recipients[channel["recipient_id"]] == (2, channel["id"])
        messages = [
            row["id"]
            for row in rows["zerver_message"]
            if row["recipient_id"] == channel["recipient_id"]
        ]
        assert channel["first_message_id"] == min(messages)
        assert channel["rendered_description"] == f"<p>{channel['description']}</p>"


def test_the_result_names_what_was_made(zops_here: Runner, database: Database) -> None:
    result = zops_here("--json", *SECOND, "--no-password", env={"ZOPS_EXTERNAL_HOST": "chat.test"})

    owner = owner_of(database)
    assert result.json() == {
        "ok": True,
        "realm_id": owner.realm_id,
        "string_id": "second",
        "url": "https://second.chat.test",
        "owner": {"user_id": owner.id, "email": "sol@example.test"},
    }


def test_without_a_host_there_is_no_url(zops_on_sqlite: Runner) -> None:
    assert zops_on_sqlite("--json", *SECOND, "--no-password").json()["url"] is None


def test_without_a_subdomain_it_is_the_root_realm(
    zops_on_sqlite: Runner, sqlite_database: Database
) -> None:
    result = zops_on_sqlite(
        "--json",
        "create-realm",
        "Root",
        "--email=root@example.test",
        "--full-name=Rue Root",
        "--no-password",
        env={"ZOPS_EXTERNAL_HOST": "chat.test"},
    ).json()

    assert (result["string_id"], result["url"]) == ("", "https://chat.test")


def test_the_password_of_a_file_logs_in(zops_on_sqlite: Runner, sqlite_database: Database) -> None:
    file = zops_on_sqlite.folder / "password"
    file.write_text(f"{PASSWORD}\n")

    zops_on_sqlite(*SECOND, "--password-file", file)

    assert PasswordHasher().verify(
        owner_of(sqlite_database).password.removeprefix("argon2"), PASSWORD
    )


def test_no_password_makes_an_account_without_one(
    zops_on_sqlite: Runner, sqlite_database: Database
) -> None:
    zops_on_sqlite(*SECOND, "--no-password")

    assert owner_of(sqlite_database).password.startswith("!")


def test_the_domain_of_the_address_is_stored_in_lower_case(
    zops_on_sqlite: Runner, sqlite_database: Database
) -> None:
    zops_on_sqlite(
        "create-realm", "X", "Ann.Lee@Example.TEST", "Ann Lee", "--string-id=xyz", "--no-password"
    )

    assert owner_of(sqlite_database).delivery_email == "Ann.Lee@example.test"


def test_a_dry_run_writes_nothing(zops_here: Runner, database: Database) -> None:
    result = zops_here("--json", *SECOND, "--no-password", "--dry-run").json()

    assert not any(all_rows(database).values())
    assert result["dry_run"] is True
    assert (result["realm_id"], result["owner"]["user_id"]) == (None, None)


def test_a_dry_run_does_not_even_make_the_default_database(zops: Zops) -> None:
    zops(*SECOND, "--no-password", "--dry-run")

    assert not list(zops.folder.rglob("*.db"))


def test_a_dry_run_refuses_what_would_be_refused(zops_on_sqlite: Runner) -> None:
    zops_on_sqlite(*SECOND, "--no-password")

    zops_on_sqlite("--json", *SECOND, "--no-password", "--dry-run", check=False).assert_refused(
        "subdomain-taken"
    )


def test_all_problems_are_told_at_once_and_nothing_is_written(
    zops_here: Runner, database: Database
) -> None:
    refused = zops_here(
        "--json",
        "create-realm",
        "N" * 41,
        "no address",
        "A*",
        "--string-id=-A",
        "--password-stdin",
        stdin="short",
        check=False,
    ).assert_refused()

    assert refused.codes() >= {
        "realm-name-length",
        "email-syntax",
        "full-name-characters",
        "subdomain-characters",
        "subdomain-dash",
        "subdomain-length",
        "password-length",
    }
    assert "short" not in refused.stdout
    assert not any(all_rows(database).values())


def test_a_taken_subdomain_is_refused(zops_here: Runner, database: Database) -> None:
    zops_here(*SECOND, "--no-password")
    before = all_rows(database)
    realms = tables["zerver_realm"]
    with database.begin() as connection:
        connection.execute(sa.update(realms).values(deactivated=True))

    refused = zops_here(*SECOND, "--no-password", check=False).assert_refused()

    assert "'second' is taken" in refused.stderr
    assert len(all_rows(database)["zerver_realm"]) == len(before["zerver_realm"])


def test_a_reserved_subdomain_needs_its_flag(zops_on_sqlite: Runner) -> None:
    arguments = ("create-realm", "Mail", "m@example.test", "Mo Mail", "--string-id=mail")

    refused = zops_on_sqlite(*arguments, "--no-password", check=False).assert_refused()
    assert "--allow-reserved-subdomain" in refused.stderr

    zops_on_sqlite(*arguments, "--no-password", "--allow-reserved-subdomain")


def test_no_flag_gives_a_subdomain_that_the_server_needs(zops_on_sqlite: Runner) -> None:
    zops_on_sqlite(
        "--json",
        "create-realm",
        "Internal",
        "i@example.test",
        "Ida I",
        "--string-id=zulipinternal",
        "--no-password",
        "--allow-reserved-subdomain",
        check=False,
    ).assert_refused("subdomain-unusable")


def test_one_of_two_at_the_same_moment_is_refused(zops: Zops, database: Database) -> None:
    zops.on(database)
    with database.begin() as connection:
        ensure_internal_realm(connection)

    running = [zops.start("--json", *SECOND, "--no-password") for _ in range(2)]
    codes = sorted(process.wait(60) for process in running)

    assert codes == [0, 3]
    assert len(all_rows(database)["zerver_realm"]) == 2


def test_a_failure_at_the_end_leaves_nothing(
    zops_on_sqlite: Runner, sqlite_database: Database
) -> None:
    with sqlite_database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON zerver_onboardingstep"
            " BEGIN SELECT RAISE(ABORT, 'no more room'); END"
        )

    failed = zops_on_sqlite(*SECOND, "--no-password", exit_code=1)

    assert "no more room" in failed.stderr
    assert not any(all_rows(sqlite_database).values())


@pytest.mark.parametrize(
    ("change", "back", "named"),
    [
        (
            "zerver_onboardingstep RENAME COLUMN timestamp TO moment",
            "zerver_onboardingstep RENAME COLUMN moment TO timestamp",
            "timestamp",
        ),
        ("zerver_stream RENAME TO channels", "channels RENAME TO zerver_stream", "zerver_stream"),
    ],
    ids=["column", "table"],
)
def test_other_tables_than_zulips_are_refused_until_they_are_right(
    zops_here: Runner, database: Database, change: str, back: str, named: str
) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {change}")

    error = zops_here("--json", *SECOND, "--no-password", exit_code=3).json()["error"]

    assert error["code"] == "schema"
    assert named in error["message"]
    assert "db check" in error["hint"]
    with database.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {back}")
    assert not any(all_rows(database).values())
    zops_here(*SECOND, "--no-password")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("X", "a@b.test", "Al Lee"), "--no-password"),
        (("X", "a@b.test", "Al Lee"), "--password-file"),
        (("X", "a@b.test", "Al Lee"), "--password-stdin"),
        (("X", "--no-password", "--full-name=Al Lee"), "--email"),
        (("X", "a@b.test", "--no-password"), "--full-name"),
        (("X", "a@b.test", "Al Lee", "--no-password", "--password-stdin"), "more than one"),
        (("X", "a@b.test", "Al Lee", "--no-password", "--email=c@b.test"), "twice"),
        (("--no-password",), "NAME"),
    ],
)
def test_what_is_missing_or_too_much_on_the_command_line(
    zops_on_sqlite: Runner, arguments: tuple[str, ...], said: str
) -> None:
    wrong = zops_on_sqlite("create-realm", *arguments, exit_code=2)

    assert said in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "missing", "hint"),
    [
        (
            (),
            "e-mail, full name and password were not given",
            "give --email and --full-name; and --password-file FILE, --password-stdin, or"
            " --no-password",
        ),
        (("--email=a@b.test", "--no-password"), "full name was not given", "give --full-name"),
        (("--password-stdin",), "e-mail and full name were not given", "--email and --full-name"),
    ],
)
def test_everything_that_is_missing_is_named_at_once(
    zops_on_sqlite: Runner, arguments: tuple[str, ...], missing: str, hint: str
) -> None:
    wrong = zops_on_sqlite("--json", "create-realm", "X", *arguments, exit_code=2).json()["error"]

    assert missing in wrong["message"]
    assert hint in wrong["hint"]


def test_a_password_file_that_is_not_there_is_refused(zops_on_sqlite: Runner) -> None:
    refused = zops_on_sqlite(*SECOND, "--password-file=nowhere", exit_code=3)

    assert "nowhere" in refused.stderr
