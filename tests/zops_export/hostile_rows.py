"""Changes of rows in an unpacked export: what was meant to be a row is something else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.zops_export.hostile_values import NUMBERS, Raw, hostile_text, hostile_value, written
from tests.zops_export.spoiling import Row, replace

REALM = "realm.json"
DATA_FILES = (REALM, REALM, REALM, "attachment.json", "analytics.json", "messages-*.json")
RECORDS = ("avatars", "emoji", "realm_icons", "uploads")
TEXT_KEYS = (
    "content",
    "rendered_content",
    "edit_history",
    "description",
    "rendered_description",
    "emoji_code",
    "subgroup",
    "value",
    "subject",
    "extra_data",
)
Change = Callable[[random.Random, Path], None]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one file, with the whole content of that file, to be changed and written again."""

    path: Path
    tables: dict[str, Any]
    name: str

    @classmethod
    def drawn(cls, dice: random.Random, folder: Path, *, holding: tuple[str, ...] = ()) -> Table:
        """One with rows, which have one of the keys `holding`."""
        path = dice.choice(sorted(folder.glob(dice.choice(DATA_FILES))))
        tables: dict[str, Any] = json.loads(path.read_bytes())
        names = [name for name, rows in tables.items() if _fits(rows, holding)]
        if not names:
            path = folder / REALM
            tables = json.loads(path.read_bytes())
            names = [name for name, rows in tables.items() if _fits(rows, holding)]
        return cls(path, tables, dice.choice(sorted(names)))

    @property
    def rows(self) -> list[Row]:
        """Its rows."""
        rows: list[Row] = self.tables[self.name]
        return rows

    def write(self) -> None:
        """Put the changed file in its place."""
        replace(self.path, written(self.tables))


def _fits(rows: object, holding: tuple[str, ...]) -> bool:
    if not isinstance(rows, list) or not rows:
        return False
    return not holding or any(key in rows[0] for key in holding)


def forget_counts(dice: random.Random, folder: Path) -> None:
    """Mostly take away what would find out that rows are missing before anything else does."""
    if dice.random() < 0.8:
        (folder / "stats.json").unlink(missing_ok=True)


def swap_value(dice: random.Random, folder: Path) -> None:
    """One value becomes one of another kind."""
    table = Table.drawn(dice, folder)
    row = dice.choice(table.rows)
    row[dice.choice(sorted(row))] = hostile_value(dice)
    table.write()


def swap_values_of_a_column(dice: random.Random, folder: Path) -> None:
    """The same in every row of a table."""
    table = Table.drawn(dice, folder)
    key, value = dice.choice(sorted(table.rows[0])), hostile_value(dice)
    for row in table.rows[:200]:
        row[key] = value if not isinstance(value, Raw) or len(value.text) < 100 else Raw("1e999")
    table.write()


def spoil_text(dice: random.Random, folder: Path) -> None:
    """A text that holds ids holds something else."""
    table = Table.drawn(dice, folder, holding=TEXT_KEYS)
    row = dice.choice(table.rows)
    key = dice.choice([key for key in TEXT_KEYS if key in row])
    row[key] = hostile_text(dice)
    row["has_attachment"] = dice.choice((True, row.get("has_attachment")))
    if "has_attachment" not in table.rows[0]:
        del row["has_attachment"]
    table.write()


def spoil_inside(dice: random.Random, folder: Path) -> None:
    """JSON inside of a value has an odd value somewhere."""
    table = Table.drawn(dice, folder, holding=("extra_data", "edit_history", "zoom_token"))
    row = dice.choice(table.rows)
    odd = hostile_value(dice)
    key = dice.choice(("subgroup_ids", "realm_emoji", "added_emoji", "property", "1", "2"))
    if "extra_data" in row:
        row["event_type"] = dice.choice((207, 608, 722, 226, 129, 705, row["event_type"]))
        row["extra_data"] = dice.choice(
            ({key: odd}, {key: {"x": odd, "author_id": odd}}, {key: [odd]}, odd)
        )
    elif "edit_history" in row:
        odd = hostile_text(dice) if isinstance(odd, Raw) else odd
        inside = ("user_id", "stream", "prev_stream", "prev_content", "prev_rendered_content")
        entry = {"user_id": None, "timestamp": 1, dice.choice(inside): odd}
        row["edit_history"] = json.dumps(dice.choice(([entry], [[entry]], {"a": entry}, odd)))
    else:
        row["zoom_token"] = odd
    table.write()


def drop_key(dice: random.Random, folder: Path) -> None:
    """A key is missing, in one row or in all."""
    table = Table.drawn(dice, folder)
    key = dice.choice(sorted(table.rows[0]))
    rows = table.rows if dice.random() < 0.5 else [dice.choice(table.rows)]
    for row in rows:
        row.pop(key, None)
    table.write()


def odd_key(dice: random.Random, folder: Path) -> None:
    """A row has a key that it should not have, or has one twice."""
    table = Table.drawn(dice, folder)
    row = dice.choice(table.rows)
    key = dice.choice(("", "id_", "password", "api_key", "\0", "\ud800", "x" * 5000, "realm_id"))
    row[key] = hostile_value(dice)
    table.write()


