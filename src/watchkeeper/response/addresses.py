"""Where the server may connect to when it is told a URL: one look-up, every address checked, and those very ones used.

A name that is looked up again after the check may answer otherwise; so the addresses that were checked travel on, and nothing
that connects ever sees the name again, but for the certificate and the Host header.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Self

Resolve = Callable[[str, int], Iterable[str]]
_URL = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?", re.IGNORECASE)
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(\d{1,5}))?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_CLOSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
        "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
        "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
"""This machine and its networks, metadata services of clouds, and what carries another address inside (NAT64, 6to4)."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an operator opens in spite of the guard: exact hosts, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def read(cls, entries: Iterable[str]) -> Self:
        """Read host names, addresses and networks such as ``10.1.0.0/16``.

        Raises
        ------
        ValueError
            An entry is none of them.
        """
        hosts, networks = set(), []
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry.removeprefix("[").removesuffix("]")))
            except ValueError:
                hosts.add(_host(entry))
        return cls(frozenset(hosts), tuple(networks))

    def __or__(self, other: Allowed) -> Allowed:
        return Allowed(self.hosts | other.hosts, self.networks + other.networks)

    def opens(self, host: str, address: IPv4Address | IPv6Address) -> bool:
        """Whether a host, or an address it has, was opened."""
        return host in self.hosts or any(address in network for network in self.networks)


NOTHING = Allowed()


@dataclass(frozen=True, slots=True)
class Url:
    """A URL without anything that two programs could read differently. ``host`` is a name in lower case or an address."""

    secure: bool
    host: str
    port: int
    target: str


def parse_url(text: str) -> Url:
    """Read ``https://host[:port]/path?query``.

    Raises
    ------
    ValueError
        It is no such URL: another scheme, a name or password in it, an address written oddly, characters that do not belong.
    """
    if len(text) > 2048 or not text.isascii() or re.search(r"[\x00-\x20\x7f\\\"<>^`{|}]", text):
        raise ValueError("has characters that no URL has; write others as %20 and names as xn--...")
    found = _URL.fullmatch(text)
    if not found:
        raise ValueError("should be a URL such as https://example.com/hook, without a '#'")
    if "@" in found[2]:
        raise ValueError("must not hold a user name or password; sign messages with a secret instead")
    place = _PLACE.fullmatch(found[2])
    secure = found[1].lower() == "https"
    port = int(place[2]) if place and place[2] else 443 if secure else 80
    if not place or not 0 < port < 65536:
        raise ValueError("should have a host, and a port from 1 to 65535 if any")
    return Url(secure, _host(place[1]), port, (found[3] or "/") + (found[4] or ""))


def _host(text: str) -> str:
    if text.startswith("["):
        return str(ipaddress.IPv6Address(text[1:-1]))
    labels = text.lower().removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):  # what ends in a number is an address, and there is one way to write it
        return str(ipaddress.IPv4Address(".".join(labels)))
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{text!r} is no host name or address")
    return ".".join(labels)


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host as the system knows them."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def checked(url: Url, allowed: Allowed, resolve: Resolve = look_up) -> tuple[str, ...]:
    """Return the addresses of a URL's host, looked up once; every one of them may be connected to.

    Raises
    ------
    ValueError
        One lies in a network of this machine's or has another special meaning, and the operator did not open it; or the URL
        is plain http, and the operator did not open its host.
    OSError
        The host has no address.
    """
    found = tuple(dict.fromkeys(resolve(url.host, url.port)))
    if not found:
        raise OSError(f"{url.host} has no address")
    for text in found:
        address = ipaddress.ip_address(text)
        if allowed.opens(url.host, address):
            continue
        if _closed(address):
            raise ValueError(f"{url.host} is an internal address; to use it, name it in 'allow' of the operator's file")
        if not url.secure:
            raise ValueError(f"plain http may go only to hosts in 'allow' of the operator's file; {url.host} is none")
    return found


def _closed(address: IPv4Address | IPv6Address) -> bool:
    special = not address.is_global or address.is_multicast or getattr(address, "scope_id", None) is not None
    return special or any(address in network for network in _CLOSED)
