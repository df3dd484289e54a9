"""All rules about all values of one command, and all their problems at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zcore import Context, Problem, Refused
from zcore.validation import Validation, validate

Subjects = Mapping[str, Sequence[str]]
"""Values by the subject whose validators look at them."""


def require_valid(
    context: Context,
    intention: str,
    subjects: Subjects,
    *,
    realm_id: int | None = None,
    allow: frozenset[str] = frozenset(),
    dry_run: bool = False,
) -> None:
    """Raise `Refused` when a validator of any plugin refuses one of the values.

    `intention` begins the message when there are several problems. `allow` are the flags that
    were given and that let values pass which would otherwise be refused. A dry run does not make
    the default database, which then has nothing in it to ask for.
    """
    database = context.existing_database if dry_run else context.database
    validation = Validation(
        settings=context.settings, database=database, realm_id=realm_id, allow=allow
    )
    problems: list[Problem] = []
    for subject, values in subjects.items():
        if values:
            problems += validate(context.plugins, subject, values, validation)
    if problems:
        raise _refused(intention, problems)


def _refused(intention: str, problems: Sequence[Problem]) -> Refused:
    if len(problems) == 1:
        (problem,) = problems
        return Refused(problem.message, hint=problem.hint, code=problem.code, problems=problems)
    return Refused(f"{intention}: {len(problems)} problems", code="invalid", problems=problems)
