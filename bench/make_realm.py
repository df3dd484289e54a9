"""Make an export of any size out of a real one: python -m bench.make_realm TARGET --times 10

Messages and user messages are copied with new ids, ascending, in files of a thousand messages;
everything else stays as it is, or with --users, --channels and --attachments grows by copies. The
same words make the same export. Only one message file at a time is in memory. With --database it
is also imported there, into an empty database: python -m bench.make_realm TARGET --medium
--database postgresql://...
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.more_files import add_attachments
from bench.wider_realm import CHANNEL, Audience, Audiences, Row, Tables, WiderRealm
from zcore.testing.archives import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent
PACKAGED = REPOSITORY / "plugins/export/zops_export/data/small-public.tar.gz"
MESSAGES_IN_A_FILE = 1000
READ = 1  # the flag of a user message
MEDIUM = {
    "messages": 100_000,
    "user_messages": 2_000_000,
    "users": 500,
    "channels": 60,
    "attachments": 300,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the export is to be. What is None stays as it is (user messages: in proportion)."""

    messages: int | None = None
    user_messages: int | None = None
    users: int | None = None
    channels: int | None = None
    attachments: int | None = None
    seed: int = 1


@dataclass(slots=True)
class Survey:
    """What there is to copy, counted in a first reading."""

    messages: int = 0
    to_channels: int = 0
    user_messages: int = 0
    of_channels: int = 0
    last_message: int = 0
    last_user_message: int = 0
    first_moment: float = float("inf")
    last_moment: float = 0.0

    @property
    def period(self) -> float:
        """Seconds from the first message to a little after the last."""
        return self.last_moment - self.first_moment + 60

    def subscribers(self, shape: Shape, channels: int) -> int:
        """How many users each added channel needs, so that there are enough user messages."""
        copies = (shape.messages or self.messages) - self.messages
        added = (shape.channels or channels) - channels
        if copies <= 0 or added <= 0:
            return 0
        ratio = self.user_messages / self.messages
        wanted = (shape.user_messages or ratio * (copies + self.messages)) - self.user_messages
        share = self.to_channels / self.messages
        kept = channels / (channels + added)
        others = (self.user_messages - self.of_channels) / self.messages
        usual = kept * self.of_channels / self.messages
        return max(1, round((wanted / copies - others - usual) / (share * (1 - kept))))


@dataclass(slots=True)
class MessageFiles:
    """Writes message files, each when a thousand messages are there."""

    folder: Path
    rows: Tables = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, message: Row, user_messages: list[Row]) -> None:
        """One message, and what users have of it."""
        self.rows["zerver_message"].append(message)
        self.rows["zerver_usermessage"].extend(user_messages)
        if len(self.rows["zerver_message"]) == MESSAGES_IN_A_FILE:
            self.close()

    def close(self) -> None:
        """Write what is waiting."""
        if not self.rows["zerver_message"]:
            return
        name = f"messages-{len(self.counts) + 1:06d}"
        write_json(self.folder / f"{name}.json", dict(self.rows))
        self.counts[name] = table_counts(self.rows)
        self.rows.clear()


class MessageCopies:
    """Yields messages with their user messages: those of the source, then copies of them."""

    def __init__(
        self, source: Path, survey: Survey, audiences: Audiences, dice: random.Random
    ) -> None:
        self._source = source
        self._survey = survey
        self._audiences = audiences
        self._dice = dice
        self._message_ids = count(survey.last_message + 1)
        self._user_message_ids = count(survey.last_user_message + 1)
        self.copies_of: dict[int, list[int]] = defaultdict(list)

    def take(self, wanted: int, remembered: frozenset[int]) -> Iterator[tuple[Row, list[Row]]]:
        """`wanted` messages. Of the `remembered` ones, `copies_of` lists the ids of the copies."""
        left = wanted
        for turn in count():
            for message, user_messages in read_messages(self._source):
                if not left:
                    return
                left -= 1
                if not turn:
                    yield message, user_messages
                    continue
                copy = self._message(message, turn)
                if message["id"] in remembered:
                    self.copies_of[message["id"]].append(copy["id"])
                audience = self._audiences.choose(message["recipient"], self._dice)
                if audience is None:
                    yield copy, self._same_users(copy, user_messages)
                else:
                    copy["recipient"] = audience.recipient
                    copy["sender"] = self._dice.choice(audience.users)
                    yield copy, self._audience_of(copy, user_messages, audience)

    def _message(self, message: Row, turn: int) -> Row:
        moment = message["date_sent"] + turn * self._survey.period
        return message | {"id": next(self._message_ids), "date_sent": round(moment, 6)}

    def _same_users(self, message: Row, models: list[Row]) -> list[Row]:
        return [
            row | {"id": next(self._user_message_ids), "message": message["id"]} for row in models
        ]

    def _audience_of(self, message: Row, models: list[Row], audience: Audience) -> list[Row]:
        flags = [row["flags_mask"] for row in models] or [READ]
        return [
            {
                "id": next(self._user_message_ids),
                "user_profile": user,
                "message": message["id"],
                "flags_mask": flags[place % len(flags)],
            }
            for place, user in enumerate(audience.users)
        ]


