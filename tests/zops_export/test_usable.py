"""Could anybody run the organization that comes of an export? Asked before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.zops_export.building import Builder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database
    from zcore.testing.commands import Completed

PUBLIC, CONSENT = ("--public-only",), ("--export-full-with-consent",)
FULL, STRICT = ("--full",), ("--full", "--privacy", "strict")
STRICT_CONSENT = (*CONSENT, "--privacy", "strict")
NOBODY, ADMINISTRATORS, EVERYONE = 4, 3, 1
HIDDEN = {"role": 100, "email_address_visibility": NOBODY}


def exported(
    database: Database, zops: ZopsHere, target: Path, *words: str, exit_code: int
) -> Completed:
    zops.on(database)
    return zops("--json", "export", "-r", "hill", "--output", target, *words, exit_code=exit_code)


def build(database: Database, zops: ZopsHere, **owner: object) -> None:
    """An organization with that owner, and others who cannot stand in."""
    hidden = {"email_address_visibility": NOBODY, "avatar_source": "G"}
    with database.begin() as connection:
        builder = Builder(connection, zops.uploads)
        builder.realm("hill")
        builder.user("olga", "hill", avatar_source="G", **owner)
        builder.user("gone", "hill", role=100, is_active=False, avatar_source="G")
        builder.user("adam", "hill", role=200, allow_private_data_export=True, avatar_source="G")
        builder.user("bot", "hill", role=100, is_bot=True, bot_type=1, avatar_source="G")
        for number in range(4):
            builder.user(f"hid{number}", "hill", **hidden)


@pytest.mark.parametrize(
    ("words", "owner"),
    [
        (PUBLIC, HIDDEN),
        (PUBLIC, HIDDEN | {"allow_private_data_export": True}),
        (PUBLIC, {"role": 200}),
        (CONSENT, HIDDEN),
        (STRICT, HIDDEN),
        (STRICT_CONSENT, HIDDEN),
        (CONSENT, {"role": 100, "is_active": False}),
        (CONSENT, {"role": 100, "is_mirror_dummy": True}),
    ],
)
def test_without_an_owner_who_could_log_in_an_export_is_refused(
    sqlite_database: Database,
    zops_here: ZopsHere,
    tmp_path: Path,
    words: tuple[str, ...],
    owner: dict[str, object],
) -> None:
    build(sqlite_database, zops_here, **owner)
    target = tmp_path / "hill"
    for more in ((), ("--dry-run",)):
        done = exported(sqlite_database, zops_here, target, *words, *more, exit_code=3)
        assert done.codes() == {"unusable-export"}
        assert "'hid0'" in done.json()["error"]["message"]
    assert not target.exists()
    exported(sqlite_database, zops_here, target, *words, "--allow-unusable", exit_code=0)
    zops_here("verify", target)


@pytest.mark.parametrize(
    ("words", "owner"),
    [
        (PUBLIC, {"role": 100, "email_address_visibility": ADMINISTRATORS}),
        (PUBLIC, {"role": 100, "email_address_visibility": EVERYONE}),
        (CONSENT, HIDDEN | {"allow_private_data_export": True}),
        (CONSENT, {"role": 100, "email_address_visibility": ADMINISTRATORS}),
        (STRICT, HIDDEN | {"allow_private_data_export": True}),
        (FULL, HIDDEN),
    ],
)
def test_one_owner_who_could_log_in_is_enough(
    sqlite_database: Database,
    zops_here: ZopsHere,
    tmp_path: Path,
    words: tuple[str, ...],
    owner: dict[str, object],
) -> None:
    build(sqlite_database, zops_here, **owner)
    exported(sqlite_database, zops_here, tmp_path / "hill", *words, exit_code=0)


def test_it_says_how_many_could_not_log_in(
    sqlite_database: Database, zops_here: ZopsHere, tmp_path: Path
) -> None:
    build(sqlite_database, zops_here, **HIDDEN)
    done = exported(sqlite_database, zops_here, tmp_path / "hill", *CONSENT, exit_code=3)
    assert done.json()["error"]["message"] == (
        "nobody could run the organization after an import: no active owner has consented or lets"
        " administrators see the address of the account; 5 accounts could not log in: 'olga',"
        " 'hid0', 'hid1' and 2 more"
    )


def test_owners_who_become_dummies_have_to_sign_up(
    sqlite_database: Database, zops_here: ZopsHere, tmp_path: Path
) -> None:
    build(sqlite_database, zops_here, role=100)
    target = tmp_path / "hill"
    done = exported(sqlite_database, zops_here, target, *STRICT_CONSENT, exit_code=0)
    assert "one has to sign up with the address of the account" in done.stderr
