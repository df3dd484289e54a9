"""How one thing with many fields is shown to a person."""

from __future__ import annotations

from collections.abc import Mapping


def field_lines(data: Mapping[str, object]) -> str:
    """The fields of `data`, one a line, with the values aligned."""
    width = max(map(len, data))
    return "\n".join(f"{name:<{width}}  {_shown(value)}".rstrip() for name, value in data.items())


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
