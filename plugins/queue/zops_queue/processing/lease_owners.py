"""Who holds a lease: a process, named so that others on the same machine see when it has ended."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PROC = Path("/proc")
FIELDS_BEFORE_START = 19  # of /proc/PID/stat, after the name of the program


def new_owner() -> str:
    """A name for somebody in this process; empty fields where the system does not tell."""
    number = os.getpid()
    return f"{_machine()} {number} {_start_of(number)} {secrets.token_hex(4)}"


def has_ended(owner: str) -> bool:
    """Is it certain that the process of `owner` has ended? Never for other machines."""
    try:
        boot, numbers, number, start, _ = owner.split(" ")
    except ValueError:
        return False
    is_near = f"{boot} {numbers}" == _machine() and "" not in (boot, numbers, start)
    return is_near and _start_of(int(number)) != start


def _machine() -> str:
    """This run of this machine, and within it what numbers of processes are counted in."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return " "


def _start_of(number: int) -> str:
    """When a process began, in the system's ticks; "" when there is none, or it only lingers."""
    try:
        state, *rest = (PROC / str(number) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else rest[FIELDS_BEFORE_START - 1]
