"""The values that plugins hand to the core, and that commands hand back.

They are plain and frozen: a plugin says what it has, the core decides what to do with it. A
`target` is always text, `"package.module:attribute"`, resolved only when the thing is used, so
that whatever is declared here can be listed, sorted, checked and switched off without importing
what it stands for.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Generic, TypeVar

from zcore.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T_co = TypeVar("T_co", covariant=True)


@frozen
class Command:
    """A command line of `zops`: a promise of a click command.

    `name` in kebab case; `target` names a `click.Command` or `click.Group`; `help` is the one
    line that `zops --help` shows; `group` a heading to list it under, by default the plugin's name.
    `example` is a command line that `zops --help` ends with, for those that people come for.
    `restarts` says that it hears SIGHUP and SIGUSR1 (`StopFlag.hearing`): one that comes before
    then waits for it.
    """

    name: str
    target: str
    help: str
    group: str = ""
    example: str = ""
    restarts: bool = False


@frozen
class Problem:
    """Why a value is refused.

    `code` is a stable word; `index` says which of several values it is about; `override` names
    the flag that lets the value pass all the same (None: nothing does). Of something inside a
    value that is a collection of files, `where` is the file, and `row` a table and an id.
    """

    code: str
    message: str
    hint: str = ""
    index: int = 0
    override: str | None = None
    where: str = ""
    row: str = ""


@frozen
class Validator:
    """A rule about one subject (`user.email`, `export.request`, ...).

    `target` names `(values: Sequence[...], context: zcore.Validation) -> Iterable[Problem]`: it
    sees many values at once, so that a check in the database is one query however many there are.
    `before` and `after` name validators of the same subject; names that are not there are no
    wish. `help` is one line that says what the rule asks for.
    """

    name: str
    subject: str
    target: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    help: str = ""


@frozen
class Stage:
    """A named part of a long job (an export, an import).

    `target` names `(job) -> Mapping[str, int] | None`, the counts for the journal and the timing
    report. `needs` are stages whose results it uses; `before` and `after` only order; `replaces`
    names a stage that this one stands in for, which has to be `replaceable`. `help` is one line
    for the plan of a dry run; `estimate` names `(job) -> Estimate`, called by a dry run only,
    whose job can be read but not written to. With `keeps`, `zops export --resume` does not run
    the stage again when it was done: its files and findings are taken up as they are. Not for a
    stage that reads rows, which are those of another moment then. With `only_with`, an export has
    the stage only when it is asked for it: `zops export --with NAME`.
    """

    name: str
    target: str
    needs: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    replaces: str | None = None
    replaceable: bool = False
    help: str = ""
    estimate: str = ""
    keeps: bool = False
    only_with: str = ""


@frozen
class Estimate:
    """What a stage expects to write. None: it cannot tell. `size` is in bytes."""

    rows: int | None = None
    files: int | None = None
    size: int | None = None


@frozen
class Rewrite:
    """Something that an export changes or leaves out, as SQL: Python never sees the rows.

    `table` is the name in the database. With a `column`, `target` names
    `(table: sqlalchemy.Table) -> sqlalchemy.ColumnElement`, the value that takes the place of the
    column's, of the same type. With `column` None it gives a condition, and only rows that
    fulfil it are exported; with them go the rows that an export has because of them, such as the
    messages of a channel. Rows that others still refer to cannot be left out: what would lead
    nowhere refuses the export. Keys cannot be rewritten, nor one column by two plugins; several
    conditions all have to be fulfilled. `only_with` is that of `Stage`: several rewrites and stages
    with one name are asked for together.
    """

    table: str
    column: str | None
    target: str
    help: str = ""
    only_with: str = ""


@frozen
class Check:
    """Something `zops doctor` looks at.

    `target` names `(context: zcore.Context) -> CheckResult`. It must not write anything. One that
    is about living beside a running server (`server`) is left out unless `--server` is given.
    """

    name: str
    target: str
    help: str = ""
    server: bool = False


@frozen
class CheckResult:
    """What a check found: `status` is "ok", "warning", "failed" or "skipped"."""

    status: str
    message: str
    hint: str = ""


@frozen
class Worker:
    """What handles the events of one queue.

    `target` names `(events: Sequence[Event], context: WorkContext) -> Iterable[Rejected] | None`
    (types of `zcore.broker`): the events that can never be handled, everything else is done;
    `batch` is the most events it takes at once; `ready` names `(context: zcore.Context) -> str`
    that says why it cannot work here ("" when it can); `partial`, of the same form, which of the
    queue's events it can do nothing with: then `--all` leaves the queue alone, and it has to be
    named. `lease` asks for one effect although delivered twice, for which the database keeps what
    is in hand and what is done (see `docs/leases.md`). `timeout` is how many seconds an event may
    take before its process is replaced and it becomes a dead letter: 0 says nothing (then
    `--event-timeout` does), `math.inf` any number.
    """

    queue: str
    target: str
    help: str = ""
    batch: int = 1
    ready: str = ""
    lease: bool = False
    partial: str = ""
    timeout: float = 0.0


@frozen
class Setting(Generic[T_co]):
    """A setting of a plugin, under `[plugins.NAME]` in `zops.toml` and in the environment.

    `name` in snake case; `kind` is what its value is: `str`, `int`, `float`, `bool`, `Path` or
    `tuple` (of text; in the environment with commas). `env` is the variable, by default
    `ZOPS_<PLUGIN>_<NAME>`. A `secret` is never shown. `zcore.current().setting(SETTING)` is its
    value, or `default` where nothing gives it.
    """

    name: str
    help: str
    default: T_co
    kind: type = str
    env: str = ""
    secret: bool = False


@frozen
class FileStoreKind:
    """A place for uploaded files, chosen by the scheme of the setting `uploads`.

    `target` names `(place: str, settings: zcore.settings.Settings) -> zcore.files.StorePair`,
    called when a command needs the files; a place without a URL (`s3`) has its name as the scheme.
    """

    scheme: str
    target: str
    help: str = ""


@frozen
class Change:
    """What a command has just committed to the database.

    `kind` is a subject and a verb: `realm.created`, `realm.imported`, `user.created`; `user_ids`
    are the accounts that it is about, none where it is about the whole organization. `details`
    is what can no longer be read in the database: `old` and `new` values by column.
    """

    kind: str
    realm_id: int
    string_id: str
    user_ids: tuple[int, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)


@frozen
class ExportRequest:
    """What `zops export` was asked for: the value of the subject `export.request`.

    `mode` is "full", "public" or "consent"; `target` the path or URL that it is to have. With
    `upload` it goes to where the server keeps exports.
    """

    realm_id: int
    string_id: str
    mode: str
    target: str
    upload: bool = False


@frozen
class ImportSource:
    """What `zops import` was asked for, and found: the value of the subject `import.source`.

    `string_id` is the subdomain that the organization is to have here, `realm` its row as
    exported; `rows` counts those of each table, `files` the uploaded files, which take `size`
    bytes; all its JSON takes `json_size` bytes. `system_bots` are the addresses of the server's own
    bots that its messages are from or to.
    """

    path: str
    string_id: str
    realm: Mapping[str, object]
    rows: Mapping[str, int]
    files: int
    system_bots: tuple[str, ...] = ()
    size: int = 0
    json_size: int = 0


@frozen
class QueuedEvent:
    """An event about to be published by hand: the value of the subject `queue.event`."""

    queue: str
    payload: Mapping[str, object]


@frozen
class BrokerKind:
    """A kind of message broker, chosen by the scheme of the setting `broker`.

    `target` names `(url: str, settings: Settings) -> zcore.broker.Broker`, called when a command
    needs the broker; a broker without a URL (`embedded`) has its name as the scheme.
    """

    scheme: str
    target: str
    help: str = ""


@frozen
class MailTemplate:
    """The text of one kind of mail.

    `name` is what events call it (`template_prefix`): `zerver/emails/invitation`. `files` is a
    package and the beginning of the names of files in it, all of them Jinja2 templates: of
    `zops_acme:mails/invitation` they are `mails/invitation.subject.txt`, `mails/invitation.txt`
    and, when the mail is to have HTML, too, `mails/invitation.html`.
    """

    name: str
    files: str
    help: str = ""


@frozen
class AuthBackend:
    """A way to log in to an organization.

    `name` is what Zulip stores (`zerver_realmauthenticationmethod.name`, up to 80 characters);
    `needs` says what the server has to have for it to work; `links_by` how a login finds the
    account that it is for ("the e-mail address"). `password`: it asks for the password that the
    account has here. `only_development`: it does not work on a server in production, so that an
    organization needs another one.
    """

    name: str
    help: str
    needs: str
    links_by: str
    password: bool = False
    only_development: bool = False


@frozen
class ImportAdapter:
    """How `zops import` takes what the server of another version writes in other words.

    `table` is a top-level key of the export. The adapter is asked about its rows that have one of
    the keys `takes`, or lack one of the keys `gives` (which null is the same as). `target` names
    `(row: Mapping[str, object], export: zcore.AdaptedExport) -> Mapping[str, object] | None`: the
    keys that the row gets, with ids as in the export; None leaves the row out, which is for rows
    that no other refers to. What it `takes` and zops has no column for is gone from the row then.

    With `into`, it gives whole rows of that table instead, in a list, beside the row that they are
    made of. `looks_up` are keys of other rows that it asks for (`"zerver_recipient.type"`).
    `only_converted`: only in what the server's converters made of the data of another program.
    """

    name: str
    table: str
    target: str
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    into: str = ""
    looks_up: tuple[str, ...] = ()
    only_converted: bool = False
    help: str = ""


@frozen
class Finding:
    """Something that was skipped, repaired or is wrong, in a job that nevertheless got done.

    `where` is the place: a table and id, a file in an export, an object's key.
    """

    code: str
    message: str
    where: str = ""
    hint: str = ""


@frozen
class Result:
    """What a command gives back; the core prints it and chooses the exit code.

    `data` becomes the JSON object of `--json` (without "ok" and "findings", which the core adds);
    `text` is what a person reads instead. With findings the exit code is 5.
    """

    data: Mapping[str, object] = field(default_factory=dict)
    text: str = ""
    findings: Sequence[Finding] = ()
