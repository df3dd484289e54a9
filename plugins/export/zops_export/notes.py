"""What is noted while the rows and files of an export are looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from zcore import Finding, Problem

MOST_PROBLEMS = 100  # of each kind; the others are only counted


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that makes an export unusable, or less than whole.

    `file` is the path inside the export and `row` the table and id, where it is about one.
    """

    code: str
    message: str
    hint: str = ""
    file: str = ""
    row: str = ""

    def as_problem(self) -> Problem:
        """As a reason to refuse."""
        return Problem(self.code, self.message, self.hint, where=self.file, row=self.row)

    def as_finding(self) -> Finding:
        """As something that was mended."""
        return Finding(self.code, self.message, self.file, self.hint)


@dataclass(slots=True)
class Notes:
    """What was seen. `file` is the path of the file of the export that is being looked at.

    `every_key_known`: a key that zops does not know is a problem; else it is only counted, as in
    exports of newer versions of the server. `mends`: what can be mended is no problem, as in an
    import; it stands in `mended` then. `strict`: what an import would name is a problem, too.
    `defaults` counts the keys that rows lack, and that got the server's default.
    """

    file: str = ""
    mends: bool = False
    strict: bool = False
    mended: list[Damage] = field(default_factory=list)
    mended_counts: dict[str, int] = field(default_factory=dict)
    defaults: dict[str, int] = field(default_factory=dict)
    every_key_known: bool = False
    unknown_keys: dict[str, int] = field(default_factory=dict)
    unknown_tables: dict[str, int] = field(default_factory=dict)
    problems: list[Damage] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    soft: dict[str, int] = field(default_factory=dict)

    def problem(self, code: str, message: str, hint: str = "", *, row: str = "") -> None:
        """Note what makes the export unusable; only the first hundred of a kind are kept."""
        self.counts[code] = self.counts.get(code, 0) + 1
        if self.counts[code] <= MOST_PROBLEMS:
            self.problems.append(Damage(code, message, hint, self.file, row))

    def mend(self, message: str, *, row: str) -> None:
        """Note what was mended; only the first hundred of a table are kept."""
        table = row.partition(" ")[0]
        self.mended_counts[table] = self.mended_counts.get(table, 0) + 1
        if self.mended_counts[table] <= MOST_PROBLEMS:
            self.mended.append(Damage("mended", message, file=self.file, row=row))

    def defaulted(self, table: str, key: str) -> None:
        """Count a key that a row lacks, and that got its default."""
        place = f"{table}.{key}"
        self.defaults[place] = self.defaults.get(place, 0) + 1

    @property
    def problem_count(self) -> int:
        """How many problems there were, also those that were not kept."""
        return sum(self.counts.values())

    def unknown_key(self, table: str, key: str, row: str) -> None:
        """Note a key of a row that zops does not know."""
        if self.every_key_known:
            what = f"{row} has the key {key!r}, which zops does not know"
            hint = "the export is of another version of the server"
            self.problem("unknown-key", what, hint, row=row)
        else:
            place = f"{table}.{key}"
            self.unknown_keys[place] = self.unknown_keys.get(place, 0) + 1

    def unknown_table(self, table: str, rows: int) -> None:
        """Note rows of a table that zops does not know."""
        self.unknown_tables[table] = self.unknown_tables.get(table, 0) + rows

    def followed(self, table: str, column: str) -> None:
        """Count a reference to nothing that is so by design."""
        place = f"{table}.{column}"
        self.soft[place] = self.soft.get(place, 0) + 1
