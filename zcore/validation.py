"""Running the validators of a subject, and collecting everything that they find."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from zcore.errors import Refused, ZopsError
from zcore.frozen import frozen
from zcore.targets import resolve
from zcore.text import describe
from zcore.values import Problem, Validator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zcore.database import Database
    from zcore.plugins import Plugins
    from zcore.settings import Settings


@frozen
class Validation:
    """What a validator may look at.

    `database` is None where there is none yet to look into; `realm_id` is the organization that
    the values are for; `allow` the flags that were given to let problems pass; `options` whatever
    else the subject is known to need.
    """

    settings: Settings
    database: Database | None = None
    realm_id: int | None = None
    allow: frozenset[str] = frozenset()
    options: Mapping[str, str] = field(default_factory=dict)


def validate(
    plugins: Plugins, subject: str, values: Sequence[str], validation: Validation
) -> list[Problem]:
    """All problems that the validators of `subject` have with `values`, in order of the values.

    Problems that a flag in `validation.allow` lets pass are left out. A validator that fails is a
    problem itself, which nothing lets pass. Raises `Refused` when a plugin cannot say which
    validators it has.
    """
    problems: list[Problem] = []
    for validator in plugins.validators(subject):
        try:
            problems += _run(validator, values, validation)
        except (Exception, SystemExit) as error:  # noqa: BLE001 # a stranger's rule may raise anything
            problems.append(_failure(validator, plugins.provider(validator), error))
    standing = (problem for problem in problems if problem.override not in validation.allow)
    return sorted(standing, key=lambda problem: problem.index)


def require(plugins: Plugins, subject: str, values: Sequence[str], validation: Validation) -> None:
    """Raise `Refused` with all problems at once when `validate` finds any."""
    problems = validate(plugins, subject, values, validation)
    if len(problems) == 1:
        (problem,) = problems
        raise Refused(problem.message, hint=problem.hint, code=problem.code, problems=problems)
    if problems:
        message = f"{len(problems)} problems with the {subject}"
        raise Refused(message, code="invalid", problems=problems)


def _run(validator: Validator, values: Sequence[str], validation: Validation) -> list[Problem]:
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
        "validator-failed",
        f"the validator {validator.name!r} of {provider} failed: {reason}",
        hint="mend the plugin, or switch it off with --disable-plugin",
    )
