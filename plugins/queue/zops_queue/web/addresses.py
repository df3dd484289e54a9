"""Which addresses may be called: public ones, and those of networks that were allowed."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from zcore.errors import Refused
from zops_queue.web.errors import WebForbidden, WebUnavailable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

TRANSLATED = IPv6Network("64:ff9b::/96")  # the last 32 bits are the address behind a translator


def read_networks(names: Sequence[str]) -> tuple[Network, ...]:
    """The networks in a setting. Raises `Refused` for what is none."""
    try:
        return tuple(ipaddress.ip_network(name) for name in names)
    except ValueError as error:
        raise Refused(
            f"the setting webhook_networks: {error}",
            hint="write networks such as 10.1.0.0/16 or 10.1.2.3",
            code="bad-setting",
        ) from None


def find_addresses(host: str, port: int, allowed: Sequence[Network]) -> list[str]:
    """The addresses of `host` that may be called, in the order of the resolver.

    They have to be connected to themselves: asked again, the resolver may say something else.
    Raises `WebForbidden` when there are only others, `WebUnavailable` when there are none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WebUnavailable(f"{host} has no address") from error
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    public = [address for address in addresses if may_be_called(address, allowed)]
    if not public:
        raise WebForbidden(f"{host} is in a private network ({', '.join(addresses)})")
    return public


def may_be_called(text: str, allowed: Sequence[Network]) -> bool:
    """Is this an address of the public internet, or of one of the networks `allowed`?"""
    address = ipaddress.ip_address(text)
    if any(address in network for network in allowed):
        return True
    return all(one.is_global and not one.is_multicast for one in _meant(address))


def _meant(address: Address) -> Iterator[Address]:
    """The address, or those of version 4 that are written inside of it."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in TRANSLATED:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
