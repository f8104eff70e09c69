"""Nothing is acknowledged, registered or removed before what it rests on is on disk: seen in the system calls (I2)."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from harness import SCHEMA, Server, Store
from loads import Writers, batch, predictions, send
from tracing import Trace, calls, child_of, command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strace is for Linux")
_ONE_AT_A_TIME = 12


def traced(folder: Path, *sabotage: str) -> Trace:
    """Run a new server under strace: batches one at a time, then from four writers, then upkeep; return what it did."""
    store, trace = Store(folder / "made" / "store"), folder / "trace"
    order: dict[str, object] = {"folder": str(store.folder), "sabotage": sabotage}
    with subprocess.Popen(command(trace, order), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        while "Serving  " not in said:
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            said += line
        server = Server(None, 0, 0, 0, folder / "log")  # type: ignore[arg-type] - it is no child of the forker
        server.host, port = said.split("Serving  ")[1].split()[0].removeprefix("http://").split(":")
        server.port = int(port)
        store.secret = said.split("Key ")[1].split()[0]
        _work(store, server, folder)
        os.kill(child_of(process), signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 0
    return Trace(calls(trace), store.folder)


def _work(store: Store, server: Server, folder: Path) -> None:
    path = "/api/v1/versions?model=credit&version=3&environment=production"
    body = json.dumps({"schema": SCHEMA, "clock": "wall"}).encode()
    assert store.ask(server, "PUT", path, body, **{"Content-Type": "application/json"})[0] == 200
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=60)) as line:
        for number in range(_ONE_AT_A_TIME):
            sent = batch("predictions", f"one-{number}", predictions(9, number, 50), arrow=True)
            assert send(line, store.secret, sent)[0] == 200
    writers = Writers(store, most=30)
    writers.use(server)
    writers.start()
    assert writers.ledger.await_more(24, 60)
    writers.stop()
    store.counted(server)
    events, pause = store.folder / "events", threading.Event()
    for number in range(12):  # further rows of the same hours: their files are put together
        sent = batch("predictions", f"again-{number}", predictions(8, number, 20), arrow=True)
        before = set(events.rglob("*.parquet"))
        with closing(http.client.HTTPConnection(server.host, server.port, timeout=60)) as line:
            assert send(line, store.secret, sent)[0] == 200
        for _ in range(400):
            if set(events.rglob("*.parquet")) - before:
                break
            pause.wait(0.02)
        if before - set(events.rglob("*.parquet")):
            break


def test_nothing_is_acknowledged_registered_or_removed_too_early(tmp_path: Path) -> None:
    trace = traced(tmp_path)
    assert len(trace.acknowledged()) >= _ONE_AT_A_TIME + 24
    assert len(trace.renames()) >= 3
    assert any(call.name.startswith("unlink") and call.texts[-1].endswith(b".parquet") for call in trace.calls)
    assert trace.early_answers() == []
    assert trace.early_files() == []
    assert trace.early_removals() == []
    assert trace.unnamed() == []


def test_what_is_out_of_order_is_caught_acknowledged_before_a_sync(tmp_path: Path) -> None:
    assert traced(tmp_path, "sync_less").early_answers()


def test_what_is_out_of_order_is_caught_in_files(tmp_path: Path) -> None:
    trace = traced(tmp_path, "files_unsynced", "removed_early")
    assert any("before it was synced" in said for said in trace.early_files())
    assert trace.early_removals()


def test_what_is_out_of_order_is_caught_in_folders(tmp_path: Path) -> None:
    trace = traced(tmp_path, "names_unsynced")
    assert any("store was not synced" in said for said in trace.unnamed())
    wrong = trace.early_files()
    assert any("name was synced" in said for said in wrong)
    assert any("folder" in said for said in wrong)
