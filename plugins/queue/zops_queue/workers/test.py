"""Queue `test`: what comes is written to a file, so that somebody can see that it came."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from zcore import Failed, current
from zops_queue.plugin import TEST_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context
    from zcore.broker import Event, WorkContext

NAME = "zulip-worker-test-file"
SERVER_FOLDER = Path("/var/log/zulip")


def handle(events: Sequence[Event], context: WorkContext) -> None:
    """Append each event to the file, a line of JSON each. Raises `Failed` when that cannot be."""
    path = file_of(current())
    lines = b"".join(event.body + b"\n" for event in events)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(lines)
    except OSError as error:
        raise Failed(f"cannot write {path}: {error.strerror}") from error


def file_of(context: Context) -> Path:
    """The file that was named, else beside a server its own, else one in the data folder."""
    named = context.setting(TEST_FILE)
    if named is not None:
        return named
    settings = context.settings
    return (SERVER_FOLDER if settings.zulip_conf else settings.home) / NAME
