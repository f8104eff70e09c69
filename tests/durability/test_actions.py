"""Killed anywhere between a decision and its end: one retraining for a decision, one promotion, one end (X1)."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))

from acted import TARGET, Made, World, made_once
from actions_child import BROKEN, POINTS

from watchkeeper.pipeline import audit

CHILD = Path(__file__).parent / "actions_child.py"


class Children:
    """Runs orders in processes that are forked from one that has loaded everything."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, **order: Any) -> int:
        """Return how the process of an order ended; -9 where it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    made = Children()
    yield made
    made.close()


@pytest.fixture
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_once(tmp_path_factory)


class Case:
    """A store on which a decision is carried out by processes that are killed."""

    def __init__(self, children: Children, made: Made, folder: Path) -> None:
        self._children = children
        self.log = folder / "log"
        self._order = {"folder": str(made.copy(folder)), "better": str(made.better), "log": str(self.log)}

    def run(self, **order: Any) -> int:
        """Run a process; returns how it ended."""
        return self._children.run(**self._order | order)

    def wrong(self) -> list[str]:
        """Return what is not as it must be once everything is over."""
        with World(Path(self._order["folder"])) as world:
            found = world.acting.list("default")
            ran, audited, said = world.retrained(), world.audited(), world.said()
            serving = world.pipeline.serving(TARGET)
            with world.database.reading() as connection:
                broken = audit.first_broken(connection)
        wrong = [f"{len(ran)} retrainings"] * (len(ran) != 1) + [f"{len(found)} actions"] * (len(found) != 1)
        wrong += [f"it is {action['state']}" for action in found if action["state"] != "promoted"]
        wrong += [f"version {serving} serves"] * (serving != "2")
        for what in ("action.propose", "action.start", "action.end", "serving.set"):
            count = [w for w, _ in audited].count(what)
            wrong += [f"{count} records {what}"] * (count != 1)
        for words in ("is proposed", "begins", "has ended", "serves instead of"):
            count = sum(words in text for text in said)
            wrong += [f"the timeline says {count} times that it {words}"] * (count != 1)
        return wrong + ["the audit is broken"] * (broken is not None)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_step_it_is_done_once(children: Children, made: Made, tmp_path: Path, point: str) -> None:
    case = Case(children, made, tmp_path)
    assert case.run(kill=point) == -9, case.log.read_text()
    assert case.run() == 0, case.log.read_text()
    assert case.wrong() == []


@pytest.mark.long
def test_killed_at_all_steps_one_after_the_other(children: Children, made: Made, tmp_path: Path) -> None:
    case = Case(children, made, tmp_path)
    for point in POINTS:
        assert case.run(kill=point) in {0, -9}, case.log.read_text()  # a later one finds nothing left to do
    assert case.run() == 0, case.log.read_text()
    assert case.wrong() == []


def killed_at_random(children: Children, made: Made, folder: Path, seed: int, times: int) -> None:
    rng = random.Random(seed)
    for turn in range(times):
        place = folder / str(turn)
        place.mkdir()
        case = Case(children, made, place)
        for _ in range(rng.randint(1, 3)):
            assert case.run(after=rng.random() * 0.6) in {0, -9}
        assert case.run() == 0, case.log.read_text()
        assert case.wrong() == [], case.log.read_text()


def test_killed_at_random_it_is_done_once(children: Children, made: Made, tmp_path: Path) -> None:
    killed_at_random(children, made, tmp_path, 1, 3)


@pytest.mark.long
def test_killed_at_random_two_hundred_times_it_is_done_once(children: Children, made: Made, tmp_path: Path) -> None:
    killed_at_random(children, made, tmp_path, 2, 100)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_build_that_runs_again_what_was_running_is_caught(
    children: Children, made: Made, tmp_path: Path, broken: str
) -> None:
    case = Case(children, made, tmp_path)
    assert case.run(kill="running", sabotage=[broken]) == -9, case.log.read_text()
    case.run(sabotage=[broken])
    assert any("retrainings" in said for said in case.wrong()), case.wrong()
