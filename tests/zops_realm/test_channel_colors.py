"""A user's channels get the colours that the server would give them."""

from __future__ import annotations

from zops_realm.channel_colors import PALETTE, pick_colors


def test_the_first_colors_not_in_use_in_the_order_of_recipients() -> None:
    assert pick_colors([15, 13, 14], frozenset({"#fae589", "#c2c2c2"})) == {
        13: "#76ce90",
        14: "#a6c7e5",
        15: "#e79ab5",
    }


def test_by_number_when_all_are_in_use() -> None:
    assert pick_colors([24, 49], frozenset(PALETTE)) == {24: PALETTE[0], 49: PALETTE[1]}


def test_there_are_24_colors() -> None:
    assert len(set(PALETTE)) == 24
