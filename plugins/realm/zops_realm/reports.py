"""What commands that change one account hand back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zops_realm.user_target import Target


def report(target: Target, verbs: tuple[str, str], what: str, more: Mapping[str, object]) -> Result:
    """The account, and `more`; `verbs` say what was done and what a dry run would have done."""
    data = {"user_id": target.user.user_id, "email": target.user.delivery_email, **more}
    if target.work is None:
        text = f"{verbs[1]} {what}; nothing was written"
        return Result(data | {"dry_run": True}, text=text)
    return Result(data, text=f"{verbs[0]} {what}")
