"""Taking something out of the plugin API: first deprecated, then, a major version later, gone.

A hook is deprecated where it is specified::

    @hookspec(warn_on_impl=Deprecated("zops_acme_old", "1.0", instead="zops_acme_new"))
    def zops_acme_old() -> None: ...

A plugin that implements it is warned of, once a run, and works as before. An argument of a hook
is deprecated with `warn_on_impl_args={"argument": Deprecated(...)}`; a public name of `zcore` by
an entry in `zcore.DEPRECATED`.
"""

from __future__ import annotations


class Deprecated(DeprecationWarning):
    """`what` still works, and goes away with version `removed_in` of zops."""

    def __init__(self, what: str, removed_in: str, *, instead: str = "") -> None:
        better = f"; use {instead} instead" if instead else ""
        super().__init__(f"{what} is deprecated and goes away with zops {removed_in}{better}")
