"""Which entries of a server's cache a change makes stale, and under which prefixes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore import Change
from zcore.organizations.codes import Role
from zcore.schema.channels import zerver_subscription
from zcore.schema.users import zerver_userprofile
from zops_realm.server import cache_keys
from zops_realm.server.cache_rules import CACHE_RULES, stale_keys
from zops_realm.server.deployments import cache_prefixes
from zops_realm.server.event_rules import EVENT_RULES
from zops_realm.server.organization import Organization
from zops_realm.server.telling import STALE

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.database import Database

PREFIX = "0123456789abcdef0123456789abcdef:"
OLIVE = "6ca80ec655ac54170bbd397de7f34cf1144ec5e5"  # SHA-1 of olive@example.test
MO = "45b29948c0b87e2f87430156cd2cd9388b37df2b"  # SHA-1 of mo@a.test
LISTS = {"realm_user_dicts", "active_user_ids", "active_non_guest_user_ids", "bot_dicts_in_realm"}
LISTS |= {"realm_alert_words", "realm_alert_words_automaton"}


class Acme:
    """An organization with the owner Olive and the member Mo, and the keys of changes to it."""

    def __init__(self, database: Database, realm_id: int, mo: int) -> None:
        self.database = database
        self.realm_id = realm_id
        self.mo = mo

    def stale(self, kind: str, *user_ids: int, **details: object) -> set[str]:
        """The keys that the change makes stale."""
        change = Change(kind, self.realm_id, "acme", user_ids, details)
        with self.database.read() as connection:
            return stale_keys(change, Organization(connection, change))

    def keys_of_mo(self) -> set[str]:
        """The keys that Mo's account is kept under."""
        users = zerver_userprofile.c
        with self.database.read() as connection:
            api_key = connection.scalar(sa.select(users.api_key).where(users.id == self.mo))
        return {
            f"user_profile_by_id:{self.mo}",
            f"user_profile_narrow_by_id:{self.mo}",
            f"user_profile_by_api_key:{api_key}",
            f"user_profile:{MO}:{self.realm_id}",
            f"user_profile_by_delivery_email:{MO}:{self.realm_id}",
        }

    def recipients_of_mo(self) -> set[str]:
        """The keys of the recipients that Mo has subscribed to."""
        subscriptions = zerver_subscription.c
        chosen = sa.select(subscriptions.recipient_id).where(
            subscriptions.user_profile_id == self.mo
        )
        with self.database.read() as connection:
            ids = connection.scalars(chosen).all()
        assert len(ids) == 4  # three channels and herself
        return {f"display_recipient_dict:{number}" for number in ids} | {
            f"single_user_display_recipient:{self.mo}"
        }

    def lists(self, *names: str) -> set[str]:
        """Keys of what is kept of the organization as a whole."""
        return {f"{name}:{self.realm_id}" for name in names}


@pytest.fixture
def acme(
    sqlite_database: Database,
    make_realm: Callable[[Database, str], int],
    make_user: Callable[[Database, int, str, Role], int],
) -> Acme:
    """The organization."""
    realm_id = make_realm(sqlite_database, "acme")
    return Acme(
        sqlite_database, realm_id, make_user(sqlite_database, realm_id, "mo@a.test", Role.MEMBER)
    )


def test_a_key_on_the_wire() -> None:
    on_the_wire = cache_keys.on_the_wire(PREFIX, cache_keys.user_by_email("olive@example.test", 3))
    assert on_the_wire == f":1:{PREFIX}user_profile:{OLIVE}:3".encode()
    assert cache_keys.cross_realm_bots() == (
        "get_cross_realm_dicts:d2612410f404a79af2342dd1806aeace05ec1c38"
    )
    assert cache_keys.system_bot("welcome-bot@zulip.com") == (
        "bot_profile:dab9bcec3c6948376cec73bc7ac6cb5df5de874c"
    )


def test_a_new_account(acme: Acme) -> None:
    lists = acme.lists("realm_user_dicts", "active_user_ids", "active_non_guest_user_ids")
    assert acme.stale("user.created", acme.mo) == (
        acme.keys_of_mo() | acme.recipients_of_mo() | lists
    )


