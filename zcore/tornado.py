"""Which of a server's Tornado processes, which tell clients of changes, serves an organization.

One process serves all, or each organization has its own, or several share a large organization by
the numbers of its accounts. The server keeps that in `sharding.json`. Each process listens to a
queue of its own.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from zcore.errors import Refused
from zcore.organizations.hosts import realm_host

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zcore.settings import Settings

QUEUE = "notify_tornado"  # where there is but one process
HINT = "name the server's configuration with ZOPS_ZULIP_CONF"


def queue_names(ports: Sequence[int]) -> list[str]:
    """The queues of the processes at `ports`, all that a server has."""
    return [_queue(port) for port in ports] if len(ports) > 1 else [QUEUE]


def organization_queues(settings: Settings, string_id: str) -> list[str]:
    """The queues of the processes that serve the organization with this subdomain.

    An account's notices go through the one at its number modulo how many there are. Raises
    `Refused` when there are several processes and the settings do not tell which.
    """
    if len(settings.tornado_ports) <= 1:
        return [QUEUE]
    if settings.external_host is None:
        raise Refused(
            "the server has several Tornado processes, and without its host name it is not known"
            " which of them serves the organization",
            hint="set ZOPS_EXTERNAL_HOST, or external_host under [server] in zops.toml",
        )
    host = realm_host(string_id, settings.external_host)
    ports = _ports(settings.tornado_sharding, host) or [settings.tornado_ports[0]]
    return [_queue(port) for port in ports]


def _queue(port: int) -> str:
    return f"{QUEUE}_port_{port}"


def _ports(path: Path | None, host: str) -> list[int]:
    """The ports that sharding.json has for a host; none when it has none for it."""
    if path is None:
        return []
    try:
        sharding: Any = json.loads(path.read_bytes())
        by_host = sharding.get("shard_map", sharding)
        patterns = sharding.get("shard_regexes", [])
        found = by_host.get(host)
        if found is None:
            matching = (ports for regex, ports in patterns if re.match(regex, host, re.IGNORECASE))
            found = next(matching, [])
        return [found] if isinstance(found, int) else [int(port) for port in found]
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", hint=HINT) from error
    except (ValueError, TypeError, AttributeError, re.error) as error:
        raise Refused(f"{path} is not a list of Tornado processes", hint=HINT) from error
