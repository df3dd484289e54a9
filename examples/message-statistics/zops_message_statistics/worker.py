"""The queue worker: one file for each event, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from zcore import Refused, current
from zcore.broker import Event, Rejected, WorkContext
from zcore.organizations.lookup import find_realm
from zops_message_statistics.counting import as_csv, count_messages
from zops_message_statistics.plugin import FOLDER


def handle(events: Sequence[Event], context: WorkContext) -> list[Rejected]:
    """Write a file for each event; return those that ask for something that cannot be."""
    folder = current().setting(FOLDER) or context.settings.home / "message-statistics"
    folder.mkdir(parents=True, exist_ok=True)
    rejected = []
    for event in events:
        try:
            _write(event, context, folder)
        except (ValueError, Refused) as error:
            rejected.append(Rejected(event, str(error)))
    return rejected


def _write(event: Event, context: WorkContext, folder: Path) -> None:
    reference, day = _text(event, "realm"), date.fromisoformat(_text(event, "day"))
    with context.database.read() as connection:
        realm = find_realm(connection, reference)
        content, _ = as_csv(count_messages(connection, realm.realm_id, day))
    target = folder / f"{realm.string_id or 'root'}-{day}.csv"
    aside = target.with_suffix(".partial")
    aside.write_bytes(content)
    aside.rename(target)


def _text(event: Event, name: str) -> str:
    value = event.payload.get(name)
    if not isinstance(value, str):
        raise ValueError(f"it does not say {name!r} in text")
    return value
