"""Which files an export consists of, and what is said when something is none."""

from __future__ import annotations

import re

from zcore import Refused

FILE_FOLDERS = ("avatars", "emoji", "realm_icons", "uploads")
RECORDS = "records.json"
REQUIRED = (
    "migration_status.json",
    "realm.json",
    "attachment.json",
    "avatars/records.json",
    "uploads/records.json",
)
MESSAGE_FILE = re.compile(r"messages-(\d{6,})\.json(\.partial|\.locked)?")
JSON_FILE = re.compile(r"[a-z_-]+\.json|messages-\d{6,}\.json(\.partial|\.locked)?")


class NotAnExport(Refused):
    """What was named is no export, or a damaged one."""

    code = "not-an-export"


def message_file(number: int) -> str:
    """The name of the message file of that number, from 1."""
    return f"messages-{number:06d}.json"


def message_files(names: frozenset[str]) -> tuple[str, ...]:
    """The message files in order. Raises `NotAnExport` when one is missing or unfinished."""
    finished: set[int] = set()
    for name in sorted(names):
        if match := MESSAGE_FILE.fullmatch(name):
            if match.group(2):
                raise NotAnExport(
                    f"{name} is there: the export was never finished",
                    code="unfinished-export",
                    hint="make the export again",
                )
            finished.add(int(match.group(1)))
    for number in range(1, len(finished) + 1):
        if number not in finished:
            raise lost_messages(message_file(number))
    return tuple(message_file(number) for number in sorted(finished))


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
