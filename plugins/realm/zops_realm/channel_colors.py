"""The colours that channels get in a user's list."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

# fmt: off
PALETTE = (
    "#76ce90", "#fae589", "#a6c7e5", "#e79ab5", "#bfd56f", "#f4ae55",
    "#b0a5fd", "#addfe5", "#f5ce6e", "#c2726a", "#94c849", "#bd86e5",
    "#ee7e4a", "#a6dcbf", "#95a5fd", "#53a063", "#9987e1", "#e4523d",
    "#c2c2c2", "#4f8de4", "#c6a8ad", "#e7cc4d", "#c8bebf", "#a47462",
)
# fmt: on


def pick_colors(recipient_ids: Sequence[int], used: Set[str]) -> dict[int, str]:
    """A colour for each channel's recipient: what the user does not have yet, then by number."""
    free = iter([color for color in PALETTE if color not in used])
    return {
        recipient_id: next(free, PALETTE[recipient_id % len(PALETTE)])
        for recipient_id in sorted(recipient_ids)
    }
