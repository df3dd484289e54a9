"""Stages in order, side by side, what happens when one fails, and what a second run keeps."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from zcore import pipeline
from zcore.console import Console
from zcore.crash_points import CRASHED, VARIABLE
from zcore.errors import Failed, Interrupted, Refused
from zcore.journal import FileJournal, Journal, MemoryJournal, StageReport
from zcore.stage_graph import StageGraph
from zcore.stage_plan import make_plan, plan_table
from zcore.stage_progress import StageLine, StageProgress, stage_progress
from zcore.stage_timing import timing_table
from zcore.testing.plugins import hooks, plugins_of
from zcore.values import Estimate, Stage

if TYPE_CHECKING:
    from zcore.plugins import Plugins

SECONDS = 10
MODULE = "stages_of_a_test"


@dataclass
class Job:
    """What the stages of a test work on."""

    done: list[str] = field(default_factory=list)
    meeting: threading.Barrier | None = None
    go: threading.Event = field(default_factory=threading.Event)
    may_go_on: Callable[[], None] = lambda: None

    def for_stage(self, stage: str) -> Job:
        """The same for all of them."""
        return self


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
        return Stage(name, f"{MODULE}:{attribute}", **order)  # type: ignore[arg-type]

    yield add
    del sys.modules[MODULE]


def in_order(stages: Iterable[Stage]) -> list[Stage]:
    return list(StageGraph.of(stages).stages)


def run(
    stages: Iterable[Stage],
    job: Job,
    journal: Journal,
    *,
    threads: int = 1,
    plugins: Plugins | None = None,
) -> None:
    """Run them as the commands do."""
    graph = StageGraph.of(stages)
    with stage_progress(Console(), "working", graph) as progress:
        pipeline.run(graph, job, journal, plugins or plugins_of({}), progress, threads=threads)


def of_plugins(**stages: Stage) -> tuple[list[Stage], Plugins]:
    """The stages as given by plugins of these names, and the plugins."""
    plugins = plugins_of(
        {name: hooks(zops_export_stages=lambda one=one: [one]) for name, one in stages.items()}
    )
    return plugins.export_stages()[0], plugins


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
    stages, plugins = of_plugins(ours=plain("rows"), theirs=plain("a", needs=("row", "c")))
    with pytest.raises(Refused, match=r"'a' of plugin 'theirs'.* needs c, row") as caught:
        StageGraph.of(stages, plugins.provider)
    assert caught.value.code == "stage-unknown"
    with pytest.raises(Refused) as caught:
        StageGraph.of([plain("rows"), plain("a", needs=("row",))])
    assert caught.value.hint == "did you mean 'rows'?"
    assert [problem.message for problem in caught.value.problems] == [
        "stage 'a' of zops waits for row",
        "stage 'rows' of zops waits for nothing",
    ]


def test_a_circle_is_refused_and_shows_the_graph() -> None:
    stages, plugins = of_plugins(
        one=plain("c", needs=("a",)),
        other=plain("b", after=("c",)),
        third=plain("a", needs=("b",)),
        fourth=plain("z-behind", needs=("b",)),
        free=plain("free"),
    )
    for given in (stages, stages[::-1]):
        with pytest.raises(Refused) as caught:
            StageGraph.of(given, plugins.provider)
        error = caught.value
        assert error.code == "stage-circle"
        assert error.message == "the stages wait for each other in a circle: a -> b -> c -> a"
        assert [problem.message for problem in error.problems] == [
            "stage 'a' of plugin 'third' (unknown) waits for b",
            "stage 'b' of plugin 'other' (unknown) waits for c",
            "stage 'c' of plugin 'one' (unknown) waits for a",
            "stage 'z-behind' of plugin 'fourth' (unknown) waits for b",
        ]


def test_a_stage_that_waits_for_itself_is_a_circle() -> None:
    with pytest.raises(Refused, match="in a circle: a -> a"):
        in_order([plain("a", needs=("a",))])


def test_two_stages_of_one_name_are_refused() -> None:
    with pytest.raises(Refused, match="'a'") as caught:
        in_order([plain("a"), plain("b"), plain("a")])
    assert caught.value.code == "stage-name"


# --- replacing


def test_a_stand_in_has_the_place_of_what_it_replaces() -> None:
    stages = [
        plain("first"),
        plain("old", needs=("first",), after=("then",), before=("late",), replaceable=True),
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
    old = plain("a", replaceable=True)
    (only,) = in_order([old, Stage("a", "other:target", replaces="a")])
    assert only.target == "other:target"


def test_a_stand_in_runs_in_its_place(stage: AddStage) -> None:
    old, new = stage("old", replaceable=True), stage("new", replaces="old")
    stages = [stage("user", needs=("old",)), old, new]
    for threads in (1, 2):
        job = Job()
        run(stages, job, MemoryJournal(), threads=threads)
        assert job.done == ["new", "user"]


def test_the_stages_in_order_are_the_very_values_that_plugins_gave() -> None:
    """By their identity plugins are known, timed and traced."""
    given = [plain("user", needs=("old",)), plain("old", replaceable=True)]
    stand_in = plain("new", replaces="old")
    graph = StageGraph.of([*given, stand_in])
    assert [id(one) for one in graph.stages] == [id(stand_in), id(given[0])]
    assert graph.needs == {"new": frozenset(), "user": {"new"}}


def test_what_may_not_be_replaced_is_not() -> None:
    stages, plugins = of_plugins(ours=plain("rows"), theirs=plain("new", replaces="rows"))
    with pytest.raises(Refused) as caught:
        StageGraph.of(stages, plugins.provider)
    assert caught.value.code == "stage-not-replaceable"
    assert caught.value.message == (
        "stage 'new' of plugin 'theirs' (unknown) replaces stage 'rows' of plugin 'ours' (unknown),"
        " which may not be replaced"
    )


def test_replacing_what_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="'new' of zops replaces 'old'") as caught:
        in_order([plain("new", replaces="old")])
    assert caught.value.code == "stage-unknown"


@pytest.mark.parametrize("turn", [1, -1])
def test_two_that_replace_the_same_stage_are_refused(turn: int) -> None:
    old = plain("old", replaceable=True)
    stages = [old, plain("x", replaces="old"), plain("y", replaces="old")][::turn]
    with pytest.raises(Refused, match="'x' of zops and stage 'y' of zops both replace 'old'"):
        in_order(stages)


def test_a_stand_in_with_the_name_of_a_third_stage_is_refused() -> None:
    with pytest.raises(Refused, match="two stages are called 'b'"):
        in_order([plain("a", replaceable=True), plain("b"), plain("b", replaces="a")])


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
    assert caught.value.message == "stage 'bad' of zops failed: ValueError: the shelf is empty"
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

    job.may_go_on = may_go_on
    stages = [stage("a"), stage("b", needs=("a",))]
    with pytest.raises(Interrupted, match="stopped"):
        run(stages, job, journal, threads=threads)
    assert job.done == ["a"]
    assert [report.name for report in journal.reports] == ["a"]


@pytest.mark.parametrize(
    ("target", "said"),
    [("no_such_package_here:work", "no_such_package_here"), (f"{MODULE}:number", "callable")],
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


@pytest.mark.parametrize("answer", [3, ["rows"], {"rows": "three"}, {1: 1}, {"rows": True}])
def test_what_is_no_counts_fails_the_job(stage: AddStage, answer: object) -> None:
    with pytest.raises(Failed, match="'a' of zops failed: TypeError: it gave"):
        run([stage("a", lambda job: answer)], Job(), MemoryJournal())


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stage_that_ends_the_process_fails_the_job(stage: AddStage, threads: int) -> None:
    with pytest.raises(Failed, match="'a' of zops failed: SystemExit"):
        run([stage("a", lambda job: sys.exit(0))], Job(), MemoryJournal(), threads=threads)


def test_a_failure_names_the_plugin_and_its_stages_are_timed_and_watched(stage: AddStage) -> None:
    stages, plugins = of_plugins(
        acme=stage("good", lambda job: {"rows": 2}), bad=stage("bad", fail)
    )
    ran = []
    with (
        plugins.watched_by(ran.append),
        pytest.raises(Failed, match=r"stage 'bad' of plugin 'bad' .* failed: ValueError"),
    ):
        run(
            sorted(stages, key=lambda one: one.name != "good"),
            Job(),
            MemoryJournal(),
            plugins=plugins,
        )
    told = {(one.plugin, one.what): one.outcome for one in ran}
    assert isinstance(told["bad", "stage bad"], ValueError)
    assert {info.name for info in plugins.infos if info.seconds > 0} >= {"bad"}


# --- progress


def test_what_a_stage_does_is_counted(stage: AddStage) -> None:
    """For the report too, where the stage does not say it itself."""
    progress = StageProgress(["a", "b"])

    def work(_job: Job) -> object:
        progress.advance(rows=1500)
        progress.advance("a", rows=500, files=2, size=30)
        return {"rows": 7}

    graph = StageGraph.of([stage("a", work), stage("b", needs=("a",))])
    journal = MemoryJournal()
    pipeline.run(graph, Job(), journal, plugins_of({}), progress)
    assert progress.done_stages == 2
    first, second = (report.as_data() for report in journal.reports)
    assert {name: first[name] for name in ("rows", "files", "bytes")} == {
        "rows": 7,
        "files": 2,
        "bytes": 30,
    }
    assert (second["rows"], second["files"], second["bytes"]) == (0, 0, 0)


class Growing:
    """A file that is being written."""

    size = 0


def test_bytes_count_while_a_file_grows() -> None:
    progress = StageProgress(["a"])
    progress.begun("a")
    file = Growing()
    with progress.writing("a") as written:
        written.append(file)
        file.size = 40
        assert progress.running()[0].size == 40
        file.size = 50
    file.size = 60  # nobody's business any more
    with progress.writing("a") as written:
        written.append(file)
    assert progress.measured("a") == {"bytes": 110}


@pytest.mark.parametrize(
    ("expected", "left"),
    [
        (Estimate(rows=400), 30.0),
        (Estimate(size=400), 70.0),
        (Estimate(files=8), 30.0),
        (Estimate(rows=400, size=400), 30.0),
        (Estimate(rows=99), None),  # the guess was wrong
        (Estimate(rows=100_000), None),  # too early
        (Estimate(rows=0, files=0), None),
        (Estimate(), None),
    ],
)
def test_time_left(expected: Estimate, left: float | None) -> None:
    """As long as it took so far, in proportion."""
    line = StageLine("a", rows=100, files=2, size=50, seconds=10.0, expected=expected)
    assert line.seconds_left == left


def test_time_left_before_anything_is_done() -> None:
    line = StageLine("a", rows=0, files=0, size=0, seconds=10.0, expected=Estimate(rows=5))
    assert line.seconds_left is None


def test_what_is_expected_of_all_stages() -> None:
    """What a stage did counts when it is done; what it found out it has to do before that."""
    progress = StageProgress(["a", "b", "c"], {"a": Estimate(rows=100), "b": Estimate(rows=1000)})
    progress.begun("a")
    progress.advance(rows=40)
    assert progress.total("all").expected.rows == 1100
    progress.done("a")
    assert progress.total("all").expected.rows == 1040
    progress.begun("b")
    progress.expect("b", Estimate(rows=60))
    progress.expect("b", Estimate(files=2))
    assert progress.running()[0].expected == Estimate(rows=60, files=2)
    assert progress.total("all").expected.rows == 100


def test_a_table_of_times() -> None:
    reports = [
        StageReport("copies", 2.0, {"files": 3, "bytes": 4_000_000}),
        StageReport("rows", 4.0, {"rows": 8000}, measured={"rows": 1, "bytes": 1_000_000}),
        StageReport("before", 9.0, {"rows": 1}, kept=True),
    ]
    assert [line.split() for line in timing_table(reports, 5.0).splitlines()] == [
        ["stage", "rows", "files", "size", "seconds", "rows/s", "size/s"],
        ["before", "1", "kept"],
        ["rows", "8,000", "1.0", "MB", "4.00", "2,000", "250.0", "kB"],
        ["copies", "3", "4.0", "MB", "2.00", "2.0", "MB"],
        ["total", "8,001", "3", "5.0", "MB", "5.00", "1,600", "1.0", "MB"],
    ]


# --- the plan of a dry run


def test_a_plan_asks_for_estimates_and_runs_nothing(stage: AddStage) -> None:
    stages, plugins = of_plugins(
        acme=stage("rows", fail, help="all rows", estimate=f"{MODULE}:guess"),
        beta=stage("files", fail, needs=("rows",)),
    )
    vars(sys.modules[MODULE])["guess"] = lambda job: Estimate(rows=1234, size=5_600_000)
    plan = make_plan(StageGraph.of(stages), Job(), plugins)
    assert [one.as_data() for one in plan] == [
        {
            "stage": "rows",
            "plugin": "acme",
            "help": "all rows",
            "rows": 1234,
            "files": None,
            "bytes": 5_600_000,
            "needs": [],
        },
        {
            "stage": "files",
            "plugin": "beta",
            "help": "",
            "rows": None,
            "files": None,
            "bytes": None,
            "needs": ["rows"],
        },
    ]
    assert [line.split() for line in plan_table(plan).splitlines()] == [
        ["stage", "plugin", "rows", "files", "size", "what", "it", "does"],
        ["rows", "acme", "1,234", "?", "5.6", "MB", "all", "rows"],
        ["files", "beta", "?", "?", "?"],
        ["total", "1,234", "0", "5.6", "MB"],
    ]


@pytest.mark.parametrize("guess", [lambda job: 3, lambda job: 1 / 0, lambda job: sys.exit(0)])
def test_an_estimate_that_fails_names_its_plugin(stage: AddStage, guess: Work) -> None:
    stages, plugins = of_plugins(acme=stage("rows", estimate=f"{MODULE}:guess"))
    vars(sys.modules[MODULE])["guess"] = guess
    with pytest.raises(Failed, match=r"stage 'rows' of plugin 'acme' .* cannot estimate"):
        make_plan(StageGraph.of(stages), Job(), plugins)


# --- the journal, and a second run


ABOUT = {"realm": "acme"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def stages_to_keep(stage: AddStage) -> list[Stage]:
    def kept(job: Job) -> dict[str, int]:
        job.done.append("kept")
        return {"files": 7}

    return [
        stage("kept", kept, keeps=True),
        stage("always", needs=("kept",)),
        stage("bad", fail, needs=("always",), keeps=True),
    ]


def first_run(stage: AddStage, path: Path) -> None:
    with pytest.raises(Failed):
        run(stages_to_keep(stage), Job(), FileJournal(path, ABOUT))


def test_a_second_run_keeps_what_is_done_and_may_be_kept(stage: AddStage, path: Path) -> None:
    first_run(stage, path)
    for _ in range(2):  # the second one goes on where the first of these stopped
        job, journal = Job(), FileJournal(path, ABOUT)
        with pytest.raises(Failed):
            run(stages_to_keep(stage), job, journal)
        assert job.done == ["always"]
        kept, always = journal.reports
        assert (kept.name, dict(kept.counts), kept.kept) == ("kept", {"files": 7}, True)
        assert (always.name, always.kept) == ("always", False)


def test_a_stage_that_began_again_has_nothing_of_before(stage: AddStage, path: Path) -> None:
    first_run(stage, path)
    journal = FileJournal(path, ABOUT)
    journal.note("kept", {"file": "a"})
    assert FileJournal(path, ABOUT).notes["kept"] == [{"note": "kept", "file": "a"}]
    journal.begun("kept")
    again = FileJournal(path, ABOUT)
    assert again.kept("kept") is None
    assert again.notes["kept"] == []


def test_the_journal_is_private(path: Path) -> None:
    old = os.umask(0)
    FileJournal(path, ABOUT).close()
    os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_journal_of_another_job_is_refused(path: Path) -> None:
    FileJournal(path, ABOUT).close()
    with pytest.raises(Refused, match="of another job: realm 'acme'") as caught:
        FileJournal(path, {"realm": "other"})
    assert caught.value.code == "other-job"


@pytest.mark.parametrize("torn", [b'{"done": "always", "sec', b"\0\0\0\n", b"[]\n", b"\xff\n"])
def test_a_journal_that_was_cut_off_goes_on_before_that(
    stage: AddStage, path: Path, torn: bytes
) -> None:
    first_run(stage, path)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    journal = FileJournal(path, ABOUT)
    assert journal.kept("kept") is not None
    journal.note("always", {"file": "b"})
    assert path.read_bytes().startswith(whole + b'{"note"')


CRASHING = """
import sys
from pathlib import Path
from tests.zcore.test_pipeline import ABOUT, FileJournal, Job, Stage, run

run([Stage("first", "crashing:work", keeps=True), Stage("second", "crashing:work")],
    Job(), FileJournal(Path(sys.argv[1]), ABOUT))
"""


def test_a_process_that_dies_loses_no_line(
    path: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    (tmp_path / "crashing.py").write_text("def work(job): return {'rows': 3}")
    environment = {
        **os.environ,
        VARIABLE: "stage-done:first",
        "PYTHONPATH": f"{tmp_path}:{pytestconfig.rootpath}",
    }
    done = subprocess.run([sys.executable, "-c", CRASHING, path], env=environment)
    assert done.returncode == CRASHED
    report = FileJournal(path, ABOUT).kept("first")
    assert report is not None
    assert dict(report.counts) == {"rows": 3}
