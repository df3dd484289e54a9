"""An organization's own rules for addresses are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore.schema import tables
from zcore.settings import Settings
from zcore.validation import Validation
from zops_realm.rules import email_policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore.database import Database

REALM, DOMAINS = tables["zerver_realm"], tables["zerver_realmdomain"]


@pytest.fixture
def codes(
    sqlite_database: Database, make_realm: Callable[[Database, str], int], tmp_path: Path
) -> Callable[..., list[str]]:
    """`codes(address, emails_restricted_to_domains=True)`: what an organization says to it.

    It allows `acme.test`, and `big.test` with all that is below it.
    """
    realm_id = make_realm(sqlite_database, "acme")
    allowed = [("Acme.test", False), ("big.test", True)]
    with sqlite_database.begin() as connection:
        connection.execute(
            sa.insert(DOMAINS),
            [
                {"realm_id": realm_id, "domain": domain, "allow_subdomains": below}
                for domain, below in allowed
            ],
        )

    def find(address: str, **settings: bool) -> list[str]:
        with sqlite_database.begin() as connection:
            connection.execute(sa.update(REALM).where(REALM.c.id == realm_id).values(**settings))
        validation = Validation(
            settings=Settings.load({}, {"ZOPS_HOME": str(tmp_path)}, tmp_path),
            database=sqlite_database.read_only,
            realm_id=realm_id,
        )
        rules = (email_policy.domain, email_policy.not_disposable)
        return [problem.code for rule in rules for problem in rule([address], validation)]

    return find


@pytest.mark.parametrize(
    "address", ["ann@acme.test", "ann@ACME.test", "a@big.test", "a@x.big.test"]
)
def test_allowed_domains(address: str, codes: Callable[..., list[str]]) -> None:
    assert codes(address, emails_restricted_to_domains=True) == []


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("ann@other.test", "email-domain"),
        ("ann@sub.acme.test", "email-domain"),
        ("ann@verybig.test", "email-domain"),
        ("ann+two@acme.test", "email-plus"),
        ("ann@mailinator.com", "email-domain"),
    ],
)
def test_other_domains(address: str, code: str, codes: Callable[..., list[str]]) -> None:
    assert codes(address, emails_restricted_to_domains=True) == [code]
    if "mailinator" not in address:
        assert codes(address, emails_restricted_to_domains=False) == []


def test_disposable_addresses(codes: Callable[..., list[str]]) -> None:
    asked = "disallow_disposable_email_addresses"
    assert codes("ann@Mailinator.com", **{asked: True}) == ["email-disposable"]
    assert codes("ann@mailinator.com", **{asked: False}) == []
