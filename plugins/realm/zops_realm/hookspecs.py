"""The hooks that this plugin defines for others: ways to log in, and more for what is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import hookspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zcore import AuthBackend, Context, RealmCreated, UsersCreated


@hookspec
def zops_auth_backends() -> Iterable[AuthBackend]:  # type: ignore[empty-body]  # a specification
    """Ways to log in that servers know: what each needs, and how it finds somebody's account.

    Called when a command reads or changes how people log in to an organization: `create-realm`,
    `realm auth`, and whatever makes accounts without a password. A new organization has all of
    them enabled unless `--auth-method` says otherwise; what a server really offers is for its own
    settings to say. Those that Zulip 10.0 brings along are declared by zops; of two with one name
    the first, in order of plugin names, counts. When the hook raises, the command refuses to work
    and names the plugin.

    Example::

        from zcore import AuthBackend, hookimpl

        @hookimpl
        def zops_auth_backends():
            return [
                AuthBackend(
                    "Acme",
                    "Log in with the badge of Acme.",
                    needs="zops_acme.backend.AcmeBackend in AUTHENTICATION_BACKENDS",
                    links_by="the e-mail address on the badge",
                )
            ]
    """


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
