"""The page of the exit codes and of errors in JSON."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import re
from collections.abc import Callable

from tools.docs.markdown import code, fence, one_line, table
from tools.docs.markdown import page as written
from zcore import errors
from zcore.errors import ExitCode, Refused, ZopsError
from zcore.report import Output
from zcore.values import Finding, Problem, Result

INTRODUCTION = """
The exit code says which kind of end it was. Codes are never renumbered.
"""

IN_JSON = """
## With --json

stdout is one JSON object with `"ok"`, true exactly when the exit code is 0. Beside it stand the
results of the command. For every code but 0 and 5 there is `"error"` instead:
"""

ABOUT_ERRORS = """
`code` and the codes of `problems` are stable words for programs; messages and hints are for people,
and change. `problems` lists everything that is wrong at once, each with the flag that lets it pass
(`override`, or null), and, when a command was given several values, with the number of the value
that it is about (`index`, from 0).

Done with findings (5), `"findings"` stands beside the results, and tells what was skipped, repaired
or is wrong:
"""

ERRORS = """
## The classes of errors

What a plugin raises to end a command: one line for the user, and this exit code.
"""


def page() -> str:
    """The exit codes, and what is in JSON when one is not 0."""
    codes = table(("code", "name", "meaning"), [_code_row(one) for one in ExitCode])
    classes = table(("class", "exit code", "`code`", ""), map(_class_row, error_classes()))
    parts = (IN_JSON, _failure(), ABOUT_ERRORS, _findings(), ERRORS, classes)
    return written("Exit codes", INTRODUCTION, codes, *parts)


def error_classes() -> list[type[ZopsError]]:
    """The tree of errors, in the order of the exit codes."""
    found = [one for one in vars(errors).values() if inspect.isclass(one)]
    tree = [one for one in found if issubclass(one, ZopsError)]
    return sorted(tree, key=lambda one: (one.exit_code, one is not ZopsError))


def meanings() -> dict[str, str]:
    """What the comment at each exit code says, by name."""
    source = inspect.getsource(ExitCode)
    return dict(re.findall(r"(?m)^    (\w+) = \d+(?:  # (.*))?$", source))


def _code_row(one: ExitCode) -> tuple[str, ...]:
    return str(int(one)), one.name, meanings()[one.name] or one.name.lower()


def _class_row(cls: type[ZopsError]) -> tuple[str, ...]:
    return (
        code(f"zcore.{cls.__name__}"),
        str(int(cls.exit_code)),
        code(cls.code),
        one_line(cls.__doc__),
    )


def _failure() -> str:
    problem = Problem(
        "subdomain-reserved",
        "the subdomain 'admin' is reserved",
        hint="choose another one",
        override="--allow-reserved-subdomain",
    )
    return _document(
        lambda output: output.fail(
            Refused(problem.message, hint=problem.hint, code=problem.code, problems=[problem]),
            ExitCode.REFUSED,
        )
    )


def _findings() -> str:
    finding = Finding(
        "missing-file",
        "the file of an attachment is not there",
        where="zerver_attachment 7",
        hint="restore it from a backup",
    )
    return _document(lambda output: output.finish(Result({"files": 12}, findings=[finding])))


def _document(end: Callable[[Output], int]) -> str:
    """What a run prints that ends so."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        end(Output(json=True))
    return fence("json", json.dumps(json.loads(said.getvalue()), indent=2))
