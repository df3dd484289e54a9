"""From the text of a `target` to the thing that it names: `"package.module:attribute"`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.errors import Failed
from zcore.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    Owner = str | Callable[[], str]


def resolve(target: str, *, owner: Owner = "") -> object:
    """Import what `target` names and return it.

    `owner` says whose target it is (`"plugin 'acme' (zops-acme)"`), or is a function that does when
    an error has to name it: to look that up takes time.
    Raises `Failed` with one line when the text is malformed, when the module cannot be imported
    (a missing dependency is named) or when it has no such attribute.
    """
    module_name, colon, path = target.partition(":")
    if not (colon and module_name and path):
        raise _failure(owner, f"{target!r} is not of the form 'package.module:attribute'")
    found = _import_module(module_name, target, owner)
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise _failure(owner, f"{target!r}: {module_name} has no {path!r}") from None
    return found


def _import_module(module_name: str, target: str, owner: Owner) -> object:
    import importlib

    try:
        return importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's module may raise SystemExit, too
        raise _failure(owner, f"{target!r} cannot be imported: {describe(error)}") from error


def _failure(owner: Owner, message: str) -> Failed:
    named = owner if isinstance(owner, str) else owner()
    whose = f"{named}: " if named else ""
    return Failed(
        f"{whose}{message}",
        hint="mend or reinstall the plugin, or switch it off with --disable-plugin",
        code="broken-target",
    )
