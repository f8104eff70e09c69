"""A server as the contract describes it, small enough to read: it records batches by their key and can be told to misbehave.

Run as a program it serves in a process of its own: prints its port, obeys commands on its standard input.
"""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Behaviour:
    """How the server answers: a status with headers, or a function that does as it likes with the handler."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    act: Any = None


class Recorder:
    """Keeps each batch once, with its target, type and rows."""

    def __init__(self) -> None:
        self.batches: dict[str, tuple[str, dict[str, list[str]], str, bytes]] = {}
        self.requests: list[tuple[float, str, dict[str, str]]] = []
        self.behaviour = Behaviour()
        self.replays = 0
        self.serving: str | None = "7"
        self.lock = threading.Lock()
        self.came = threading.Condition(self.lock)
        self.connections = 0
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                with recorder.lock:
                    recorder.connections += 1

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                self.answer(200, {"version": recorder.serving})

            def do_POST(self) -> None:
                body = self.body = self.rfile.read(int(self.headers["Content-Length"]))
                with recorder.came:
                    recorder.requests.append((time.monotonic(), self.path, dict(self.headers)))
                    recorder.came.notify_all()
                    behaviour = recorder.behaviour
                if behaviour.act is not None:
                    behaviour.act(self)
                elif behaviour.status != 200:
                    self.answer(behaviour.status, {"detail": f"told to say {behaviour.status}"}, behaviour.headers)
                else:
                    self.answer(200, recorder.keep(self.path, self.headers, body))

            def answer(self, status: int, said: dict[str, Any], headers: dict[str, str] | None = None) -> None:
                data = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128
            allow_reuse_address = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        self._make = lambda port: Server(("127.0.0.1", port), Handler)
        self.server = self._make(0)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def keep(self, path: str, headers: Any, body: bytes) -> dict[str, Any]:
        key, parts = headers["Idempotency-Key"], urlsplit(path)
        with self.came:
            if key in self.batches:
                self.replays += 1
                assert self.batches[key][3] == body, "one key, two bodies"
            self.batches[key] = (parts.path, parse_qs(parts.query), headers["Content-Type"], body)
            self.came.notify_all()
        rows = rows_of(headers["Content-Type"], body)
        bad = [place for place, row in enumerate(rows) if row.get("timestamp") == "soon"]
        listed = [{"row": place, "reason": "timestamp 'soon' is no time"} for place in bad]
        return {
            "batch": key,
            "rows": len(rows),
            "accepted": len(rows) - len(bad),
            "rejected": len(bad),
            "quarantined": listed,
        }

    def rows(self, kind: str = "predictions") -> list[dict[str, Any]]:
        with self.lock:
            kept = [b for b in self.batches.values() if b[0].endswith("/" + kind)]
        return [row for _, _, content_type, body in kept for row in rows_of(content_type, body)]

    def ids(self, kind: str = "predictions") -> Counter[str]:
        return Counter(row["id"] for row in self.rows(kind))

    def wait_for(self, rows: int, timeout: float = 20.0) -> None:
        end = time.monotonic() + timeout
        with self.came:
            while sum(len(rows_of(b[2], b[3])) for b in self.batches.values()) < rows and time.monotonic() < end:
                self.came.wait(0.2)

    def wait_for_requests(self, count: int, timeout: float = 20.0) -> None:
        with self.came:
            self.came.wait_for(lambda: len(self.requests) >= count, timeout)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def rows_of(content_type: str, body: bytes) -> list[dict[str, Any]]:
    if content_type.startswith("application/vnd"):
        import pyarrow as pa

        return pa.ipc.open_stream(io.BytesIO(body)).read_all().to_pylist()  # type: ignore[no-any-return]
    said = json.loads(body)
    return said["predictions"] if "predictions" in said else said["labels"]  # type: ignore[no-any-return]


class BlackHole:
    """Accepts connections and never answers."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        try:
            while True:
                self.held.append(self.socket.accept()[0])
        except OSError:
            pass

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for each in self.held:
            each.close()


if __name__ == "__main__":
    recorder = Recorder()
    print(recorder.port, flush=True)
    for _ in sys.stdin:
        print(json.dumps({"rows": len(recorder.rows()), "requests": len(recorder.requests)}), flush=True)
