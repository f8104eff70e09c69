"""Killed anywhere between an enqueue, the sending and the record: told at least once, one key, no resolve lost (A6)."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from posted import Receiver, hooks

from watchkeeper.response.operator import NAME as OPERATORS_FILE
from watchkeeper.store.database import NAME

LAUNCH = Path(__file__).parent / "outbox_launch.py"
KINDS = ("opened", "resolved")


class Launcher:
    """A process that forks children without paying for imports each time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(LAUNCH)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def launch() -> Iterator[Launcher]:
    made = Launcher()
    yield made
    made.close()


class Gate:
    """Kills an outbox again and again over one store and one receiver, then says what is wrong with what was told."""

    def __init__(self, launch: Launcher, folder: Path, sabotage: str | None = None) -> None:
        self.launch, self.folder, self.sabotage = launch, folder, sabotage
        self.receiver = Receiver()
        self.incident = self.kills = 0
        self.committed: list[str] = []
        folder.mkdir()
        (folder / OPERATORS_FILE).write_text(hooks(hook=self.receiver.port))

    def run(self, **order: Any) -> dict[str, Any]:
        answer = self.launch(store=str(self.folder), sabotage=self.sabotage, **order)
        assert answer["code"] in {0, -signal.SIGKILL}, answer
        self.kills += answer["code"] != 0
        self.committed += [said for said in answer["said"] if not said.startswith("lines")]
        return answer

    def lines(self) -> int:
        """Return how many lines there are to be killed at, in the longer of the two ways."""
        self.incident += 1
        answers = [self.run(incident=self.incident, kind=kind) for kind in KINDS]
        return max(int(answer["said"][-1].split()[1]) for answer in answers)

    def kill(self, points: list[int]) -> None:
        """Open and resolve an incident for each point, and kill both times at that line."""
        for point in points:
            self.incident += 1
            for kind in KINDS:
                self.run(incident=self.incident, kind=kind, kill=point)
                if not self._opened() and kind == "opened":
                    self.run(incident=self.incident, kind=kind)  # it was killed before it opened anything

    def _opened(self) -> bool:
        """Whether there is the incident; by the way the log of the database, which kills let grow, is put away."""
        query = "SELECT count(*) FROM incident WHERE id = ?"
        with closing(sqlite3.connect(self.folder / NAME)) as connection:
            return bool(connection.execute(query, (self.incident,)).fetchone()[0])

    def findings(self) -> list[str]:
        """Let it finish, and return what is wrong."""
        self.run()
        self.receiver.close()
        told = Counter(message.id for message in self.receiver.messages)
        with closing(sqlite3.connect(self.folder / NAME)) as connection:
            letters = connection.execute("SELECT key, state, kind, incident_id FROM outbox").fetchall()
            states = dict(connection.execute("SELECT id, state FROM incident").fetchall())
            notes = connection.execute("SELECT data FROM timeline WHERE kind = 'notified'").fetchall()
        keys = {key for key, *_ in letters}
        due = {(incident, "opened") for incident in states}
        due |= {(incident, "resolved") for incident, state in states.items() if state == "resolved"}
        noted = Counter(json.loads(data)["key"] for (data,) in notes)
        wrong = [f"{key} is {state}" for key, state, *_ in letters if state != "sent"]
        wrong += [f"{key} was never told" for key in sorted(keys - set(told))]
        wrong += [f"nobody knows {key}" for key in sorted(set(told) - keys)]
        wrong += [f"{key} was committed and is gone" for key in sorted(set(self.committed) - keys)]
        wrong += [f"no letter says {what}" for what in sorted(due - {(i, kind) for *_, kind, i in letters})]
        wrong += [f"{key} is noted {noted[key]} times" for key in sorted(keys) if noted[key] != 1]
        wrong += [f"{message.id} is not genuine" for message in self.receiver.messages if not message.genuine]
        again = sorted(told[key] - 1 for key in keys)
        return wrong + [f"{again[-1]} repeats"] * (again[int(0.95 * len(again))] > 1)


def spread(lines: int, count: int, seed: int) -> list[int]:
    """Return so many lines, one of each part of the way, at random in it."""
    chosen = random.Random(seed)
    return [1 + round((n + chosen.random()) * (lines - 1) / count) for n in range(count)]


def test_killed_at_forty_points_of_the_way(launch: Launcher, tmp_path: Path) -> None:
    gate = Gate(launch, tmp_path / "store")
    gate.kill(spread(gate.lines(), 40, seed=4))
    assert gate.kills >= 60  # where a run has fewer lines than the longest, the last point may lie after its end
    assert gate.findings() == []
    assert len(gate.receiver.messages) >= 82


@pytest.mark.long
def test_killed_at_every_line_of_the_way(launch: Launcher, tmp_path: Path) -> None:
    gate = Gate(launch, tmp_path / "store")
    gate.kill(list(range(1, gate.lines() + 1)))
    assert gate.findings() == []
    assert gate.kills > 200


@pytest.mark.parametrize(
    ("sabotage", "says"),
    [("recorded_first", "never told"), ("enqueued_later", "no letter says"), ("keyed_anew", "nobody knows")],
)
def test_the_gate_catches_an_outbox_that_is_broken(launch: Launcher, tmp_path: Path, sabotage: str, says: str) -> None:
    gate = Gate(launch, tmp_path / "store", sabotage)
    gate.kill(spread(gate.lines(), 12, seed=1))
    assert any(says in wrong for wrong in gate.findings())
