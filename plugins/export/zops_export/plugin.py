"""What this plugin declares: it imports zcore only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Command, Stage, hookimpl

if TYPE_CHECKING:
    from types import ModuleType

GROUP = "Moving organizations"


@hookimpl
def zops_commands() -> list[Command]:
    """Export, import, verify, and a demonstration of all of it."""
    cli = "zops_export.cli"
    return [
        Command("export", f"{cli}:export", "Write all of an organization's data to a file.", GROUP),
        Command("import", f"{cli}:import_", "Bring an exported organization in.", GROUP),
        Command("verify", f"{cli}:verify", "Say whether an export is whole and coherent.", GROUP),
        Command("demo", f"{cli}:demo", "Show the main job on throw-away data.", GROUP),
    ]


@hookimpl
def zops_hookspecs() -> ModuleType:
    """The hooks that this plugin defines for others."""
    from zops_export import hookspecs

    return hookspecs


@hookimpl
def zops_export_stages() -> list[Stage]:
    """An export: what it writes, and what has to be known before."""
    rows, files, summary = (
        f"zops_export.{name}" for name in ("row_stages", "file_stages", "summary_stages")
    )
    return [
        Stage("messages", f"{rows}:write_messages"),
        Stage("realm", f"{rows}:write_realm"),
        Stage("analytics", f"{rows}:write_analytics"),
        Stage("uploads", f"{files}:copy_uploads"),
        Stage("attachments", f"{rows}:write_attachments", needs=("uploads",)),
        Stage("avatars", f"{files}:copy_avatars"),
        Stage("emoji", f"{files}:copy_emoji"),
        Stage("realm-icons", f"{files}:copy_realm_icons"),
        Stage("migration-status", f"{summary}:write_migration_status"),
        Stage(
            "stats",
            f"{summary}:write_stats",
            needs=(
                "messages",
                "realm",
                "analytics",
                "attachments",
                "avatars",
                "emoji",
                "realm-icons",
            ),
        ),
    ]


@hookimpl
def zops_import_stages() -> list[Stage]:
    """An import: rows first, files second, both before the one commit."""
    rows, files = "zops_export.import_row_stages", "zops_export.import_file_stages"
    return [
        Stage("realm-rows", f"{rows}:load_realm"),
        Stage("message-rows", f"{rows}:load_messages", needs=("realm-rows",)),
        Stage("finish-rows", f"{rows}:finish", needs=("message-rows",)),
        Stage("files", f"{files}:store_files", needs=("finish-rows",)),
    ]
