"""One POST to addresses that were checked: within one deadline for all of it, past no proxy and no redirect."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping

from watchkeeper.response.addresses import Url

MOST_READ = 64 << 10


class Deadline:
    """A moment by a clock that nobody sets."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left.

        Raises
        ------
        TimeoutError
            None are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


class _Connection(http.client.HTTPConnection):
    """Connects to the first address that answers; the name is for the certificate and the Host header alone."""

    def __init__(self, url: Url, addresses: tuple[str, ...], deadline: Deadline, trust: ssl.SSLContext | None) -> None:
        self.default_port = 443 if url.secure else 80
        super().__init__(url.host, url.port)
        self._url, self._addresses, self._deadline, self._trust = url, addresses, deadline, trust
        self.cut: socket.socket | None = None

    def connect(self) -> None:
        line = self._reach()
        self.cut = socket.socket(fileno=os.dup(line.fileno()))  # the same connection, whatever TLS does with the other
        self.sock = line
        if self._url.secure:
            trust = self._trust or ssl.create_default_context()
            self.sock = trust.wrap_socket(line, server_hostname=self._url.host)

    def _reach(self) -> socket.socket:
        for number, address in enumerate(self._addresses):
            line = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            try:
                line.settimeout(self._deadline.left() / (len(self._addresses) - number))
                line.connect((address, self._url.port))
            except OSError:
                line.close()
                if number == len(self._addresses) - 1:
                    raise
            else:
                line.settimeout(self._deadline.left())
                return line
        raise OSError("no address")

    def sever(self) -> None:
        """End whatever goes on, from another thread."""
        if self.cut is not None:
            with contextlib.suppress(OSError):
                self.cut.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        if self.cut is not None:
            self.cut.close()


def post(
    url: Url, addresses: tuple[str, ...], body: bytes, headers: Mapping[str, str], deadline: Deadline,
    trust: ssl.SSLContext | None = None,
) -> int:  # fmt: skip
    """Send a body and return the status; of what is answered at most 64 KiB are read, and none is kept.

    Parameters
    ----------
    addresses
        Those of the URL's host that were checked.
    trust
        Whose certificates count; the system's where it is None.

    Raises
    ------
    OSError, http.client.HTTPException
        Nothing was answered, or no HTTP, or not in time (:class:`TimeoutError`).
    """
    connection = _Connection(url, addresses, deadline, trust)
    with contextlib.closing(connection), _watched(connection, deadline):
        connection.request("POST", url.target, body, {"Connection": "close", **headers})
        with connection.getresponse() as answer:
            deadline.left()  # headers that were cut off look whole
            with contextlib.suppress(OSError, http.client.HTTPException):  # what counts has been said
                answer.read(MOST_READ)
            return answer.status


@contextlib.contextmanager
def _watched(connection: _Connection, deadline: Deadline) -> Iterator[None]:
    """Sever a connection at its deadline: the timeout of a socket is for each read, and a byte now and then renews it."""
    watch = threading.Timer(deadline.left(), connection.sever)
    watch.daemon = True
    watch.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        deadline.left()
        raise error
    finally:
        watch.cancel()
