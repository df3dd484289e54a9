"""`zops import`, by what its command line asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zcore import Context, Result, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zops_export.import_job import ImportOptions

FORMS = "zops import SUBDOMAIN PATH, or zops import SUBDOMAIN=PATH SUBDOMAIN=PATH ..."


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFlags:
    """What is done, beside what is imported.

    `confirmed`: that the database is emptied needs no question. `destroy` are the organizations
    that it may lose then.
    """

    resume: bool = False
    abandon: bool = False
    empty: bool = False
    destroy: tuple[str, ...] = ()
    confirmed: bool = False


def run_import(
    context: Context, words: Sequence[str], options: dict[str, object], flags: ImportFlags
) -> Result:
    """Import organizations, or see to an import that was not finished.

    `words` are what the command line names; `options` those fields of `ImportOptions` that it
    gives. Raises `UsageError` when it does not fit together.
    """
    given = {name: value for name, value in options.items() if value not in (None, False)}
    if (flags.destroy or flags.confirmed) and not flags.empty:
        raise UsageError("--destroy and --yes are for --destroy-rebuild-database")
    if flags.resume or flags.abandon:
        return _see_to(context, words, given, flags)
    from zops_export.importing import import_realm
    from zops_export.several_imports import import_several

    wanted = _wanted(words, given)
    if flags.empty:
        wanted = [replace(one, destroy=flags.destroy) for one in wanted]
    if len(wanted) == 1 and "=" not in words[0]:
        return import_realm(context, wanted[0], confirmed=flags.confirmed)
    return import_several(context, wanted, confirmed=flags.confirmed)


def _wanted(words: Sequence[str], given: dict[str, object]) -> list[ImportOptions]:
    """Each import that the words ask for."""
    from zops_export.import_job import ImportOptions
    from zops_export.packed_exports import place_of

    pairs = _pairs(words)
    if len(pairs) > 1 and "name" in given:
        raise UsageError("--name is for one organization, and several were given")
    _require_different([subdomain for subdomain, _ in pairs])
    return [
        ImportOptions(subdomain, place_of(path), **given)  # type: ignore[arg-type]  # click's types
        for subdomain, path in pairs
    ]


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    """The subdomains and paths. No subdomain has an equals sign."""
    if not words:
        raise UsageError("SUBDOMAIN and PATH are missing", hint=FORMS)
    if "=" not in words[0]:
        if len(words) == 1:
            raise UsageError("PATH is missing: the export to be imported", hint=FORMS)
        if len(words) > 2:
            raise UsageError(f"{words[2]!r} is one word too many", hint=FORMS)
        return [(words[0], words[1])]
    pairs = [(subdomain, path) for subdomain, _, path in (word.partition("=") for word in words)]
    if not all(path for _, path in pairs):
        raise UsageError("each organization is to be written as SUBDOMAIN=PATH", hint=FORMS)
    return pairs


def _require_different(subdomains: Sequence[str]) -> None:
    for place, subdomain in enumerate(subdomains):
        if subdomain in subdomains[:place]:
            raise UsageError(f"subdomain {subdomain!r} is given twice")


def _see_to(
    context: Context, words: Sequence[str], given: dict[str, object], flags: ImportFlags
) -> Result:
    """Go on with an import, or take it back."""
    from zops_export.packed_exports import place_of
    from zops_export.unfinished_imports import abandon_import, resume_import

    most = 2 if flags.resume else 1  # PATH may be given again
    fits = not flags.empty and "dry_run" not in given and "=" not in "".join(words[:1])
    if not fits or (flags.resume and flags.abandon) or not 1 <= len(words) <= most:
        raise UsageError(
            "--resume and --abandon are each for one import: the SUBDOMAIN is enough",
            hint="zops import SUBDOMAIN --resume, or zops import SUBDOMAIN --abandon",
        )
    if flags.resume:
        path = place_of(words[1]) if len(words) == most else None
        return resume_import(context, words[0], path, given)
    if given:
        raise UsageError("--abandon imports nothing: it takes no options of an import")
    return abandon_import(context, words[0])
