"""Many at once, and processes that die: exactly one wins, and nothing is half-made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.zops_realm.normalized_rows import all_rows
from zcore.crash_points import CRASHED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.zops_realm.normalized_rows import Rows
    from zcore.database import Database
    from zcore.testing.commands import Zops

RACERS = 20
REALM = ("create-realm", "Acme", "olive@a.test", "Olive O", "--string-id=acme", "--no-password")
USER = ("create-user", "una@a.test", "Una U", "-r", "acme", "--no-password")
BEFORE_COMMIT = (
    "create-realm:after-realm",
    "create-realm:after-owner",
    "create-realm:after-introduction",
    "create-realm:before-commit",
)


@pytest.fixture
def zops_here(zops: Zops, database: Database) -> Zops:
    """The command as a process of its own, which can die; working on `database`."""
    return zops.on(database)


def race(zops: Zops, *arguments: str) -> Counter[int]:
    """How many of the processes ended with which exit code."""
    program = Path(__file__).with_name("racing.py")
    done = subprocess.run(
        [sys.executable, program, str(RACERS), "-q", *arguments],
        env=zops.environment,
        cwd=zops.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Counter(json.loads(done.stdout.splitlines()[-1]))


def is_whole(rows: Rows) -> bool:
    """Is there one organization beside the internal one, and nothing missing from it?"""
    return (
        [row["string_id"] for row in rows["zerver_realm"]] == ["zulipinternal", "acme"]
        and [row["role"] for row in rows["zerver_userprofile"] if not row["is_bot"]] == [100]
        and len(rows["zerver_realmauditlog"]) == 43 + 29
        and len(rows["zerver_subscription"]) == 7 + 4
        and len(rows["zerver_message"]) == 13
        and len(rows["zerver_usermessage"]) == 14
    )


def test_one_subdomain_for_many(zops_here: Zops, database: Database) -> None:
    """On an empty database, where they also meet at the internal organization."""
    assert race(zops_here, *REALM) == {0: 1, 3: RACERS - 1}
    assert is_whole(all_rows(database))


def test_one_address_for_many(
    zops_here: Zops, database: Database, make_realm: Callable[[Database, str], int]
) -> None:
    make_realm(database, "acme")
    before = all_rows(database)

    assert race(zops_here, *USER) == {0: 1, 3: RACERS - 1}

    after = all_rows(database)
    assert len(after["zerver_userprofile"]) == len(before["zerver_userprofile"]) + 1
    assert len(after["zerver_message"]) == 1


def test_one_address_for_many_who_do_not_mind(
    zops_here: Zops, database: Database, make_realm: Callable[[Database, str], int]
) -> None:
    make_realm(database, "acme")

    assert race(zops_here, *USER, "--if-not-exists") == {0: RACERS}
    addresses = [row["delivery_email"] for row in all_rows(database)["zerver_userprofile"]]
    assert addresses.count("una@a.test") == 1


@pytest.mark.parametrize("place", BEFORE_COMMIT)
def test_killed_before_the_commit_nothing_is_there(
    place: str, zops_here: Zops, database: Database
) -> None:
    zops_here(*REALM, env={"ZOPS_CRASH_AT": place}, exit_code=CRASHED)

    assert not any(all_rows(database).values())


def test_killed_after_the_commit_everything_is_there(zops_here: Zops, database: Database) -> None:
    zops_here(*REALM, env={"ZOPS_CRASH_AT": "after-commit"}, exit_code=CRASHED)

    assert is_whole(all_rows(database))
    zops_here(*REALM, check=False).assert_refused()


@pytest.mark.parametrize("place", ["create-user:after-accounts", "create-user:before-commit"])
def test_a_user_is_there_or_not(
    place: str,
    zops_here: Zops,
    database: Database,
    make_realm: Callable[[Database, str], int],
) -> None:
    make_realm(database, "acme")
    before = all_rows(database)

    zops_here(*USER, env={"ZOPS_CRASH_AT": place}, exit_code=CRASHED)

    assert all_rows(database) == before
