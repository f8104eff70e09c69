"""Metrics of weighted rows against scikit-learn's ``sample_weight``; intervals by the effective number of rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

import watchkeeper as wk
from watchkeeper.detection.performance import days_of
from watchkeeper.metrics.names import TASKS
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.weighted import WeightedClassOutcome


def value(profile: Profile, name: str) -> float:
    return TASKS[str(profile.schema.task)][name][1](profile.outcome, days_of(profile)).value


def binary(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    label = (rng.random(n) < 0.4).astype(int)
    return {
        "y": label,
        "s": np.clip(np.round(rng.normal(0.3 + 0.3 * label, 0.25), 3), 0.001, 0.999),
        "w": rng.gamma(1, 2, n) * (1 + 2 * label),
    }


BINARY = wk.Schema(target="y", score="s", weight="w", task="binary", positive=1)


def test_binary(rng: np.random.Generator) -> None:
    rows = binary(rng, 500)
    label, score, weight = rows.values()
    profile, guess = wk.profile(rows, BINARY.replace()), (score >= 0.5).astype(int)
    args = {"sample_weight": weight}
    expected = {
        "accuracy": sk.accuracy_score(label, guess, **args),
        "error_rate": 1 - sk.accuracy_score(label, guess, **args),
        "precision": sk.precision_score(label, guess, **args),
        "recall": sk.recall_score(label, guess, **args),
        "specificity": sk.recall_score(label, guess, pos_label=0, **args),
        "f1": sk.f1_score(label, guess, **args),
        "f1_macro": sk.f1_score(label, guess, average="macro", **args),
        "f1_weighted": sk.f1_score(label, guess, average="weighted", **args),
        "roc_auc": sk.roc_auc_score(label, score, **args),
        "average_precision": sk.average_precision_score(label, score, **args),
        "log_loss": sk.log_loss(label, score, **args),
        "brier": sk.brier_score_loss(label, score, **args),
        "mean_calibration": np.average(label - score, weights=weight),
    }
    assert {name: value(profile, name) for name in expected} == pytest.approx(expected)
    assert isinstance(profile.outcome, WeightedClassOutcome)
    assert profile.outcome.plain.confusion.sum() == 500  # integer counts stand beside


def test_multiclass(rng: np.random.Generator) -> None:
    scores = rng.dirichlet(np.ones(3), 400)
    label = np.array([rng.choice(3, p=(s + 0.2) / (s + 0.2).sum()) for s in scores])
    weight = rng.gamma(1, 2, 400)
    rows = {"y": [f"c{k}" for k in label], "w": weight, **{f"s{k}": scores[:, k] for k in range(3)}}
    schema = wk.Schema(target="y", weight="w", task="multiclass", score={f"c{k}": f"s{k}" for k in range(3)})
    profile, guess = wk.profile(rows, schema), scores.argmax(axis=1)
    args = {"sample_weight": weight}
    expected = {
        "accuracy": sk.accuracy_score(label, guess, **args),
        "precision": sk.precision_score(label, guess, average="macro", **args),
        "recall": sk.recall_score(label, guess, average="macro", **args),
        "f1_macro": sk.f1_score(label, guess, average="macro", **args),
        "f1_weighted": sk.f1_score(label, guess, average="weighted", **args),
        "roc_auc": np.mean([sk.roc_auc_score(label == k, scores[:, k], **args) for k in range(3)]),
        "log_loss": sk.log_loss(label, scores, **args),
    }
    assert {name: value(profile, name) for name in expected} == pytest.approx(expected)


def test_regression_and_forecasting(rng: np.random.Generator) -> None:
    target = rng.normal(50, 4, 300)
    rows = {"y": target, "p": target + rng.normal(0.5, 2, 300), "w": rng.gamma(0.5, 2, 300)}
    args = {"sample_weight": rows["w"]}
    expected = {
        "mae": sk.mean_absolute_error(target, rows["p"], **args),
        "mse": sk.mean_squared_error(target, rows["p"], **args),
        "rmse": math.sqrt(sk.mean_squared_error(target, rows["p"], **args)),
        "r2": sk.r2_score(target, rows["p"], **args),
        "mape": sk.mean_absolute_percentage_error(target, rows["p"], **args),
        "mean_error": np.average(target - rows["p"], weights=rows["w"]),
    }
    profile = wk.profile(rows, wk.Schema(target="y", prediction="p", weight="w", task="regression"))
    assert {name: value(profile, name) for name in expected} == pytest.approx(expected)
    ahead = wk.Schema(target="y", prediction="p", weight="w", task="forecasting", naive_scale=2.0)
    assert value(wk.profile(rows, ahead), "mase") == pytest.approx(expected["mae"] / 2)


def test_weights_of_one_change_nothing(rng: np.random.Generator) -> None:
    rows = binary(rng, 400) | {"w": np.ones(400)}
    weighted, plain = wk.profile(rows, BINARY.replace()), wk.profile(rows, BINARY.replace(weight=None))
    for name, (_, compute) in TASKS["binary"].items():
        if name != "ece":
            mine, theirs = compute(weighted.outcome, ()), compute(plain.outcome, ())
            assert (mine.value, mine.low, mine.high, mine.n) == pytest.approx(
                (theirs.value, theirs.low, theirs.high, theirs.n if name not in {"f1"} else mine.n), rel=1e-6
            ), name


def test_intervals_rest_on_the_effective_number_of_rows() -> None:
    """120 samples of 600 rows, whose weights are worth 300 or so: a Monte-Carlo error of 2 points.

    As if every row counted for one (control) the intervals are too narrow.
    """
    rng = np.random.default_rng(9)
    truth = {"accuracy": 0.8, "mae": math.sqrt(2 / math.pi)}
    inside: dict[str, list[bool]] = {name: [] for name in truth}
    narrow = []
    for _ in range(120):
        weight = rng.gamma(0.6, 1, 600)
        right = rng.random(600) < 0.8
        rows = {"y": np.ones(600, int), "prediction": right.astype(int), "w": weight}
        profile = wk.profile(
            rows, wk.Schema(target="y", prediction="prediction", weight="w", task="binary", positive=1)
        )
        found = TASKS["binary"]["accuracy"][1](profile.outcome, ())
        assert found.n == round(weight.sum() ** 2 / (weight**2).sum())
        inside["accuracy"].append(found.low <= 0.8 <= found.high)
        narrow.append(abs(found.value - 0.8) <= 1.96 * math.sqrt(0.16 / 600))
        numbers = {"y": rng.normal(size=600), "p": np.zeros(600), "w": weight}
        number = wk.profile(numbers, wk.Schema(target="y", prediction="p", weight="w", task="regression"))
        error = TASKS["regression"]["mae"][1](number.outcome, ())
        inside["mae"].append(error.low <= truth["mae"] <= error.high)
    assert {name: np.mean(hits) for name, hits in inside.items() if not 0.89 <= np.mean(hits) <= 1} == {}
    assert np.mean(narrow) < 0.85


def test_rows_without_a_weight_weigh_nothing(rng: np.random.Generator) -> None:
    rows = binary(rng, 100)
    rows["w"][:10], rows["w"][10:20] = np.nan, -1.0
    profile = wk.profile(rows, BINARY.replace())
    assert profile.outcome.unweighted == 20
    rest = slice(20, None)
    expected = sk.roc_auc_score(rows["y"][rest], rows["s"][rest], sample_weight=rows["w"][rest])
    assert value(profile, "roc_auc") == pytest.approx(expected)
    assert wk.roc_curve(profile).n == 100


def test_a_comparison_is_weighted(rng: np.random.Generator) -> None:
    """Half of the rows are wrong, and weigh nothing."""
    rows = binary(rng, 4000)
    wrong = np.arange(4000) % 2 == 0
    after = rows | {"s": np.where(wrong, 1 - rows["s"], rows["s"]), "w": np.where(wrong, 0.0, rows["w"])}
    report = wk.compare(rows, after, schema=BINARY)
    found = {row["metric"]: row for row in report.measurements().to_pylist() if row["column"] is None}
    assert found["roc_auc"]["value"] == pytest.approx(found["roc_auc"]["reference"], abs=0.03)
    assert any("weighted" in notice for notice in report.to_dict()["notices"])
    plain = wk.compare(rows, after, schema=BINARY.replace(weight=None))
    assert plain.verdict == "critical"
    assert wk.merge([wk.profile(rows, report.comparison.reference.schema)] * 2).rows == 8000
