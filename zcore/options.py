"""Options and types of arguments for command lines, ours and those of plugins.

Their values are completed by the shell (`zops completion`), without a database and without
importing what a command needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.types import StringParamType

from zcore.context import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from click.shell_completion import CompletionItem

    Function = TypeVar("Function", bound=Callable[..., Any] | click.Command)

REALM_HELP = "Subdomain of the organization ('' for the root domain), or id:N."


class RealmName(StringParamType):
    """The type of an argument or option that names an organization: its subdomain, or `id:N`.

    Completes the subdomains that the database was last seen to have. Whether there is such an
    organization is for the command to see (`zcore.organizations.lookup.find_realm`).
    """

    name = "realm"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The subdomains that begin with `incomplete`."""
        from zcore.realm_names import known

        return completions(known(current().settings), incomplete)


class PluginName(StringParamType):
    """The type of one that names an installed plugin, also one that is switched off or broken."""

    name = "plugin"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names of plugins that begin with `incomplete`."""
        return completions(current().plugins.names, incomplete)


def realm_option(**attributes: Any) -> Callable[[Function], Function]:
    """`-r`/`--realm R`, the organization that a command works on: the parameter `realm`.

    It is required unless `attributes` (those of `click.option`) say otherwise::

        @click.command()
        @realm_option()
        def hello(realm: str) -> Result: ...
    """
    usual: dict[str, Any] = {
        "required": True,
        "metavar": "R",
        "type": RealmName(),
        "help": REALM_HELP,
    }
    return click.option("-r", "--realm", **(usual | attributes))


def completions(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Those of `words` that begin with `incomplete`, for `shell_complete` of a type of your own."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word) for word in words if word.startswith(incomplete)]
