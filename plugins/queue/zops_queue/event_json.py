"""Reading the body of an event, which may hold anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


def parse(body: bytes) -> Mapping[str, object]:
    """The JSON object in `body`. Raises `ValueError`, with the reason in words, if it is none."""
    try:
        payload = msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise ValueError("not JSON: not UTF-8") from None
    except msgspec.MsgspecError as error:
        raise ValueError(f"not JSON: {error}") from None
    except RecursionError:
        raise ValueError("JSON, but nested too deeply") from None
    if not isinstance(payload, dict):
        raise ValueError("JSON, but not an object")
    return payload
