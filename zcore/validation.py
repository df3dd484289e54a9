"""Running the validators of what a command was given, and collecting everything that they find."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zcore.errors import Interrupted, Refused, Unreachable, ZopsError
from zcore.frozen import frozen
from zcore.targets import resolve
from zcore.text import describe
from zcore.values import Problem, Validator

if TYPE_CHECKING:
    from zcore.context import Context
    from zcore.database import ReadOnlyDatabase
    from zcore.plugins import Plugins
    from zcore.settings import Settings

VALIDATOR_FAILED = "validator-failed"
"""The code of the problem that a rule itself is broken: it is about none of the values."""

Subjects = Mapping[str, Sequence[object]]
"""Values by the subject whose validators look at them."""


@frozen
class Validation:
    """What a validator may look at; nothing of it can be changed.

    `database` is None where there is none yet to look into; `realm_id` is the organization that
    the values are for; `allow` the flags that were given to let problems pass.
    """

    settings: Settings
    database: ReadOnlyDatabase | None = None
    realm_id: int | None = None
    allow: frozenset[str] = frozenset()


def require_valid(
    context: Context,
    intention: str,
    subjects: Subjects,
    *,
    realm_id: int | None = None,
    allow: frozenset[str] = frozenset(),
    dry_run: bool = False,
    with_database: bool = True,
) -> None:
    """Raise `Refused` when a validator of any plugin refuses one of the values.

    All problems of all subjects come at once; `intention` ("cannot create the account") begins the
    message when there are several. `allow` are the flags that were given and that let values pass
    which would otherwise be refused. A dry run does not make the default database, which then has
    nothing in it to ask for; a command that needs no database has none `with_database`.
    """
    validation = validation_of(
        context, realm_id=realm_id, allow=allow, dry_run=dry_run, with_database=with_database
    )
    refuse(intention, find_problems(context.plugins, subjects, validation))


def validation_of(
    context: Context,
    *,
    realm_id: int | None = None,
    allow: frozenset[str] = frozenset(),
    dry_run: bool = False,
    with_database: bool = True,
) -> Validation:
    """What validators may look at in this run: see `require_valid`."""
    return Validation(
        settings=context.settings,
        database=_database(context, dry_run) if with_database else None,
        realm_id=realm_id,
        allow=allow,
    )


def _database(context: Context, dry_run: bool) -> ReadOnlyDatabase | None:
    database = context.existing_database if dry_run else context.database
    return None if database is None else database.read_only


def find_problems(plugins: Plugins, subjects: Subjects, validation: Validation) -> list[Problem]:
    """All problems that validators have with the values, by subject and in order of the values.

    Problems that a flag in `validation.allow` lets pass are left out. A validator that fails is a
    problem itself, which nothing lets pass. Raises `Refused` when a plugin cannot say which
    validators it has, and what a rule raises when the database is away or the work is stopped.
    """
    problems: list[Problem] = []
    for subject, values in subjects.items():
        if values:
            found = _find(plugins, subject, values, validation)
            standing = [problem for problem in found if problem.override not in validation.allow]
            problems += sorted(standing, key=lambda problem: problem.index)
    return problems


def refuse(intention: str, problems: Sequence[Problem]) -> None:
    """Raise `Refused` with all of `problems`, if there are any."""
    if len(problems) == 1:
        (problem,) = problems
        raise Refused(problem.message, hint=problem.hint, code=problem.code, problems=problems)
    if problems:
        message = f"{intention}: {len(problems)} problems"
        raise Refused(message, code="invalid", problems=problems)


def _find(
    plugins: Plugins, subject: str, values: Sequence[object], validation: Validation
) -> Iterable[Problem]:
    for validator in plugins.validators(subject):
        try:
            with plugins.running(validator, f"validator {validator.name}") as outcome:
                found = _run(validator, values, validation)
                outcome.append(found)
        except (Interrupted, Unreachable):
            raise  # no fault of the rule's, and another exit code
        except (Exception, SystemExit) as error:  # noqa: BLE001 # a stranger's rule may raise anything
            yield _failure(validator, plugins.provider(validator), error)
        else:
            yield from found


def _run(validator: Validator, values: Sequence[object], validation: Validation) -> list[Problem]:
    function: Any = resolve(validator.target)
    found: Iterable[object] | None = function(values, validation)
    problems: list[Problem] = []
    for problem in found or ():
        if not isinstance(problem, Problem):
            raise TypeError(f"it gave a {type(problem).__name__}, not a Problem")
        problems.append(problem)
    return problems


def _failure(validator: Validator, provider: str, error: BaseException) -> Problem:
    reason = error.message if isinstance(error, ZopsError) else describe(error)
    return Problem(
        VALIDATOR_FAILED,
        f"the validator {validator.name!r} of {provider} failed: {reason}",
        hint="mend the plugin, or switch it off with --disable-plugin",
    )
