"""Each hook has a plugin of ours that uses it, and a test: what nobody needs does not stay."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.environments import ROOT
from tools.docs.ours import our_plugins

each_hook = pytest.mark.parametrize("hook", sorted(our_plugins().specifications))


@each_hook
def test_a_plugin_of_ours_uses_it(hook: str) -> None:
    assert [info.name for info in our_plugins().infos if hook in info.hooks]


@each_hook
def test_a_test_uses_it(hook: str) -> None:
    """The tests of the docs do not count: they go through all hooks."""
    assert [path for path, source in sources().items() if re.search(rf"\b{hook}\b", source)]


@cache
def sources() -> dict[str, str]:
    """The tests, without those of the docs."""
    paths = [path for path in ROOT.glob("tests/**/test_*.py") if path.parent.name != "docs"]
    return {str(path): path.read_text("utf-8") for path in paths}
