"""Which files an export consists of, and what is said when something is none."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from zcore import Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

FILE_FOLDERS = ("avatars", "emoji", "realm_icons", "uploads")
RECORDS = "records.json"
REQUIRED = (
    "migration_status.json",
    "realm.json",
    "attachment.json",
    "avatars/records.json",
    "uploads/records.json",
)
MOST_NAMED = 20
MESSAGE_FILE = re.compile(r"messages-(\d{6,})\.json(\.partial|\.locked)?")
JSON_FILE = re.compile(r"[a-z_-]+\.json|messages-\d{6,}\.json(\.partial|\.locked)?")


class NotAnExport(Refused):
    """What was named is no export, or a damaged one."""

    code = "not-an-export"


def message_file(number: int) -> str:
    """The name of the message file of that number, from 1."""
    return f"messages-{number:06d}.json"


def message_files(names: Iterable[str]) -> tuple[str, ...]:
    """The message files in order. Raises `NotAnExport` when one is missing or unfinished."""
    finished, unfinished = _message_numbers(names)
    for name in unfinished:
        raise NotAnExport(
            f"{name} is there: the export was never finished",
            code="unfinished-export",
            hint="make the export again",
        )
    for number in missing_numbers(finished):
        raise lost_messages(message_file(number))
    return tuple(message_file(number) for number in sorted(finished))


def _message_numbers(names: Iterable[str]) -> tuple[set[int], list[str]]:
    """The numbers of message files, and the names of those that are not finished."""
    matches = [match for name in sorted(names) if (match := MESSAGE_FILE.fullmatch(name))]
    finished = {int(match.group(1)) for match in matches if not match.group(2)}
    return finished, [match.group() for match in matches if match.group(2)]


def missing_numbers(finished: Collection[int]) -> list[int]:
    """The numbers that are missing among message files, which count from 1; the first of many."""
    last = max(len(finished), max(finished, default=0))
    missing = (number for number in range(1, last + 1) if number not in finished)
    return list(islice(missing, MOST_NAMED))


def gaps(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The message files that are missing, and those that are not finished."""
    finished, unfinished = _message_numbers(names)
    return [message_file(number) for number in missing_numbers(finished)], unfinished


def is_message_file(name: str) -> bool:
    """Is it a finished file of messages?"""
    match = MESSAGE_FILE.fullmatch(name)
    return match is not None and not match.group(2)


def lost_messages(name: str) -> NotAnExport:
    """The error that says that a message file is missing."""
    return NotAnExport(
        f"{name} is missing: the messages in it are lost",
        code="message-file-missing",
        hint="take another copy of the export, or make it again",
    )


def may_hold_json(name: str) -> bool:
    """Is it, or may it be below a folder that does not count, one of the JSON files?"""
    *folders, base = name.split("/")
    if base == RECORDS:
        return len(folders) in (1, 2) and folders[-1] in FILE_FOLDERS
    return len(folders) <= 1 and JSON_FILE.fullmatch(base) is not None
