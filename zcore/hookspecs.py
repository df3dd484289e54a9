"""Every hook of the core: this file is the plugin API.

A plugin is a module (or an object) named by an entry point in the group `zops`. It implements the
hooks it wants, marked with `zcore.hookimpl`, and returns values (`zcore.values`); it never
touches the program's state. A plugin may name the API version that it was written for with a
module-level `zops_api = 1`; without it, 1 is assumed.

    # pyproject.toml of a plugin package
    [project.entry-points.zops]
    acme = "zops_acme.plugin"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from zcore.values import Check, Command, Stage, Validator

API_VERSION = 1

hookspec = pluggy.HookspecMarker("zops")
hookimpl = pluggy.HookimplMarker("zops")


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
    """Rules that values must keep: one validator a rule.

    Called when a command is about to write. All validators of a subject run, in order of plugin
    and validator name refined by `before` and `after`, and all their problems are shown at once.
    A validator that raises refuses the value and is named; it never passes in silence.

    The subjects of the shipped plugins: `subdomain`, `realm-name`, `email`, `full-name`,
    `password`.

    Example::

        from zcore import Validator, hookimpl

        @hookimpl
        def zops_validators():
            return [Validator("acme-prefix", "subdomain", "zops_acme.rules:has_prefix")]

        # zops_acme/rules.py
        from zcore import Problem

        def has_prefix(values, context):
            for index, value in enumerate(values):
                if not value.startswith("acme-"):
                    yield Problem("acme-prefix", f"subdomain {value!r} does not begin with 'acme-'",
                                  hint="choose a subdomain that begins with 'acme-'", index=index)
    """


@hookspec
def zops_export_stages() -> Iterable[Stage]:  # type: ignore[empty-body]  # as above
    """Stages of `zops export`.

    Called when an export begins. The stages of all plugins form one graph, run in dependency
    order; a stage runs when everything in its `needs` is done. A cycle, or a stage that needs one
    that does not exist, refuses the export before anything is written. A stage that raises fails
    the export, which then leaves nothing under its final name, and is named in the message.

    `target` is called with the job (`zops_export.job.ExportJob`): `job.read()` lends a connection
    inside the snapshot that all stages share, `job.open(name)` gives a new file of the export to
    write to, `job.realm` is the organization.

    Example::

        from zcore import Stage, hookimpl

        @hookimpl
        def zops_export_stages():
            return [Stage("acme-note", "zops_acme.export:write_note", needs=("realm",))]

        # zops_acme/export.py
        def write_note(job):
            with job.open("acme-note.txt") as note:
                note.write(f"exported from {job.realm.string_id}".encode())
            return {"files": 1}
    """


@hookspec
def zops_checks() -> Iterable[Check]:  # type: ignore[empty-body]  # as above
    """What `zops doctor` looks at.

    Called by `zops doctor` only. Each check runs on its own: one that raises is shown as failed,
    and the others still run.

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
def zops_hookspecs() -> ModuleType:  # type: ignore[empty-body]  # as above
    """A module with hook specifications of the plugin's own, for plugins of the plugin.

    Called once at every start, before the other hooks; the module must be cheap to import. Its
    functions are marked with `zcore.hookspec`, begin with `zops_`, and are listed and checked
    like those of the core.

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
