"""By which names the server may be called: what stands between a page in a browser and a server on the same machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(authority: str) -> str | None:
    """Return the name in ``name``, ``name:port`` or ``[address]:port``, folded; None where it is none of these."""
    if not authority or any(c in authority for c in "@/\\?# \t"):
        return None
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port
    except ValueError:
        return None
    return folded(parts.hostname) if parts.hostname else None


def folded(name: str) -> str:
    """Return a name in the one form in which names are compared."""
    return name.strip("[]").lower().removesuffix(".")


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach a server that listens on ``host``."""
    try:
        return ipaddress.ip_address(folded(host)).is_loopback
    except ValueError:
        return folded(host) == "localhost"


def is_wildcard(host: str) -> bool:
    """Whether a server that listens on ``host`` listens on every address of the machine."""
    try:
        return ipaddress.ip_address(folded(host)).is_unspecified
    except ValueError:
        return not host


def host_trouble(hosts: list[str], allowed: Iterable[str]) -> str | None:
    """Return what is wrong with the ``Host`` headers of a request; None where they are one known name."""
    if len(hosts) != 1:
        return f"A request needs one Host header, but this one has {len(hosts)}."
    name = host_name(hosts[0])
    if name is None or name not in allowed:
        return (
            f"This server was not told that it is called {hosts[0][:100]!r}. "
            "Start it with --allow-host NAME, or call it by a name that it knows."
        )
    return None


def origin_trouble(origins: list[str], allowed: Iterable[str]) -> str | None:
    """Return what is wrong with the ``Origin`` headers of a request; None where there is none, or one known name."""
    for origin in origins:
        scheme, found, authority = origin.partition("://")
        name = host_name(authority) if found and scheme.lower() in {"http", "https"} else None
        if name is None or name not in allowed:
            return f"A page from {origin[:100]!r} may not call this server."
    return None
