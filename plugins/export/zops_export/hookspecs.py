"""The hooks that the export plugin defines for plugins of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import hookspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zcore import Stage


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
    its time.

    Example::

        from zcore import Stage, hookimpl

        @hookimpl
        def zops_import_stages():
            return [
                Stage("acme-welcome", "zops_acme.imports:greet", needs=("finish-rows",),
                      help="says where the organization came from")
            ]

        # zops_acme/imports.py
        import sqlalchemy as sa
        from zcore.schema.realms import zerver_realm

        def greet(job):
            change = sa.update(zerver_realm).where(zerver_realm.c.id == job.realm_id)
            job.writer.connection.execute(change.values(description="Imported by Acme"))
            return {"rows": 1}
    """
