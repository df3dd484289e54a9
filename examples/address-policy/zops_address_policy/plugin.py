"""What this plugin declares: it imports zcore only."""

from __future__ import annotations

from zcore import Check, Command, Setting, Validator, hookimpl

zops_api = 1

DOMAINS: Setting[tuple[str, ...]] = Setting(
    "domains", "The domains that addresses may have", default=(), kind=tuple
)
FUNCTIONS = Setting(
    "functions",
    "What stands before the @ in addresses of functions, which no account may have",
    default=("admin", "info", "office", "postmaster"),
    kind=tuple,
)
ALLOW_TAGS = Setting("allow_tags", "May an address have a tag (name+tag@)?", False, kind=bool)


@hookimpl
def zops_settings() -> list[Setting[tuple[str, ...]] | Setting[bool]]:
    """The policy's parameters."""
    return [DOMAINS, FUNCTIONS, ALLOW_TAGS]


@hookimpl
def zops_validators() -> list[Validator]:
    """The policy, one rule each."""
    rules = "zops_address_policy.rules"
    return [
        Validator("address-domain", "user.email", f"{rules}:domain", help="one of our domains"),
        Validator("address-function", "user.email", f"{rules}:function", help="a person's address"),
        Validator("address-tag", "user.email", f"{rules}:tag", help="no tag, unless allowed"),
    ]


@hookimpl
def zops_commands() -> list[Command]:
    """`zops check-addresses`."""
    return [
        Command(
            "check-addresses",
            "zops_address_policy.cli:check_addresses",
            "List the accounts that break the address policy.",
            "Organizations and users",
        )
    ]


@hookimpl
def zops_checks() -> list[Check]:
    """Is the policy set up?"""
    return [Check("address-policy", "zops_address_policy.checks:is_set_up", "is a domain set?")]
