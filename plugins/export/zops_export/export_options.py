"""What `zops export` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zcore import UsageError
from zops_export.selection import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What the command line asks for. `output` None: an archive here, named by realm and time.

    `extras` are names of what plugins do only when they are asked (`zops_export.extras`).
    """

    realm: str
    mode: Mode = Mode.FULL
    extras: tuple[str, ...] = ()
    output: Path | None = None
    threads: int = 1
    resume: bool = False
    dry_run: bool = False


def read_options(
    *, full: bool, public_only: bool, export_full_with_consent: bool, **given: Any
) -> ExportOptions:
    """What the parameters of the command line say together.

    Raises `UsageError` for those that exclude or need each other.
    """
    options = ExportOptions(mode=_mode(full, public_only, export_full_with_consent), **given)
    if options.resume and options.output is None:
        raise UsageError("--resume needs --output", hint="name what is to be gone on with")
    return options


def _mode(full: bool, public_only: bool, with_consent: bool) -> Mode:
    if full + public_only + with_consent > 1:
        raise UsageError(
            "--full, --public-only and --export-full-with-consent exclude each other",
            hint="choose one",
        )
    return Mode.PUBLIC if public_only else Mode.CONSENT if with_consent else Mode.FULL
