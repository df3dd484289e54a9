"""The hooks that the export plugin defines for plugins of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import hookspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zcore import ImportAdapter, Stage


@hookspec
def zops_import_stages() -> Iterable[Stage]:  # type: ignore[empty-body]  # a specification
    """Stages of `zops import`.

    Called when an import begins. The stages of all plugins form one graph and run one after the
    other in dependency order, all inside the one transaction of the import: what a stage writes
    through `job.writer` appears together with everything else, or not at all. A stage that raises
    takes the whole import back; raising `zcore.Refused` with a hint is how it says no.

    A circle, or a stage that needs one that does not exist, refuses the import and shows the graph.

    `target` is called with the job (`zcore.ImportJob`): `job.source` is the export,
    `job.writer.connection` the transaction, `job.new_id(table, old_id)` the id that a row has
    here, `job.realm_id` the new organization's. What it returns (`{"rows": 3}`) is shown with
    its time. A stage that checks raises `zcore.Refused`; one that changes or leaves out rows comes
    before ours and asks for it with `job.rewrite`; one that adds comes behind. A dry run runs none
    of a plugin's stages: its plan names those that may change rows.

    Example::

        from zcore import Stage, hookimpl

        @hookimpl
        def zops_import_stages():
            return [
                Stage("acme-welcome", "zops_acme.imports:greet", needs=("finish-rows",),
                      help="says where the organization came from"),
                Stage("acme-addresses", "zops_acme.imports:move", before=("realm-rows",),
                      help="gives everybody an address of ours"),
            ]

        # zops_acme/imports.py
        import sqlalchemy as sa
        from zcore.schema.realms import zerver_realm

        def greet(job):
            change = sa.update(zerver_realm).where(zerver_realm.c.id == job.realm_id)
            job.writer.connection.execute(change.values(description="Imported by Acme"))
            return {"rows": 1}

        def move(job):
            job.rewrite("zerver_userprofile", at_acme)

        def at_acme(row):
            name, _, _ = row["delivery_email"].partition("@")
            return row | {"delivery_email": f"{name}@acme.example"}
    """


@hookspec
def zops_import_adapters() -> Iterable[ImportAdapter]:  # type: ignore[empty-body]  # as above
    """What exports of other versions of the server say in other words, and how to take it.

    Called when an import begins, and when one is only tried. A key of a row that an export lacks
    gets the server's own default; a key that nobody knows is listed and passed over. An adapter is
    for what has only changed its name, its form or its table. Those of all plugins are asked one
    after the other, in the order of the plugins' names and then as given, each about the row as
    the ones before it left it. They are asked about each row twice: when the export is looked
    through, and when it is imported. Where one raises, the row is a problem, and the adapter is
    named: nothing is written.

    `target` is called with the row, and with what can be known of the rest of the export
    (`zcore.AdaptedExport`). `zops import --dry-run` says which adapters were used, for how many
    rows.

    Example::

        from zcore import ImportAdapter, hookimpl

        @hookimpl
        def zops_import_adapters():
            return [
                ImportAdapter("acme-motto", "zerver_realm", "zops_acme.older:from_motto",
                              takes=("acme_motto",), gives=("description",),
                              help="what our patched server called a motto")
            ]

        # zops_acme/older.py
        def from_motto(row, export):
            return {"description": row.get("acme_motto", row.get("description", ""))}
    """
