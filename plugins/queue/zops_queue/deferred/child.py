"""Another command of zops as a process of its own, with the settings of this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcore.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context
    from zcore.settings import Settings

SECONDS_BETWEEN_LOOKS = 0.2  # at whether to stop
FLAG = "flag "  # how the origin of what was given on the command line begins


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended; the exit code is negative when a signal ended it. `reason` is for people."""

    exit_code: int
    reason: str


def run_zops(context: Context, words: Sequence[str], *, keep_open: int) -> Ended:
    """Run `zops --json WORDS...` to its end, with the file `keep_open` open in it.

    When we are asked to stop, so is it.
    """
    command = [sys.executable, "-P", "-m", "zcore", "--json", *words]
    with subprocess.Popen(
        command,
        env=environment(context.settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[keep_open],
        start_new_session=True,  # Ctrl-C is for us, and we pass it on
    ) as process:
        said, meanwhile = _until_it_ends(process, context)
    context.console.debug(meanwhile.decode("utf-8", "replace").rstrip())
    return Ended(process.returncode, _reason(process.returncode, said))


def environment(settings: Settings) -> dict[str, str]:
    """Our environment, and what was said on our command line."""
    said = dict(os.environ)
    if settings.origin("database").startswith(FLAG):
        said["ZOPS_DATABASE"] = settings.database_url
    if settings.origin("disabled_plugins").startswith(FLAG):
        said["ZOPS_DISABLE_PLUGINS"] = ",".join(settings.disabled_plugins)
    if settings.configuration is not None:
        said["ZOPS_CONFIG"] = str(settings.configuration)
    return said


def _until_it_ends(process: subprocess.Popen[bytes], context: Context) -> tuple[bytes, bytes]:
    stopped = False
    while True:
        try:
            return process.communicate(timeout=SECONDS_BETWEEN_LOOKS)
        except subprocess.TimeoutExpired:
            if context.stop.is_set() and not stopped:
                process.send_signal(signal.SIGTERM)
                stopped = True


def _reason(exit_code: int, said: bytes) -> str:
    if exit_code < 0:
        return f"the process was ended by signal {-exit_code}"
    try:
        error = json.loads(said)["error"]
        return one_line(error["message"])
    except (ValueError, LookupError, TypeError):
        return f"the process ended with exit code {exit_code}"
