"""Killed anywhere between a verdict, its incident, the sending and its record: one incident, told, acted on once (A6, X1)."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))

import story
from loop_child import BROKEN, DAYS, MONITORS, OPENED, POINTS, PROPOSED, RESOLVED, STORY
from posted import SECRET, Receiver

from watchkeeper.response.operator import NAME as OPERATORS_FILE
from watchkeeper.store.database import NAME

CHILD = Path(__file__).parent / "loop_child.py"
RETRAIN = 'basename "$WATCHKEEPER_ACTION_DIR" >> "$WATCHKEEPER_ACTION_DIR/../../../ledger"'
CASES = [(OPENED, point) for point in POINTS if point != "proposed"]
CASES += [(PROPOSED, point) for point in ("proposed", "incident written", "committed", "woken")]
CASES += [(RESOLVED, point) for point in POINTS if point != "proposed"]


class Children:
    """Runs orders in processes that are forked from one that has loaded everything."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, **order: Any) -> dict[str, int]:
        """Return how the process of an order ended, -9 where it was killed, and how many lines it went."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    made = Children()
    yield made
    made.close()


def operators_file(port: int) -> str:
    hook = f'{{webhook: "http://127.0.0.1:{port}/", secret: "{SECRET}"}}'
    command = json.dumps(["/bin/sh", "-c", RETRAIN])
    return f"allow_hosts: [127.0.0.1]\nchannels: {{hook: {hook}}}\nactions: {{retrain: {{command: {command}}}}}\n"


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Return stores as they are right before an incident opens, an action is proposed, and the incident is resolved."""
    folder, told = tmp_path_factory.mktemp("loop"), 0
    receiver = Receiver()
    made = {}
    for phase, day in DAYS.items():
        store = folder / "now" / "store"
        store.mkdir(parents=True, exist_ok=True)
        (store / OPERATORS_FILE).write_text(operators_file(receiver.port))
        with story.opened(store, monitors=None if told else MONITORS) as pipeline:
            sent = STORY.before(day)
            story.tell(pipeline, sent[told:])
            assert pipeline.acting.settle(30)
            assert phase == OPENED or receiver.wait(bool)
            told = len(sent)
        made[phase] = shutil.copytree(folder / "now", folder / phase)
    yield made
    receiver.close()


class Case:
    """A store on which it comes to something while processes are killed."""

    def __init__(self, children: Children, base: Path, folder: Path, phase: str) -> None:
        self._children, self.phase = children, phase
        self.folder = Path(shutil.copytree(base, folder / phase))
        self.receiver = Receiver()
        (self.folder / "store" / OPERATORS_FILE).write_text(operators_file(self.receiver.port))
        self.log = folder / "log"

    def run(self, **order: Any) -> dict[str, int]:
        """Run a process."""
        given = {"folder": str(self.folder / "store"), "log": str(self.log), "phase": self.phase}
        return self._children.run(**given | order)

    def wrong(self) -> list[str]:
        """Return what is not as it must be once everything is over."""
        self.receiver.close()
        told = Counter(message.id for message in self.receiver.messages)
        with closing(sqlite3.connect(self.folder / "store" / NAME)) as connection:
            incidents = connection.execute("SELECT id, state, cause FROM incident").fetchall()
            letters = connection.execute("SELECT key, state, kind FROM outbox").fetchall()
            actions = connection.execute("SELECT id, state FROM action").fetchall()
            said = Counter(kind for (kind,) in connection.execute("SELECT kind FROM timeline"))
            twice = connection.execute("SELECT count(*) - count(DISTINCT monitor || start) FROM verdict").fetchone()[0]
        state = "resolved" if self.phase == RESOLVED else "open"
        wrong = [f"incidents: {incidents}"] * ([(s, c) for _, s, c in incidents] != [(state, "model")])
        due = [OPENED, RESOLVED] if self.phase == RESOLVED else [OPENED]
        wrong += [f"letters: {letters}"] * ([(s, k) for _, s, k in letters] != [("sent", kind) for kind in due])
        mine = {key for key, _, kind in letters if kind == self.phase}
        wrong += [f"told {dict(told)}, not {mine}"] * (set(told) != mine)
        wrong += [f"{dict(said)} in the timeline"] * ([said[k] for k in ("opened", "resolved")] != [1, len(due) - 1])
        wrong += [f"{twice} verdicts are there twice"] * (twice != 0)
        ledger = self.folder / "ledger"
        ran = Counter(ledger.read_text().split() if ledger.exists() else [])
        wrong += [f"retrained {dict(ran)}, decided {actions}"] * (ran != Counter({number for number, _ in actions}))
        wrong += [f"no action in {self.phase}"] * ((self.phase == OPENED) is bool(actions))
        wrong += [f"{message.id} is not genuine" for message in self.receiver.messages if not message.genuine]
        return wrong


@pytest.mark.parametrize(("phase", "point"), CASES)
def test_killed_at_every_step_it_comes_out_the_same(
    children: Children, stores: dict[str, Path], tmp_path: Path, phase: str, point: str
) -> None:
    case = Case(children, stores[phase], tmp_path, phase)
    assert case.run(kill=point)["code"] == -9, case.log.read_text()
    assert case.run()["code"] == 0, case.log.read_text()
    assert case.wrong() == [], case.log.read_text()


def at_lines(children: Children, stores: dict[str, Path], folder: Path, phase: str, count: int | None) -> None:
    """Kill at some lines of the way from the verdict to the record of what was sent, or at all of them."""
    (folder / "whole").mkdir()
    whole = Case(children, stores[phase], folder / "whole", phase)
    answer = whole.run(trace=True)
    assert answer["code"] == 0, whole.log.read_text()
    assert whole.wrong() == []
    lines = range(1, answer["lines"] + 1)
    chosen = lines if count is None else sorted(random.Random(phase).sample(lines, count))
    killed = 0
    for line in chosen:
        place = folder / str(line)
        place.mkdir()
        case = Case(children, stores[phase], place, phase)
        killed += case.run(trace=True, line=line)["code"] == -9
        assert case.run()["code"] == 0, case.log.read_text()
        assert case.wrong() == [], f"killed at line {line}"
        shutil.rmtree(place)
    assert killed >= 0.5 * len(chosen)  # a process that has less to wait for has fewer lines


@pytest.mark.parametrize("phase", DAYS)
def test_killed_at_some_lines_it_comes_out_the_same(
    children: Children, stores: dict[str, Path], tmp_path: Path, phase: str
) -> None:
    at_lines(children, stores, tmp_path, phase, 6)


@pytest.mark.long
@pytest.mark.parametrize("phase", DAYS)
def test_killed_at_two_hundred_lines_it_comes_out_the_same(
    children: Children, stores: dict[str, Path], tmp_path: Path, phase: str
) -> None:
    at_lines(children, stores, tmp_path, phase, 200)


@pytest.mark.parametrize("phase", [OPENED, RESOLVED])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_build_that_writes_it_in_two_transactions_is_caught(
    children: Children, stores: dict[str, Path], tmp_path: Path, broken: str, phase: str
) -> None:
    case = Case(children, stores[phase], tmp_path, phase)
    assert case.run(kill="committed", sabotage=[broken])["code"] == -9, case.log.read_text()
    assert case.run(sabotage=[broken])["code"] == 0, case.log.read_text()
    assert any(said.startswith(("incidents", "letters")) for said in case.wrong())
