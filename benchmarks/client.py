"""What logging costs a service: the calls themselves, and the throughput of the host at 1,000 rows a second."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

from watchkeeper.client.logger import Logger
from watchkeeper.client.settings import Settings

# Accepts every batch and answers as the contract says, in a process of its own.
SERVER = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    def log_message(self, *args): pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        rows = body.count(b'{"id":')
        said = json.dumps({"batch": "b", "rows": rows, "accepted": rows, "rejected": 0, "quarantined": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
FEATURES: dict[str, object] = {f"number{place}": place * 1.37 + 0.1 for place in range(15)}
FEATURES |= {f"category{place}": f"value {place}" for place in range(5)}
BURST, CALLS, RATE, SECONDS, ROUNDS = 500, 20_000, 1000, 2.0, 9


@dataclass(frozen=True)
class Latency:
    """Microseconds of one call."""

    p50: float
    p99: float
    p999: float


def bursts(call: Callable[[], object], rest: Callable[[], object]) -> Latency:
    """Time single calls one after the other, with a rest after each burst in which the client's thread catches up."""
    taken: list[int] = []
    for _ in range(CALLS // BURST):
        taken += [timed(call) for _ in range(BURST)]
        rest()
    return summary(taken)


def paced(call: Callable[[], object]) -> Latency:
    """Time single calls at RATE a second, between which the caches of a shared machine grow cold."""
    taken, due = [], time.perf_counter()
    for _ in range(CALLS // 5):
        due += 1 / RATE
        while time.perf_counter() < due:
            pass
        taken.append(timed(call))
    return summary(taken)


def timed(call: Callable[[], object]) -> int:
    start = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - start


def summary(taken: list[int]) -> Latency:
    cuts = statistics.quantiles(taken, n=1000)
    return Latency(cuts[499] / 1000, cuts[989] / 1000, cuts[998] / 1000)


def work(rows: int) -> float:
    """Do what a model does for one row, in plain Python."""
    total = 0.0
    for place in range(rows):
        total += place * 0.5
    return total


def throughput(log: Callable[[], object]) -> float:
    """Return how many pieces of work a second the host does, while it logs 1,000 rows a second in between."""
    done, start = 0, time.perf_counter()
    due = start
    while (now := time.perf_counter()) - start < SECONDS:
        if now >= due:
            log()
            due += 1 / RATE
        work(200)
        done += 1
    return done / (time.perf_counter() - start)


def compare(log: Logger) -> list[float]:
    """Return the share of throughput that logging takes, for each of several rounds in alternation."""

    def row() -> None:
        log.prediction(FEATURES, prediction=1, score=0.83)

    lost = []
    for _ in range(ROUNDS):
        before, during, after = throughput(int), throughput(row), throughput(int)
        lost.append(1 - during / ((before + after) / 2))
    return lost


async def _lag(call: Callable[[], object], rate: int) -> list[float]:
    """Return by how many milliseconds a loop wakes too late, while a task calls at a rate."""
    late: list[float] = []
    over = asyncio.Event()

    async def tick() -> None:
        while not over.is_set():
            due = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            late.append((time.perf_counter() - due) * 1000)

    async def log() -> None:
        start = due = time.perf_counter()
        while due - start < SECONDS:
            due += 10 / rate
            for _ in range(10):
                call()
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        over.set()

    await asyncio.gather(tick(), log())
    return late


def lag(log: Callable[[], object]) -> str:
    """Say how late an asyncio loop wakes at 5,000 rows/s, beside one that does the same without logging."""
    cuts = {}
    for name, call in (("without", int), ("with", log)):
        late = sorted(value for _ in range(3) for value in asyncio.run(_lag(call, 5 * RATE)))
        cuts[name] = late[len(late) // 2], late[int(len(late) * 0.99)], late[-1]
    told = "; ".join(f"{name} p50 {a:.2f} p99 {b:.2f} max {c:.1f}" for name, (a, b, c) in cuts.items())
    return f"an asyncio loop at {5 * RATE:,} rows/s wakes late by, in ms: {told}"


def main() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    with tempfile.TemporaryDirectory() as folder:
        log = Logger("benchmark", "1", url=url, key="wk_benchmark", settings=Settings(spool=folder))
        safe = Logger("benchmark", "1", url=url, key="wk_x", settings=Settings(spool=folder, durability="disk"))

        def predict(features: dict[str, object]) -> int:
            return 1

        seen = log.observe(predict)
        calls: dict[str, Callable[[], object]] = {
            "a function, undecorated": lambda: predict(FEATURES),
            "log.prediction, 20 features": lambda: log.prediction(FEATURES, prediction=1, score=0.83),
            "the function, @log.observe": lambda: seen(FEATURES),
            "log.prediction, durability='disk'": lambda: safe.prediction(FEATURES, prediction=1, score=0.83),
            "json.dumps of the features": lambda: json.dumps(FEATURES),
        }
        print("client: microseconds of one call; a server in another process takes the rows")
        print(f"{'':<36}  {'in bursts of ' + str(BURST):>24}  {f'{RATE:,} a second':>24}")
        print(f"{'call':<36}" + f"  {'p50':>7} {'p99':>7} {'p99.9':>8}" * 2)
        for name, call in calls.items():
            costs = bursts(call, lambda: log.flush(5) and safe.flush(5)), paced(call)
            print(f"{name:<36}" + "".join(f"  {c.p50:>7.2f} {c.p99:>7.2f} {c.p999:>8.1f}" for c in costs), flush=True)
        lost = compare(log)
        median = statistics.median(lost)
        spread = f"{ROUNDS} rounds: {min(lost):.1%} to {max(lost):.1%}"
        print(f"throughput of the host lost at {RATE:,} rows/s: {median:.1%} ({spread})")
        print(lag(calls["log.prediction, 20 features"]))
        log.flush(20)
        print(f"delivered {log.stats.delivered:,} of {log.stats.logged:,} rows")
        log.close()
        safe.close()
    server.terminate()
    server.wait()
