"""Looking at one plugin closely, in a process of its own: `python -m zcore.builtin.plugin_check`.

The process loads the plugins, resolves every target of the one that is checked, and writes what
is wrong as JSON lines to stdout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from zcore.errors import ZopsError
from zcore.plugins import Plugins
from zcore.targets import resolve
from zcore.values import Command, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def check_plugin(name: str, timeout: float, *, disabled: Sequence[str]) -> list[Finding]:
    """What is wrong with the plugin `name`, looked at for at most `timeout` seconds.

    The plugins `disabled` are left out also there: one of them may be why others cannot load.
    """
    command = [sys.executable, "-m", __name__, name, *disabled]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return [Finding("timeout", f"it was not imported within {timeout:g} seconds", name)]
    if done.returncode != os.EX_OK:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        ending = f"its process ended with {done.returncode}"
        return [Finding("crash", f"{ending}: {last}" if last else ending, name)]
    return [Finding(*json.loads(line)) for line in done.stdout.decode().splitlines()]


def _findings(name: str, disabled: Sequence[str]) -> Iterator[Finding]:
    plugins = Plugins.load(disabled=disabled)
    info = next((info for info in plugins.infos if info.name == name), None)
    if info is None:
        yield Finding("missing", "it is not installed", name)
        return
    if info.error:
        yield Finding(info.status, info.error, name)
    if info.status == "active" and not info.hooks:
        yield Finding(
            "no-hooks", "it implements no hook", name, "mark the hooks with @zcore.hookimpl"
        )
    for hook, values in plugins.provided(name).items():
        for value in values:
            yield from _broken_target(name, hook, value)


def _broken_target(name: str, hook: str, value: object) -> Iterator[Finding]:
    target = getattr(value, "target", None)
    if not isinstance(target, str):
        return
    try:
        found = resolve(target)
    except ZopsError as error:
        yield Finding(error.code, error.message, f"{name}: {hook}")
        return
    if isinstance(value, Command) and not isinstance(found, click.Command):
        kind = type(found).__name__
        yield Finding(
            "broken-target", f"{target!r} is a {kind}, not a click command", f"{name}: {hook}"
        )
    elif not callable(found):
        yield Finding("broken-target", f"{target!r} cannot be called", f"{name}: {hook}")


def _main() -> None:
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what plugins print, by whatever means, is no finding
    sys.stdout = sys.stderr
    with answer:
        for finding in _findings(sys.argv[1], sys.argv[2:]):
            line = json.dumps([finding.code, finding.message, finding.where, finding.hint])
            answer.write(f"{line}\n")


if __name__ == "__main__":
    _main()
