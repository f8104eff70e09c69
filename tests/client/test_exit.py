"""The end of a process is not held up, and takes no rows along."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from recorder import Behaviour, Recorder

CHILD = Path(__file__).parent / "child.py"


def start(what: str, server: Recorder, spool: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), what, server.url, str(spool), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


@pytest.fixture
def silence(server: Recorder):
    """Let the server read requests and never answer, until the test ends."""
    over = threading.Event()
    server.behaviour = Behaviour(act=lambda handler: over.wait(60))
    yield
    over.set()


def recovered(server: Recorder, logger) -> Counter[str]:
    """Let the server answer, start another process, and return what has arrived."""
    server.behaviour = Behaviour()
    assert logger().flush(20)
    return server.ids()


@pytest.mark.parametrize("way", ["return", "exception", "thread"])
def test_ends_in_time_and_loses_nothing(server: Recorder, silence, tmp_path: Path, logger, way: str) -> None:
    child = start("ends", server, tmp_path / "spool", way)
    told = json.loads(child.stdout.readline())
    child.communicate()
    took = time.monotonic() - told["at"]
    assert took <= 2.5
    assert child.returncode == (1 if way == "exception" else 0)
    assert recovered(server, logger) == Counter(told["ids"])


def test_terminated_it_loses_the_last_second_at_most(server: Recorder, silence, tmp_path: Path, logger) -> None:
    child = start("ends", server, tmp_path / "spool", "terminated")
    told = json.loads(child.stdout.readline())
    child.communicate()
    assert child.returncode == -15
    assert recovered(server, logger) == Counter(told["ids"])  # they were older than a second


@pytest.mark.parametrize("after", [0, 99, 1234])
def test_killed_it_loses_nothing_that_is_on_disk(server: Recorder, tmp_path: Path, logger, after: int) -> None:
    child = start("killed", server, tmp_path / "spool", str(after))
    out, _ = child.communicate()
    assert child.returncode == -9
    assert len(out.split()) == after + 1
    assert recovered(server, logger) == Counter(out.split())


def test_killed_it_would_lose_rows_in_memory(server: Recorder, silence, tmp_path: Path, logger) -> None:
    """The control of the tests above: without the journal rows are lost."""
    code = CHILD.read_text().replace('durability="disk"', 'durability="memory"')
    child = tmp_path / "child.py"
    child.write_text(code)
    command = [sys.executable, str(child), "killed", server.url, str(tmp_path / "spool"), "99"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert len(done.stdout.split()) == 100
    assert recovered(server, logger).total() < 100


@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_signals_inside_calls(server: Recorder, tmp_path: Path, durability: str) -> None:
    child = start("signals", server, tmp_path / "spool", durability, "1000")
    out, err = child.communicate(timeout=60)
    told = json.loads(out)
    assert err == ""
    assert told["handled"] >= 1000
    assert told["kept"]
    assert sum(told["dropped"].values()) + len(server.rows()) == told["logged"]
    assert max(server.ids().values()) == 1


def test_ten_minutes_without_a_server(server: Recorder, tmp_path: Path) -> None:
    server.behaviour = Behaviour(status=503)
    child = start("away", server, tmp_path / "spool", "600")
    told = json.loads(child.stdout.readline())
    assert told["grown"] <= 64
    server.behaviour = Behaviour()
    child.stdin.write("\n")
    child.stdin.flush()
    said = json.loads(child.stdout.readline())
    child.communicate()
    assert (said["delivered"], said["dropped"]) == (True, {})
    assert said["stats"] == [600_001, 600_001, 0, 0]
    ids = server.ids()
    assert (len(ids), max(ids.values())) == (600_001, 1)
