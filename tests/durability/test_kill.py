"""Killed anywhere, under load: nothing that was acknowledged is lost, doubled, partial or altered (I1)."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from audit import findings
from harness import Forker, Server, Store
from loads import Writers

from watchkeeper.store.database import NAME

_READY = 5.0


class Killer:
    """Starts a server again and again and kills it at random: as it starts, under load, and in the midst of upkeep."""

    def __init__(self, forker: Forker, store: Store, seed: int, sabotage: list[str] | None = None) -> None:
        self.forker, self.store, self.sabotage = forker, store, sabotage
        self.random = random.Random(seed)
        self.writers = Writers(store, seed=seed, pause=0.15)
        self.slowest = 0.0
        self._pause = threading.Event()

    def start(self) -> Server:
        began = time.monotonic()
        server = self.forker.start(self.store.folder, self.sabotage)
        assert server.ready(), server.complaints()
        self.slowest = max(self.slowest, time.monotonic() - began)
        return server

    def once(self) -> None:
        """Start, let it work for a random while, kill."""
        where = self.random.random()
        if where < 0.15:
            server = self.forker.start(self.store.folder, self.sabotage)
            self._wait(0.25)
            server.kill()
            return
        server = self.start()
        self.writers.use(server)
        assert self.writers.ledger.await_more(self.random.randint(1, 12)), server.complaints()
        if where < 0.45:
            self.writers.go.clear()
            self._upkeep()
        elif where < 0.75:
            self._counting(server)
        self._wait(0.03 if where < 0.45 else 0.15)
        server.kill()
        self.writers.go.set()

    def _wait(self, most: float) -> None:
        self._pause.wait(self.random.random() * most)

    def _upkeep(self) -> None:
        """Wait until the worker, which has nothing else to do, begins to move rows to Parquet."""
        events = self.store.folder / "events"
        before = set(events.rglob("*.parquet"))
        for _ in range(200):
            if set(events.rglob("*.parquet")) ^ before or any(events.rglob("*.partial")):
                break
            self._pause.wait(0.005)

    def _counting(self, server: Server) -> None:
        """Wait until the worker has just counted something."""
        before = self.store.models(server)["rows"]
        for _ in range(300):
            if self.store.models(server)["rows"] != before:
                break
            self._pause.wait(0.01)

    def check(self) -> list[str]:
        """Have everything acknowledged and counted, end in good order, and return what is wrong."""
        server = self.start()
        self.writers.use(server)
        self.writers.stop()
        told = self.store.counted(server)
        server.terminate()
        wrong = [] if server.ended(20) == 0 else [f"it ended with {server.code}"]
        rows = sum(table.num_rows for table in self.writers.ledger.tables("predictions"))
        wrong += [f"the server says {told['rows']} rows, {rows} were sent"] * (told["rows"] != rows)
        wrong += [f"it complained: {server.complaints()[:2000]}"] * bool(server.complaints())
        return wrong + findings(self.store.folder, self.writers.ledger)


def upkeep_of(store: Store) -> dict[str, int]:
    """Return what upkeep came to: files that were written, those of them that were put together with others, merged days."""
    with closing(sqlite3.connect(store.folder / NAME)) as connection:
        written = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'file'").fetchone()[0]
        kept = connection.execute("SELECT count(*) FROM file").fetchone()[0]
        days = connection.execute("SELECT count(*) FROM profile WHERE stop - start > 3600000000").fetchone()[0]
    return {"files": written, "put together": written - kept, "days": days}


def cold_start(store: Store) -> float:
    """Return in how many seconds a new process over the store serves."""
    began = time.monotonic()
    command = [sys.executable, "-c", "from watchkeeper.cli import main; main()", "serve", "--port", "0", "--store"]
    with subprocess.Popen([*command, str(store.folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Serving")
        took = time.monotonic() - began
        process.kill()
    return took


def kill(forker: Forker, store: Store, times: int, seed: int) -> None:
    killer = Killer(forker, store, seed)
    killer.writers.start()
    for _ in range(times):
        killer.once()
    wrong = killer.check()
    sent = killer.writers.ledger
    done, cold = upkeep_of(store), cold_start(store)
    print(f"{times} kills, {len(sent.acknowledged)} batches acknowledged, slowest start {killer.slowest:.2f} s, {done}")
    print(f"started with all its imports in {cold:.2f} s")
    assert wrong == []
    assert min(done.values()) > 0
    assert cold <= 2 * _READY  # imports included, on a machine that does other things as well
    assert killer.slowest <= _READY


def test_killed_anywhere_nothing_acknowledged_is_lost(forker: Forker, store: Store) -> None:
    kill(forker, store, 40, seed=1)


@pytest.mark.long
def test_killed_two_hundred_times_nothing_acknowledged_is_lost(forker: Forker, store: Store) -> None:
    kill(forker, store, 200, seed=2)


def test_a_server_that_acknowledges_before_the_commit_is_caught(forker: Forker, store: Store) -> None:
    killer = Killer(forker, store, 3, ["acknowledge_early"])
    killer.writers.start()
    for _ in range(8):
        killer.once()
    wrong = killer.check()
    assert any("lost" in said for said in wrong), wrong


def test_a_server_that_counts_a_batch_twice_is_caught(forker: Forker, store: Store) -> None:
    killer = Killer(forker, store, 4, ["released_later"])
    killer.writers.start()
    for _ in range(8):
        killer.once()
    wrong = killer.check()
    assert any("duplicates" in said or "rows were sent" in said for said in wrong), wrong
