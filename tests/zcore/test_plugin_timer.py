"""A plugin whose import takes long is named while it does, in whatever thread zops runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Zops

PROGRAM = """
import threading
from zcore import plugin_loading
from zcore.cli import main

plugin_loading.SLOW = 0.1
thread = threading.Thread(target=main, args=(["plugins", "list"],))
thread.{how}()
"""


@pytest.mark.parametrize("how", ["run", "start"], ids=["main thread", "another thread"])
def test_is_named(how: str, plugins: InstalledPlugins, zops: Zops) -> None:
    plugins.install("quick", "")
    plugins.install("slow", "import time\ntime.sleep(1)")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(how=how)],
        env=zops.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == (
        "zops: warning: plugin 'slow' is still being imported; --disable-plugin slow\n"
    )
    assert "slow" in done.stdout
