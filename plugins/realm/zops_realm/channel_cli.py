"""The command lines of the group `zops channel`."""

from __future__ import annotations

import click

from zcore import Result, UsageError, current
from zops_realm.options import dry_run_option, realm_argument

channel_argument = click.argument("channel", metavar="CHANNEL")


@click.group()
def channel() -> None:
    """Look at channels, make them, and subscribe people.

    R is the organization: its subdomain ('' for the root domain), or id:N. CHANNEL is a name in any
    case of letters, or id:N.
    """


@channel.command("list")
@realm_argument
@click.option("--all", "everything", is_flag=True, help="Archived channels as well.")
def channel_list(realm: str, everything: bool) -> Result:
    """List the channels of an organization.

    \b
    Examples:
      zops channel list acme
      zops channel list acme --all
    """
    from zops_realm.channel_views import list_channels

    return list_channels(current(), realm, everything=everything)


@channel.command("create")
@realm_argument
@click.argument("name")
@click.option("--description", default="", help="What it is for, in plain text.")
@click.option("--private", is_flag=True, help="Only subscribers see what is in it.")
@click.option(
    "--shared-history", is_flag=True, help="With --private: new ones read what came before."
)
@click.option("--web-public", is_flag=True, help="Everybody can read it, without an account.")
@click.option("--default", "is_default", is_flag=True, help="Subscribe everybody new to it.")
@dry_run_option
def channel_create(
    realm: str,
    name: str,
    description: str,
    private: bool,
    shared_history: bool,
    web_public: bool,
    is_default: bool,
    dry_run: bool,
) -> Result:
    """Create the channel NAME; nobody is subscribed to it yet.

    \b
    Examples:
      zops channel create acme plans --description "What is next"
      zops channel create acme board --private
    """
    from zops_realm import channel_create as work
    from zops_realm.channels import NewChannel

    new = NewChannel(
        name=name.strip(),
        description=" ".join(description.split("\n")).strip(),
        is_private=private,
        is_web_public=web_public,
        shared_history=shared_history,
    )
    request = work.ChannelRequest(realm=realm, channel=new, is_default=is_default, dry_run=dry_run)
    return work.run(current(), request)


@channel.command("subscribe")
@realm_argument
@channel_argument
@click.option("--user", "users", multiple=True, metavar="USER", help="E-mail address, or id:N.")
@click.option("--all-users", is_flag=True, help="All people with an active account.")
@dry_run_option
def channel_subscribe(
    realm: str, channel: str, users: tuple[str, ...], all_users: bool, dry_run: bool
) -> Result:
    """Subscribe people to CHANNEL.

    \b
    Examples:
      zops channel subscribe acme plans --user ann@example.com --user bob@example.com
      zops channel subscribe acme plans --all-users
    """
    from zops_realm import channel_subscribe as work

    if bool(users) == all_users:
        raise UsageError("whom to subscribe?", hint="give --user ADDRESS..., or --all-users")
    request = work.SubscriptionRequest(
        realm=realm, channel=channel, users=users, all_users=all_users, dry_run=dry_run
    )
    return work.run(current(), request)
