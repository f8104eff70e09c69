"""A server in this process on a real socket, and a way to ask it things byte by byte."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI

from watchkeeper.server.binding import Binding
from watchkeeper.server.ports import Upkeep
from watchkeeper.server.run import Server
from watchkeeper.server.services import services_in


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Live:
    """A running application."""

    app: FastAPI
    host: str
    port: int
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def ask(
        self, method: str, path: str, who: str | None = None, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request; ``who`` names a secret; a dict is sent as JSON."""
        sent = dict(headers or {})
        if who is not None:
            sent["Authorization"] = f"Bearer {self.secrets[who]}"
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=30)) as line:
            line.request(method, path, body, sent, encode_chunked=not isinstance(body, bytes | None))
            with line.getresponse() as answer:
                headers_back = {name.lower(): value for name, value in answer.getheaders()}
                return Answer(answer.status, headers_back, answer.read())

    def page(self, who: str) -> dict[str, str]:
        """Return the headers with which the page of somebody who has logged in sends its requests."""
        services = services_in(self.app)
        key = services.pipeline.keys.authenticate(self.secrets[who])
        assert key is not None
        secret, _ = services.sessions.begin(key)
        return {"Cookie": f"watchkeeper={secret}", "Origin": self.url, "X-Watchkeeper": "page"}

    def head(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Send a request without a body and return the answer without its body, which may have no end."""
        with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=30)) as line:
            line.request(method, path, headers=headers)
            with line.getresponse() as answer:
                return Answer(answer.status, {n.lower(): v for n, v in answer.getheaders()}, b"")

    def follow(self, headers: dict[str, str]) -> Stream:
        """Follow events."""
        return Stream(self, headers)

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are; return everything until the server closes."""
        with socket.create_connection((self.host, self.port), timeout=30) as line:
            line.sendall(data)
            got = b""
            while piece := line.recv(65536):
                got += piece
            return got


class Stream:
    """A stream of events that is being read."""

    def __init__(self, served: Live, headers: dict[str, str], timeout: float = 30.0) -> None:
        self.line = http.client.HTTPConnection(served.host, served.port, timeout=timeout)
        self.line.request("GET", "/api/v1/events", headers=headers)
        self.answer = self.line.getresponse()

    def next(self) -> dict[str, str]:
        """Wait for the next block and return its fields; a comment's name is empty. Nothing where the stream has ended."""
        found: dict[str, str] = {}
        while (text := self.answer.readline().decode()) not in {"\n", ""}:
            name, _, value = text.rstrip("\n").partition(": ")
            found[name.rstrip(":")] = value
        return found

    def event(self) -> dict[str, str]:
        """Wait for the next event; nothing where the stream has ended."""
        while found := self.next():
            if "event" in found:
                return found
        return {}

    def close(self) -> None:
        self.answer.close()
        self.line.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Serve = Callable[..., Live]


def make_secrets(pipeline: Upkeep) -> dict[str, str]:
    """Return a secret of every kind."""
    ring = pipeline.keys
    found = {role: ring.create(role, role)[0] for role in ("ingest", "viewer", "admin")}
    found["elsewhere"] = ring.create("elsewhere", "admin", "other")[0]
    found["revoked"], key = ring.create("revoked", "admin")
    assert ring.revoke(key.id, "default")
    found["expired"] = ring.create("expired", "admin", "default", datetime.now(UTC) - timedelta(seconds=1))[0]
    return found | {"wrong": "wk_" + "0" * 56, "nonsense": "\N{SNOWMAN}".encode().decode("latin-1")}


@contextlib.contextmanager
def live(app: FastAPI) -> Iterator[Live]:
    """Serve an application while a block runs."""
    listening = Binding(port=0).listen()
    server, started = Server(app, Binding()), threading.Event()
    server.on_start = started.set
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield Live(app, "127.0.0.1", listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
        assert not thread.is_alive()
