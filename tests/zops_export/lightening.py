"""Real exports with most of their rows taken out: whole, and quickly imported."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.spoiling import Row


@dataclass(frozen=True, slots=True)
class Kept:
    """How many rows stay: of some tables, of messages in each file; and how many avatars."""

    attachments: int = 4
    messages: int = 100  # and those that attachments are linked to
    user_messages: int = 20
    others: int = 5  # of each table of activity and statistics, which nothing points at
    avatars: int = 4

    def of_tables(self) -> dict[str, int]:
        """By table, without messages."""
        activity = ("zerver_useractivity", "zerver_useractivityinterval")
        counts = ("analytics_realmcount", "analytics_usercount", "analytics_streamcount")
        return {
            "zerver_attachment": self.attachments,
            "zerver_usermessage": self.user_messages,
            **dict.fromkeys((*activity, *counts), self.others),
        }


def lighten(source: Path, target: Path, kept: Kept) -> Path:
    """Make a lighter copy of the export in the folder `source`; returns its folder, `target`."""
    shutil.copytree(source, target)
    files = {path.name: json.loads(path.read_bytes()) for path in target.glob("*.json")}
    attachments = files["attachment.json"]["zerver_attachment"][: kept.attachments]
    avatars = json.loads((target / "avatars" / "records.json").read_bytes())[: kept.avatars]
    _lighten_rows(files, {message for row in attachments for message in row["messages"]}, kept)
    for user in files["realm.json"]["zerver_userprofile"]:
        has_avatar = user["id"] in {row["user_profile_id"] for row in avatars}
        user["avatar_source"] = "U" if has_avatar else "G"
    files["stats.json"] |= {"avatars_records": len(avatars), "uploads_records": len(attachments)}
    for name, document in files.items():
        (target / name).write_text(json.dumps(document))
    _lighten_files(target / "uploads", {row["path_id"] for row in attachments})
    _lighten_files(target / "avatars", {row["path"] for row in avatars})
    return target


def _lighten_rows(files: dict[str, dict[str, list[Row]]], linked: set[int], kept: Kept) -> None:
    """Take out rows, and those that point at them."""
    messages: set[int] = set()
    for name in (name for name in files if name.startswith("messages-")):
        rows = files[name]["zerver_message"]
        some = {row["id"] for row in rows[: kept.messages]} | linked
        files[name]["zerver_message"] = [row for row in rows if row["id"] in some]
        messages |= {row["id"] for row in files[name]["zerver_message"]}
    numbers = kept.of_tables()
    for tables in files.values():
        for table in ("zerver_usermessage", "zerver_reaction"):
            if table in tables:
                tables[table] = [row for row in tables[table] if row["message"] in messages]
        for table in numbers.keys() & tables.keys():
            del tables[table][numbers[table] :]
    for file, counts in files["stats.json"].items():
        if isinstance(counts, dict):
            counts.update({table: len(files[f"{file}.json"][table]) for table in counts})


def _lighten_files(folder: Path, kept: set[str]) -> None:
    records = json.loads((folder / "records.json").read_bytes())
    for record in records:
        if record["path"] not in kept:
            (folder / record["path"]).unlink()
            with suppress(OSError):  # something else is in it
                os.removedirs((folder / record["path"]).parent)
    left = [record for record in records if record["path"] in kept]
    (folder / "records.json").write_text(json.dumps(left))
