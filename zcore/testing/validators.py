"""Asking validators for their opinion, without a command around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.plugins import Plugins
from zcore.testing.settings import settings_of
from zcore.validation import Validation, find_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zcore.database import Database
    from zcore.settings import Settings
    from zcore.values import Problem


def problems_of(
    subject: str,
    values: Sequence[object],
    *,
    plugins: Plugins | None = None,
    database: Database | None = None,
    realm_id: int | None = None,
    allow: Iterable[str] = (),
    settings: Settings | None = None,
) -> list[Problem]:
    """What the validators of `subject` have against `values`, in the order of the values.

    Those of all installed plugins, or of `plugins` (`plugins_of({"acme": zops_acme.plugin})`).
    `allow` are the flags that let problems pass. Raises `zcore.Refused` when a plugin cannot say
    which validators it has; a validator that raises is a problem, as in a command.
    """
    validation = Validation(
        settings=settings or settings_of(),
        database=None if database is None else database.read_only,
        realm_id=realm_id,
        allow=frozenset(allow),
    )
    return find_problems(plugins or Plugins.load(), {subject: values}, validation)
