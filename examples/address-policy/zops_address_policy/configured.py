"""The policy that the settings describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zops_address_policy.plugin import ALLOW_TAGS, DOMAINS, FUNCTIONS
from zops_address_policy.policy import Policy

if TYPE_CHECKING:
    from zcore import Context


def policy_of(context: Context) -> Policy:
    """Raises `zcore.Refused` when a setting is not of its kind."""
    return Policy(
        domains=context.setting(DOMAINS),
        functions=context.setting(FUNCTIONS),
        allow_tags=context.setting(ALLOW_TAGS),
    )
