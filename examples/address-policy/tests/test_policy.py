"""The policy by itself."""

from __future__ import annotations

import pytest

from zops_address_policy.policy import Policy

POLICY = Policy(domains=("acme.example", "Acme.Test"), functions=("office",))


@pytest.mark.parametrize("address", ["olga@acme.example", "olga@ACME.test", "officer@acme.example"])
def test_is_content(address: str) -> None:
    assert list(POLICY.complaints(address)) == []


@pytest.mark.parametrize(
    ("address", "codes"),
    [
        ("olga@elsewhere.example", ["address-domain"]),
        ("olga@sub.acme.example", ["address-domain"]),
        ("Office@acme.example", ["address-function"]),
        ("olga+1@acme.example", ["address-tag"]),
        ("office+1@elsewhere.example", ["address-domain", "address-function", "address-tag"]),
    ],
)
def test_complains(address: str, codes: list[str]) -> None:
    assert [complaint.code for complaint in POLICY.complaints(address)] == codes


def test_tags_can_be_allowed() -> None:
    assert Policy(domains=("acme.example",), allow_tags=True).tag("olga+1@acme.example") is None


def test_without_a_domain_nobody_gets_in() -> None:
    complaint = Policy(domains=()).domain("olga@acme.example")
    assert complaint is not None
    assert complaint.hint == "set our domains"
