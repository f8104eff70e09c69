"""Outcomes of every task under any value anywhere in their state: refused, or an outcome like any other."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
import pytest
from test_hostile import POISON, changed, get, leaves

from watchkeeper import Schema
from watchkeeper import profile as profiled
from watchkeeper.detection.performance import days_of
from watchkeeper.errors import CorruptProfile
from watchkeeper.metrics.names import TASKS
from watchkeeper.profiles import codec
from watchkeeper.profiles.profile import Profile

ROWS = 40


def columns() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    return {
        "t": np.datetime64("2024-01-01", "us") + np.arange(ROWS).astype("timedelta64[h]") * 8,
        "q": np.arange(ROWS) % 6,
        "s": rng.random(ROWS),
        "y": rng.integers(0, 3, ROWS).astype(float),
        "tags": rng.choice(["a", "a|b", "", "c"], ROWS),
        "said": rng.choice(["a", "a|b", "b|c", "c"], ROWS),
        "w": rng.gamma(1, 2, ROWS),
        "b": rng.integers(0, 2, ROWS),
        "g": rng.choice(["a", "b"], ROWS),
    }


SCHEMAS = {
    "many classes": Schema(
        task="multiclass", target="tags", prediction="said", many_classes=True, timestamp="t", segments=["g"]
    ),
    "weights": Schema(task="binary", target="b", score="s", weight="w", timestamp="t", segments=["g"], positive=1),
    "weights of numbers": Schema(
        task="regression", target="y", prediction="s", weight="w", timestamp="t", segments=["g"]
    ),
    "multilabel": Schema(task="multilabel", target="tags", prediction="said", timestamp="t", segments=["g"]),
    "forecasting": Schema(
        task="forecasting", horizon="q", prediction="s", target="y", timestamp="t", segments=["g"], naive_scale=1.5
    ),
    "ranking": Schema(task="ranking", query="q", score="s", target="y", timestamp="t", segments=["g"]),
}
SCHEMAS |= {f"weighted {name}": SCHEMAS[name].replace(weight="w") for name in ("many classes", "multilabel", "ranking")}


@functools.cache
def genuine(task: str) -> Profile:
    return profiled(columns(), SCHEMAS[task])


def paths(task: str) -> list[tuple[str | int, ...]]:
    state = genuine(task).state()
    return [("outcome", *path) for path in leaves(state["outcome"])] + [("segments", "g", "outcomes", 0), ("timeline",)]


CASES = [pytest.param(task, path, id=f"{task}-{'.'.join(map(str, path))}") for task in SCHEMAS for path in paths(task)]


def ask(made: Profile) -> None:
    """Measure it, by day and by segment, and store it."""
    for _, compute in TASKS[str(made.schema.task)].values():
        compute(made.outcome, days_of(made))
        for outcome in made.segments["g"].outcomes.values():
            compute(outcome, ())
    made.to_bytes()


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")  # sums near the end of the floats may overflow
@pytest.mark.parametrize(("task", "path"), CASES)
def test_any_value_anywhere_is_refused_or_harmless(task: str, path: tuple[str | int, ...]) -> None:
    state = genuine(task).state()
    for value in POISON:
        try:
            made = Profile.from_bytes(codec.encode(changed(path, lambda _, v=value: v, state)))
        except CorruptProfile:
            continue
        ask(genuine(task).merge(made))


@pytest.mark.parametrize(("task", "path"), CASES)
def test_a_value_left_out_is_refused(task: str, path: tuple[str | int, ...]) -> None:
    made = copy.deepcopy(genuine(task).state())
    del get(made, path[:-1])[path[-1]]
    with pytest.raises(CorruptProfile):
        Profile.from_bytes(codec.encode(made))


@pytest.mark.parametrize(
    ("task", "name"),
    [("weighted many classes", "weights"), ("weighted many classes", "totals"), ("weighted multilabel", "squares")],
)
def test_weights_that_no_rows_have_are_refused(task: str, name: str) -> None:
    made = copy.deepcopy(genuine(task).state())
    made["outcome"][name][..., -1] *= 1e6
    with pytest.raises(CorruptProfile, match="weights"):
        Profile.from_bytes(codec.encode(made))


@pytest.mark.parametrize("weight", [-1.0, np.inf, 1e21])
def test_a_list_has_no_weight_that_rows_cannot_have(weight: float) -> None:
    made = copy.deepcopy(genuine("weighted ranking").state())
    made["outcome"]["weight"][0] = weight
    with pytest.raises(CorruptProfile, match="weights"):
        Profile.from_bytes(codec.encode(made))


@pytest.mark.parametrize("task", SCHEMAS)
def test_bytes_come_back(task: str) -> None:
    data = genuine(task).to_bytes()
    assert Profile.from_bytes(data).to_bytes() == data
