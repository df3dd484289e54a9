"""The options of `zops export`, by what they are about: click's, and no more.

What they are together is `zops_export.export_options.ExportOptions`, whose fields have the names
of the parameters. An option more is an entry here and a field there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from zcore import realm_option

Function = TypeVar("Function", bound=Callable[..., Any])

# Whether it is there and can be read is said by what uses it, with the exit code for that.
A_PATH = click.Path(path_type=Path, readable=False)


class _Output(click.Path):
    """A path, or the address of an object, which stays text."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:  # what click declares
        return value if str(value).startswith("s3://") else super().convert(value, param, ctx)


A_SOURCE = _Output(path_type=Path, readable=False)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


WHAT = (
    realm_option(),
    click.option(
        "--full", is_flag=True, help="Everything; consent is not looked at (the default)."
    ),
    click.option("--public-only", is_flag=True, help="Of messages, only those in public channels."),
    click.option(
        "--export-full-with-consent",
        is_flag=True,
        help="Of private messages, only those that somebody who consented can see.",
    ),
    click.option(
        "--redact-emails",
        "extras",
        flag_value="redact-emails",
        multiple=True,
        help="Without anybody's e-mail address: not in accounts, nor in what they wrote.",
    ),
    click.option(
        "--with",
        "extras",
        multiple=True,
        metavar="NAME",
        help="With what a plugin does only when asked for NAME. Can be repeated.",
    ),
    click.option(
        "--privacy",
        type=click.Choice(["server", "strict"]),
        default="server",
        show_default=True,
        help="Whose rules say what leaves of people: a server's, or stricter ones, by which what"
        " is private leaves with consent only.",
    ),
    click.option(
        "--allow-unusable",
        is_flag=True,
        help="Export though no owner could log in after an import.",
    ),
)

CLOSING = (
    click.option(
        "--deactivate-realm",
        is_flag=True,
        help="Deactivate the organization first, as for a move to another server: in the export"
        " it is active. When the export fails, it is active again here.",
    ),
)

REQUEST = (
    click.option(
        "--requested",
        type=click.IntRange(min=1),
        metavar="N",
        help="Make the export number N, which somebody asked for in the web application.",
    ),
    # for whoever started a process that was killed over it, and could not say so itself
    click.option("--given-up", is_flag=True, hidden=True, help="Do not make it: it has failed."),
)

WHERE = (
    click.option(
        "--output",
        type=_Output(path_type=Path, readable=False),
        metavar="PATH",
        help="A new folder, an archive when it ends in .tar.gz, or an archive in an object store:"
        " s3://bucket/key; %{realm} and %{time} in it stand for the subdomain and the time."
        "  [default: an archive here, named by both]",
    ),
    click.option(
        "--upload",
        is_flag=True,
        help="Put the archive where the server keeps exports, and show its address.",
    ),
)

BACKUP = (
    click.option(
        "--keep",
        type=click.IntRange(min=1),
        metavar="N",
        help="Of the exports of this --output keep the newest N: older ones are removed when the"
        " new one is verified.",
    ),
    click.option(
        "--mark",
        type=A_PATH,
        metavar="FILE",
        help="When the export is verified, say in FILE (JSON) that and when it was made."
        "  [default: with --keep, beside the exports]",
    ),
)

ROOM = (
    click.option(
        "--ignore-free-space",
        is_flag=True,
        help="Begin although the disk seems to have no room for the export.",
    ),
)

HOW = (
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        default=_cores,
        show_default=False,
        metavar="N",
        help="Connections that read side by side.  [default: the processor's cores]",
    ),
    click.option(
        "--zulip-version",
        metavar="V",
        help="Write the migrations of this version of the server."
        "  [default: that of the server's deployment where there is one, else 10.0]",
    ),
    click.option(
        "--resume",
        is_flag=True,
        help="Go on where an export to --output was stopped or killed; stopped again, keep it"
        " again.",
    ),
    click.option(
        "--on-missing-file",
        type=click.Choice(["fail", "skip"]),
        default="skip",
        show_default=True,
        help="What to do about a file that is lost or cannot be read: leave it out, and say so.",
    ),
    click.option("--dry-run", is_flag=True, help="Show the plan with estimates; write nothing."),
)


def export_flags(command: Function) -> Function:
    """Add all of them to `command`, in the order in which its help shows them."""
    for option in reversed((*WHAT, *CLOSING, *REQUEST, *WHERE, *ROOM, *BACKUP, *HOW)):
        command = option(command)
    return command
