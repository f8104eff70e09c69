"""A host whose thread must never block: nothing that may wait for a disk or a network is done in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from recorder import BlackHole, Recorder

CHILD = Path(__file__).with_name("blocking.py")


def run(url: str, spool: Path, block: str = "no") -> dict:
    done = subprocess.run(
        [sys.executable, str(CHILD), url, str(spool), block], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["answers", "is silent", "is not there"])
def test_a_call_on_the_loop_touches_neither_disk_nor_network(server: Recorder, tmp_path: Path, kind: str) -> None:
    hole = BlackHole()
    url = {"answers": server.url, "is silent": hole.url, "is not there": "http://127.0.0.1:9"}[kind]
    told = run(url, tmp_path / "spool")
    hole.close()
    assert told["seen"] == []
    assert told["logged"] == 15_001


def test_the_watch_sees_a_call_that_blocks(server: Recorder, tmp_path: Path) -> None:
    """The broken build: a host that opens a file in between."""
    seen = run(server.url, tmp_path / "spool", "yes")["seen"]
    assert any(event.startswith("open") for event in seen)
