"""One request to the server, with one deadline for all of it and a bound on what is read."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from watchkeeper.errors import InputError

MOST_READ = 64 * 1024
_PIECE = 64 * 1024
_T = TypeVar("_T")
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
    """A connection to one server, kept open between requests. One thread at a time may use it.

    Parameters
    ----------
    address, key
        The server, and what to show it.
    idle, every
        What to do every so many seconds while the server keeps us waiting.
    """

    def __init__(
        self, address: Address, key: str | None, idle: Callable[[], object] = int, every: float = 60.0
    ) -> None:
        self._address, self._key = address, key
        self._idle, self._every = idle, every
        self._socket: socket.socket | None = None

    def ask(self, request: tuple[str, str], headers: dict[str, str], body: bytes | None, seconds: float) -> Reply:
        """Send ``request`` (method and path below the API's root) and return the reply; raises nothing."""
        clock = _Clock(time.monotonic() + seconds, self._idle, self._every)
        for kept in (True, False):  # a server closes a connection that was idle: once more on a new one
            fresh = self._socket is None
            try:
                return self._exchange(request, headers, body, clock)
            except _Broken as error:
                self.close()
                if fresh or not kept or clock.over():
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

    def _exchange(self, request: tuple[str, str], headers: dict[str, str], body: bytes | None, clock: _Clock) -> Reply:
        if self._socket is None:
            self._socket = _connect(self._address, clock)
        connection = http.client.HTTPConnection(self._address.host, self._address.port)
        timed = _Timed(self._socket, clock)
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


class _Clock:
    """One deadline for everything, and something to do in between."""

    def __init__(self, end: float, idle: Callable[[], object], every: float) -> None:
        self._end, self._idle, self._every = end, idle, every
        self._next = time.monotonic() + every

    def over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self._end

    def run(self, operation: Callable[[], _T], inner: socket.socket) -> _T:
        """Run an operation of a socket until it is done, or raise TimeoutError at the deadline."""
        while True:
            now = time.monotonic()
            if now >= self._next:
                self._idle()
                self._next = time.monotonic() + self._every
            if now >= self._end:
                raise TimeoutError("the server took too long to answer")
            inner.settimeout(min(self._end - now, max(0.001, self._next - now)))
            with contextlib.suppress(TimeoutError):
                return operation()


class _Timed(io.RawIOBase):
    """A socket whose operations all end at one time, and that yields a bounded number of bytes."""

    def __init__(self, inner: socket.socket, clock: _Clock) -> None:
        super().__init__()
        self._inner, self._clock, self._left = inner, clock, 3 * MOST_READ

    def sendall(self, data: bytes) -> None:
        """Send everything by the deadline."""
        view = memoryview(data)
        while view:
            piece = view[:_PIECE]
            view = view[self._clock.run(lambda piece=piece: self._inner.send(piece), self._inner) :]  # type: ignore[misc]

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a reader of what comes."""
        return io.BufferedReader(self, 8192)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there."""
        if self._left <= 0:
            raise http.client.HTTPException("the server answered more than anybody asked for")
        most = min(len(buffer), self._left)
        got = self._clock.run(lambda: self._inner.recv_into(buffer, most), self._inner)
        self._left -= got
        return got


def _connect(address: Address, clock: _Clock) -> socket.socket:
    trouble: OSError = OSError(f"{address.host} has no address")
    for family, kind, protocol, _, place in socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            made.connect_ex(place)
            clock.run(lambda made=made: _connected(made), made)  # type: ignore[misc]
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _secured(made, address.host, clock) if address.secure else made
        except OSError as error:
            trouble = error
            made.close()
        except BaseException:
            made.close()
            raise
    raise trouble


def _connected(made: socket.socket) -> None:
    """Wait until a connection is there, as long as the socket may wait."""
    with selectors.DefaultSelector() as selector:
        selector.register(made, selectors.EVENT_WRITE)
        if not selector.select(made.gettimeout()):
            raise TimeoutError
    code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _secured(plain: socket.socket, host: str, clock: _Clock) -> socket.socket:
    import ssl

    secure = ssl.create_default_context().wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    clock.run(secure.do_handshake, secure)
    return secure


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
