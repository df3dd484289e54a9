"""The type of an argument or option that names a way to log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.types import StringParamType

from zcore import current
from zcore.options import completions

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


class BackendName(StringParamType):
    """Completes what the plugins declare (`zops_auth_backends`)."""

    name = "backend"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin with `incomplete`."""
        from zops_realm.auth_methods import known_backends

        return completions(known_backends(current().plugins), incomplete)
