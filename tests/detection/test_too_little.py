"""What a metric has to rest on: below it there is not enough data, and the interval is said to be approximate."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from daily import day
from watchkeeper import Schema, compare, profile
from watchkeeper.detection.performance import worse
from watchkeeper.detection.risk import Risk
from watchkeeper.detection.series import Point, SeriesKey
from watchkeeper.metrics import basis
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.metrics.names import DECIDING, OF_OUTCOMES, TASKS
from watchkeeper.response.evaluate import evaluate
from watchkeeper.response.monitors import Monitors
from watchkeeper.window import DAY, Window, moment

BINARY = Schema(target="y", score="s", prediction="p", weight="w", task="binary", positive="1", classes=["0", "1"])
PLAIN = BINARY.replace(weight=None)
NUMBERS = Schema(target="y", prediction="p", task="regression")
ABOUT = {
    "accuracy": 50,
    "precision": 50,
    "recall": 50,
    "roc_auc": 30,
    "f1": 30,
    "log_loss": 100,
    "mean_calibration": 100,
}


def binary(positives: int, negatives: int, flagged: int, weight: float = 1.0) -> pa.Table:
    """Return so many rows of either class, of which so many positives are predicted, and no negative."""
    rng = np.random.default_rng(positives + negatives)
    y = np.repeat([1, 0], [positives, negatives])
    p = (np.arange(len(y)) < flagged).astype(int)
    w = np.where(np.arange(len(y)) % 2, 1.0, weight)
    return pa.table({"y": y, "s": np.clip(0.3 * y + 0.7 * rng.random(len(y)), 0, 1), "p": p, "w": w})


def rests(table: pa.Table, schema: Schema, task: str = "binary") -> dict[str, int]:
    outcome = profile(table, schema.replace(), threads=1).outcome
    return {name: compute(outcome, ()).rests_on for name, (_, compute) in TASKS[task].items()}


def test_every_metric_of_an_outcome_has_a_least_basis() -> None:
    assert {name for name in OF_OUTCOMES if not basis.least_basis(name)} == set()
    assert all(basis.least_basis(name) == least for name, least in ABOUT.items())


def test_what_each_metric_rests_on() -> None:
    found = rests(binary(29, 400, 20), PLAIN)
    assert (found["accuracy"], found["precision"], found["recall"], found["specificity"]) == (429, 20, 29, 400)
    assert (found["roc_auc"], found["average_precision"], found["f1"], found["log_loss"]) == (29, 29, 29, 429)
    other = rests(binary(400, 29, 20), PLAIN)  # the smaller class, whichever it is
    assert (other["roc_auc"], other["f1"], other["recall"]) == (29, 29, 400)


def test_weights_leave_the_effective_number() -> None:
    equal, unequal = rests(binary(60, 400, 20, 1.0), BINARY), rests(binary(60, 400, 20, 9.0), BINARY)
    assert (equal["roc_auc"], equal["f1"], equal["accuracy"]) == (60, 60, 460)
    kish = round((30 * 9 + 30) ** 2 / (30 * 81 + 30))
    assert unequal["roc_auc"] == unequal["f1"] == kish


@pytest.mark.parametrize(
    ("sizes", "weights", "least"),
    [([30, 1_000], None, 30), ([29, 1_000], None, 29), ([20, 20, 20], None, 30), ([3, *[500] * 9], None, 3),
     ([3, 500, 500], [3, 500, 500], 500), ([1] * 400, None, 200), ([], None, 0)],
)  # fmt: skip
def test_averages_over_classes_rest_on_those_that_make_the_doubt(sizes: list[int], weights: Any, least: int) -> None:
    given = None if weights is None else np.array(weights, dtype=float)
    assert basis.over_classes(np.array(sizes, dtype=float), given) == pytest.approx(least, abs=1)


GRID = [(name, side, below) for name in DECIDING["binary"] for side in (0, 1) for below in (True, False)]


def judged(name: str, sides: list[int], broken: bool = False) -> bool:
    """Whether a metric that rests on so much, of 5,000 rows, on either side is judged; ``broken``: rows are what counts."""
    pair = [Estimate(0.6, 0.59, 0.61, 5_000, 0.005, basis=None if broken else rest) for rest in sides]
    return not np.isnan(worse(TASKS["binary"][name][0], *pair).p_value)


@pytest.mark.parametrize(("name", "side", "below"), GRID)
def test_below_the_limit_on_either_side_nothing_is_judged(name: str, side: int, below: bool) -> None:
    sides = [5_000, 5_000]
    sides[side] = basis.least_basis(name) - below
    assert judged(name, sides) is not below
    assert judged(name, sides, broken=True)  # to count all rows, whatever the metric rests on, is caught above


@pytest.mark.parametrize(("positives", "flagged", "few"), [
    (29, 29, {"roc_auc", "f1", "precision", "recall"}),
    (49, 49, {"precision", "recall"}),
    (60, 40, {"precision"}),
    (60, 60, set()),
])  # fmt: skip
def test_a_report_says_what_rests_on_too_little(positives: int, flagged: int, few: set[str]) -> None:
    report = compare(binary(900, 900, 700), binary(positives, 900, flagged), schema=PLAIN.replace())
    told = json.loads(report.to_json())["performance"]
    assert {r["metric"] for r in told if r["current"]["approximate"]} & set(DECIDING["binary"]) == few
    assert not any(r["reference"]["approximate"] for r in told)
    scant = {r["metric"] for r in told if "and 30 are needed" in r["words"] or "and 50 are needed" in r["words"]}
    assert scant == few
    assert all(r["verdict"] == "not enough data" for r in told if r["metric"] in few)
    assert ("~ rests on too little" in " ".join(repr(report).split())) is bool(few)


def test_a_mean_of_few_rows_gives_no_verdict() -> None:
    rng = np.random.default_rng(0)

    def rows(n: int, spread: float) -> pa.Table:
        y = rng.normal(size=n)
        return pa.table({"y": y, "p": y + spread * rng.normal(size=n)})

    verdicts = {}
    for n in (99, 100):
        told = json.loads(compare(rows(2_000, 1.0), rows(n, 5.0), schema=NUMBERS.replace()).to_json())["performance"]
        verdicts[n] = next(r["verdict"] for r in told if r["metric"] == "mae")
    assert verdicts == {99: "not enough data", 100: "critical"}


def said(detect: Any, before: int = 500, **given: Any) -> tuple[str, str]:
    monitors = Monitors.from_dict({"model": "m", "monitors": [{"metric": "roc_auc", "detect": detect}]})
    known = {"reference": 0.7, "reference_mean": 0.7, "reference_sd": 0.005, "reference_windows": 31}
    point = replace(day(40, 0.5, 0.005, **known), **given)
    window = Window(moment(40 * DAY), moment(41 * DAY))
    history: list[Point] = [
        replace(p, n=500, basis=before) for p in (day(k, 0.7 + 0.001 * (k % 3), 0.005) for k in range(10, 40))
    ]
    (found,) = evaluate(monitors, window, {SeriesKey("roc_auc"): point}, lambda _: history)
    return found.verdict, found.words


@pytest.mark.parametrize("detect", ["risk", "robust_zscore", "zscore"])
def test_monitors_wait_for_what_an_interval_needs(detect: str) -> None:
    assert said(detect, basis=30)[0] == "critical"
    assert said(detect, basis=30, reference_basis=30)[0] == "critical"
    assert said(detect, *((4,) if detect == "risk" else ()), basis=5 if detect == "risk" else 29) == (
        "not enough data",
        "ROC AUC about 0.5 (0.49 to 0.51): it rests on 29 in the smaller class, and 30 are needed",
    )
    verdict, text = said(detect, basis=200, reference_basis=29)
    assert verdict == "not enough data"
    assert "in the reference it rests on 29" in text


def test_a_bound_that_a_person_stated_is_judged_all_the_same() -> None:
    assert said({"threshold": {"critical": "< 0.6"}}, basis=5, reference_basis=5)[0] == "critical"


def few_a_day(drop: float, each: int) -> list[Point]:
    """Return 30 days of an AUC that rests on so many positives each, in the last week lower by ``drop``."""
    known = {"reference": 0.8, "reference_mean": 0.8, "reference_sd": 0.01, "reference_windows": 31}
    days = (day(k, 0.8 - drop * (k >= 23), 0.15, **known) for k in range(30))
    return [replace(p, n=100, basis=each, reference_basis=240) for p in days]


def test_a_model_with_few_positives_a_day_is_judged_by_its_week() -> None:
    risk = Risk(TASKS["binary"]["roc_auc"][0], 0.02)
    assert risk.check(few_a_day(0.3, 8), 1 / 600)[0] in {"warning", "critical"}
    assert risk.check(few_a_day(0.0, 8), 1 / 600)[0] != "warning"
    verdict, words = risk.check(few_a_day(0.3, 4), 1 / 600)
    assert (verdict, "it rests on 28 in the smaller class, and 30 are needed" in words) == ("not enough data", True)
