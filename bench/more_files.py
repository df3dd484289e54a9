"""More uploaded files in a made realm: copies of those that it has, under names of their own."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.wider_realm import Row, Tables


def add_attachments(folder: Path, attachments: Tables, records: list[Row], wanted: int) -> None:
    """Copies of the attachments in turn, until there are `wanted`, in place; each with its file.

    The messages that link to an attachment are shared out among it and its copies.
    """
    rows = attachments["zerver_attachment"]
    models = list(rows)
    record_of = {record["path"]: record for record in records}
    last = max(row["id"] for row in rows)
    for number in range(len(models), wanted):
        model = models[number % len(models)]
        path = _renamed(model["path_id"], number)
        row = model | {"id": last + number, "path_id": path, "messages": []}
        rows.append(row)
        records.append(record_of[model["path_id"]] | {"path": path, "s3_path": path})
        target = folder / "uploads" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / "uploads" / model["path_id"], target)
    for place, model in enumerate(models):
        _share_out(model, rows[place :: len(models)])
    records.sort(key=lambda record: record["path"])


def _renamed(path: str, number: int) -> str:
    *folders, unique, name = PurePosixPath(path).parts
    return str(PurePosixPath(*folders, f"{unique}-{number}", name))


def _share_out(model: Row, rows: list[Row]) -> None:
    messages = list(model["messages"])
    for place, row in enumerate(rows):
        row["messages"] = messages[place :: len(rows)] or messages[:1]
