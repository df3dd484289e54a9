"""User messages converted in blocks become the very rows that are made of them one by one."""

from __future__ import annotations

import io
import json
from array import array

import pytest

from zcore.schema import tables
from zops_export.id_maps import IdMap
from zops_export.json_rows import JsonRow, TypedRows, read_blocks
from zops_export.notes import Notes
from zops_export.row_conversion import RowConverter
from zops_export.row_kinds import SECOND_READING, USER_MESSAGES, plain
from zops_export.text_rewriting import TextRewriter
from zops_export.user_message_rows import COLUMNS, converted_at_once

OLD = array("q", [10, 20, 30])
IDS = {
    name: IdMap(OLD, [start + old for old in OLD])
    for name, start in {
        "zerver_realm": 50,
        "zerver_userprofile": 1000,
        "zerver_message": 2000,
        "zerver_stream": 3000,
        "zerver_usergroup": 4000,
    }.items()
}
IDS["zerver_userprofile"].add({7: 1})  # a bot of the server


def row(user: int, message: int, **more: object) -> JsonRow:
    return {"id": 1, "user_profile": user, "message": message, "flags_mask": 2**40} | more


def read(*rows: JsonRow) -> TypedRows | None:
    """The rows as an import reads them; None when they do not all fit the struct."""
    content = io.BytesIO(json.dumps({USER_MESSAGES: rows}).encode())
    blocks = list(read_blocks(content, "messages-000001.json", SECOND_READING))
    typed = [block for block in blocks if isinstance(block, TypedRows)]
    if len(typed) < len(blocks):
        return None
    return TypedRows(USER_MESSAGES, [row for block in typed for row in block.rows])


def converter(notes: Notes) -> RowConverter:
    return RowConverter(tables[USER_MESSAGES], IDS, TextRewriter(IDS), notes, keyed=False)


def test_a_block_becomes_what_its_rows_become() -> None:
    block = read(row(10, 20), row(7, 20), row(30, 10, flags_mask=0))
    assert block is not None
    one_by_one = converter(Notes())
    assert tuple(one_by_one.columns) == COLUMNS
    assert converted_at_once(block, IDS) == [
        tuple(values) for values in one_by_one.rows(plain(block))
    ]


@pytest.mark.parametrize("bad", [row(11, 20), row(10, 21)], ids=["user", "message"])
def test_a_block_with_a_row_that_leads_nowhere_is_left_to_the_converter(bad: JsonRow) -> None:
    block = read(row(10, 20), bad)
    assert block is not None
    assert converted_at_once(block, IDS) is None
    notes = Notes()
    list(converter(notes).rows(plain(block)))
    assert notes.counts == {"dangling-reference": 1}


@pytest.mark.parametrize(
    "odd",
    [row(10, 20, flags_mask="1"), row(10, 20, flags_mask=None), row(10, 20, new_key=1)],
    ids=["word", "null", "unknown key"],
)
def test_a_row_of_another_form_is_not_converted_at_once(odd: JsonRow) -> None:
    assert read(row(10, 20), odd) is None
