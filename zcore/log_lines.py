"""What a command says meanwhile as JSON objects, one a line, for programs that read logs.

    {"time": "2025-01-31T12:30:00.123456+00:00", "level": "warning", "message": "...", "pid": 17}

and the facts that belong to the line (`Console.warn(text, queue="noop")`).
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zcore.text import mask_passwords, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping


def log_json(level: str, text: str, facts: Mapping[str, object]) -> None:
    """Write a line to stderr, with the passwords of URLs masked. See `zcore.console.Log`."""
    line = {
        "time": datetime.now(UTC).isoformat(),
        "level": level,
        "message": one_line(mask_passwords(text)),
        "pid": os.getpid(),
        **{name: _masked(value) for name, value in facts.items()},
    }
    sys.stderr.write(f"{json.dumps(line, ensure_ascii=False, default=str)}\n")
    sys.stderr.flush()


def _masked(value: object) -> object:
    return mask_passwords(value) if isinstance(value, str) else value
