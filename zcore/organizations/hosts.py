"""Where an organization is reached: host names and URLs under the server's own host."""

from __future__ import annotations


def realm_host(string_id: str, external_host: str) -> str:
    """The host (with port, if any) of the realm with this subdomain; `""` is the root realm."""
    return f"{string_id}.{external_host}" if string_id else external_host


def realm_url(string_id: str, external_host: str | None) -> str | None:
    """The realm's URL; None as long as the server's host is not known."""
    if external_host is None:
        return None
    return f"https://{realm_host(string_id, external_host)}"


def display_email_host(string_id: str, external_host: str) -> str:
    """The host part of the addresses shown instead of hidden ones: a host name, no port."""
    return realm_host(string_id, external_host).partition(":")[0]
