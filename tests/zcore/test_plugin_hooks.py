"""Calling the hooks of plugins: order, watching, what is on its way out, what was committed."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import zcore
from zcore import Change, Context, Deprecated, Refused, Stage, hookspec
from zcore.console import Console
from zcore.hookspecs import hookimpl
from zcore.settings import Settings
from zcore.testing.plugins import hooks, plugins_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore.plugin_hooks import Ran


def specified(**functions: Callable[..., object]) -> object:
    """A plugin that defines hooks: functions that are marked as specifications."""
    module = ModuleType("hooks_of_a_test")
    vars(module).update(functions)
    return hooks(zops_hookspecs=lambda: module)


class TestOrder:
    """By name, whatever pluggy's own options ask for."""

    def test_is_by_the_names_of_the_plugins(self) -> None:
        @hookimpl(tryfirst=True)
        def first() -> list[Stage]:
            return [Stage("c", "x:y")]

        @hookimpl(trylast=True)
        def last() -> list[Stage]:
            return [Stage("a", "x:y")]

        eager, late = hooks(), hooks()
        vars(eager)["zops_export_stages"] = first
        vars(late)["zops_export_stages"] = last
        middle = hooks(zops_export_stages=lambda: [Stage("b", "x:y")])
        plugins = plugins_of({"ccc": eager, "bbb": middle, "aaa": late})
        given = plugins.values("zops_export_stages", Stage)
        assert [(plugin, stage.name) for plugin, stage in given] == [
            ("aaa", "a"),
            ("bbb", "b"),
            ("ccc", "c"),
        ]

    def test_a_hook_that_fails_is_refused_or_passed_over(self) -> None:
        good = hooks(zops_export_stages=lambda: [Stage("good", "x:y")])
        bad = hooks(zops_export_stages=lambda: [1 / 0])
        said: list[str] = []
        plugins = plugins_of({"bad": bad, "good": good}, warn=said.append)
        with pytest.raises(Refused, match="plugin 'bad'"):
            plugins.values("zops_export_stages", Stage)
        for _ in range(2):
            assert len(plugins.available("zops_export_stages", Stage)) == 1
        (warning,) = said  # once
        assert "ZeroDivisionError" in warning


def test_who_watches_is_told_what_ran_and_what_came_of_it() -> None:
    stage = Stage("good", "x:y")
    plugins = plugins_of(
        {
            "acme": hooks(zops_export_stages=lambda: [stage]),
            "bad": hooks(zops_export_stages=lambda: 1 / 0),
        }
    )
    seen: list[Ran] = []
    with plugins.watched_by(seen.append):
        plugins.available("zops_export_stages", Stage)
        with plugins.running(stage, "stage good") as outcome:
            outcome.append({"rows": 1})
    plugins.available("zops_export_stages", Stage)  # nobody watches any more
    assert [(ran.plugin, ran.what) for ran in seen] == [
        ("acme", "zops_export_stages"),
        ("bad", "zops_export_stages"),
        ("acme", "stage good"),
    ]
    assert seen[0].outcome == [stage]
    assert isinstance(seen[1].outcome, ZeroDivisionError)
    assert seen[2].outcome == {"rows": 1}


class TestCommitted:
    """`zops_committed` comes after the fact."""

    def test_every_plugin_is_told_and_none_can_take_it_back(self, tmp_path: Path) -> None:
        told: list[tuple[str, Change]] = []

        def note(change: Change, context: Context) -> None:
            told.append((context.settings.home.name, change))

        def fail(change: Change) -> None:
            raise OSError("no room")

        said: list[str] = []
        plugins = plugins_of(
            {"aaa": hooks(zops_committed=fail), "bbb": hooks(zops_committed=note)},
            warn=said.append,
        )
        settings = Settings.load({}, {"ZOPS_HOME": str(tmp_path)}, tmp_path)
        change = Change("user.created", 2, "acme", (7,))
        Context(settings, Console(), plugins).committed(change)
        assert told == [(tmp_path.name, change)]
        (warning,) = said
        assert "'aaa'" in warning
        assert "no room" in warning


class TestDeprecated:
    """What goes away works until then, and says so once."""

    def test_a_hook(self) -> None:
        @hookspec(warn_on_impl=Deprecated("zops_acme_old", "9.0", instead="zops_acme_new"))
        def zops_acme_old() -> None: ...

        said: list[str] = []
        plugins = plugins_of(
            {
                "acme": specified(zops_acme_old=zops_acme_old),
                "user": hooks(zops_acme_old=lambda: "still here"),
            },
            warn=said.append,
        )
        for _ in range(2):
            assert plugins.call("zops_acme_old") == [("user", "still here")]
        (warning,) = said
        assert "'user'" in warning
        assert "goes away with zops 9.0; use zops_acme_new instead" in warning
        info = {info.name: info for info in plugins.infos}["user"]
        assert (info.status, info.error) == ("active", "")
        assert len(info.deprecations) == 1

    def test_an_argument_of_a_hook(self) -> None:
        @hookspec(warn_on_impl_args={"old": Deprecated("the argument old", "9.0")})
        def zops_acme_told(old: int, new: int) -> None: ...

        said: list[str] = []
        plugins = plugins_of(
            {
                "acme": specified(zops_acme_told=zops_acme_told),
                "fine": hooks(zops_acme_told=lambda new: new),
                "user": hooks(zops_acme_told=lambda old: old),
            },
            warn=said.append,
        )
        assert plugins.call("zops_acme_told", old=1, new=2) == [("fine", 2), ("user", 1)]
        (warning,) = said
        assert "'user'" in warning

    def test_a_public_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(
            zcore.DEPRECATED, "Task", ("Stage", Deprecated("zcore.Task", "9.0", instead="Stage"))
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert zcore.Task is Stage  # type: ignore[attr-defined] # that is the point
        (warning,) = caught
        assert warning.filename == __file__
        assert "goes away with zops 9.0" in str(warning.message)


def test_public_names_are_all_there_and_no_other() -> None:
    for name in zcore.__all__:
        assert getattr(zcore, name) is not None
    assert zcore.__all__ == sorted(zcore.__all__, key=lambda name: (name.islower(), name))
    with pytest.raises(AttributeError, match="no attribute 'Plugin'"):
        zcore.Plugin  # type: ignore[attr-defined] # noqa: B018 # that is the point
    assert set(zcore.__all__) <= set(dir(zcore))
