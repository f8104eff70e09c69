"""Where a server listens, and when that would be unwise."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from watchkeeper.errors import InputError
from watchkeeper.server.hosts import LOOPBACK, folded, host_name, is_loopback, is_wildcard


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where a server listens.

    Attributes
    ----------
    host, port
        The address; port 0 is any free one.
    allow_hosts
        Further names by which it may be called.
    behind_proxy
        A proxy in front of it does TLS, so that it may listen where other machines reach it.
    certificate, private_key
        PEM files with which it does TLS itself.
    """

    host: str = "127.0.0.1"
    port: int = 8640
    allow_hosts: tuple[str, ...] = ()
    behind_proxy: bool = False
    certificate: Path | None = None
    private_key: Path | None = None

    def hosts(self) -> frozenset[str]:
        """Return the names by which it may be called.

        Raises
        ------
        InputError
            One of them is no name.
        """
        names = set(LOOPBACK) if is_wildcard(self.host) else {*LOOPBACK, folded(self.host)}
        for given in self.allow_hosts:
            name = host_name(given)
            if name is None:
                raise InputError(f"--allow-host takes a name such as watch.example.org, not {given!r}.")
            names.add(name)
        return frozenset(names)

    def check(self) -> None:
        """Raise where others would reach it in plain text, or where it cannot do TLS."""
        if (self.certificate is None) != (self.private_key is None):
            raise InputError("TLS takes both --tls-cert and --tls-key; one of them is missing.")
        if self.certificate is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.private_key)
            except OSError as error:
                raise InputError(
                    f"{self.certificate} and {self.private_key} cannot be used for TLS: {error.strerror or error}."
                ) from error
        elif not self.behind_proxy and not is_loopback(_resolved(self.host, self.port)[1][0]):
            raise InputError(
                f"Other machines reach {self.host}, and keys would cross the network in plain text. Give --tls-cert and "
                "--tls-key, or --behind-proxy where a proxy in front does TLS, or listen on 127.0.0.1."
            )

    def listen(self) -> socket.socket:
        """Return a socket that is bound to the address.

        Raises
        ------
        InputError
            The address is taken, or not this machine's.
        """
        family, address = _resolved(self.host, self.port)
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY by the protocol
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
        except OSError as error:
            made.close()
            raise InputError(
                f"Watchkeeper cannot listen on {self.host}, port {self.port}: {error.strerror or error}. "
                "Name another with --host and --port; --port 0 is any free one."
            ) from error
        return made

    def url(self, port: int) -> str:
        """Return the address by which this machine reaches it."""
        host = folded(self.host)
        if is_wildcard(host):
            host = "::1" if ":" in host else "127.0.0.1"
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.certificate else 'http'}://{shown}:{port}"


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        if not host:
            raise socket.gaierror("it is empty")
        found = socket.getaddrinfo(folded(host), port, type=socket.SOCK_STREAM)
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(f"{host!r} is no address of this machine: {error}.") from error
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))
