"""What came in with an import, what changed on the way, and what people have to do now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import ZopsError
from zcore.schema import tables
from zops_export.row_changes import SELF_HOSTED_PLAN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zops_export.import_job import ImportJob

CAME_IN = {
    ("message", "messages"): "zerver_message",
    ("channel", "channels"): "zerver_stream",
    ("upload", "uploads"): "zerver_attachment",
    ("custom emoji", "custom emoji"): "zerver_realmemoji",
}
REWRITTEN = {
    "links": "links to channels, topics, messages and people",
    "mentions": "mentions",
    "emoji": "pictures of custom emoji",
}
BY_PASSWORD = "Email"  # noqa: S105  # the name of that way to log in
OUTGOING_WEBHOOK = 3

realms, users, methods = (
    tables[name]
    for name in ("zerver_realm", "zerver_userprofile", "zerver_realmauthenticationmethod")
)


@dataclass(frozen=True, slots=True)
class Item:
    """Something that changed or is to be done: a word for programs, a line for people.

    `count` is how many it is about, `command` what does it, "" where there is none.
    """

    code: str
    text: str
    count: int | None = None
    command: str = ""

    def as_data(self) -> dict[str, object]:
        """For JSON."""
        known = {"code": self.code, "text": self.text, "count": self.count, "command": self.command}
        return {name: value for name, value in known.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class _Now:
    """The organization as it is here."""

    is_closed: bool
    by_password: bool
    people: int
    gone: int
    bots: int
    webhooks: int


NOTHING_KNOWN = _Now(is_closed=False, by_password=True, people=0, gone=0, bots=0, webhooks=0)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What there is to say of an import that is committed."""

    came_in: Mapping[tuple[str, str], int]
    changed: tuple[Item, ...]
    to_do: tuple[Item, ...]

    def as_data(self) -> dict[str, object]:
        """For JSON: `came_in`, `changed`, `to_do`."""
        return {
            "came_in": {many.replace(" ", "_"): count for (_, many), count in self.came_in.items()},
            "changed": [item.as_data() for item in self.changed],
            "to_do": [item.as_data() for item in self.to_do],
        }

    def as_text(self) -> str:
        """For people."""
        came_in = ", ".join(_many(count, *names) for names, count in self.came_in.items() if count)
        return "\n".join(
            [
                f"Came in: {came_in}.",
                *_listed("Changed", self.changed),
                *_listed("To do", self.to_do),
            ]
        )


def _many(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _listed(title: str, items: tuple[Item, ...]) -> Iterator[str]:
    if items:
        yield f"{title}:"
    for item in items:
        yield f"  - {item.text}" + (f": {item.command}" if item.command else "")


def report_of(job: ImportJob) -> ImportReport:
    """The report of a committed import."""
    now = NOTHING_KNOWN
    try:
        with job.context.database.read() as connection:
            now = _look(connection, job.realm_id)
    except ZopsError as error:  # the import is committed all the same
        job.context.console.warn(f"the report of the import is not whole: {error.message}")
    came_in = {
        ("person", "people"): now.people,
        ("deactivated account", "deactivated accounts"): now.gone,
        ("bot", "bots"): now.bots,
        **{name: job.written.get(table, 0) for name, table in CAME_IN.items()},
        ("file", "files"): job.file_count,
    }
    subdomain = job.options.subdomain
    return ImportReport(came_in, tuple(_changed(job)), tuple(_to_do(now, subdomain, job)))


def _look(connection: sa.Connection, realm_id: int) -> _Now:
    mine = users.c.realm_id == realm_id
    human, bot = sa.and_(mine, ~users.c.is_bot), sa.and_(mine, users.c.is_bot, users.c.is_active)
    wanted = {
        "people": sa.and_(human, users.c.is_active),
        "gone": sa.and_(human, ~users.c.is_active, ~users.c.is_mirror_dummy),
        "bots": bot,
        "webhooks": sa.and_(bot, users.c.bot_type == OUTGOING_WEBHOOK),
    }
    counts = [sa.func.count().filter(where).label(name) for name, where in wanted.items()]
    counted = connection.execute(sa.select(*counts).where(mine)).one()._mapping
    closed = sa.select(realms.c.deactivated).where(realms.c.id == realm_id)
    password = sa.select(methods.c.id).where(
        methods.c.realm_id == realm_id, methods.c.name == BY_PASSWORD
    )
    return _Now(
        is_closed=connection.execute(closed).scalar_one(),
        by_password=connection.execute(password).first() is not None,
        **counted,
    )


def _changed(job: ImportJob) -> Iterator[Item]:
    old = job.index.realm
    if old.get("string_id") != job.options.subdomain:
        text = f"the subdomain was {old['string_id']!r}"
        yield Item("subdomain", text)
    yield Item("ids", f"all numbers are new; that of the organization is {job.realm_id}")
    for code, what in REWRITTEN.items():
        if count := job.rewritten[code]:
            yield Item(code, f"{what} have the new numbers: {count:,}", count)
    if count := job.written.get("zerver_attachment_messages", 0):
        text = f"links of messages to uploads lead to their new addresses: {count:,}"
        yield Item("upload_links", text, count)
    if count := sum(job.notes.soft.values()):
        text = f"references to what was not exported lead to what is nearest, or nowhere: {count:,}"
        yield Item("soft_references", text, count)
    if old.get("plan_type", SELF_HOSTED_PLAN) != SELF_HOSTED_PLAN:
        yield Item("plan", "the limits of the old plan are lifted")
    if job.made_count:
        text = f"pictures that exports do not have were made: {job.made_count:,}"
        yield Item("pictures", text, job.made_count)
    if job.image_count:
        text = f"uploaded images, of which a worker makes thumbnails: {job.image_count:,}"
        yield Item("images", text, job.image_count)


def _to_do(now: _Now, subdomain: str, job: ImportJob) -> Iterator[Item]:
    if now.is_closed:
        text = "the organization is closed, as it was when it was exported; open it"
        yield Item("reactivate", text, command=f"zops realm reactivate {subdomain}")
    if now.by_password and now.people:
        text = f"passwords are in no export: {now.people:,} may need a new one to log in"
        command = f"zops user send-password-reset --realm {subdomain} --all-users"
        yield Item("passwords", text, now.people, command)
    if now.bots:
        text = (
            f"API keys are new, of {_many(now.bots, 'bot', 'bots')} too: they are in its settings"
        )
        yield Item("bots", text, now.bots)
    if now.webhooks:
        calls = _many(now.webhooks, "bot that calls", "bots that call")
        text = f"tokens of {calls} other programs are new: tell them"
        yield Item("webhooks", text, now.webhooks)
    yield Item("mobile", "in mobile apps everybody adds the organization and logs in anew")
    if scheduled := job.written.get("zerver_scheduledmessage", 0):
        text = f"messages yet to be sent: {scheduled:,}; the old server would send them, too"
        yield Item("scheduled_messages", text, scheduled)
    if job.findings:
        yield Item("findings", "what was left out or repaired is listed below", len(job.findings))
