"""An order for things that say what they come before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from zcore.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence


class Ordered(Protocol):
    """Something with a name and wishes about its place. Names that do not exist are no wish."""

    @property
    def name(self) -> str: ...

    @property
    def before(self) -> tuple[str, ...]: ...

    @property
    def after(self) -> tuple[str, ...]: ...


Item = TypeVar("Item", bound=Ordered)


def ordered(items: Sequence[Item]) -> list[Item]:
    """`items` so that each comes before and after what it says; else in the order given.

    Raises `Refused` naming the items when their wishes go round in a circle.
    """
    waiting = list(items)
    result: list[Item] = []
    while waiting:
        free = next((item for item in waiting if not _must_wait(item, waiting)), None)
        if free is None:
            names = ", ".join(repr(item.name) for item in waiting)
            raise Refused(
                f"these want to come before each other: {names}",
                hint="switch off the plugin that one of them is from, with --disable-plugin",
                code="circular-order",
            )
        waiting.remove(free)
        result.append(free)
    return result


def _must_wait(item: Item, waiting: Sequence[Item]) -> bool:
    return any(
        other.name in item.after or item.name in other.before
        for other in waiting
        if other is not item
    )
