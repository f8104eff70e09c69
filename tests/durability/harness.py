"""Real servers as processes: started, asked, killed and ended."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.values import Target

LAUNCH = Path(__file__).parent / "launch.py"
TARGET = Target("default", "credit", "production", "3")
NUMBERS = [f"n{i:02}" for i in range(17)]
TEXTS = [f"t{i}" for i in range(3)]
SCHEMA: dict[str, Any] = {
    "id": "id", "timestamp": "when", "target": "bad", "prediction": "flag", "score": "risk", "task": "binary",
    "positive": "1", "classes": ["0", "1"],
    "kinds": dict.fromkeys([*NUMBERS, "risk"], "numeric") | dict.fromkeys([*TEXTS, "id", "flag", "bad"], "categorical")
    | {"when": "datetime"},
}  # fmt: skip


class Forker:
    """Starts servers without paying for imports each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = itertools.count()
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(LAUNCH)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _ask(self, told: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def start(self, store: Path, sabotage: list[str] | None = None, **order: Any) -> Server:
        """Start a server over a store; it may not be ready yet."""
        number = next(self._count)
        out, log = self.folder / f"out-{number}", self.folder / f"log-{number}"
        os.mkfifo(out)
        told = {"folder": str(store), "sabotage": sabotage or [], "out": str(out), "log": str(log)} | order
        reading = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
        pid = self._ask({"run": told})
        return Server(self, pid, os.pidfd_open(pid), reading, log)

    def wait(self, pid: int) -> int:
        """Return the exit code of a process that has ended; that of one that was killed is negative."""
        return self._ask({"wait": pid})

    def close(self) -> None:
        """End."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@dataclass
class Server:
    """A server process."""

    forker: Forker
    pid: int
    pidfd: int
    reading: int
    log: Path
    said: str = ""
    host: str = ""
    port: int = 0
    code: int | None = None

    def ready(self, timeout: float = 30.0) -> bool:
        """Wait until it serves; False where it ended instead, or not in time."""
        ends = select.poll()
        ends.register(self.reading, select.POLLIN)
        while "Serving  " not in self.said or not self.said.endswith("\n"):
            found = ends.poll(timeout * 1000)
            piece = os.read(self.reading, 65536) if found else b""
            if not piece:
                return False
            self.said += piece.decode()
        url = next(line.split()[1] for line in self.said.splitlines() if line.startswith("Serving"))
        self.host, port = url.removeprefix("http://").split(":")
        self.port = int(port)
        return True

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self.ended(30)

    def terminate(self) -> None:
        """Ask it to end."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)

    def ended(self, timeout: float) -> int | None:
        """Wait for its end; returns the exit code, None where it goes on."""
        if self.code is None and select.select([self.pidfd], [], [], timeout)[0]:
            self.code = self.forker.wait(self.pid)
            os.close(self.pidfd)
            os.close(self.reading)
        return self.code

    def complaints(self) -> str:
        """Return what it wrote to standard error, but for alerts about its models."""
        said = self.log.read_text().splitlines(keepends=True) if self.log.exists() else []
        return "".join(line for line in said if " watchkeeper.alerts: " not in line)


@dataclass
class Store:
    """A folder with a model registered and a key to it."""

    folder: Path
    secret: str = ""
    servers: list[Server] = field(default_factory=list)

    def make(self) -> Store:
        """Make it, without a server."""
        with Pipeline.open(self.folder) as pipeline:
            self.secret, _ = pipeline.keys.create("test", "admin")
            pipeline.register(TARGET, SCHEMA, "wall")
        return self

    def ask(
        self, server: Server, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """Ask a server something on a connection of its own."""
        with contextlib.closing(http.client.HTTPConnection(server.host, server.port, timeout=60)) as line:
            line.request(method, path, body, {"Authorization": f"Bearer {self.secret}"} | headers)
            answer = line.getresponse()
            return answer.status, answer.read()

    def models(self, server: Server) -> dict[str, Any]:
        """Return what the server says of the one model."""
        status, body = self.ask(server, "GET", "/api/v1/models")
        assert status == 200, body
        found: dict[str, Any] = json.loads(body)["models"][0]
        return found

    def counted(self, server: Server, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until a server has counted all that it took; returns what it says of the model."""
        pause = threading.Event()
        for _ in range(int(timeout / 0.05)):
            found = self.models(server)
            if found["pending"] == 0:
                return found
            pause.wait(0.05)
        raise AssertionError(f"{found['pending']} rows are not counted after {timeout} s")