def test_changes_of_an_account(acme: Acme) -> None:
    keys, recipients = acme.keys_of_mo(), acme.recipients_of_mo()
    users = acme.lists("realm_user_dicts")
    non_guests = acme.lists("active_non_guest_user_ids")
    active = acme.lists("active_user_ids") | non_guests
    former = {
        f"user_profile:{OLIVE}:{acme.realm_id}",
        f"user_profile_by_delivery_email:{OLIVE}:{acme.realm_id}",
    }
    old = {"email": "olive@example.test", "delivery_email": "olive@example.test"}

    assert acme.stale("user.password_changed", acme.mo) == keys
    rotated = acme.stale("user.password_changed", acme.mo, old={"api_key": "k" * 32})
    assert rotated == keys | {f"user_profile_by_api_key:{'k' * 32}"}
    assert acme.stale("user.name_changed", acme.mo) == keys | users | recipients
    assert acme.stale("user.role_changed", acme.mo) == keys | users | non_guests
    assert acme.stale("user.deactivated", acme.mo) == keys | users | active
    assert acme.stale("user.reactivated", acme.mo) == keys | users | active
    assert acme.stale("user.email_changed", acme.mo, old=old) == (
        keys | former | users | recipients
    )
    assert acme.stale(
        "user.deleted", acme.mo, old={**old, "api_key": "K"}, recipient_ids=[991]
    ) == keys | former | users | active | recipients | {
        "user_profile_by_api_key:K",
        "display_recipient_dict:991",
    }


def test_changes_of_an_organization(acme: Acme) -> None:
    everybody = acme.stale("realm.renamed")
    lists = acme.lists(*LISTS)
    now = {"realm_rendered_description:acme", "realm_text_description:acme"}
    before = {"realm_rendered_description:old", "realm_text_description:old"}

    assert everybody > acme.keys_of_mo()
    assert len(everybody) == 10
    assert acme.stale("realm.reactivated") == everybody
    assert acme.stale("realm.deactivated") == everybody | lists | now
    assert acme.stale("realm.subdomain_changed", old={"string_id": "old"}) == (
        everybody | lists | now | before
    )
    assert acme.stale("channel.created", stream_ids=[1]) == acme.lists("bot_dicts_in_realm")
    rendered = acme.stale("message.rerendered", message_ids=[7, 9])
    assert rendered == {"message_dict:7", "message_dict:9"}
    assert acme.stale("acme.changed") == set()


def test_an_organization_that_is_gone(acme: Acme) -> None:
    mo = {"id": 77, "email": "mo@a.test", "delivery_email": "mo@a.test", "api_key": "K"}
    assert acme.stale("realm.deleted", users=[mo]) == acme.lists(*LISTS) | {
        "realm_rendered_description:acme",
        "realm_text_description:acme",
        "user_profile_by_id:77",
        "user_profile_narrow_by_id:77",
        "user_profile_by_api_key:K",
        f"user_profile:{MO}:{acme.realm_id}",
        f"user_profile_by_delivery_email:{MO}:{acme.realm_id}",
    }


def test_a_new_organization_brings_the_bots(acme: Acme) -> None:
    made = acme.stale("realm.created")
    assert made > {cache_keys.cross_realm_bots(), cache_keys.system_bot("welcome-bot@zulip.com")}
    assert len(made) == 4
    assert acme.stale("realm.imported") > made | acme.lists(*LISTS)


def test_what_stays_stale_is_said_of_every_kind() -> None:
    new = {"realm.created", "realm.imported"}  # nobody has seen them before
    assert set(STALE) == (set(CACHE_RULES) | set(EVENT_RULES)) - new


def test_the_prefixes_of_all_deployments(tmp_path: Path) -> None:
    contents = {"2026-01-01": PREFIX, "2026-02-02": f"{'f' * 32}:\n", "bad": "not a prefix"}
    for name, content in contents.items():
        (tmp_path / name / "var").mkdir(parents=True)
        (tmp_path / name / "var/remote_cache_prefix").write_text(content)
    (tmp_path / "new").mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "2026-02-02")

    assert cache_prefixes(tmp_path) == [PREFIX, f"{'f' * 32}:"]
    assert cache_prefixes(tmp_path / "nowhere") == []