def make_realm(source: Path, target: Path, shape: Shape) -> dict[str, int]:
    """Write an export of `shape` into the new folder `target`; how many rows of each kind."""
    dice = random.Random(shape.seed)  # noqa: S311  # no secret: it is to come out the same
    target.mkdir()
    with unpacked(source) as folder:
        copy_files(folder, target)
        realm = read_json(folder / "realm.json")
        survey = survey_messages(folder, channel_recipients(realm))
        channels = len(realm["zerver_stream"])
        wider = WiderRealm(realm, dice)
        wider.add_users(shape.users or 0)
        audiences = wider.add_channels(shape.channels or 0, survey.subscribers(shape, channels))
        write_json(target / "realm.json", realm)
        files = MessageFiles(target)
        copies = MessageCopies(folder, survey, audiences, dice)
        attachments = read_json(folder / "attachment.json")
        linked = frozenset(
            message for row in attachments["zerver_attachment"] for message in row["messages"]
        )
        for message, user_messages in copies.take(shape.messages or survey.messages, linked):
            files.add(message, user_messages)
        files.close()
        with_copies(attachments, copies.copies_of)
        records = read_json(target / "uploads" / "records.json")
        add_attachments(target, attachments, records, shape.attachments or 0)
        write_json(target / "uploads" / "records.json", records)
        write_json(target / "attachment.json", attachments)
        stats = {"attachment": table_counts(attachments), "uploads_records": len(records)}
        write_stats(folder, target, {"realm": table_counts(realm), **stats, **files.counts})
    return totals(files.counts)


def with_copies(attachments: Tables, copies_of: dict[int, list[int]]) -> None:
    """Link the attachments to the copies of their messages too."""
    for row in attachments["zerver_attachment"]:
        row["messages"] += [copy for message in row["messages"] for copy in copies_of[message]]
        row["messages"].sort()


def channel_recipients(realm: Tables) -> frozenset[int]:
    """The recipients that are channels."""
    return frozenset(row["id"] for row in realm["zerver_recipient"] if row["type"] == CHANNEL)


def survey_messages(folder: Path, channels: frozenset[int]) -> Survey:
    """Count the messages of the export in `folder`."""
    survey = Survey()
    for message, user_messages in read_messages(folder):
        survey.messages += 1
        survey.user_messages += len(user_messages)
        if message["recipient"] in channels:
            survey.to_channels += 1
            survey.of_channels += len(user_messages)
        survey.last_message = max(survey.last_message, message["id"])
        survey.last_user_message = max(
            [survey.last_user_message, *(row["id"] for row in user_messages)]
        )
        survey.first_moment = min(survey.first_moment, message["date_sent"])
        survey.last_moment = max(survey.last_moment, message["date_sent"])
    return survey


def read_messages(folder: Path) -> Iterator[tuple[Row, list[Row]]]:
    """Every message with its user messages, one file after the other."""
    for path in sorted(folder.glob("messages-*.json")):
        tables = read_json(path)
        owned: dict[int, list[Row]] = defaultdict(list)
        for row in tables["zerver_usermessage"]:
            owned[row["message"]].append(row)
        for message in tables["zerver_message"]:
            yield message, owned[message["id"]]


def table_counts(tables: Tables) -> dict[str, int]:
    """Rows by table."""
    return {table: len(rows) for table, rows in tables.items()}


def write_stats(source: Path, target: Path, counts: dict[str, object]) -> None:
    """`stats.json`, with the new numbers of rows."""
    path = source / "stats.json"
    stats = read_json(path) if path.exists() else {}
    kept = {name: rows for name, rows in stats.items() if not name.startswith("messages-")}
    write_json(target / "stats.json", dict(sorted((kept | counts).items())))


def totals(counts: dict[str, dict[str, int]]) -> dict[str, int]:
    """Rows by table, of all files."""
    found: dict[str, int] = defaultdict(int)
    for rows in counts.values():
        for table, number in rows.items():
            found[table] += number
    return dict(found)


def copy_files(source: Path, target: Path) -> None:
    """All that has nothing to do with messages, as it is."""
    for path in sorted(source.iterdir()):
        if path.is_dir():
            shutil.copytree(path, target / path.name)
        elif not path.name.startswith(("messages-", "zops-manifest")):
            shutil.copyfile(path, target / path.name)


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """The folder with the export `source`, unpacked for as long as needed when it is an archive."""
    if source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="zops-bench-") as folder:
        unpack(source, Path(folder))
        yield next(Path(folder).rglob("realm.json")).parent


def read_json(path: Path) -> dict[str, object]:
    """A JSON object, whole."""
    return msgspec.json.decode(path.read_bytes())


def write_json(path: Path, value: object) -> None:
    """JSON laid out as a Zulip server does it."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.make_realm", description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path, help="a new folder")
    parser.add_argument("--source", type=Path, default=PACKAGED, help="an export to start from")
    parser.add_argument("--times", type=int, default=1, help="as many messages, so many times")
    parser.add_argument("--medium", action="store_true", help=f"this shape: {MEDIUM}")
    for name in MEDIUM:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", metavar="URL", help="also import it there, as 'measured'")
    words = parser.parse_args()
    sizes = {name: getattr(words, name) for name in MEDIUM}
    if words.medium:
        sizes = {name: sizes[name] or number for name, number in MEDIUM.items()}
    if sizes["messages"] is None and words.times > 1:
        with unpacked(words.source) as folder:
            sizes["messages"] = words.times * sum(1 for _ in read_messages(folder))
    made = make_realm(words.source, words.target, Shape(**sizes, seed=words.seed))
    print(", ".join(f"{rows:,} {table}" for table, rows in made.items()), "in", words.target)
    if words.database:
        from bench.running import import_made

        with tempfile.TemporaryDirectory(prefix="zops-bench-") as home:
            import_made("measured", words.target, home=Path(home), database=words.database)


if __name__ == "__main__":
    main()
