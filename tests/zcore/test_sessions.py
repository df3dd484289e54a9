"""Whose a login session is, is read without the server's secret key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sessions_of_django import log_in, session_data, sessions
from zcore.organizations.sessions import end_sessions, user_of_session

if TYPE_CHECKING:
    from zcore.database import Database


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
def test_a_session_tells_its_user(packed: bool) -> None:
    assert user_of_session(session_data({"_auth_user_id": "17"}, packed=packed)) == 17


@pytest.mark.parametrize(
    "data",
    [
        session_data({}),
        session_data(["_auth_user_id"]),
        session_data({"_auth_user_id": None}),
        "",
        ".",
        "no base64 at all!",
        ".bm90IHBhY2tlZA:1:2",
        session_data({"_auth_user_id": "7", "x": "y" * (1 << 20)}),
    ],
)
def test_what_is_no_login_is_nobodys(data: str) -> None:
    assert user_of_session(data) is None


def test_only_the_sessions_of_the_accounts_end(database: Database) -> None:
    log_in(database, 7, "seven-a", "seven-b")
    log_in(database, 8, "eight")

    with database.begin() as connection:
        ended = end_sessions(connection, {7, 9})

    assert set(ended) == {"seven-a", "seven-b"}
    assert sessions(database) == {"eight"}
