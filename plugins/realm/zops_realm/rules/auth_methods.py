"""Rules for the ways to log in to an organization (`zerver_realmauthenticationmethod.name`)."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from zcore import Problem, current
from zops_realm.auth_methods import has_way_in, known_backends, stored_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore import Validation


def known(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """One that Zulip or a plugin has, in any case of letters."""
    names = list(known_backends(current().plugins))
    for index, value in enumerate(values):
        if stored_name(value, names) not in names:
            yield Problem(
                "auth-method-unknown",
                f"there is no way to log in called {value!r}",
                hint=_hint(value, names),
                index=index,
            )


def way_in(values: Sequence[Sequence[str]], context: Validation) -> Iterator[Problem]:
    """Of those that an organization is to have, at least one works in production."""
    known = known_backends(current().plugins)
    for index, names in enumerate(values):
        if not has_way_in([stored_name(name, known) for name in names], known):
            yield Problem(
                "auth-last",
                f"nobody could log in: {', '.join(names)} is for development",
                hint="give another way to log in as well",
                index=index,
            )


def _hint(value: str, names: Sequence[str]) -> str:
    by_lower_case = {name.casefold(): name for name in names}
    close = get_close_matches(value.casefold(), by_lower_case, n=1)
    if close:
        return f"did you mean {by_lower_case[close[0]]!r}?"
    return f"there are {', '.join(names)}"
