"""Stages in order, side by side, and what happens when one fails."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from types import ModuleType

import pytest
from sqlalchemy.exc import OperationalError

from zcore.errors import Failed, Interrupted, Refused
from zcore.pipeline import MemoryJournal, in_order, run
from zcore.values import Stage

SECONDS = 10
MODULE = "stages_of_a_test"


@dataclass
class Job:
    """What the stages of a test work on."""

    done: list[str] = field(default_factory=list)
    meeting: threading.Barrier | None = None
    go: threading.Event = field(default_factory=threading.Event)


Work = Callable[[Job], object]
AddStage = Callable[..., Stage]


@pytest.fixture
def stage() -> Iterator[AddStage]:
    """`stage("name", work, needs=...)`: a stage whose target is a function of the test."""
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module

    def add(name: str, work: Work | None = None, **order: object) -> Stage:
        def note(job: Job) -> None:
            job.done.append(name)

        attribute = f"stage_{len(vars(module))}"
        setattr(module, attribute, work or note)
        return Stage(name, f"{MODULE}:{attribute}", **order)

    yield add
    del sys.modules[MODULE]


def names(stages: list[Stage]) -> list[str]:
    return [stage.name for stage in stages]


def plain(name: str, **order: object) -> Stage:
    return Stage(name, "nowhere:nothing", **order)


# --- order


def test_the_order_does_not_depend_on_the_order_given() -> None:
    stages = [
        plain("d"),
        plain("a", needs=("c",)),
        plain("b", after=("a",)),
        plain("c"),
        plain("e", before=("c",)),
    ]
    orders = {tuple(names(in_order(some))) for some in permutations(stages)}
    assert orders == {("d", "e", "c", "a", "b")}


def test_every_wish_is_kept_in_a_large_graph() -> None:
    chance = random.Random(7)  # noqa: S311
    numbers = list(range(60))
    stages = [
        plain(
            f"s{number:02}",
            needs=tuple({f"s{chance.randrange(number):02}" for _ in range(2)} if number else ()),
            after=tuple({f"s{chance.randrange(number):02}"} if number else ()),
        )
        for number in numbers
    ]
    chance.shuffle(stages)
    place = {name: index for index, name in enumerate(names(in_order(stages)))}
    assert len(place) == len(stages)
    for one in stages:
        assert all(place[other] < place[one.name] for other in one.needs + one.after)


def test_before_and_after_of_stages_that_are_not_there_are_no_wish() -> None:
    stages = [plain("a", after=("gone",)), plain("b", before=("gone", "a"))]
    assert names(in_order(stages)) == ["b", "a"]


def test_no_stages_are_no_error() -> None:
    assert in_order([]) == []
    run([], Job(), MemoryJournal(), threads=2)


def test_a_needed_stage_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="'a' needs b, c") as caught:
        in_order([plain("a", needs=("c", "b"))])
    assert caught.value.code == "stage-unknown"


def test_a_circle_is_refused_and_names_its_stages() -> None:
    circle = [plain("a", needs=("b",)), plain("b", after=("c",)), plain("c", needs=("a",))]
    with pytest.raises(Refused, match="a, b, c") as caught:
        in_order([*circle, plain("free")])
    assert caught.value.code == "stage-circle"
    assert "free" not in caught.value.message


def test_a_stage_that_waits_for_itself_is_a_circle() -> None:
    with pytest.raises(Refused, match="the stages a wait"):
        in_order([plain("a", needs=("a",))])


def test_two_stages_of_one_name_are_refused() -> None:
    with pytest.raises(Refused, match="'a'") as caught:
        in_order([plain("a"), plain("b"), plain("a")])
    assert caught.value.code == "stage-name"


# --- replacing


def test_a_stand_in_has_the_place_of_what_it_replaces() -> None:
    stages = [
        plain("first"),
        plain("old", needs=("first",), after=("then",), before=("late",)),
        plain("then", needs=("first",)),
        plain("user", needs=("old",)),
        plain("a-early", before=("old",)),
        plain("late"),
        plain("new", replaces="old"),
    ]
    for order in (stages, stages[::-1]):
        found = names(in_order(order))
        assert "old" not in found
        for earlier, later in (
            ("first", "new"),
            ("then", "new"),
            ("a-early", "new"),
            ("new", "user"),
            ("new", "late"),
        ):
            assert found.index(earlier) < found.index(later)


def test_a_stand_in_may_have_the_name_of_what_it_replaces() -> None:
    (only,) = in_order([plain("a"), Stage("a", "other:target", replaces="a")])
    assert only.target == "other:target"


def test_what_is_in_order_can_be_ordered_again_and_run(stage: AddStage) -> None:
    job = Job()
    stages = in_order([stage("user", needs=("old",)), stage("old"), stage("new", replaces="old")])
    assert in_order(stages) == stages
    for threads in (1, 2):
        job.done.clear()
        run(stages, job, MemoryJournal(), threads=threads)
        assert job.done == ["new", "user"]


def test_replacing_what_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="'new' replaces 'old'") as caught:
        in_order([plain("new", replaces="old")])
    assert caught.value.code == "stage-unknown"


@pytest.mark.parametrize("turn", [1, -1])
def test_two_that_replace_the_same_stage_are_refused(turn: int) -> None:
    stages = [plain("old"), plain("x", replaces="old"), plain("y", replaces="old")][::turn]
    with pytest.raises(Refused, match="'x' and 'y' both replace 'old'"):
        in_order(stages)


def test_a_stand_in_with_the_name_of_a_third_stage_is_refused() -> None:
    with pytest.raises(Refused, match="two stages are called 'b'"):
        in_order([plain("a"), plain("b"), plain("b", replaces="a")])


# --- running


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_all_stages_run_in_order_and_are_recorded(stage: AddStage, threads: int) -> None:
    job, journal = Job(), MemoryJournal()
    run(
        [
            stage("c", lambda job: job.done.append("c") or {"rows": 3}, needs=("b",)),
            stage("b", needs=("a",)),
            stage("a"),
        ],
        job,
        journal,
        threads=threads,
    )
    assert job.done == ["a", "b", "c"]
    assert [report.name for report in journal.reports] == ["a", "b", "c"]
    assert [dict(report.counts) for report in journal.reports] == [{}, {}, {"rows": 3}]
    assert all(0 <= report.seconds < SECONDS for report in journal.reports)
    assert not journal.running
    assert not journal.failures


def test_independent_stages_run_side_by_side(stage: AddStage) -> None:
    def meet(job: Job) -> None:
        assert job.meeting is not None
        job.meeting.wait(SECONDS)  # for ever, or broken, unless both are there

    job = Job(meeting=threading.Barrier(2))
    run([stage("a", meet), stage("b", meet)], job, MemoryJournal(), threads=2)


def test_no_more_stages_run_at_once_than_were_allowed(stage: AddStage) -> None:
    lock = threading.Lock()
    running: set[str] = set()
    most: list[int] = []

    def work(name: str) -> Work:
        def body(job: Job) -> None:
            with lock:
                running.add(name)
                most.append(len(running))
            job.go.wait(0.02)
            with lock:
                running.discard(name)

        return body

    stages = [stage(name, work(name)) for name in "abcdefgh"]
    run(stages, Job(), MemoryJournal(), threads=3)
    assert max(most) == 3


def test_a_stage_waits_only_for_what_it_needs(stage: AddStage) -> None:
    """`slow` ends only after `second`, which needs `first`, has run beside it."""

    def wait(job: Job) -> None:
        assert job.go.wait(SECONDS)
        job.done.append("slow")

    def second(job: Job) -> None:
        job.done.append("second")
        job.go.set()

    job = Job()
    stages = [stage("slow", wait), stage("first"), stage("second", second, needs=("first",))]
    run(stages, job, MemoryJournal(), threads=2)
    assert job.done == ["first", "second", "slow"]


# --- failing


def fail(_job: Job) -> None:
    raise ValueError("the shelf is empty")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_failure_names_the_stage_and_stops_what_comes_later(
    stage: AddStage, threads: int
) -> None:
    job, journal = Job(), MemoryJournal()
    stages = [
        stage("a"),
        stage("bad", fail, needs=("a",)),
        stage("user", needs=("bad",)),
        stage("z-other", after=("bad",)),
    ]
    with pytest.raises(Failed) as caught:
        run(stages, job, journal, threads=threads)
    assert caught.value.message == "stage 'bad' failed: ValueError: the shelf is empty"
    assert isinstance(caught.value.__cause__, ValueError)
    assert job.done == ["a"]
    assert [report.name for report in journal.reports] == ["a"]
    assert list(journal.failures) == ["bad"]
    assert "the shelf is empty" in journal.failures["bad"]
    assert not journal.running


def test_after_a_failure_stages_in_hand_end_and_no_other_begins(stage: AddStage) -> None:
    """`in-hand` runs when `bad` fails; `queued-...` were ready, but had no thread yet."""
    begun = threading.Event()

    def bad(job: Job) -> None:
        assert begun.wait(SECONDS)
        job.go.set()
        raise ValueError("no")

    def in_hand(job: Job) -> None:
        begun.set()
        assert job.go.wait(SECONDS)
        threading.Event().wait(0.05)
        job.done.append("in-hand")

    job, journal = Job(), MemoryJournal()
    queued = [stage(f"queued-{number}") for number in range(5)]
    with pytest.raises(Failed, match="'bad'"):
        run(
            [stage("bad", bad), stage("in-hand", in_hand), *queued],
            job,
            journal,
            threads=2,
        )
    assert job.done == ["in-hand"]
    assert [report.name for report in journal.reports] == ["in-hand"]


@pytest.mark.parametrize("threads", [1, 2])
def test_our_own_errors_pass_as_they_are(stage: AddStage, threads: int) -> None:
    mine = Refused("not like this", hint="like that", code="mine")

    def refuse(_job: Job) -> None:
        raise mine

    journal = MemoryJournal()
    with pytest.raises(Refused) as caught:
        run([stage("a", refuse)], Job(), journal, threads=threads)
    assert caught.value is mine
    assert journal.failures == {"a": "not like this"}


@pytest.mark.parametrize("threads", [1, 2])
def test_errors_of_the_database_pass_to_whoever_has_the_transaction(
    stage: AddStage, threads: int
) -> None:
    def work(_job: Job) -> None:
        raise OperationalError("SELECT 1", None, RuntimeError("gone"))

    with pytest.raises(OperationalError):
        run([stage("a", work)], Job(), MemoryJournal(), threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_being_asked_to_stop_ends_between_stages(stage: AddStage, threads: int) -> None:
    job, journal = Job(), MemoryJournal()

    def may_go_on() -> None:
        if job.done:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted, match="stopped"):
        run(
            [stage("a"), stage("b", needs=("a",))],
            job,
            journal,
            threads=threads,
            may_go_on=may_go_on,
        )
    assert job.done == ["a"]
    assert [report.name for report in journal.reports] == ["a"]


@pytest.mark.parametrize(
    ("target", "said"),
    [("no_such_package_here:work", "no_such_package_here"), (f"{MODULE}:number", "called")],
)
def test_a_target_that_is_no_function_fails_the_job(
    stage: AddStage, target: str, said: str
) -> None:
    stage("makes the module")
    vars(sys.modules[MODULE])["number"] = 7
    journal = MemoryJournal()
    with pytest.raises(Failed, match=said):
        run([Stage("a", target)], Job(), journal)
    assert list(journal.failures) == ["a"]
