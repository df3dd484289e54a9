"""How people log in to an organization: the rows of `zerver_realmauthenticationmethod`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import AuthBackend, Context, Refused
from zcore.schema.realms import zerver_realmauthenticationmethod

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from zcore.plugins import Plugins


def known_backends(plugins: Plugins) -> dict[str, AuthBackend]:
    """What the plugins declare, by name; of two with one name the first counts.

    Raises `Refused` when a plugin cannot say what it has.
    """
    backends: dict[str, AuthBackend] = {}
    for _, backend in plugins.values("zops_auth_backends", AuthBackend):
        backends.setdefault(backend.name, backend)
    return backends


def stored_name(name: str, known: Iterable[str]) -> str:
    """`name` as Zulip writes it, whatever its case; as it stands when it is not known."""
    return next((one for one in known if one.casefold() == name.casefold()), name)


def enabled_methods(connection: sa.Connection, realm_id: int) -> list[str]:
    """The names that are enabled in an organization, in the order in which they were stored."""
    methods = zerver_realmauthenticationmethod.c
    chosen = sa.select(methods.name).where(methods.realm_id == realm_id).order_by(methods.id)
    return list(connection.scalars(chosen))


def is_password_used(enabled: Iterable[str], known: Mapping[str, AuthBackend]) -> bool:
    """Does a way to log in ask for the password that accounts have here? Unknown ones may."""
    return any(name not in known or known[name].password for name in enabled)


def has_way_in(enabled: Iterable[str], known: Mapping[str, AuthBackend]) -> bool:
    """Can somebody log in, in production, in one of the ways that are `enabled`?"""
    return any(name not in known or not known[name].only_development for name in enabled)


def require_way_in(
    enabled: Collection[str], known: dict[str, AuthBackend], organization: str
) -> None:
    """Raise `Refused` when nobody could log in to `organization` in production."""
    if has_way_in(enabled, known):
        return
    rest = f": {', '.join(enabled)} is for development" if enabled else ""
    raise Refused(
        f"nobody could log in to {organization} any more{rest}",
        code="auth-last",
        hint="enable another way to log in first: 'zops realm auth list' shows them",
    )


def note_linking(context: Context, realm_id: int) -> None:
    """Say how a login finds an account without a password, where no login asks for the one here."""
    available = context.plugins.available("zops_auth_backends", AuthBackend)
    known = {backend.name: backend for _, backend in reversed(available)}
    with context.database.read() as connection:
        enabled = [known[name] for name in enabled_methods(connection, realm_id) if name in known]
    if not enabled or any(backend.password for backend in enabled):
        return
    ways = "; ".join(f"{one.name} by {one.links_by}" for one in enabled)
    context.console.note(f"the first login finds the account: {ways}")
