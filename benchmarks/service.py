"""What a server costs: durable rows a second, how long an acknowledgement takes, and memory after many rows.

A real ``watchkeeper serve`` in a process of its own on the loopback interface; bodies are made before the clock starts, so
that only the server and the wire are measured; four writers send at once. A row counts as durable once its 200 has arrived.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pyarrow as pa

from watchkeeper.client.ids import Mint

FEATURES = 20
ARROW, JSON = "application/vnd.apache.arrow.stream", "application/json"
_MINT = Mint()
_DAY, _MINUTE = 86_400_000_000, 60_000_000


@dataclass
class Served:
    """A server that runs, and its key."""

    process: subprocess.Popen[str]
    url: str
    key: str
    times: list[float] = field(default_factory=list)

    def memory(self) -> float:
        """Return its resident memory in MiB, and forget nothing."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def ask(self, path: str) -> dict[str, object]:
        """Return what a GET answers."""
        with contextlib.closing(self.line()) as line:
            line.request("GET", path, headers={"Authorization": f"Bearer {self.key}"})
            told: dict[str, object] = json.loads(line.getresponse().read())
            return told

    def line(self) -> http.client.HTTPConnection:
        """Return a connection."""
        return http.client.HTTPConnection(urlparse(self.url).netloc, timeout=60)


@contextlib.contextmanager
def served() -> Iterator[Served]:
    """Start a server on a new store; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        command = [sys.executable, "-m", "watchkeeper", "serve", "--store", f"{folder}/store", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            said = ""
            while "http://" not in said or "wk_" not in said:
                said += process.stdout.readline()
            url, key = re.findall(r"http://[0-9.:]+", said)[0], re.findall(r"wk_[0-9a-f]{20,}", said)[0]
            try:
                yield Served(process, url, key)
            finally:
                process.kill()


def rows(count: int, seed: int, span: int = _DAY) -> pa.Table:
    """Return predictions with 20 features over the ``span`` microseconds before now, ids of the client's own making."""
    rng = np.random.default_rng(seed)
    times = time.time_ns() // 1000 - rng.integers(0, span, count)
    columns: dict[str, object] = {f"x{i}": rng.normal(i, 1, count) for i in range(FEATURES - 4)}
    columns |= {f"c{i}": np.array(["a", "b", "c", "d"])[rng.integers(0, 4, count)] for i in range(4)}
    score = rng.random(count)
    ids = [_MINT.at(int(t) // 1000) for t in times]
    timed = {"id": ids, "timestamp": pa.array(times, pa.timestamp("us", "UTC"))}
    return pa.table(timed | columns | {"score": score, "prediction": (score > 0.5).astype(int)})


def arrow(table: pa.Table) -> bytes:
    """Return rows as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def as_json(table: pa.Table) -> bytes:
    """Return rows as JSON."""
    made = []
    for row in table.to_pylist():
        about = {name: row.pop(name) for name in ("id", "score", "prediction")}
        made.append(about | {"timestamp": row.pop("timestamp").timestamp(), "features": row})
    return json.dumps({"predictions": made}).encode()


def send(server: Served, bodies: list[bytes], kind: str, writers: int, pause: float = 0.0) -> tuple[float, list[float]]:
    """Send every body once, by so many writers; return the seconds in all, and those of each acknowledgement."""
    waiting, times, lock = iter(bodies), [], threading.Lock()

    def write(_: int) -> None:
        line = server.line()
        headers = {"Authorization": f"Bearer {server.key}", "Content-Type": kind}
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            while True:
                start = time.perf_counter()
                line.request("POST", "/api/v1/predictions?model=bench&version=1", body, headers)
                answer = line.getresponse()
                answer.read()
                if answer.status == 200:
                    break
                time.sleep(float(answer.headers.get("Retry-After", "1")))  # the server said when to come again
            times.append(time.perf_counter() - start)
            if pause:
                time.sleep(pause)  # the load that is measured, not a wait for something

    began = time.perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    return time.perf_counter() - began, times


def counted(server: Served) -> float:
    """Wait until nothing is pending and return the seconds that took."""
    began = time.perf_counter()
    while any(m["pending"] for m in server.ask("/api/v1/models")["models"]):  # type: ignore[attr-defined]
        time.sleep(0.1)  # the server tells its state when asked
    return time.perf_counter() - began


def main(most: int = 10_000_000) -> None:
    """Print the table."""
    print("Server: predictions with 20 features; durable once acknowledged; one server, loopback.")
    print(f"{'load':44} {'rows/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'counted rows/s':>15}")
    loads: list[tuple[str, str, Callable[[pa.Table], bytes], int, int, int, float]] = [
        ("Arrow, 10,000 rows a batch, of a whole day", ARROW, arrow, 10_000, 100, _DAY, 0.0),
        ("JSON, 1,000 rows a batch, of a whole day", JSON, as_json, 1_000, 150, _DAY, 0.0),
        ("JSON, 200 rows a batch, live, 40 a second", JSON, as_json, 200, 1_200, _MINUTE, 0.1),
        ("JSON, 1 row a batch, live, 40 a second", JSON, as_json, 1, 1_200, _MINUTE, 0.1),
        ("Arrow, 1,000 rows a batch, live, 40 a second", ARROW, arrow, 1_000, 1_200, _MINUTE, 0.1),
        ("Arrow, 1,000 rows a batch, of a day, 40 a second", ARROW, arrow, 1_000, 400, _DAY, 0.1),
    ]
    for name, kind, encode, size, batches, span, pause in loads:
        writers = 4
        with served() as server:
            send(server, [encode(rows(size, 10**6 + i, span)) for i in range(3)], kind, 1)
            counted(server)
            bodies = [encode(rows(size, i, span)) for i in range(batches)]
            seconds, times = send(server, bodies, kind, writers, pause)
            total = seconds + counted(server)
            p50, p99 = np.quantile(np.array(times) * 1000, [0.5, 0.99])
            done = size * batches
            print(f"{name:44} {done / seconds:10,.0f} {p50:8.1f} {p99:8.1f} {done / total:15,.0f}", flush=True)
    _memory(most)


def _memory(most: int) -> None:
    size, at_once = 20_000, 25
    with served() as server:
        done, marks = 0, []
        while done < most:
            bodies = [arrow(rows(size, done + i)) for i in range(at_once)]
            send(server, bodies, ARROW, 2)
            done += size * at_once
            if done in {1_000_000, most // 2, most}:
                counted(server)
                marks.append(f"{done:,} rows: {server.memory():,.0f} MiB")
        print("Memory of the server: " + "; ".join(marks), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
