"""One request to the server, with one deadline for all of it and a bound on what is read."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import socket
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from watchkeeper.errors import InputError

MOST_READ = 64 * 1024
_PIECE = 64 * 1024
_Broken = (OSError, http.client.HTTPException, ValueError)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request.

    Attributes
    ----------
    status
        The status of the answer; 0 where there was none.
    said
        The JSON object that was answered; empty where it was none.
    retry_after
        Seconds after which the server wants to be asked again.
    trouble
        Why there was no answer.
    """

    status: int
    said: dict[str, Any] = field(default_factory=dict)
    retry_after: float | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is."""

    host: str
    port: int
    path: str
    secure: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """Return the address that a URL names, or say what is wrong with it (InputError)."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise InputError(f"The server's URL is {url!r}, which is none: {error}.") from error
        if parts.scheme not in {"http", "https"} or not parts.hostname or any(c <= " " for c in url):
            raise InputError(f"The server's URL should look like http://127.0.0.1:8640, but is {url!r}.")
        return cls(parts.hostname, port, parts.path.rstrip("/"), parts.scheme == "https")


class Line:
    """A connection to one server, kept open between requests. One thread at a time may use it."""

    def __init__(self, address: Address, key: str | None) -> None:
        self._address, self._key = address, key
        self._socket: socket.socket | None = None

    def ask(self, request: tuple[str, str], headers: dict[str, str], body: bytes | None, seconds: float) -> Reply:
        """Send ``request`` (method and path below the API's root) and return the reply; raises nothing."""
        end = time.monotonic() + seconds
        for kept in (True, False):  # a server closes a connection that was idle: once more on a new one
            fresh = self._socket is None
            try:
                return self._exchange(request, headers, body, end)
            except _Broken as error:
                self.close()
                if fresh or not kept or time.monotonic() >= end:
                    return Reply(0, trouble=f"{type(error).__name__}: {error}".strip(": "))
        return Reply(0, trouble="no connection")

    def close(self) -> None:
        """Close the connection."""
        kept, self._socket = self._socket, None
        if kept is not None:
            with contextlib.suppress(OSError):
                kept.close()

    def forget(self) -> None:
        """In a forked child: let go of the parent's connection without a word on it."""
        kept, self._socket = self._socket, None
        if kept is not None:
            with contextlib.suppress(OSError):
                os.close(kept.detach())

    def _exchange(self, request: tuple[str, str], headers: dict[str, str], body: bytes | None, end: float) -> Reply:
        if self._socket is None:
            self._socket = _connect(self._address, end)
        connection = http.client.HTTPConnection(self._address.host, self._address.port)
        timed = _Timed(self._socket, end)
        connection.sock = timed
        if self._key:
            headers = {**headers, "Authorization": f"Bearer {self._key}"}
        method, path = request
        connection.request(method, f"{self._address.path}/api/v1/{path}", body, headers)
        with http.client.HTTPResponse(timed, method=method) as response:  # type: ignore[arg-type]
            response.begin()
            text = response.read(MOST_READ + 1)
            whole = response.isclosed() or not response.read(1)
            reply = Reply(response.status, _object(text), _seconds(response.getheader("Retry-After")))
            if response.will_close or not whole:
                self.close()
        return reply


class _Timed(io.RawIOBase):
    """A socket whose operations all end at one time, and that yields a bounded number of bytes."""

    def __init__(self, inner: socket.socket, end: float) -> None:
        super().__init__()
        self._inner, self._end, self._left = inner, end, 3 * MOST_READ

    def _arm(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the server took too long to answer")
        self._inner.settimeout(left)

    def sendall(self, data: bytes) -> None:
        """Send everything by the deadline."""
        view = memoryview(data)
        while view:
            self._arm()
            view = view[self._inner.send(view[:_PIECE]) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a reader of what comes."""
        return io.BufferedReader(self, 8192)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there."""
        self._arm()
        if self._left <= 0:
            raise http.client.HTTPException("the server answered more than anybody asked for")
        got = self._inner.recv_into(buffer, min(len(buffer), self._left))
        self._left -= got
        return got


def _connect(address: Address, end: float) -> socket.socket:
    trouble: OSError = OSError(f"{address.host} has no address")
    for family, kind, protocol, _, place in socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(max(0.001, end - time.monotonic()))
            made.connect(place)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _secured(made, address.host) if address.secure else made
        except OSError as error:
            trouble = error
            made.close()
    raise trouble


def _secured(plain: socket.socket, host: str) -> socket.socket:
    import ssl

    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _object(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
