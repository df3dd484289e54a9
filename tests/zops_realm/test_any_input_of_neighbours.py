"""Whatever the commands that change something are given: refused in words, or stored as meant."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.zops_realm.normalized_rows import all_rows
from tests.zops_realm.test_any_input import (
    ADDRESSES,
    ANYTHING,
    BOUNDED,
    NAMES,
    SUBDOMAINS,
    mostly,
    within_their_columns,
)
from zcore import Refused, UsageError
from zcore.organizations.codes import Role
from zops_realm import channel_create, channel_subscribe, realm_deactivate, realm_subdomain
from zops_realm.channels import NewChannel
from zops_realm.realm_deactivate import require_url
from zops_realm.realm_rename import rename
from zops_realm.user_deactivate import deactivate_user
from zops_realm.user_identity import change_email, change_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore import Context
    from zcore.database import Database

    Change = Callable[[], object]

REFERENCES = mostly(
    st.sampled_from(["id:9", "id:1", "id:99999999999999999999", "id:", "id:x", "\0", "\ud800"])
)
URLS = mostly(
    st.from_regex(r"\Ahttps?://[a-z]{1,9}\.test(/[a-z]{0,9})?\Z"),
    "https://[::1",
    "https://a\0b",
    "https://\ud800",
    "javascript:alert(1)",
    "https://x:99999999/",
)


@pytest.fixture
def context(
    sqlite_database: Database,
    context_of: Callable[..., Context],
    make_realm: Callable[[Database, str], int],
    make_user: Callable[[Database, int, str, Role], int],
) -> Context:
    """A run on an organization of two, where every example meets what the others left."""
    make_user(sqlite_database, make_realm(sqlite_database, "acme"), "mo@a.test", Role.MEMBER)
    return context_of(sqlite_database, external_host="chat.test")


@BOUNDED
@given(email=ADDRESSES, full_name=NAMES)
@example(email="OLIVE@example.test", full_name="Olive\0")
@example(email="\ud800@b.test", full_name="\ud800\ud800")
def test_another_address_and_name(email: str, full_name: str, context: Context) -> None:
    for change, value, column in (
        (change_email, email, "delivery_email"),
        (change_name, full_name, "full_name"),
    ):
        try:
            change(context, "acme", "id:9", value)
        except Refused:
            continue
        (mo,) = [row for row in all_rows(context.database)["zerver_userprofile"] if row["id"] == 9]
        assert mo[column].lower() == value.strip().lower()
    assert within_their_columns(context.database)


@BOUNDED
@given(name=NAMES, description=ANYTHING)
@example(name="Plans", description="\0")
@example(name="More plans", description="\ud800")
@example(name="\0", description="x" * 1025)
@example(name="\ud800", description="")
def test_channels(name: str, description: str, context: Context) -> None:
    channel = NewChannel(name=name.strip(), description=description)
    try:
        channel_create.run(context, channel_create.ChannelRequest(realm="acme", channel=channel))
    except Refused:
        return
    made = all_rows(context.database)["zerver_stream"][-1]
    assert (made["name"], made["description"]) == (name.strip(), description)
    assert within_their_columns(context.database)


@BOUNDED
@given(name=NAMES, string_id=SUBDOMAINS, url=URLS)
@example(name="\ud800", string_id="\0", url="https://x/" + "y" * 200)
def test_organizations(name: str, string_id: str, url: str, context: Context) -> None:
    realm_id = all_rows(context.database)["zerver_userprofile"][-1]["realm_id"]
    move = realm_subdomain.SubdomainRequest(
        realm=f"id:{realm_id}", string_id=string_id, leave_redirect=False
    )
    close = realm_deactivate.DeactivationRequest(realm=f"id:{realm_id}", redirect=url, dry_run=True)
    changes: list[Change] = [
        lambda: rename(context, f"id:{realm_id}", name),
        lambda: realm_subdomain.run(context, move),
        lambda: realm_deactivate.run(context, close),
    ]
    for change in changes:
        with suppress(Refused, UsageError):
            change()
    with suppress(Refused, UsageError):
        require_url(url)
        assert "\0" not in url
        url.encode()  # it can be stored
    assert within_their_columns(context.database)


@BOUNDED
@given(realm=REFERENCES, user=REFERENCES, channel=REFERENCES)
@example(realm="acme", user="\ud800", channel="\0")
def test_what_is_not_there(realm: str, user: str, channel: str, context: Context) -> None:
    wanted = channel_subscribe.SubscriptionRequest(realm="acme", channel=channel, users=[user])
    changes: list[Change] = [
        lambda: deactivate_user(context, realm, user, dry_run=True),
        lambda: deactivate_user(context, "acme", user, dry_run=True),
        lambda: channel_subscribe.run(context, wanted),
    ]
    for change in changes:
        with suppress(Refused, UsageError):
            change()
