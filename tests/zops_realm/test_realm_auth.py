"""How people log in: `zops realm auth`, `create-realm --auth-method`, and plugins with more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.zops_realm.realm_state import audit, rows
from zcore import AuthBackend, Refused
from zcore.context import _current
from zcore.organizations.realms import AUTHENTICATION_METHODS
from zcore.testing.plugins import hooks
from zops_realm.realm_auth import AuthRequest, list_methods, switch_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zcore import Context
    from zcore.database import Database
    from zcore.testing.commands import Runner, Zops

CREATE = ("create-realm", "Acme", "olive@a.test", "Olive O", "--string-id=acme", "--no-password")


def enabled(database: Database, realm_id: int) -> list[str]:
    return [
        row["name"] for row in rows(database, "zerver_realmauthenticationmethod", realm_id=realm_id)
    ]


def test_all_that_zulip_has_are_listed(
    zops_here: Runner, database: Database, make_realm: Callable[[Database, str], int]
) -> None:
    make_realm(database, "acme")

    methods = zops_here("--json", "realm", "auth", "list", "acme").json()["methods"]

    assert [method["name"] for method in methods] == list(AUTHENTICATION_METHODS)
    assert all(method["enabled"] and method["needs"] and method["links_by"] for method in methods)
    assert [method["name"] for method in methods if method["password"]] == ["Email"]


def test_switching_writes_rows_and_what_the_server_logs(
    zops_here: Runner, database: Database, make_realm: Callable[[Database, str], int]
) -> None:
    realm_id, other_id = make_realm(database, "acme"), make_realm(database, "other")

    off = zops_here("--json", "realm", "auth", "disable", "acme", "email", "GITHUB").json()
    on = zops_here("--json", "realm", "auth", "enable", "acme", "GitHub", "LDAP").json()

    assert off["changed"] == ["Email", "GitHub"]
    assert on["changed"] == ["GitHub"]
    assert on["enabled"] == enabled(database, realm_id)
    assert set(enabled(database, realm_id)) == {*AUTHENTICATION_METHODS} - {"Email"}
    assert enabled(database, other_id) == list(AUTHENTICATION_METHODS)
    every = dict.fromkeys(AUTHENTICATION_METHODS, True)
    less = every | {"Email": False, "GitHub": False}
    assert audit(database, realm_id, 207) == [
        {"1": every, "2": less, "property": "authentication_methods"},
        {"1": less, "2": less | {"GitHub": True}, "property": "authentication_methods"},
    ]


@pytest.fixture
def acme(
    sqlite_database: Database,
    context_of: Callable[..., Context],
    make_realm: Callable[[Database, str], int],
) -> Iterator[tuple[Context, int, list[Any]]]:
    """A run with a plugin that has a login of its own; an organization; the changes it is told."""
    told: list[Any] = []
    badge = AuthBackend("Badge", "Show the badge.", "a reader", "the number on the badge")
    realm_id = make_realm(sqlite_database, "acme")
    plugin = hooks(
        zops_auth_backends=lambda: [badge], zops_committed=lambda change: told.append(change)
    )
    context = context_of(sqlite_database, plugins={"badges": plugin})
    token = _current.set(context)
    yield context, realm_id, told
    _current.reset(token)


def switch(context: Context, *names: str, enable: bool = False, dry_run: bool = False) -> Any:
    request = AuthRequest(realm="acme", names=names, enable=enable, dry_run=dry_run)
    return switch_methods(context, request).data


def test_the_last_one_stays(
    acme: tuple[Context, int, list[Any]], sqlite_database: Database
) -> None:
    context, realm_id, _ = acme
    others = [name for name in AUTHENTICATION_METHODS if name not in ("Dev", "SAML")]
    switch(context, *others)

    for last in (["SAML"], ["Dev", "SAML"]):  # what is for development is no way in
        with pytest.raises(Refused) as refused:
            switch(context, *last)
        assert refused.value.code == "auth-last"
    switch(context, "Dev")
    with pytest.raises(Refused):
        switch(context, "SAML")
    assert enabled(sqlite_database, realm_id) == ["SAML"]


def test_unknown_names_are_refused_all_at_once_with_what_was_meant(
    acme: tuple[Context, int, list[Any]], sqlite_database: Database
) -> None:
    context, realm_id, _ = acme

    with pytest.raises(Refused) as refused:
        switch(context, "Emial", "Email", "carrier pigeon")

    hints = [problem.hint for problem in refused.value.problems]
    assert hints[0] == "did you mean 'Email'?"
    assert "OpenID Connect" in hints[1]
    assert {problem.code for problem in refused.value.problems} == {"auth-method-unknown"}
    assert enabled(sqlite_database, realm_id) == list(AUTHENTICATION_METHODS)


def test_a_plugin_has_a_login_of_its_own(
    acme: tuple[Context, int, list[Any]], sqlite_database: Database
) -> None:
    context, realm_id, told = acme

    assert switch(context, "badge", enable=True)["changed"] == ["Badge"]

    assert enabled(sqlite_database, realm_id)[-1] == "Badge"
    (change,) = told
    assert (change.kind, change.realm_id) == ("realm.auth_changed", realm_id)
    assert change.details["old"]["authentication_methods"]["Badge"] is False
    assert change.details["new"]["authentication_methods"]["Badge"] is True
    listed: Any = list_methods(context, "acme").data["methods"]
    assert [one["links_by"] for one in listed if one["name"] == "Badge"] == [
        "the number on the badge"
    ]


def test_nothing_is_written_without_a_change(
    acme: tuple[Context, int, list[Any]], sqlite_database: Database
) -> None:
    context, realm_id, told = acme

    assert switch(context, "SAML", enable=True)["changed"] == []
    assert switch(context, "SAML", dry_run=True)["changed"] == ["SAML"]

    assert (audit(sqlite_database, realm_id, 207), told) == ([], [])
    assert enabled(sqlite_database, realm_id) == list(AUTHENTICATION_METHODS)


def test_a_new_organization_has_the_ones_that_are_named(
    zops_on_sqlite: Zops, sqlite_database: Database
) -> None:
    made = zops_on_sqlite(
        "--json", *CREATE, "--auth-method", "saml", "--auth-method", "OpenID Connect"
    )

    assert enabled(sqlite_database, made.json()["realm_id"]) == ["SAML", "OpenID Connect"]
    assert "SAML by the e-mail address in the attribute that attr_email names" in made.stderr
    user = zops_on_sqlite("create-user", "u@a.test", "Una U", "-r", "acme", "--no-password")
    assert "OpenID Connect by the e-mail address in the claim 'email'" in user.stderr


def test_where_nobody_logs_in_by_a_password_none_is_needed(
    zops_on_sqlite: Zops, sqlite_database: Database
) -> None:
    zops_on_sqlite(*CREATE[:-1], "--auth-method=ldap")
    user = zops_on_sqlite("create-user", "u@a.test", "Una U", "-r", "acme")

    assert "LDAP by the e-mail address" in user.stderr
    people = [row for row in rows(sqlite_database, "zerver_userprofile") if not row["is_bot"]]
    assert [row["password"][0] for row in people] == ["!", "!"]
    zops_on_sqlite("realm", "auth", "enable", "acme", "Email")
    zops_on_sqlite("create-user", "v@a.test", "Vi U", "-r", "acme", exit_code=2)
    zops_on_sqlite("create-user", "v@a.test", "Vi U", "-r", "nowhere", exit_code=3)


def test_where_passwords_are_asked_for_nothing_is_said(zops_on_sqlite: Zops) -> None:
    assert "finds the account" not in zops_on_sqlite(*CREATE).stderr


@pytest.mark.parametrize(("name", "code"), [("Emial", "auth-method-unknown"), ("Dev", "auth-last")])
def test_a_new_organization_that_nobody_could_log_in_to_is_refused(
    name: str, code: str, zops_on_sqlite: Zops, sqlite_database: Database
) -> None:
    zops_on_sqlite("--json", *CREATE, "--auth-method", name, check=False).assert_refused(code)

    assert rows(sqlite_database, "zerver_realm") == []


def test_it_is_told_with_everything_else_that_is_wrong(zops_on_sqlite: Zops) -> None:
    words = ("create-realm", "A", "no address", "Al Lee", "--no-password", "--auth-method=dev")

    refused = zops_on_sqlite("--json", *words, check=False).assert_refused()

    assert refused.codes() >= {"email-syntax", "auth-last"}
