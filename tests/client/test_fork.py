"""A forked child starts anew: nothing hangs, nothing is lost, nothing is sent twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from recorder import Recorder

CHILD = Path(__file__).parent / "child.py"


def run(what: str, server: Recorder, spool: Path, *options: str) -> dict:
    command = [sys.executable, "-W", "ignore", str(CHILD), what, server.url, str(spool), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def wrong(told: dict, server: Recorder, spool: Path) -> dict[str, int]:
    """Return what went wrong: children that hung, rows lost, rows doubled."""
    expected = Counter(line for path in spool.glob("ids-*") for line in path.read_text().splitlines() if line)
    got = server.ids()
    counts = {"hung": told["hung"], "lost": (expected - got).total(), "doubled": (got - expected).total()}
    return {name: count for name, count in counts.items() if count}


def test_forks_while_threads_log(server: Recorder, tmp_path: Path) -> None:
    told = run("forks", server, tmp_path, "100")
    server.wait_for(told["rows"] + 2000, 5)
    assert wrong(told, server, tmp_path) == {}
    assert len(server.rows()) == told["rows"] + 2000


def test_without_the_new_start_it_would_be_seen(server: Recorder, tmp_path: Path) -> None:
    assert wrong(run("forks", server, tmp_path, "5", "broken"), server, tmp_path)


@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_no_lock_is_inherited_held(server: Recorder, tmp_path: Path, durability: str) -> None:
    told = run("locks", server, tmp_path, "x", durability)
    assert told["locks"] >= 4
    children = Counter(line for path in tmp_path.glob("ids-*") for line in path.read_text().splitlines())
    assert (told["hung"], children - server.ids()) == (0, Counter())
    assert max(server.ids().values()) == 1


def test_without_the_new_start_locks_would_be_seen(server: Recorder, tmp_path: Path) -> None:
    told = run("locks", server, tmp_path, "x", "memory", "broken")
    children = Counter(line for path in tmp_path.glob("ids-*") for line in path.read_text().splitlines())
    assert told["hung"] or children - server.ids()
