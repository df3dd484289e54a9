"""`zops verify --deep`: what only an import finds, and that nothing stays of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.zops_export.spoiling import changed_rows, problems_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere

NOBODY = 987_654_321
REALM = "realm.json"
MESSAGES = [f"messages-{number:06d}.json" for number in (1, 2, 3)]

REFUSED_BY_THE_DATABASE = {
    "two users of one address": changed_rows(
        REALM,
        lambda tables: tables["zerver_userprofile"][1].update(
            delivery_email=tables["zerver_userprofile"][0]["delivery_email"].upper()
        ),
    ),
    "two subscriptions of one user": changed_rows(
        REALM,
        lambda tables: tables["zerver_subscription"].append(
            {**tables["zerver_subscription"][-1], "id": NOBODY}
        ),
    ),
}


@pytest.mark.parametrize("damage", REFUSED_BY_THE_DATABASE.values(), ids=REFUSED_BY_THE_DATABASE)
def test_what_only_a_database_finds(
    damage: Callable[[Path], None], zops_here: ZopsHere, light_copy: Path, temporary: Path
) -> None:
    damage(light_copy)
    assert zops_here("--json", "verify", light_copy).json()["problems"] == []
    (problem,) = problems_of(zops_here, light_copy, "--deep")
    assert problem["code"] == "import-refused"
    assert list(temporary.iterdir()) == []


def test_an_import_that_is_tried_leaves_nothing(
    zops_here: ZopsHere, light: Path, temporary: Path
) -> None:
    before = sorted(zops_here.home.rglob("*"))
    done = zops_here("--json", "verify", light, "--deep").json()
    assert done["problems"] == []
    messages = [json.loads((light / name).read_bytes()) for name in MESSAGES]
    for table in ("zerver_message", "zerver_usermessage"):
        assert done["imported"][table] == sum(len(tables[table]) for tables in messages)
    assert list(temporary.iterdir()) == []
    assert sorted(zops_here.home.rglob("*")) == before