def repeat_key(dice: random.Random, folder: Path) -> None:
    """A row has a key twice, or a file has a table twice."""
    table = Table.drawn(dice, folder)
    where: dict[str, Any] = dice.choice((table.tables, dice.choice(table.rows)))
    key = dice.choice(sorted(where))
    value = dice.choice((hostile_value(dice), where[key]))
    text = written({"key": value})[len('{"key": ') : -1].decode("utf-8", "surrogatepass")
    where["<<again>>"] = 0
    content = written(table.tables).decode("utf-8", "surrogatepass")
    changed = content.replace('"<<again>>": 0', f"{json.dumps(key)}: {text}", 1)
    replace(table.path, changed.encode("utf-8", "surrogatepass"))


def drop_table(dice: random.Random, folder: Path) -> None:
    """A table is missing, or is no table."""
    table = Table.drawn(dice, folder)
    if dice.random() < 0.5:
        del table.tables[table.name]
    else:
        table.tables[table.name] = hostile_value(dice)
    table.write()


def odd_row(dice: random.Random, folder: Path) -> None:
    """What stands among the rows is none, or another table's."""
    table = Table.drawn(dice, folder)
    rows = table.rows
    place = dice.randrange(len(rows) + 1)
    other = Table.drawn(dice, folder)
    odd: list[Any] = [hostile_value(dice), dice.choice(other.rows), {}, {"id": rows[0].get("id")}]
    rows.insert(place, dice.choice(odd))
    table.write()


def drop_rows(dice: random.Random, folder: Path) -> None:
    """Rows are missing that others point at."""
    table = Table.drawn(dice, folder)
    if dice.random() < 0.3:
        table.rows.clear()
    else:
        del table.rows[dice.randrange(len(table.rows))]
    table.write()


def repeat_row(dice: random.Random, folder: Path) -> None:
    """A row stands there twice, perhaps under another id."""
    table = Table.drawn(dice, folder)
    again = dict(dice.choice(table.rows))
    if dice.random() < 0.7:
        again["id"] = dice.choice((999_999, 0, -5, (1 << 31) - 1, 1 << 31, (1 << 63) - 1))
    table.rows.append(again)
    table.write()


def move_table(dice: random.Random, folder: Path) -> None:
    """Rows stand under the name of another table, or in another file."""
    table = Table.drawn(dice, folder)
    other = Table.drawn(dice, folder)
    rows = table.tables.pop(table.name)
    if other.path == table.path:
        table.tables[other.name] = rows
        table.write()
        return
    other.tables[table.name] = rows
    table.write()
    other.write()


def cross_ids(dice: random.Random, folder: Path) -> None:
    """A number of one row becomes that of another column or row."""
    table = Table.drawn(dice, folder)
    row = dice.choice(table.rows)
    numbers = [key for key, value in row.items() if type(value) is int]
    others = [
        value for one in table.rows for value in one.values() if type(value) is int and value > 0
    ]
    if numbers and others:
        row[dice.choice(numbers)] = dice.choice((*others, *NUMBERS[:14]))
    table.write()


def spoil_record(dice: random.Random, folder: Path) -> None:
    """The record of a file says something odd."""
    path = folder / dice.choice(RECORDS) / "records.json"
    records = json.loads(path.read_bytes())
    row = dice.choice(records)
    action = dice.randrange(4)
    key = dice.choice(sorted(row))
    if action == 0:
        del row[key]
    elif action == 1:
        row[key] = hostile_value(dice)
    elif action == 2:
        records.append(dice.choice((dict(row), dict(row, **{key: hostile_value(dice)}), 7, [], {})))
    else:
        paths = ("../realm.json", "/etc/passwd", "../../outside/x", "records.json", "", ".", "a\0b")
        row[dice.choice(("path", "s3_path", "file_name"))] = dice.choice(paths)
    replace(path, written(records))


def spoil_document(dice: random.Random, folder: Path) -> None:
    """A small file says something odd."""
    name = dice.choice(("stats.json", "migration_status.json", "zops-manifest.json", REALM))
    path = folder / name
    document = json.loads(path.read_bytes()) if path.exists() else {"files": {}, "format": 1}
    action = dice.randrange(3)
    if action == 0:
        document = hostile_value(dice)
    else:
        document[dice.choice((*document, "odd"))] = hostile_value(dice)
    replace(path, written(document))


ROW_CHANGES: dict[str, Change] = {
    "swap-value": swap_value,
    "swap-column": swap_values_of_a_column,
    "spoil-text": spoil_text,
    "spoil-inside": spoil_inside,
    "drop-key": drop_key,
    "odd-key": odd_key,
    "repeat-key": repeat_key,
    "drop-table": drop_table,
    "odd-row": odd_row,
    "drop-rows": drop_rows,
    "repeat-row": repeat_row,
    "move-table": move_table,
    "cross-ids": cross_ids,
    "spoil-record": spoil_record,
    "spoil-document": spoil_document,
}


def several(dice: random.Random, folder: Path) -> None:
    """Some changes one after the other, as long as there is JSON to be changed."""
    for _ in range(dice.randrange(2, 5)):
        change = dice.choice((swap_value, cross_ids, drop_key, spoil_text, repeat_row, drop_rows))
        try:
            change(dice, folder)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            return  # the change before has left nothing of that kind
