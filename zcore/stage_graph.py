"""The order of stages: who waits for whom, and what is said when that cannot be.

The stages of several plugins form one graph. The order is the same on every machine: of what may
run next, the first by name is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from zcore.errors import Refused
from zcore.frozen import frozen
from zcore.values import Problem, Stage

if TYPE_CHECKING:
    from typing import NoReturn

Provider = Callable[[object], str]
Names = frozenset[str]

SWITCH_OFF = "mend the plugin, or switch it off with --disable-plugin"


def _zops(_stage: object) -> str:
    return "zops"


@frozen
class StageGraph:
    """Stages in an order that keeps every `needs`, `before` and `after`.

    `stages` are the very values that plugins gave; `needs` says by name which stages each of
    them needs, `earlier` which come before it, with the names of those that stand in for others.
    """

    stages: tuple[Stage, ...]
    needs: Mapping[str, Names]
    earlier: Mapping[str, Names]

    @classmethod
    def of(cls, stages: Iterable[Stage], provider: Provider = _zops) -> StageGraph:
        """The graph of `stages`; `provider` says in words whose one is.

        A stage that replaces another has its place: what the other needs, is before and after,
        and whoever names the other. Raises `Refused`, showing the graph, for two stages of one
        name, two that replace the same one, one that may not be replaced, a needed or replaced
        stage that is not there, and a circle.
        """
        return _Arrangement(list(stages), provider).graph()


class _Arrangement:
    """The making of a graph. `names` gives, for what was replaced, who stands in."""

    def __init__(self, given: Sequence[Stage], provider: Provider) -> None:
        self._given = given
        self._provider = provider
        plain = self._distinct(stage for stage in given if stage.replaces is None)
        self._stand_ins = self._find_stand_ins(plain)
        self._replaced = {self._stand_ins[name].name: plain[name] for name in self._stand_ins}
        staying = [stage for name, stage in plain.items() if name not in self._stand_ins]
        self._chosen = self._distinct([*staying, *self._stand_ins.values()])

    def graph(self) -> StageGraph:
        needs = {name: self._named(stage, "needs") for name, stage in self._chosen.items()}
        earlier = {name: needs[name] | self._after(stage) for name, stage in self._chosen.items()}
        for name, stage in self._chosen.items():
            for later in self._named(stage, "before") & self._chosen.keys():
                earlier[later] |= {name}
        for name in sorted(needs):
            if missing := needs[name] - self._chosen.keys():
                self._refuse_unknown(name, missing, needs)
        return StageGraph(self._ordered(earlier), needs, earlier)

    def _ordered(self, earlier: Mapping[str, Names]) -> tuple[Stage, ...]:
        waiting = dict(sorted(earlier.items()))
        ordered: list[Stage] = []
        while waiting:
            ready = next((name for name in waiting if not earlier[name] & waiting.keys()), None)
            if ready is None:
                self._refuse_circle(waiting)
            ordered.append(self._chosen[ready])
            del waiting[ready]
        return tuple(ordered)

    def _after(self, stage: Stage) -> Names:
        return self._named(stage, "after") & self._chosen.keys()

    def _named(self, stage: Stage, wish: str) -> Names:
        """The stages of one wish of `stage`, and of what it stands in for."""
        both = [stage, self._replaced[stage.name]] if stage.name in self._replaced else [stage]
        names = {name for one in both for name in getattr(one, wish)}
        return frozenset(
            self._stand_ins[name].name if name in self._stand_ins else name for name in names
        )

    def _distinct(self, stages: Iterable[Stage]) -> dict[str, Stage]:
        found: dict[str, Stage] = {}
        for stage in stages:
            if stage.name in found:
                owners = " and ".join(sorted(map(self._provider, (found[stage.name], stage))))
                raise Refused(
                    f"two stages are called {stage.name!r}, of {owners}",
                    hint=SWITCH_OFF,
                    code="stage-name",
                )
            found[stage.name] = stage
        return found

    def _find_stand_ins(self, plain: Mapping[str, Stage]) -> dict[str, Stage]:
        """For each replaced name, the stage that stands in."""
        found: dict[str, Stage] = {}
        for stage in self._given:
            replaced = stage.replaces
            if replaced is None:
                continue
            self._require_replaceable(stage, replaced, plain)
            if replaced in found:
                both = " and ".join(sorted(map(self._described, (found[replaced], stage))))
                raise Refused(
                    f"{both} both replace {replaced!r}", hint=SWITCH_OFF, code="stage-name"
                )
            found[replaced] = stage
        return found

    def _require_replaceable(self, stage: Stage, replaced: str, plain: Mapping[str, Stage]) -> None:
        if replaced not in plain:
            raise Refused(
                f"{self._described(stage)} replaces {replaced!r}, which is not there",
                hint=meant(replaced, plain) or SWITCH_OFF,
                code="stage-unknown",
            )
        if not plain[replaced].replaceable:
            raise Refused(
                f"{self._described(stage)} replaces {self._described(plain[replaced])},"
                " which may not be replaced",
                hint=SWITCH_OFF,
                code="stage-not-replaceable",
            )

    def _refuse_unknown(
        self, name: str, missing: Collection[str], needs: Mapping[str, Names]
    ) -> NoReturn:
        first, *_ = listed = sorted(missing)
        raise Refused(
            f"{self._described(self._chosen[name])} needs {', '.join(listed)}, which is not there",
            hint=meant(first, self._chosen) or SWITCH_OFF,
            code="stage-unknown",
            problems=self._shown(needs),
        )

    def _refuse_circle(self, waiting: Mapping[str, Names]) -> NoReturn:
        raise Refused(
            f"the stages wait for each other in a circle: {' -> '.join(_circle(waiting))}",
            hint=SWITCH_OFF,
            code="stage-circle",
            problems=self._shown(waiting),
        )

    def _shown(self, earlier: Mapping[str, Names]) -> list[Problem]:
        """The graph, a line for each stage."""
        return [
            Problem(
                "stage-graph",
                f"{self._described(self._chosen[name])} waits for"
                f" {', '.join(sorted(earlier[name])) or 'nothing'}",
            )
            for name in sorted(earlier)
        ]

    def _described(self, stage: Stage) -> str:
        return f"stage {stage.name!r} of {self._provider(stage)}"


def _circle(waiting: Mapping[str, Names]) -> list[str]:
    """Names that wait for each other, from one back to itself: each of `waiting` waits."""
    path = [min(waiting)]
    while path.count(path[-1]) == 1:
        path.append(min(waiting[path[-1]] & waiting.keys()))
    circle = path[path.index(path[-1]) : -1]
    first = circle.index(min(circle))
    return [*circle[first:], *circle[:first], circle[first]]


def meant(name: str, known: Iterable[str]) -> str:
    """A hint that says which known name is like `name`; "" when none is."""
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""
