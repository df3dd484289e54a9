"""The hooks that this plugin defines for others: what else is written with what is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import hookspec

if TYPE_CHECKING:
    from zcore import Context, RealmCreated, UsersCreated


@hookspec
def zops_realm_created(created: RealmCreated, context: Context) -> None:
    """An organization has been made, and can be given more: channels, messages, settings.

    Called by `create-realm` inside its transaction, before the commit: the realm, its channels
    and its owner's account are there, the owner is not yet subscribed to anything. What it
    returns is not looked at. Rows that it writes through `created.connection` stand or fall with
    the organization; `created.publish(queue, payload)` sends an event to the server's broker
    after the commit. What it raises takes everything back and names the plugin: `zcore.Refused`
    with a hint is how it says no. A dry run does not call it.

    The introduction that stands in the first channels is written by zops's own implementation;
    `created.bare` leaves it out.

    Example::

        from zcore import hookimpl

        @hookimpl
        def zops_realm_created(created):
            import sqlalchemy as sa
            from zcore.schema.realms import zerver_realm

            created.connection.execute(
                sa.update(zerver_realm)
                .where(zerver_realm.c.id == created.realm_id)
                .values(description="One of the organizations of Acme.")
            )
    """


@hookspec
def zops_user_created(created: UsersCreated, context: Context) -> None:
    """Accounts have been made in an organization, and can be given more.

    Called inside the transaction of whatever makes accounts (`create-user`, and `create-realm` for
    the owner), before the commit, once for all accounts that are made together, or where these
    are very many (`create-user --from`) once for each few hundred of them: they are subscribed to
    their channels already. What it returns is not looked at. Rows that it
    writes through `created.connection` stand or fall with the accounts; what it raises takes
    everything back and names the plugin. A dry run does not call it, and an import does not
    either: its accounts are not new.

    Welcome messages and mails are zops's own implementation; `created.bare` leaves them out.

    Example::

        from zcore import Refused, hookimpl

        @hookimpl
        def zops_user_created(created):
            for user in created.users:
                if not user.email.endswith("@acme.example"):
                    raise Refused(f"{user.email} is not one of ours", code="acme-address")
    """
