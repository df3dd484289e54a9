"""What `zops doctor` looks at."""

from __future__ import annotations

from zcore import CheckResult, Context
from zops_address_policy.plugin import DOMAINS


def is_set_up(context: Context) -> CheckResult:
    """A policy without a domain refuses everybody."""
    domains = context.setting(DOMAINS)
    if domains:
        return CheckResult("ok", f"addresses of {', '.join(domains)}")
    return CheckResult(
        "warning",
        "no domain is set: every address is refused",
        hint="set domains in [plugins.address-policy] of zops.toml",
    )
