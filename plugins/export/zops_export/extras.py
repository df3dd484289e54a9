"""What an export does only when it is asked for it: `zops export --with NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from zcore import Rewrite, Stage, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

Value = TypeVar("Value", Stage, Rewrite)


def require_known(extras: Collection[str], given: Iterable[Stage | Rewrite]) -> None:
    """Raise `UsageError` for a name that no plugin has anything for."""
    known = sorted({value.only_with for value in given} - {""})
    for name in extras:
        if name not in known:
            there_are = ", ".join(known) or "nothing"
            raise UsageError(
                f"no plugin has anything for --with {name}", hint=f"there is {there_are}"
            )


def chosen(given: Sequence[Value], extras: Collection[str]) -> list[Value]:
    """What is always done, and what is asked for."""
    return [value for value in given if not value.only_with or value.only_with in extras]
