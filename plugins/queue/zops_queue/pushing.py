"""Whether the server has a way to push to mobile devices, as far as that is known here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.broker import is_rabbitmq

if TYPE_CHECKING:
    from zcore.settings import Settings


def may_push(settings: Settings) -> bool | None:
    """Does the server push, through a service or by itself? None where that is not known."""
    if settings.push_service or settings.push_directly:
        return True
    if not is_rabbitmq(settings.broker):
        return False
    return None if _is_untold(settings, "push_service", "push_directly") else False


def may_have_service(settings: Settings) -> bool:
    """Does a push service know the devices and accounts of the server, or could one?"""
    if settings.push_service:
        return True
    return is_rabbitmq(settings.broker) and _is_untold(settings, "push_service")


def _is_untold(settings: Settings, *names: str) -> bool:
    if settings.untold.intersection(names):
        return True
    return settings.zulip_conf is None and settings.is_default(names[0])
