"""The devices of a user are forgotten: somebody has another API key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.schema.users import zerver_pushdevicetoken
from zops_queue.pushing import may_have_service
from zops_queue.workers.fields import id_field

if TYPE_CHECKING:
    from zcore.broker import Event, WorkContext

KNOWN_ELSEWHERE = "the mobile push service has to forget them, too: only the server can ask it to"
TOLD_BY_SERVER = "only the server can tell its mobile push service"
UNLESS = " (set push_service = false under [server] where there is none)"


def clear_tokens(event: Event, work: WorkContext) -> str:
    """Delete the push tokens of `user_profile_id`, unless a push service knows of them, too."""
    user_id = id_field(event.payload, "user_profile_id")
    if may_have_service(work.settings):
        return _unless(KNOWN_ELSEWHERE, work)
    tokens = zerver_pushdevicetoken
    with work.database.begin() as connection:
        connection.execute(sa.delete(tokens).where(tokens.c.user_id == user_id))
    return ""


def tell_push_service(event: Event, work: WorkContext) -> str:
    """Nothing, where there is no push service to be told of the organization."""
    return _unless(TOLD_BY_SERVER, work) if may_have_service(work.settings) else ""


def _unless(reason: str, work: WorkContext) -> str:
    """The reason, and what to do where it is only a guess."""
    return reason if work.settings.push_service else reason + UNLESS
