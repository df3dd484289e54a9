"""Every hook of the core: this file is the plugin API.

A plugin is a module (or an object) named by an entry point in the group `zops`. It implements the
hooks it wants, marked with `zcore.hookimpl`, and returns values (`zcore.values`); it never
touches the program's state. A plugin may name the API version that it was written for with a
module-level `zops_api = 1`; without it, 1 is assumed.

    # pyproject.toml of a plugin package
    [project.entry-points.zops]
    acme = "zops_acme.plugin"

Each plugin's implementation is called on its own, in the order of the plugins' names, which is the
same on every machine; pluggy's `tryfirst`, `trylast` and wrappers have no place in it. An
implementation may leave out arguments that it does not need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from zcore.context import Context
    from zcore.values import (
        Change,
        Check,
        Command,
        FileStoreKind,
        Rewrite,
        Setting,
        Stage,
        Validator,
    )

API_VERSION = 1
"""The version of the plugin API that this zops has: what a plugin's `zops_api` is compared with."""

OLDEST_API_VERSION = 1

hookspec = pluggy.HookspecMarker("zops")
"""Marks a function as the specification of a hook, for other plugins (`zops_hookspecs`)."""

hookimpl = pluggy.HookimplMarker("zops")
"""Marks a function of a plugin as the implementation of the hook of that name."""


@hookspec
def zops_commands() -> Iterable[Command]:  # type: ignore[empty-body]  # a specification has no body
    """Commands that the plugin adds to `zops`.

    Called once at every start, so it must be quick and must not import what the commands need:
    `target` is text. Names are kebab case; the underscore spelling works too. A name that the
    core or a plugin before it (in order of plugin names) already took is left out with a warning
    that names both. When the hook raises or returns something else, the plugin is reported as
    broken and all other commands work.

    Example::

        from zcore import Command, hookimpl

        @hookimpl
        def zops_commands():
            return [Command("hello", "zops_acme.cli:hello", "Say hello to a realm.")]

        # zops_acme/cli.py
        import click
        from zcore import Result, current

        @click.command()
        @click.argument("name")
        def hello(name: str) -> Result:
            \"\"\"Say hello to NAME.\"\"\"
            host = current().settings.external_host
            return Result({"greeting": f"hello {name}"}, text=f"hello {name} at {host}")
    """


@hookspec
def zops_validators() -> Iterable[Validator]:  # type: ignore[empty-body]  # as above
    """Rules that input must keep: one validator a rule.

    Called when a command has its input and has not begun to write. All validators of a subject
    run, in order of plugin and validator name refined by `before` and `after`, and all their
    problems are shown at once; a command with several subjects shows those of all of them. A
    validator can refuse what others accept, never accept what others refuse. One that raises, or
    gives something else, refuses the input and is named, and so is a plugin whose hook raises: a
    rule is never passed over in silence.

    `target` is called with the values and a `zcore.Validation`, whose database can only be read.
    `index` of a problem says which of the values it is about. A problem may name the flag that
    lets it pass (`override="--allow-reserved-subdomain"`); only flags that the command has work.

    The subjects of the shipped commands, and what their values are:

    ====================  ==========================================================
    `realm.subdomain`     text: the subdomain of a new organization
    `realm.name`          text: its name
    `realm.auth_method`   text: a way to log in to it that is switched on or off
    `realm.auth_methods`  a sequence of text: the only ways to log in to a new one
    `user.email`          text: the address of a new account
    `user.full_name`      text: its name
    `user.password`       text: its password; not when it has none
    `channel.name`        text: the name of a new channel
    `export.request`      `zcore.ExportRequest`
    `import.source`       `zcore.ImportSource`, after the export was looked through
    `queue.name`          text: a queue that events are published to or taken from
    `queue.event`         `zcore.QueuedEvent`: what `zops queue publish` sends
    ====================  ==========================================================

    Example::

        from zcore import Validator, hookimpl

        @hookimpl
        def zops_validators():
            return [
                Validator(
                    "acme-prefix", "realm.subdomain", "zops_acme.rules:has_prefix",
                    help="subdomains begin with 'acme-'",
                )
            ]

        # zops_acme/rules.py
        from zcore import Problem

        def has_prefix(values, context):
            for index, value in enumerate(values):
                if not value.startswith("acme-"):
                    yield Problem("acme-prefix", f"subdomain {value!r} does not begin with 'acme-'",
                                  hint="choose a subdomain that begins with 'acme-'", index=index)
    """


