"""Uses of the public API, as an author with `mypy --strict` writes them.

Not run: `test_typing.py` has mypy check it against the installed package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import assert_type

import click

import zcore
from zcore import (
    AdaptedExport,
    AuthBackend,
    BrokerKind,
    Change,
    Check,
    CheckResult,
    Command,
    Context,
    CreatedUser,
    Deprecated,
    Estimate,
    ExitCode,
    ExportJob,
    ExportRequest,
    Failed,
    FileStoreKind,
    Finding,
    ImportAdapter,
    ImportJob,
    ImportSource,
    Interrupted,
    MailTemplate,
    PluginName,
    Problem,
    QueuedEvent,
    RealmCreated,
    RealmName,
    Refused,
    Result,
    Rewrite,
    Setting,
    Stage,
    Unreachable,
    UsageError,
    UsersCreated,
    Validation,
    Validator,
    Worker,
    ZopsError,
    current,
    hookimpl,
    hookspec,
    realm_option,
)
from zcore.broker import Event, Rejected, WorkContext, publish_events
from zcore.files import LocalStore, StorePair
from zcore.settings import Settings  # noqa: TC001 # as most authors have it

assert_type(zcore.API_VERSION, int)

TEXT = Setting("greeting", "What is said", default="hello")
NUMBER = Setting("attempts", "How often", default=3, kind=int)
NAMES: Setting[tuple[str, ...]] = Setting("names", "Who", default=(), kind=tuple)
FOLDER: Setting[Path | None] = Setting("folder", "Where", None, Path, env="ACME", secret=False)


@hookspec(warn_on_impl=Deprecated("zops_acme_old", "2.0", instead="zops_acme_new"))
def zops_acme_old() -> Iterable[str]:  # type: ignore[empty-body]
    """A hook of the plugin's own."""


@hookimpl
def zops_settings() -> list[Setting[object]]:
    return [TEXT, NUMBER, NAMES, FOLDER]


@hookimpl
def zops_commands() -> list[Command]:
    return [
        Command("hello", "acme.cli:hello", "Say hello."),
        Command(name="bye", target="acme.cli:bye", help="Say bye.", group="Acme"),
    ]


@hookimpl
def zops_validators() -> Iterator[Validator]:
    yield Validator("acme", "user.email", "acme.rules:acme", after=("email-syntax",), help="rule")


@hookimpl
def zops_export_stages() -> list[Stage | Rewrite]:
    return [
        Stage("acme", "acme.work:write", needs=("realm",), estimate="acme.work:estimate"),
        Rewrite("zerver_userprofile", None, "acme.work:condition"),
    ]


@hookimpl
def zops_file_stores() -> list[FileStoreKind]:
    return [FileStoreKind("acme", "acme.store:connect")]


@hookimpl
def zops_queue_workers() -> list[Worker]:
    return [Worker("acme", "acme.worker:handle", batch=10, lease=True)]


@hookimpl
def zops_queue_brokers() -> list[BrokerKind]:
    return [BrokerKind("acmemq", "acme.broker:connect")]


@hookimpl
def zops_mail_templates() -> list[MailTemplate]:
    return [MailTemplate("zerver/emails/invitation", "acme:mails/invitation")]


@hookimpl
def zops_auth_backends() -> list[AuthBackend]:
    return [AuthBackend("Acme", "Show the badge.", needs="a reader", links_by="its number")]


@hookimpl
def zops_checks() -> list[Check]:
    return [Check("acme", "acme.checks:check")]


@hookimpl
def zops_committed(change: Change, context: Context) -> None:
    assert_type(change.user_ids, tuple[int, ...])
    context.console.note(f"{change.kind} in {change.string_id}")


@click.command()
@realm_option()
@click.argument("plugin", type=PluginName())
@click.option("--other", type=RealmName())
def greet(realm: str, plugin: str, other: str | None) -> Result:
    return Result({"realm": realm, "plugin": plugin, "other": other})


@click.command()
def hello() -> Result:
    context = current()
    assert_type(context.setting(TEXT), str)
    assert_type(context.setting(NUMBER), int)
    assert_type(context.setting(NAMES), tuple[str, ...])
    assert_type(context.setting(FOLDER), Path | None)
    with context.console.progress("saying", total=3) as progress:
        progress.advance()
    publish_events(context, "acme", [{"name": "olga"}])
    found = [Finding("code", "message", where="row 7", hint="look")]
    return Result({"greeting": "hello"}, text="hello", findings=found)


def acme(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    if context.database is not None:
        with context.database.read() as connection:
            connection.exec_driver_sql("SELECT 1")
    for index, value in enumerate(values):
        yield Problem("acme", f"{value!r} is wrong", hint="", index=index, override="--allow")


def about_an_export(values: Sequence[ExportRequest], context: Validation) -> list[Problem]:
    return [Problem("acme", value.mode) for value in values if value.target]


def about_an_import(values: Sequence[ImportSource], context: Validation) -> list[Problem]:
    return [Problem("acme", value.path) for value in values if value.rows.get("zerver_message")]


def about_an_event(values: Sequence[QueuedEvent], context: Validation) -> list[Problem]:
    return [Problem("acme", value.queue) for value in values if "name" not in value.payload]


def write(job: ExportJob) -> Mapping[str, int]:
    job.may_go_on()
    with job.read() as reader:
        reader.connection.exec_driver_sql("SELECT 1")
    with job.open("acme.txt") as file:
        file.write(job.realm.string_id.encode())
    job.find(Finding("acme", "seen"))
    return {"files": 1}


def estimate(job: ExportJob) -> Estimate:
    return Estimate(rows=1, files=1, size=2000)


def load(job: ImportJob) -> None:
    if "acme.txt" in job.source.names and job.new_id("zerver_userprofile", 7) is None:
        raise Refused("user 7 is not there", hint="export it", code="acme")
    job.on_failure(lambda: None)


def connect(place: str, settings: Settings) -> StorePair:
    root = settings.home / place
    return StorePair(LocalStore(root / "files"), LocalStore(root / "avatars"))


def handle(events: Sequence[Event], context: WorkContext) -> list[Rejected]:
    with context.database.begin() as connection:
        connection.exec_driver_sql("SELECT 1")
    context.publish("other", {"at": context.clock().isoformat()})
    return [Rejected(event, "no name") for event in events if "name" not in event.payload]


def check(context: Context) -> CheckResult:
    return CheckResult("ok", str(context.settings.home), hint="")


@hookimpl
def zops_realm_created(created: RealmCreated, context: Context) -> None:
    assert_type(created.channel_ids["general"], int)
    created.connection.exec_driver_sql("SELECT 1")
    created.publish("acme", {"owner": created.owner.email, "at": created.now.isoformat()})


@hookimpl
def zops_user_created(created: UsersCreated) -> None:
    def is_owner(user: CreatedUser) -> bool:
        return user.role == 100 and user.recipient_id > 0

    if created.realm_creation and not all(is_owner(user) for user in created.users):
        raise Refused("an owner was meant", code="acme")


def exit_code_of(error: ZopsError) -> ExitCode:
    match error:
        case Failed() | Refused() | Unreachable() | UsageError() | Interrupted():
            assert_type(error.problems, tuple[Problem, ...])
    return error.exit_code


@hookimpl
def zops_import_adapters() -> list[ImportAdapter]:
    return [ImportAdapter("acme-colour", "zerver_stream", "acme:colour", takes=("colour",))]


def colour(row: Mapping[str, object], export: AdaptedExport) -> Mapping[str, object] | None:
    assert_type(export.system_group("role:members"), int)
    return {"color": row["colour"]} if export.realm else None
