"""What this plugin declares: it imports zcore only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Command, FileStoreKind, Stage, hookimpl

if TYPE_CHECKING:
    from types import ModuleType

zops_api = 1

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
        Stage("messages", f"{rows}:write_messages", help="messages, and who has them"),
        Stage("realm", f"{rows}:write_realm", help="the organization and all that belongs to it"),
        Stage("analytics", f"{rows}:write_analytics", help="its statistics"),
        Stage("uploads", f"{files}:copy_uploads", help="uploaded files"),
        Stage(
            "attachments",
            f"{rows}:write_attachments",
            needs=("uploads",),
            help="which message shows which file",
        ),
        Stage("avatars", f"{files}:copy_avatars", help="pictures of people"),
        Stage("emoji", f"{files}:copy_emoji", help="custom emoji"),
        Stage("realm-icons", f"{files}:copy_realm_icons", help="icons and logos"),
        Stage(
            "migration-status",
            f"{summary}:write_migration_status",
            help="which version of the tables it is",
        ),
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
            help="how many rows there are of each table",
        ),
    ]


@hookimpl
def zops_import_stages() -> list[Stage]:
    """An import: rows first, files second, both before the one commit."""
    rows, files = "zops_export.import_row_stages", "zops_export.import_file_stages"
    return [
        Stage("realm-rows", f"{rows}:load_realm", help="the organization and its people"),
        Stage("message-rows", f"{rows}:load_messages", needs=("realm-rows",), help="its messages"),
        Stage(
            "finish-rows", f"{rows}:finish", needs=("message-rows",), help="what refers to messages"
        ),
        Stage("files", f"{files}:store_files", needs=("finish-rows",), help="its files"),
    ]


@hookimpl
def zops_file_stores() -> list[FileStoreKind]:
    """Uploaded files in S3."""
    return [FileStoreKind("s3", "zops_export.s3_store:open_stores", "buckets named in [files.s3]")]
