"""Real servers that a channel may talk to: one that checks signatures as others do, a canary, rude ones, a mail host."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from watchkeeper.response.alert import Alert

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Message:
    """What came. ``genuine``: its signature is right by the public verifier."""

    id: str
    body: dict[str, Any]
    headers: dict[str, str]
    genuine: bool
    raw: bytes


class Receiver(ThreadingHTTPServer):
    """Takes webhooks on loopback. ``answer`` returns the status, and may wait before it does."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, secret: str = SECRET, trust: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if trust is not None:
            self.socket = trust.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.verifier = Webhook(secret)
        self.messages: list[Message] = []
        self.answer: Callable[[Message], int] = lambda message: 204
        self.location = ""
        self._state = threading.Condition()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever sends may be killed while it does."""

    def took(self, message: Message) -> None:
        with self._state:
            self.messages.append(message)
            self._state.notify_all()

    def wait(self, enough: Callable[[list[Message]], bool], timeout: float = 10.0) -> bool:
        """Wait until what came is enough."""
        with self._state:
            return bool(self._state.wait_for(lambda: enough(self.messages), timeout))

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        headers = dict(self.headers.items())
        try:
            self.server.verifier.verify(raw, headers)
            genuine = True
        except WebhookVerificationError:
            genuine = False
        message = Message(self.headers.get("webhook-id", ""), json.loads(raw), headers, genuine, raw)
        status = self.server.answer(message)
        self.server.took(message)
        self.send_response(status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *told: Any) -> None:
        """Say nothing."""


class Canary:
    """Listens on one port of 127.0.0.1 and ::1 and counts who connects."""

    def __init__(self) -> None:
        self.lines = [socket.create_server(("127.0.0.1", 0))]
        self.port = int(self.lines[0].getsockname()[1])
        with contextlib.suppress(OSError):
            self.lines.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        self.reached = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, args=(line,), daemon=True) for line in self.lines]
        for thread in self._threads:
            thread.start()

    def _accept(self, line: socket.socket) -> None:
        while True:
            try:
                caller, _ = line.accept()
            except OSError:
                return
            with self._lock:
                self.reached += 1
            with caller, contextlib.suppress(OSError):
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")

    def close(self) -> None:
        for line in self.lines:
            line.shutdown(socket.SHUT_RDWR)
            line.close()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve every caller with ``talk`` on a raw connection; yields the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                talk(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


@dataclass
class Mailbox:
    """As much of SMTP as a sender needs."""

    letters: list[str] = field(default_factory=list)

    def talk(self, line: socket.socket) -> None:
        with line.makefile("rwb") as stream:
            self._say(stream, "220 test")
            for command in iter(stream.readline, b""):
                verb = command[:4].upper()
                if verb == b"DATA":
                    self._say(stream, "354 go on")
                    told = b"".join(iter(stream.readline, b".\r\n"))
                    self.letters.append(told.decode())
                self._say(stream, "221 bye" if verb == b"QUIT" else "250 fine")

    @staticmethod
    def _say(stream: Any, words: str) -> None:
        stream.write(words.encode() + b"\r\n")
        stream.flush()


def alert(kind: str = "opened", **changes: Any) -> Alert:
    """Return an alert as a server makes it."""
    told: dict[str, Any] = {
        "key": f"7-{kind}-1", "kind": kind, "project": "default", "environment": "production", "model": "late-flights",
        "version": "3", "incident": 7, "severity": "critical", "title": "late-flights: roc_auc fell",
        "text": "roc_auc is 0.61, was 0.74.", "url": "http://127.0.0.1:8640/incidents/7",
        "opened": "2013-07-01T00:00:00+00:00", "at": "2013-07-01T01:00:00+00:00",
    } | changes  # fmt: skip
    return Alert(**told)
