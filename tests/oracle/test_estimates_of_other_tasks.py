"""Multiclass CBPE against loops over rows and classes, errors of a regression foretold, and how often intervals hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from benchmarks.statistics import stationary
from sklearn import metrics as sk

from watchkeeper import compare, profile
from watchkeeper.detection.performance import days_of
from watchkeeper.metrics import classification, error_estimation, multiclass_estimation, regression
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema
from watchkeeper.sketches import kernel

CLASSES = ["a", "b", "c"]
MULTI = Schema(
    target="y", prediction="p", score={c: f"s_{c}" for c in CLASSES}, task="multiclass", classes=CLASSES,
    kinds={"y": "categorical", "p": "categorical", **{f"s_{c}": "numeric" for c in CLASSES}},
)  # fmt: skip
ERRORS = Schema(
    target="y", prediction="p", task="regression",
    kinds={"y": "numeric", "p": "numeric", "spread": "numeric", "kind": "categorical"},
)  # fmt: skip


def classed(rng: np.random.Generator, n: int, shift: float = 0.0) -> pa.Table:
    """Return rows whose label is drawn from their scores, softened: in order, but not calibrated."""
    x = rng.normal(size=(3, n)) * 1.5
    x[0] += shift
    truth = np.exp(x) / np.exp(x).sum(axis=0)
    soft = truth**0.7 / (truth**0.7).sum(axis=0)
    label = (rng.random(n) > np.cumsum(truth, axis=0)).sum(axis=0).clip(0, 2)
    names = np.array(CLASSES)
    columns = {"y": names[label], "p": names[truth.argmax(axis=0)]}
    return pa.table(columns | {f"s_{c}": soft[k] for k, c in enumerate(CLASSES)})


def profiled(table: pa.Table, schema: Schema) -> Profile:
    return profile(table, schema.replace(), threads=1)


def test_every_multiclass_estimate_is_the_loop_s(rng: np.random.Generator) -> None:
    reference, table = profiled(classed(rng, 4_000), MULTI), classed(rng, 300, 1.0)
    calibrators = multiclass_estimation.calibrate(reference.outcome)
    assert calibrators is not None
    scores = np.array([table[f"s_{c}"].to_numpy() for c in CLASSES])
    raw = np.array([c.rates[c(kernel.float_keys(s))] for c, s in zip(calibrators, scores, strict=True)])
    chance = raw / raw.sum(axis=0)
    prediction = np.array([CLASSES.index(p) for p in table["p"].to_pylist()])
    # a row for each label, weighed by its chance: scikit-learn then says what is expected
    label, guess = np.repeat([0, 1, 2], 300), np.tile(prediction, 3)
    weight = chance.ravel()
    expected = {
        "accuracy": sk.accuracy_score(label, guess, sample_weight=weight),
        "error_rate": 1 - sk.accuracy_score(label, guess, sample_weight=weight),
        "f1_macro": sk.f1_score(label, guess, average="macro", sample_weight=weight),
        "roc_auc": np.mean(
            [sk.roc_auc_score(label == k, np.tile(scores[k], 3), sample_weight=weight) for k in range(3)]
        ),
    }
    assert set(expected) == set(multiclass_estimation.EXPECTED)
    hidden = profiled(table.set_column(0, "y", pa.nulls(300, pa.string())), MULTI)
    for name, value in expected.items():
        for window in (hidden, profiled(table, MULTI)):
            assert multiclass_estimation.estimate(window, calibrators, name).value == pytest.approx(value, abs=1e-9), (
                name
            )


def held(found: list[tuple[Estimate, Estimate]], shrink: float = 1.0) -> float:
    """Return how often the interval held what was realised; ``shrink`` makes it narrower."""
    inside = [
        e.value - shrink * (e.value - e.low) <= r.value <= e.value + shrink * (e.high - e.value) for e, r in found
    ]
    return float(np.mean(inside))


@pytest.mark.parametrize("rows", [1_500, 8_000])
def test_multiclass_intervals_hold_what_is_realised(rows: int) -> None:
    rng = np.random.default_rng(4)
    found: dict[str, list[tuple[Estimate, Estimate]]] = {name: [] for name in ("accuracy", "f1_macro", "roc_auc")}
    for turn in range(32):  # windows share their reference's doubt, so what counts is how many references there are
        calibrators = multiclass_estimation.calibrate(profiled(classed(rng, 10_000), MULTI).outcome)
        assert calibrators is not None
        for _ in range(3):
            window = profiled(classed(rng, rows, turn / 22), MULTI)
            for name, pairs in found.items():
                realised = getattr(classification, name)(window.outcome)
                pairs.append((multiclass_estimation.estimate(window, calibrators, name), realised))
    for name, pairs in found.items():
        assert held(pairs) >= 0.85, (
            name
        )  # .95 less three standard errors of 32 references, whose windows share their doubt
        assert held(pairs, shrink=0.3) < 0.75, name  # a variant too sure of itself is caught


def priced(rng: np.random.Generator, n: int, wide: float = 0.3) -> pa.Table:
    """Return predictions whose errors are larger for kind b (a share ``wide``) and grow with ``spread``."""
    kind, spread = rng.random(n) < wide, rng.uniform(0, 2, n)
    truth = rng.normal(100, 20, n)
    error = rng.normal(size=n) * (1 + spread + 4 * kind)
    columns = {"y": truth, "p": truth + error, "spread": spread, "kind": np.where(kind, "b", "a")}
    return pa.table(columns)


@pytest.mark.parametrize("rows", [1_500, 12_000])
def test_errors_of_a_regression_are_foretold(rows: int) -> None:
    rng = np.random.default_rng(8)
    found: dict[str, list[tuple[Estimate, Estimate]]] = {name: [] for name in error_estimation.EXPECTED}
    before: dict[str, float] = {}
    for turn in range(12):
        reference = profiled(priced(rng, 5_000), ERRORS)
        model = error_estimation.fit(reference)
        assert model is not None
        for _ in range(8):
            window = profiled(priced(rng, rows, 0.3 + turn / 30), ERRORS)
            for name, pairs in found.items():
                before[name] = getattr(regression, name)(reference.outcome).value
                pairs.append(
                    (error_estimation.estimate(window, model, name), getattr(regression, name)(window.outcome))
                )
    for name, pairs in found.items():
        assert held(pairs) >= 0.88, name
        assert held(pairs, shrink=0.3) < 0.75, name
        stayed = np.mean([abs(before[name] - r.value) for _, r in pairs])
        assert np.mean([abs(e.value - r.value) for e, r in pairs]) < stayed / 2, name


def test_too_few_labels_foretell_nothing(rng: np.random.Generator) -> None:
    assert error_estimation.fit(profiled(priced(rng, error_estimation.FEWEST_ROWS - 1), ERRORS)) is None
    few = classed(rng, 3_000).slice(0, 60)
    assert multiclass_estimation.calibrate(profiled(few, MULTI).outcome) is None


@pytest.mark.parametrize(("schema", "rows"), [(MULTI, classed), (ERRORS, priced)])
def test_compare_shows_the_estimate_and_judges_it_not(schema: Schema, rows, rng: np.random.Generator) -> None:  # type: ignore[no-untyped-def]
    before, after = rows(rng, 3_000), rows(rng, 3_000, 0.9)
    unlabelled = after.set_column(0, "y", pa.nulls(3_000, after["y"].type))
    shown = compare(profiled(before, schema), profiled(unlabelled, schema)).measurements().to_pylist()
    estimated = [r for r in shown if r["source"] == "estimated"]
    assert {"accuracy", "f1_macro", "roc_auc"} <= {r["metric"] for r in estimated} or {"mae", "rmse"} <= {
        r["metric"] for r in estimated
    }
    assert all(r["p_value"] is None and r["low"] < r["value"] < r["high"] for r in estimated)


@pytest.mark.parametrize(("task", "luck"), [("multiclass", 1.0), ("regression", 0.3)])
def test_days_with_a_luck_of_their_own_widen_intervals(task: str, luck: float) -> None:
    shares = [stationary.shares(task, 200, luck, heeded, references=6, seed=3) for heeded in (True, False)]
    found, broken = ({name: float(share.mean()) for name, share in shares_of.items()} for shares_of in shares)
    assert min(found.values()) >= 0.85, found  # .95 less three standard errors of 6 references, with 10 windows each
    assert min(broken.values()) < 0.75, broken  # rows taken as independent, where days are what counts, are caught


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_days_that_are_alike_leave_intervals_as_they_are(task: str) -> None:
    schema, rows, _ = stationary.CASES[task]
    rng = np.random.default_rng(5)
    reference, window = (profile(rows(rng, days, 200, 0.0), schema.replace(), threads=1) for days in (30, 4))
    widths = []
    for days in (days_of(reference), ()):
        if task == "multiclass":
            calibrators = multiclass_estimation.calibrate(reference.outcome, days)
            assert calibrators is not None
            found = multiclass_estimation.estimate(window, calibrators, "accuracy")
        else:
            model = error_estimation.fit(reference)
            assert model is not None
            found = error_estimation.estimate(window, model if days else replace(model, days=0), "mae")
        widths.append(found.high - found.low)
    assert 1 <= widths[0] / widths[1] < 1.4
