"""The command lines of this plugin. What they do is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zcore import RealmName, Result, current
from zops_export.export_flags import A_PATH, A_SOURCE, export_flags


@click.command()
@export_flags
def export(**given: Any) -> Result:
    """Write all of an organization's data to a folder, archive or object store.

    The result is in Zulip's own export format, shows one moment of the database, and appears under
    its name only when it is whole. A server beside it need not be stopped. With --resume, files
    that were copied already are not copied again; rows are always those of the moment.

    \b
    Examples:
      zops export --realm acme
      zops export --realm acme --output /backup/acme.tar.gz
      zops export --realm id:3 --output /tmp/acme --public-only
      zops export --realm acme --output s3://backups/acme.tar.gz
    """
    from zops_export.export_options import read_options
    from zops_export.exporting import export_realm

    return export_realm(current(), read_options(**given))


class _ImportWord(click.Path):
    """A subdomain, a path, or both as SUBDOMAIN=PATH: text, completed as a path."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:  # what click declares
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """A path, but nothing for the first word: nobody knows a new subdomain."""
        if not ctx.params.get(param.name or ""):
            return []
        return super().shell_complete(ctx, param, incomplete)


@click.command("import")
@click.argument("words", nargs=-1, type=_ImportWord(), metavar="SUBDOMAIN PATH")
@click.option("--name", metavar="NAME", help="The organization's name.  [default: as exported]")
@click.option(
    "--allow-reserved-subdomain", is_flag=True, help="Use SUBDOMAIN though the word is reserved."
)
@click.option("--dry-run", is_flag=True, help="Check everything and say the plan; write nothing.")
@click.option(
    "--exclusive",
    is_flag=True,
    help="Nobody else uses the database: make indexes and foreign keys last, which is quicker.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Store so many files at a time.  [default: 2 in a folder, 16 in an object store]",
)
@click.option(
    "--strict", is_flag=True, help="Refuse what could be mended, and keys that zops does not know."
)
@click.option(
    "--ignore-free-space",
    is_flag=True,
    help="Begin although the disk seems to have no room for the import.",
)
@click.option(
    "--like-server",
    is_flag=True,
    help="Write what the server's own importer writes, also where that loses something.",
)
@click.option("--resume", is_flag=True, help="Finish an import that was killed.")
@click.option("--abandon", is_flag=True, help="Take back an import that was killed.")
@click.option(
    "--destroy-rebuild-database",
    "empty",
    is_flag=True,
    help="Empty the database first. All organizations in it have to be named with --destroy.",
)
@click.option(
    "--destroy",
    multiple=True,
    type=RealmName(),
    metavar="R",
    help="An organization that may be destroyed: its subdomain, or id:N. Repeatable.",
)
@click.option("--yes", "confirmed", is_flag=True, help="Do not ask before the database is emptied.")
def import_(
    words: tuple[str, ...],
    resume: bool,
    abandon: bool,
    empty: bool,
    destroy: tuple[str, ...],
    confirmed: bool,
    **options: Any,
) -> Result:
    """Bring the exported organization at PATH in, as SUBDOMAIN.

    PATH is a folder, a .tar.gz, or an archive at s3://bucket/key that a Zulip server, one of its
    converters, or zops made. All of it is looked through before anything is written, and all that
    is wrong is said at once; what can be mended is, and is listed. Everything is imported in one
    transaction: when anything goes wrong, nothing has changed. Several organizations are written as
    SUBDOMAIN=PATH each: all of them are looked through first, and each is imported whole or not at
    all.

    An import that was killed is finished with --resume, from the same PATH unless another one is
    given, or taken back with --abandon.

    \b
    Examples:
      zops import acme /backup/acme.tar.gz
      zops import acme /backup/acme.tar.gz --dry-run
      zops import acme-test /tmp/acme --name "Acme, a copy to try things out"
      zops import acme /backup/acme.tar.gz --exclusive
      zops import acme s3://backups/acme.tar.gz
      zops import acme=/backup/acme.tar.gz globex=/backup/globex.tar.gz
      zops import acme --resume
      zops import acme /backup/acme.tar.gz --destroy-rebuild-database --destroy acme
    """
    from zops_export.import_commands import ImportFlags, run_import

    flags = ImportFlags(
        resume=resume, abandon=abandon, empty=empty, destroy=destroy, confirmed=confirmed
    )
    return run_import(current(), words, options, flags)


@click.command()
@click.argument("path", type=A_SOURCE)
@click.option(
    "--deep", is_flag=True, help="Import it as well, into a temporary database, and count the rows."
)
def verify(path: Path | str, deep: bool) -> Result:
    """Say whether the export at PATH is whole and coherent.

    Looks at its structure, at every reference between rows, at every attachment and file record,
    at keys that hold secrets, and at the checksums of its manifest when it has one. Works on any
    export, a folder or an archive, here or at s3://bucket/key, also one that a Zulip server made.
    Needs no database, and unpacks nothing; with --deep, as much room for temporary files as the
    export's JSON takes twice.

    \b
    Examples:
      zops verify /backup/acme.tar.gz
      zops verify /backup/acme.tar.gz --deep
      zops verify /tmp/acme --json
    """
    from zops_export.verifying import verify_export

    return verify_export(current(), path, deep=deep)


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
