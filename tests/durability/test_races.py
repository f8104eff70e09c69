"""Many at once: writers and readers of one model (I13), starts of one store (I14), ends under load (I21)."""

from __future__ import annotations

import json
import os
import select
import threading
import time
from collections import Counter
from contextlib import closing
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from audit import findings
from harness import Forker, Server, Store
from loads import Writers, batch, labels, predictions, send

_DRAIN = 10.0


class Crowd:
    """Writers that send as fast as they can for a while, and readers that look on."""

    def __init__(self, store: Store, server: Server, seconds: float) -> None:
        self.store, self.server = store, server
        self.until = time.monotonic() + seconds
        self.writers = Writers(store)
        self.times: list[float] = []
        self.wrong: Counter[str] = Counter()
        self.reads = 0

    def run(self, writers: int, readers: int) -> None:
        works = [(self._write, n) for n in range(writers)] + [(self._read, n) for n in range(readers)]
        threads = [threading.Thread(target=work, args=(n,)) for work, n in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _write(self, writer: int) -> None:
        with closing(HTTPConnection(self.server.host, self.server.port, timeout=60)) as line:
            for number in count():
                if time.monotonic() > self.until:
                    return
                rows = predictions(writer, number, 20, seed=7)
                for kind, table in (("predictions", rows), ("labels", labels(rows))):
                    sent = batch(kind, f"{kind}-{writer}-{number}", table, arrow=writer % 2 == 0)
                    self._send(line, sent)

    def _send(self, line: HTTPConnection, sent: object) -> None:
        acknowledged = False
        while not acknowledged:
            began = time.perf_counter()
            status, body = send(line, self.store.secret, sent)  # type: ignore[arg-type]
            self.times.append(time.perf_counter() - began)
            acknowledged = self.writers.ledger.note(sent, status, body)  # type: ignore[arg-type]
            if status >= 500 or (not acknowledged and status != 429):
                self.wrong[f"{status} {body[:200]!r}"] += 1
                return

    def _read(self, reader: int) -> None:
        paths = ["/api/v1/models", "/api/v1/measurements?model=credit", "/api/v1/profiles?model=credit&version=3"]
        rows = total = 0
        while time.monotonic() < self.until:
            path = paths[0] if reader % 2 else paths[self.reads % 3]
            status, body = self.store.ask(self.server, "GET", path)
            self.reads += 1
            if status not in {200, 404, 429} or (status == 404 and "models" in path):
                self.wrong[f"{path}: {status} {body[:200]!r}"] += 1
            elif path == paths[0]:
                model = json.loads(body)["models"][0]
                if model["rows"] < rows or model["rows"] + model["pending"] < total:
                    self.wrong[f"rows went from {rows} of {total} to {model['rows']} + {model['pending']}"] += 1
                rows, total = model["rows"], model["rows"]


def test_writers_and_readers_of_one_model_are_all_served_and_every_row_counts_once(
    forker: Forker, store: Store
) -> None:
    server = forker.start(store.folder)
    assert server.ready(), server.complaints()
    crowd = Crowd(store, server, seconds=15)
    crowd.run(writers=32, readers=8)
    store.counted(server)
    server.terminate()
    assert server.ended(20) == 0
    sent = crowd.writers.ledger
    p50, p99 = np.quantile(crowd.times, [0.5, 0.99])
    print(f"{len(sent.acknowledged)} batches, {crowd.reads} readings; acknowledged in {p50:.3f} s, p99 {p99:.3f} s")
    assert crowd.wrong == Counter()
    assert "locked" not in server.complaints()
    assert findings(store.folder, sent) == []


def test_writers_that_do_not_wait_for_each_other_are_caught(forker: Forker, store: Store) -> None:
    server = forker.start(store.folder, ["impatient"])
    assert server.ready(), server.complaints()
    crowd = Crowd(store, server, seconds=2)
    crowd.run(writers=8, readers=1)
    server.kill()
    assert any(said.startswith("5") for said in crowd.wrong)


def race(forker: Forker, store: Store, name: str, sabotage: list[str] | None = None) -> list[Server]:
    """Start three servers over one store at one moment; returns those that serve, once the others have ended."""
    go = forker.folder / f"go-{name}-{store.folder.parent.name}"
    os.mkfifo(go)
    racers = [forker.start(store.folder, sabotage, go=str(go)) for _ in range(3)]
    with go.open("w"):
        serving = [racer for racer in racers if racer.ready(10)]
    winners = [racer for racer in serving if racer.code is None]
    for racer in racers:
        if racer not in serving:
            racer.ended(10)
    if len(winners) == 1:
        for racer in racers:
            if racer not in winners:
                assert racer.code == 64
                assert f"in use by process {winners[0].pid} on" in racer.complaints()
    for racer in racers:
        if racer not in winners:
            racer.kill()
    return winners


def starts(forker: Forker, store: Store, times: int) -> None:
    slowest = 0.0
    for number in range(times):
        winners = race(forker, store, str(number))
        assert len(winners) == 1
        winners[0].kill()
        began = time.monotonic()
        again = forker.start(store.folder)
        assert again.ready()
        slowest = max(slowest, time.monotonic() - began)
        again.kill()
    print(f"{times} races; started again {slowest:.2f} s after the winner was killed, at most")
    assert slowest <= 5


def test_of_racing_starts_one_wins_and_the_others_name_it(forker: Forker, store: Store) -> None:
    starts(forker, store, 20)


@pytest.mark.long
def test_of_a_hundred_racing_starts_one_wins_and_the_others_name_it(forker: Forker, store: Store) -> None:
    starts(forker, store, 100)


def test_servers_that_take_no_lock_are_caught(forker: Forker, store: Store) -> None:
    winners = race(forker, store, "unlocked", ["unlocked"])
    for winner in winners:
        winner.kill()
    assert len(winners) > 1


def end_under_load(forker: Forker, store: Store, times: int, sabotage: list[str] | None = None) -> list[str]:
    """End a server again and again while four writers send; returns what is wrong in the end."""
    writers, slowest, wrong = Writers(store, seed=21), 0.0, []
    writers.start()
    for _ in range(times):
        server = forker.start(store.folder, sabotage)
        assert server.ready(), server.complaints()
        writers.use(server)
        assert writers.ledger.await_more(8)
        began = time.monotonic()
        server.terminate()
        if server.ended(30) != 0:
            wrong.append(f"it ended with {server.code}")
        slowest = max(slowest, time.monotonic() - began)
        if server.complaints():
            wrong.append(server.complaints()[:500])
    server = forker.start(store.folder)
    assert server.ready(), server.complaints()
    writers.use(server)
    writers.stop()
    store.counted(server)
    server.terminate()
    server.ended(20)
    refused = {s: n for s, n in writers.ledger.answers.items() if s != 200}
    print(f"{times} ends, the slowest took {slowest:.2f} s; answers that were not 200: {refused}")
    if slowest > _DRAIN:
        wrong.append(f"an end took {slowest:.1f} s")
    return wrong + findings(store.folder, writers.ledger)


def test_ended_under_load_nothing_acknowledged_is_lost(forker: Forker, store: Store) -> None:
    assert end_under_load(forker, store, 10) == []


@pytest.mark.long
def test_ended_a_hundred_times_under_load_nothing_acknowledged_is_lost(forker: Forker, store: Store) -> None:
    assert end_under_load(forker, store, 100) == []


def test_a_server_that_just_stops_is_caught(forker: Forker, store: Store) -> None:
    assert any("lost" in said for said in end_under_load(forker, store, 6, ["abrupt"]))


def test_an_end_while_nobody_writes_is_quick(forker: Forker, store: Store) -> None:
    server = forker.start(store.folder)
    assert server.ready(), server.complaints()
    assert not select.select([server.pidfd], [], [], 0)[0]
    server.terminate()
    assert server.ended(_DRAIN) == 0
    assert not Path(store.folder / "watchkeeper.db-wal").exists()
