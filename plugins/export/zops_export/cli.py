"""The command lines of this plugin. What they do is imported when they run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zcore import Result, UsageError, current, realm_option

if TYPE_CHECKING:
    from zops_export.selection import Mode


# Whether it is there and can be read is said by what uses it, with the exit code for that.
A_PATH = click.Path(path_type=Path, readable=False)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@click.command()
@realm_option()
@click.option(
    "--output",
    type=A_PATH,
    metavar="PATH",
    help="A new folder, or an archive when it ends in .tar.gz."
    "  [default: an archive here, named by realm and time]",
)
@click.option("--full", is_flag=True, help="Everything; consent is not looked at (the default).")
@click.option("--public-only", is_flag=True, help="Of messages, only those in public channels.")
@click.option(
    "--export-full-with-consent",
    is_flag=True,
    help="Of private messages, only those that somebody who consented can see.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help="Connections that read side by side.  [default: the processor's cores]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on where an export to --output was stopped or killed; stopped again, keep it again.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan with estimates; write nothing.")
def export(
    realm: str,
    output: Path | None,
    full: bool,
    public_only: bool,
    export_full_with_consent: bool,
    threads: int | None,
    resume: bool,
    dry_run: bool,
) -> Result:
    """Write all of an organization's data to a folder or archive.

    The result is in Zulip's own export format, shows one moment of the database, and appears under
    its name only when it is whole. A server beside it need not be stopped. With --resume, files
    that were copied already are not copied again; rows are always those of the moment.

    \b
    Examples:
      zops export --realm acme
      zops export --realm acme --output /backup/acme.tar.gz
      zops export --realm id:3 --output /tmp/acme --public-only
    """
    from zops_export.exporting import ExportOptions, export_realm

    mode = _mode(full, public_only, export_full_with_consent)
    if resume and output is None:
        raise UsageError("--resume needs --output", hint="name what is to be gone on with")
    options = ExportOptions(realm, output, mode, threads or _cores(), resume, dry_run)
    return export_realm(current(), options)


def _mode(full: bool, public_only: bool, with_consent: bool) -> Mode:
    from zops_export.selection import Mode

    if full + public_only + with_consent > 1:
        raise UsageError(
            "--full, --public-only and --export-full-with-consent exclude each other",
            hint="choose one",
        )
    return Mode.PUBLIC if public_only else Mode.CONSENT if with_consent else Mode.FULL


@click.command("import")
@click.argument("subdomain")
@click.argument("path", type=A_PATH)
@click.option("--name", metavar="NAME", help="The organization's name.  [default: as exported]")
@click.option(
    "--allow-reserved-subdomain", is_flag=True, help="Use SUBDOMAIN though the word is reserved."
)
@click.option("--dry-run", is_flag=True, help="Check everything and say the plan; write nothing.")
def import_(
    subdomain: str, path: Path, name: str | None, allow_reserved_subdomain: bool, dry_run: bool
) -> Result:
    """Bring the exported organization at PATH in, as SUBDOMAIN.

    PATH is a folder or a .tar.gz that a Zulip server or zops made. Everything is imported in one
    transaction: when anything is wrong, nothing has changed.

    \b
    Examples:
      zops import acme /backup/acme.tar.gz
      zops import acme /backup/acme.tar.gz --dry-run
      zops import acme-test /tmp/acme --name "Acme, a copy to try things out"
    """
    from zops_export.import_job import ImportOptions
    from zops_export.importing import import_realm

    options = ImportOptions(subdomain, path, name, allow_reserved_subdomain, dry_run)
    return import_realm(current(), options)


@click.command()
@click.argument("path", type=A_PATH)
def verify(path: Path) -> Result:
    """Say whether the export at PATH is whole and coherent.

    Looks at its structure, at every reference between rows, at every attachment and file record,
    and at the checksums of its manifest when it has one. Works on any export, also one that a
    Zulip server made, and needs no database.

    \b
    Examples:
      zops verify /backup/acme.tar.gz
      zops verify /tmp/acme --json
    """
    from zops_export.verifying import verify_export

    return verify_export(current(), path)


@click.command()
@click.option(
    "--folder",
    type=A_PATH,
    metavar="FOLDER",
    help="Work in this new folder.  [default: a new one in the temporary folder]",
)
def demo(folder: Path | None) -> Result:
    """Create, import, export, verify and work a queue: the main job, on throw-away data.

    \b
    Examples:
      zops demo
      zops demo --folder /tmp/zops-demo
    """
    from zops_export.demo import run_demo

    return run_demo(current(), folder)