@hookspec
def zops_export_stages() -> Iterable[Stage | Rewrite]:  # type: ignore[empty-body]  # as above
    """Stages of `zops export`, and what it is to change or leave out.

    Called when an export begins. The stages of all plugins form one graph, run in dependency
    order, independent ones side by side; a stage runs when everything in its `needs` is done. A
    circle, or a stage that needs one that does not exist, refuses the export and shows the graph,
    before anything is written. A stage that raises fails the export, which then leaves nothing
    under its final name, and is named in the message; `zcore.Refused` with a hint is how a stage
    says no.

    `target` of a stage is called with the job (`zcore.ExportJob`): `job.read()` lends a
    connection inside the snapshot that all stages share, `job.open(name)` gives a new file of the
    export to write to, `job.realm` is the organization. What it returns (`{"rows": 3}`,
    `{"files": 1, "bytes": 20}`) is shown with its time; a long one calls `job.may_go_on()` and
    `job.advance(files=1)` on its way, and `job.expect(Estimate(files=9))` when it knows how much
    there is to do. A `Rewrite` changes or leaves out what the stages of others write, as SQL. What
    has `only_with="acme"` counts only for `zops export --with acme`.

    Example::

        from zcore import Rewrite, Stage, hookimpl

        @hookimpl
        def zops_export_stages():
            return [
                Stage("acme-note", "zops_acme.export:write_note", help="a note on where from"),
                Rewrite("zerver_userprofile", "tos_version", "zops_acme.export:nothing",
                        help="which terms people have seen is ours alone"),
            ]

        # zops_acme/export.py
        import sqlalchemy as sa

        def write_note(job):
            with job.open("acme-note.txt") as note:
                note.write(f"exported from {job.realm.string_id}".encode())
            return {"files": 1}

        def nothing(table):
            return sa.null()
    """


@hookspec
def zops_settings() -> Iterable[Setting[object]]:  # type: ignore[empty-body]  # as above
    """Settings of the plugin, so that they are read, checked, shown and documented like the core's.

    Called when a setting is read, and by `zops settings`. A setting is given under
    `[plugins.NAME]` of `zops.toml` or in its environment variable, which is nearer. A value of
    another kind refuses the command that reads it; a key of the table that is no setting is
    warned of by `zops settings`. When the hook raises, the plugin is warned of, and reading one of
    its settings fails.

    Example::

        from zcore import Setting, hookimpl

        GREETING = Setting("greeting", "What 'zops hello' says", default="hello")

        @hookimpl
        def zops_settings():
            return [GREETING]

        # zops_acme/cli.py
        import click
        from zcore import Result, current
        from zops_acme.plugin import GREETING

        @click.command()
        def hello() -> Result:
            \"\"\"Say hello.\"\"\"
            return Result(text=current().setting(GREETING))

        # zops.toml, or ZOPS_ACME_GREETING=hi
        [plugins.acme]
        greeting = "hi"
    """


@hookspec
def zops_checks() -> Iterable[Check]:  # type: ignore[empty-body]  # as above
    """What `zops doctor` looks at.

    Called by `zops doctor` only. Each check runs on its own: one that raises is shown as failed,
    and the others still run; so is a plugin whose hook raises. Checks with `server=True` are for
    `zops doctor --server`.

    Example::

        from zcore import Check, hookimpl

        @hookimpl
        def zops_checks():
            return [Check("acme-licence", "zops_acme.checks:licence", "is there a licence file?")]

        # zops_acme/checks.py
        from zcore import CheckResult

        def licence(context):
            path = context.settings.home / "acme.licence"
            if path.exists():
                return CheckResult("ok", str(path))
            return CheckResult("warning", f"{path} is not there", hint="copy the licence there")
    """


