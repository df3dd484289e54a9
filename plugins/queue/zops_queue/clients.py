"""What follows from a worker's work: news for the clients of a running server, and fewer pushes.

Both are events for other queues, sent when the worker has returned. Where no server's broker is
known, nobody would take them, and there are none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import current
from zcore.broker import is_rabbitmq
from zcore.errors import Refused
from zcore.schema.realms import zerver_realm
from zcore.schema.users import zerver_userprofile
from zcore.tornado import organization_queues
from zops_queue.names import push_queue
from zops_queue.workers.fields import BadField

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zcore.broker import WorkContext


Receiver = int | Mapping[str, object]
"""An account's number; or that as `id`, with what the event says to this account alone."""


@dataclass(frozen=True, slots=True)
class Member:
    """An account, and the organization that it belongs to."""

    user_id: int
    realm_id: int
    string_id: str


def find_member(connection: sa.Connection, user_id: int) -> Member:
    """The account with this id. Raises `BadField` when there is none."""
    users, realms = zerver_userprofile.c, zerver_realm.c
    chosen = sa.select(users.id, users.realm_id, realms.string_id).where(users.id == user_id)
    row = connection.execute(chosen.where(realms.id == users.realm_id)).first()
    if row is None:
        raise BadField(f"no user {user_id}")
    return Member(*row)


def tell_clients(
    work: WorkContext, string_id: str, event: Mapping[str, object], users: Sequence[Receiver]
) -> None:
    """Have the server tell the clients of `users`, accounts of one organization, of `event`.

    Where it is not known which of its processes to ask, a warning says so: the work is done.
    """
    if not users or not is_rabbitmq(work.settings.broker):
        return
    try:
        queues = organization_queues(work.settings, string_id)
    except Refused as error:
        current().console.warn(f"open clients are not told of a change: {error.message}")
        return
    shares: dict[str, list[Receiver]] = defaultdict(list)
    for user in users:
        shares[queues[_number(user) % len(queues)]].append(user)
    for queue, share in shares.items():
        work.publish(queue, {"event": event, "users": share})


def _number(user: Receiver) -> int:
    number = user if isinstance(user, int) else user["id"]
    assert isinstance(number, int)  # noqa: S101 # its callers write it
    return number


def take_back_pushes(work: WorkContext, user_id: int, message_ids: Iterable[int]) -> None:
    """Have what was pushed about these messages disappear from the user's devices."""
    ids = list(message_ids)
    if ids and is_rabbitmq(work.settings.broker):
        notice = {"type": "remove", "user_profile_id": user_id, "message_ids": ids}
        work.publish(push_queue(user_id, work.settings.push_shards), notice)
