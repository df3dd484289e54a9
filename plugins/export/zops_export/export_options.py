"""What `zops export` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zcore import UsageError
from zops_export.output_names import DAY, DEFAULT, OutputName
from zops_export.privacy import Privacy
from zops_export.selection import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What the command line asks for. `output` None: an archive here, named by realm and time.

    Otherwise it is a path, or `s3://bucket/key`.
    `keep` is how many exports of its series are to be there in the end, `mark` where the mark of
    the last success is to be if not beside them; with one of them the export is verified.
    `extras` are names of what plugins do only when they are asked (`zops_export.extras`).
    `requested` is the number of the export in the database, when it stands there already; with
    `given_up` it is not made, and has failed.
    `zulip_version` None: that of the server's deployment, or the one that zops is made for.
    """

    realm: str
    mode: Mode = Mode.FULL
    extras: tuple[str, ...] = ()
    privacy: Privacy = Privacy.SERVER
    allow_unusable: bool = False
    deactivate_realm: bool = False
    requested: int | None = None
    given_up: bool = False
    output: Path | str | None = None
    upload: bool = False
    ignore_free_space: bool = False
    keep: int | None = None
    mark: OutputName | None = None
    threads: int = 1
    zulip_version: str | None = None
    resume: bool = False
    on_missing_file: str = "skip"
    dry_run: bool = False

    @property
    def name(self) -> OutputName:
        """Where it goes, with placeholders. Raises `UsageError` for one that there is not."""
        return OutputName(DEFAULT if self.output is None else str(self.output))


def read_options(
    *,
    full: bool,
    public_only: bool,
    export_full_with_consent: bool,
    mark: Path | None,
    privacy: str,
    **given: Any,
) -> ExportOptions:
    """What the parameters of the command line say together.

    Raises `UsageError` for those that exclude or need each other.
    """
    options = ExportOptions(
        mode=_mode(full, public_only, export_full_with_consent),
        mark=None if mark is None else OutputName(str(mark)),
        privacy=Privacy(privacy),
        **given,
    )
    _require_name(options)
    return options


def _require_name(options: ExportOptions) -> None:
    """Raise `UsageError` where the name of the export is none for what is asked."""
    name = options.name
    if options.resume and options.output is None:
        raise UsageError("--resume needs --output", hint="name what is to be gone on with")
    if options.resume and name.times:
        raise UsageError(
            "--resume needs an --output without the time: with it, each export has another name",
            hint="name what is to be gone on with",
        )
    if options.keep is not None and (name.has_time_in_folders or not name.name.times >= DAY):
        raise UsageError(
            "--keep needs an --output with the time in its name, and not in that of its folder",
            hint="write %{time} in the name, or at least %Y, %m and %d",
        )
    if options.upload or isinstance(options.output, str):
        for flag, value in (("--keep", options.keep), ("--mark", options.mark)):
            if value is not None:
                raise UsageError(f"{flag} is for exports in a folder", hint="leave it out")
    if options.mark is not None and options.mark.times:
        raise UsageError("--mark takes no time: it is always the same file")


def _mode(full: bool, public_only: bool, with_consent: bool) -> Mode:
    if full + public_only + with_consent > 1:
        raise UsageError(
            "--full, --public-only and --export-full-with-consent exclude each other",
            hint="choose one",
        )
    return Mode.PUBLIC if public_only else Mode.CONSENT if with_consent else Mode.FULL
