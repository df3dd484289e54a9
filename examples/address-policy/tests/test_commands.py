"""The plugin in use, through the installed command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zcore.testing.commands import Zops

CREATE_REALM = ["create-realm", "Acme", "--string-id", "acme", "--no-password"]


@pytest.fixture
def acme(zops: Zops) -> Zops:
    """`zops` with a policy, and an organization that keeps it."""
    zops.environment["ZOPS_ADDRESS_POLICY_DOMAINS"] = "acme.example"
    zops(*CREATE_REALM, "olga@acme.example", "Olga Owner")
    return zops


def test_everything_that_is_wrong_comes_at_once(acme: Zops) -> None:
    words = ["create-user", "office+1@gmail.example", "Office", "-r", "acme", "--no-password"]
    refused = acme("--json", *words, exit_code=3)
    assert refused.codes() == {"invalid", "address-domain", "address-function", "address-tag"}


def test_an_owner_keeps_the_policy_too(zops: Zops) -> None:
    refused = zops("--json", *CREATE_REALM, "olga@acme.example", "Olga Owner", exit_code=3)
    assert refused.codes() == {"address-domain"}


def test_accounts_that_are_there_already(acme: Zops) -> None:
    content = acme("--json", "check-addresses", "-r", "acme")
    assert content.json() == {"ok": True, "checked": 1}
    moved = {"ZOPS_ADDRESS_POLICY_DOMAINS": "new.example"}
    broken = acme("--json", "check-addresses", "-r", "acme", env=moved, exit_code=5)
    (finding,) = broken.json()["findings"]
    assert finding["code"] == "address-domain"
    assert finding["hint"] == "use one of new.example"


def test_the_doctor_says_when_it_is_not_set_up(acme: Zops) -> None:
    assert "addresses of acme.example" in acme("doctor", check=False).stdout
    unset = acme("doctor", env={"ZOPS_ADDRESS_POLICY_DOMAINS": ""}, check=False)
    assert "no domain is set" in unset.stdout + unset.stderr