@hookspec
def zops_file_stores() -> Iterable[FileStoreKind]:  # type: ignore[empty-body]  # as above
    """Places for uploaded files, by the scheme of the setting `uploads`.

    Called when a command needs the files and the setting is no folder. Of two for one scheme the
    first, in order of plugin names, counts, and a warning names both. `target` is called with the
    setting and all settings and returns a `zcore.files.StorePair`: the store of uploads and that
    of avatars, emoji, icons and logos. It raises `zcore.Unreachable` when the place does not
    answer, `zcore.Refused` when it was not said where it is. A plugin whose hook raises refuses
    the command, and is named.

    Example::

        from zcore import FileStoreKind, hookimpl

        @hookimpl
        def zops_file_stores():
            return [FileStoreKind("acme", "zops_acme.store:connect", "a mounted share of ours")]

        # zops_acme/store.py
        from pathlib import Path
        from zcore.files import LocalStore, StorePair

        def connect(place, settings):
            share = Path("/mnt") / place.removeprefix("acme://")
            return StorePair(LocalStore(share / "uploads"), LocalStore(share / "pictures"))
    """


@hookspec
def zops_committed(change: Change, context: Context) -> None:
    """Something has been committed to the database: for caches, notices and records elsewhere.

    Called after the commit of a command that changed an organization or its accounts, once for
    each `change`, before the command ends. What it returns is not looked at. It cannot take the
    change back: a plugin that raises is warned of, the command still succeeds, and the others are
    still called.

    The kinds of the shipped commands, and what their details say where the database no longer
    does. A change with `old` values is about one account, any other can be about many: a command
    that makes many accounts tells of all of them at once. `unsent`, with any kind, says why
    what the server's workers were to do could not be sent to its broker.

    =========================  ===============================================================
    `realm.created`            `bare`: without welcome messages and mails
    `realm.imported`           -
    `realm.deactivated`        -
    `realm.reactivated`        -
    `realm.renamed`            `old`, `new`: `name`
    `realm.subdomain_changed`  `old`, `new`: `string_id`
    `realm.auth_changed`       `old`, `new`: `authentication_methods`, name -> is it on?
    `realm.export_ended`       of one that was asked for in the web application: `export_id`; all
                               of them, as the server tells administrators: `exports`
    `realm.deleted`            `users`: `id`, `email`, `delivery_email`, `api_key` of each account
    `user.created`             `bare`: without welcome messages and mails
    `user.deactivated`         `invitations_ended`: how many, which the accounts had sent
    `user.reactivated`         -
    `user.role_changed`        `old`, `new`: `role`
    `user.email_changed`       `old`, `new`: `email`, `delivery_email`
    `user.name_changed`        `old`, `new`: `full_name`
    `user.password_changed`    `old`: `api_key`, when it was replaced with the password
    `user.soft_reactivated`    -
    `user.deleted`             `old`: `email`, `delivery_email`, `api_key`; `recipient_ids`: what
                               the account was subscribed to; `invitations_ended`
    `message.rerendered`       `message_ids`: their HTML is another one, what was written is not
    `channel.created`          `stream_ids`
    `channel.subscribed`       `stream_ids`; `user_ids` are the new subscribers
    any                        `session_keys`: login sessions that were deleted with it
    =========================  ===============================================================

    Example::

        from zcore import hookimpl

        @hookimpl
        def zops_committed(change, context):
            if change.kind == "user.created":
                with open(context.settings.home / "acme.log", "a") as log:
                    log.write(f"{change.string_id}: {change.user_ids}\\n")
    """


@hookspec
def zops_hookspecs() -> ModuleType:  # type: ignore[empty-body]  # as above
    """A module with hook specifications of the plugin's own, for plugins of the plugin.

    Called once at every start, before the other hooks; the module must be cheap to import. Its
    functions are marked with `zcore.hookspec`, begin with `zops_`, and are listed and checked
    like those of the core. The plugin asks for what the others have with
    `current().plugins.values(hook_name, kind)`, or calls them with `current().plugins.call(...)`.
    When the hook raises, the plugin is reported as broken. A hook that goes away is marked with
    `@hookspec(warn_on_impl=zcore.Deprecated(...))`: whoever implements it is warned of.

    Example::

        from zcore import hookimpl

        @hookimpl
        def zops_hookspecs():
            from zops_acme import hookspecs
            return hookspecs

        # zops_acme/hookspecs.py
        from zcore import hookspec

        @hookspec
        def zops_acme_greetings():
            \"\"\"Greetings that `zops hello` chooses from: an iterable of text.\"\"\"
    """
