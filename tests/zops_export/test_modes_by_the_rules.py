"""Organizations made by dice, exported in every mode, against the rules in plain Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.reading import WholeExport
from tests.zops_export.building import Builder
from tests.zops_export.plain_rules import PlainRules, read_tables
from tests.zops_export.random_realms import RandomRealm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database

OPTIONS = {"P": "--public-only", "C": "--export-full-with-consent", "F": "--full"}
SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_mode_has_the_rows_that_the_rules_name(
    database: Database, zops_here: ZopsHere, tmp_path: Path, seed: int
) -> None:
    zops_here.on(database)
    with database.begin() as connection:
        build = Builder(connection, zops_here.uploads)
        RandomRealm(build, seed).make()
    with database.read() as connection:
        rows = read_tables(connection)
    for mode, option in OPTIONS.items():
        target = tmp_path / mode
        zops_here("export", "-r", "hill", "--output", target, option)
        export = WholeExport.read(target)
        rules = PlainRules(rows, build.ids["realms"]["hill"], mode)
        for key, expected in rules.expected().items():
            found = [row["id"] for row in export.tables.get(key, [])]
            assert found == sorted(expected), f"{key} in mode {mode}"
        for row in export.tables["zerver_attachment"]:
            links = rules.attachments[row["id"]]
            assert [row["messages"], row["scheduled_messages"]] == [sorted(ids) for ids in links]
        uploads = {record["path"] for record in export.records["uploads"]}
        assert uploads == {row["path_id"] for row in export.tables["zerver_attachment"]}
        zops_here("verify", target)
        strict = target.with_suffix(".strict")
        zops_here("export", "-r", "hill", "--output", strict, option, "--privacy", "strict")
        zops_here("verify", strict)
        messages = [row["id"] for row in WholeExport.read(strict).tables.get("zerver_message", [])]
        assert messages == sorted(rules.messages)
