"""What this plugin declares: it imports zcore only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Command, FileStoreKind, ImportAdapter, Rewrite, Stage, Validator, hookimpl

if TYPE_CHECKING:
    from types import ModuleType

zops_api = 1

GROUP = "Moving organizations"


@hookimpl
def zops_commands() -> list[Command]:
    """Export, import, verify, and a demonstration of all of it."""
    cli = "zops_export.cli"
    return [
        Command(
            "export",
            f"{cli}:export",
            "Write all of an organization's data to a file.",
            GROUP,
            example="zops export --realm acme --output acme.tar.gz",
        ),
        Command(
            "import",
            f"{cli}:import_",
            "Bring an exported organization in.",
            GROUP,
            example="zops import acme acme.tar.gz --dry-run",
        ),
        Command("verify", f"{cli}:verify", "Say whether an export is whole and coherent.", GROUP),
        Command("demo", f"{cli}:demo", "Show the main job on throw-away data.", GROUP),
    ]


@hookimpl
def zops_hookspecs() -> ModuleType:
    """The hooks that this plugin defines for others."""
    from zops_export import hookspecs

    return hookspecs


@hookimpl
def zops_validators() -> list[Validator]:
    """Rules about what is to be exported or imported, and where."""
    exports, imports = "zops_export.export_rules", "zops_export.import_rules"
    return [
        Validator(
            "export-target-free",
            "export.request",
            f"{exports}:target_is_free",
            help="nothing stands where the export is to be",
        ),
        Validator(
            "export-target-folder",
            "export.request",
            f"{exports}:folder_is_there",
            help="there is a folder to put the export in",
        ),
        Validator(
            "export-target-room",
            "export.request",
            "zops_export.free_space:room_is_there",
            help="the disk has room for the export",
        ),
        Validator(
            "import-realm-uuid",
            "import.source",
            f"{imports}:uuid_is_one",
            help="the organization's uuid, if it has one, is one",
        ),
        Validator(
            "import-system-bots",
            "import.source",
            f"{imports}:bots_are_known",
            help="this server has the system bots that the export names",
        ),
        Validator(
            "import-room",
            "import.source",
            "zops_export.import_space:room_is_there",
            help="the disks have room for the import",
        ),
    ]


@hookimpl
def zops_export_stages() -> list[Stage | Rewrite]:
    """An export: what it writes, what has to be known before, and what it changes."""
    from zops_export.redaction import redactions

    return [*_row_stages(), *_file_stages(), *_summary_stages(), *_rewrites(), *redactions()]


def _row_stages() -> list[Stage]:
    work, estimates = "zops_export.row_stages", "zops_export.export_estimates"
    return [
        Stage(
            "realm",
            f"{work}:write_realm",
            help="the organization, its users, channels and all else of it",
            estimate=f"{estimates}:realm",
        ),
        Stage(
            "messages",
            "zops_export.message_stage:write_messages",
            help="the messages, and who has them",
            estimate=f"{estimates}:messages",
        ),
        Stage(
            "analytics",
            f"{work}:write_analytics",
            help="its statistics",
            estimate=f"{estimates}:analytics",
        ),
        Stage(
            "attachments",
            "zops_export.attachment_stage:write_attachments",
            needs=("uploads",),
            help="what was uploaded, and the messages that link to it",
            estimate=f"{estimates}:attachment_rows",
        ),
    ]


def _file_stages() -> list[Stage]:
    work, estimates = "zops_export.file_stages", "zops_export.export_estimates"
    return [
        Stage(
            "uploads",
            f"{work}:copy_uploads",
            help="the uploaded files",
            estimate=f"{estimates}:uploads",
        ),
        Stage(
            "avatars",
            f"{work}:copy_avatars",
            replaceable=True,
            help="the users' pictures",
            estimate=f"{estimates}:avatars",
        ),
        Stage(
            "emoji",
            f"{work}:copy_emoji",
            replaceable=True,
            help="the custom emoji",
            estimate=f"{estimates}:emoji",
        ),
        Stage(
            "realm-icons",
            f"{work}:copy_realm_icons",
            replaceable=True,
            help="the organization's icon and logos",
            estimate=f"{estimates}:realm_icons",
        ),
    ]


def _summary_stages() -> list[Stage]:
    work, one_file = "zops_export.summary_stages", "zops_export.export_estimates:one_file"
    rows = ("messages", "realm", "analytics", "attachments")
    files = ("avatars", "emoji", "realm-icons")
    return [
        Stage(
            "migration-status",
            f"{work}:write_migration_status",
            replaceable=True,
            help="which version of the server can read it",
            estimate=one_file,
        ),
        Stage(
            "stats",
            f"{work}:write_stats",
            needs=(*rows, *files),
            help="how many rows there are",
            estimate=one_file,
        ),
    ]


def _rewrites() -> list[Rewrite]:
    return [
        Rewrite(
            "zerver_realmauditlog",
            "acting_user_id",
            "zops_export.rewritten:own_actor",
            help="nobody, where it was a user of another organization",
        )
    ]


@hookimpl
def zops_import_stages() -> list[Stage]:
    """An import: rows first, files second, both before the one commit."""
    rows, files = "zops_export.import_row_stages", "zops_export.import_file_stages"
    estimates = "zops_export.import_estimates"
    return [
        Stage(
            "realm-rows",
            f"{rows}:load_realm",
            help="everything but messages, after the ids of all rows are reserved",
            estimate=f"{estimates}:realm_rows",
        ),
        Stage(
            "message-rows",
            f"{rows}:load_messages",
            needs=("realm-rows",),
            help="the messages, who has them, and their links to uploads",
            estimate=f"{estimates}:message_rows",
        ),
        Stage(
            "finish-rows",
            f"{rows}:finish",
            needs=("message-rows",),
            help="what follows from the rows, and that it was imported",
            estimate=f"{estimates}:finishing_rows",
        ),
        Stage(
            "settle-rows",
            "zops_export.import_settling:settle",
            needs=("finish-rows",),
            help="which channels are quiet, and what the full-text search has to take in",
        ),
        Stage(
            "files",
            f"{files}:store_files",
            needs=("finish-rows",),
            help="the files, into their places on this server",
            estimate=f"{estimates}:files",
        ),
    ]


@hookimpl
def zops_import_adapters() -> list[ImportAdapter]:
    """What the servers before 10.0, the one after it, and the converters say in other words."""
    from zops_export.adapters import ADAPTERS

    return ADAPTERS


@hookimpl
def zops_file_stores() -> list[FileStoreKind]:
    """Uploaded files in S3."""
    return [FileStoreKind("s3", "zops_export.s3_store:open_stores", "buckets named in [files.s3]")]
