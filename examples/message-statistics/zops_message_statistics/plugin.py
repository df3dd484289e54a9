"""What this plugin declares: it imports zcore only."""

from __future__ import annotations

from pathlib import Path

from zcore import Setting, Stage, Worker, hookimpl

zops_api = 1

QUEUE = "message_statistics"
FOLDER: Setting[Path | None] = Setting(
    "folder", "Where the worker writes its files", default=None, kind=Path
)


@hookimpl
def zops_settings() -> list[Setting[Path | None]]:
    """Where files go."""
    return [FOLDER]


@hookimpl
def zops_export_stages() -> list[Stage]:
    """A file of its own in each export."""
    return [
        Stage(
            "message-statistics",
            "zops_message_statistics.exporting:write_statistics",
            help="messages for each public channel and day",
        )
    ]


@hookimpl
def zops_queue_workers() -> list[Worker]:
    """The same for one day, when an event asks for it."""
    return [
        Worker(
            QUEUE,
            "zops_message_statistics.worker:handle",
            "Writes the messages of one day, for each public channel.",
            batch=20,
        )
    ]
