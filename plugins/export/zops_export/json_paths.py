"""Places inside of JSON, as `zcore.schema.facts.Reference` names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zops_export.json_rows import JsonRow

Step = Callable[[object, "JsonRow"], object]


def at_path(value: object, path: Sequence[str], step: Step, row: JsonRow) -> object:
    """`value` with `step` applied where `path` leads; "*" is every element of a list or object."""
    if not path:
        return step(value, row)
    first, rest = path[0], path[1:]
    if first == "*" and isinstance(value, list):
        return [at_path(element, rest, step, row) for element in value]
    if first == "*" and isinstance(value, dict):
        return {key: at_path(element, rest, step, row) for key, element in value.items()}
    if isinstance(value, dict) and first in value:
        return value | {first: at_path(value[first], rest, step, row)}
    return value
