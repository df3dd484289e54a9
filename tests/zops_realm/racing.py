"""Runs one command line of `zops` in many processes at the same moment: a program of its own.

    python racing.py COUNT ARGUMENT...

Everything is imported before the processes part, so that they begin together. Prints the exit
codes as a JSON list.
"""

from __future__ import annotations

import json
import os
import sys


def race(count: int, arguments: list[str]) -> list[int]:
    """Exit codes of `count` processes that all run `zops` with `arguments`."""
    _import_what_the_command_needs()
    ready, go = os.pipe()
    runners = [_start(ready, go, arguments) for _ in range(count)]
    os.close(ready)
    os.close(go)  # nobody can write any more: all of them read the end at once
    return [os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1]) for runner in runners]


def _start(ready: int, go: int, arguments: list[str]) -> int:
    process = os.fork()
    if process:
        return process
    os.close(go)
    os.read(ready, 1)
    from zcore.cli import main

    code = 70
    try:
        code = main(arguments)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _import_what_the_command_needs() -> None:
    import psycopg2
    import sqlalchemy

    import zcore.cli
    import zops_realm.create_realm
    import zops_realm.create_user
    import zops_realm.welcome

    del psycopg2, sqlalchemy, zcore, zops_realm


if __name__ == "__main__":
    codes = race(int(sys.argv[1]), sys.argv[2:])
    sys.stdout.write(f"\n{json.dumps(codes)}\n")
