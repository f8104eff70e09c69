"""Metrics of binary tasks against scikit-learn and against formulas written out plainly."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import binary_outcome, close, examples
from sklearn import metrics as sk

from watchkeeper import Schema, profile
from watchkeeper.metrics import classification as ours
from watchkeeper.profiles.outcome import BinaryOutcome
from watchkeeper.profiles.profile import Profile

Numbers = np.ndarray
EDGES = np.linspace(0, 1, 16)


def naive_ece(label: Numbers, score: Numbers) -> float:
    total = 0.0
    for lower, upper in itertools.pairwise(EDGES):
        inside = (score > lower) & (score <= upper) if lower > 0 else score <= upper
        if inside.any():
            total += inside.mean() * abs(label[inside].mean() - score[inside].mean())
    return total


def from_predictions(label: Numbers, prediction: Numbers) -> dict[str, float]:
    """Return what scikit-learn says; NaN where a share has nothing below the line."""
    if len(label) == 0:
        return dict.fromkeys(("accuracy", "error_rate", "precision", "recall", "specificity", "f1"), math.nan) | {
            "f1_macro": math.nan,
            "f1_weighted": math.nan,
        }
    args: dict[str, Any] = {"zero_division": 0.0}
    return {
        "accuracy": sk.accuracy_score(label, prediction),
        "error_rate": sk.zero_one_loss(label, prediction),
        "precision": sk.precision_score(label, prediction, **args) if prediction.any() else math.nan,
        "recall": sk.recall_score(label, prediction, **args) if label.any() else math.nan,
        "specificity": sk.recall_score(label, prediction, pos_label=0, **args) if not label.all() else math.nan,
        "f1": sk.f1_score(label, prediction, **args) if label.any() or prediction.any() else math.nan,
        "f1_macro": sk.f1_score(label, prediction, average="macro", **args),
        "f1_weighted": sk.f1_score(label, prediction, average="weighted", **args),
    }


def from_ranks(label: Numbers, score: Numbers) -> dict[str, float]:
    both = len(np.unique(label)) == 2
    return {
        "roc_auc": sk.roc_auc_score(label, score) if both else math.nan,
        "average_precision": sk.average_precision_score(label, score) if label.any() else math.nan,
    }


def from_probabilities(label: Numbers, score: Numbers) -> dict[str, float]:
    if len(label) == 0:
        return dict.fromkeys(("log_loss", "brier", "ece", "mean_calibration"), math.nan)
    return {
        "log_loss": sk.log_loss(label, score, labels=[0, 1]),
        "brier": sk.mean_squared_error(label, score),
        "ece": naive_ece(label, score),
        "mean_calibration": label.mean() - score.mean(),
    }


def wrong(
    outcome: BinaryOutcome, label: Numbers, prediction: Numbers, score: Numbers
) -> dict[str, tuple[float, float]]:
    """Return every metric that is not what the oracle says; labels and predictions are negative where missing."""
    there = (label >= 0) & (prediction >= 0)
    ranked = (label >= 0) & np.isfinite(score)
    probable = ranked & (score >= 0) & (score <= 1)
    expected = from_predictions(label[there], prediction[there])
    expected |= from_ranks(label[ranked], score[ranked])
    expected |= from_probabilities(label[probable], score[probable])
    found = {name: getattr(ours, name)(outcome) for name in expected}
    return {n: (found[n].value, value) for n, value in expected.items() if not close(found[n], value)}


def columns(table: pa.Table) -> tuple[Numbers, Numbers, Numbers]:
    label = table["late"].cast(pa.float64()).fill_null(-1).to_numpy()
    return label.astype(int), table["predicted"].to_numpy().astype(int), table["score"].to_numpy()


@pytest.mark.parametrize("month", ["march", "july"])
def test_flights(month: str, request: pytest.FixtureRequest) -> None:
    table = getattr(request.getfixturevalue("demo"), month)
    outcome = request.getfixturevalue(f"{month}_profile").outcome
    label, prediction, score = columns(table)
    assert (label < 0).any()  # some flights never arrived
    assert wrong(outcome, label, prediction, score) == {}
    known = label >= 0
    assert outcome.confusion[:2, :2].tolist() == sk.confusion_matrix(label[known], prediction[known]).tolist()
    brier = sk.brier_score_loss(label[known], score[known])
    assert ours.brier(outcome).value == pytest.approx(brier, abs=1e-12)


@pytest.mark.parametrize("month", ["march", "july"])
def test_segments_of_flights(month: str, request: pytest.FixtureRequest) -> None:
    table = getattr(request.getfixturevalue("demo"), month)
    table = table.select(["origin", "carrier", "late", "predicted", "score"])
    made: Profile = request.getfixturevalue(f"{month}_profile")
    for name in ("origin", "carrier"):
        values = table[name].to_numpy(zero_copy_only=False)
        found = made.segments[name].items()
        assert {value for value, _ in found} == set(values)
        for value, outcome in found:
            part = columns(table.filter(pa.array(values == value)))
            assert wrong(outcome, *part) == {}, (name, value)


SCORES = st.one_of(
    st.sampled_from([0.0, -0.0, 0.2, 0.5, 0.5, 1.0, 1 / 3]),  # ties, and edges of bins
    st.sampled_from([k / 15 for k in range(16)]),
    st.floats(0, 1),
    st.sampled_from([-0.25, 1.5, 7.0, math.nan, math.inf, -math.inf]),
)
CODES = st.sampled_from([0, 1, 0, 1, -1])
ROWS = st.lists(st.tuples(CODES, CODES, SCORES), min_size=1, max_size=60)


@examples
@given(ROWS)
def test_any_rows(rows: list[tuple[int, int, float]]) -> None:
    label, prediction, score = (np.array(column) for column in zip(*rows, strict=True))
    outcome = binary_outcome(label, score, prediction)
    assert wrong(outcome, label, prediction, score) == {}
    assert outcome.labelled == (label >= 0).sum()
    assert outcome.improbable == (np.isfinite(score) & ((score < 0) | (score > 1))).sum()
    assert outcome.scoreless == (~np.isfinite(score)).sum()


@examples
@given(ROWS, st.sampled_from([0.0, 0.2, 1 / 3, 0.5, 0.77, 1.0]))
def test_without_predictions_the_threshold_decides(rows: list[tuple[int, int, float]], threshold: float) -> None:
    label, _, score = (np.array(column) for column in zip(*rows, strict=True))
    outcome = binary_outcome(label, score, threshold=threshold)
    prediction = np.where(np.isfinite(score), score >= threshold, -1)
    assert wrong(outcome, label, prediction.astype(int), score) == {}


@examples
@given(st.integers(0, 2**32 - 1), st.integers(600, 4000), st.floats(-4, 4), st.integers(2, 16))
def test_more_scores_than_fit_are_within_the_stated_resolution(
    seed: int, n: int, separation: float, digits: int
) -> None:
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < rng.uniform(0.01, 0.99)).astype(int)
    score = np.round(1 / (1 + np.exp(-rng.normal(separation * label, 1 + label))), digits)
    outcome = binary_outcome(label, score)
    assert wrong(outcome, label, (score >= 0.5).astype(int), score) == {}


def test_average_precision_of_a_rare_class_states_what_one_cell_can_hide() -> None:
    """One positive above its cell's 19 negatives counts 1, below them 1/20: half the tied pairs would say .00005."""
    score = np.concatenate([np.linspace(0.1, 0.5, 200_000), 0.75 + np.arange(20) * 2.0**-50])
    label = np.zeros(len(score), dtype=int)
    label[-1] = 1
    outcome = binary_outcome(label, score)
    found = ours.average_precision(outcome)
    assert sk.average_precision_score(label, score) == 1
    assert found.value == pytest.approx(1 / 20)
    assert found.resolution == pytest.approx(19 / 20)
    assert ours.roc_auc(outcome).resolution < 1e-4


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only(label: int) -> None:
    outcome = binary_outcome([label] * 8, np.linspace(0.1, 0.8, 8))
    unknown = {"roc_auc", "recall", "average_precision"} if label == 0 else {"roc_auc", "specificity"}
    names = ("roc_auc", "recall", "average_precision", "specificity", "log_loss", "accuracy", "brier", "ece")
    assert {name for name in names if math.isnan(getattr(ours, name)(outcome).value)} == unknown


def test_no_label_at_all() -> None:
    outcome = binary_outcome([-1] * 5, np.linspace(0, 1, 5))
    assert wrong(outcome, np.full(5, -1), np.zeros(5, dtype=int), np.linspace(0, 1, 5)) == {}
    assert ours.accuracy(outcome).n == 0


def test_perfect_separation_and_constant_scores() -> None:
    label = np.array([0] * 30 + [1] * 10)
    apart = binary_outcome(label, np.where(label, 0.9, 0.1))
    constant = binary_outcome(label, np.full(40, 0.25))
    for name in ("roc_auc", "average_precision", "accuracy", "f1", "precision", "recall", "specificity"):
        assert getattr(ours, name)(apart).value == 1
    assert ours.roc_auc(constant).value == 0.5
    assert ours.average_precision(constant).value == 0.25
    assert ours.ece(constant).value == ours.mean_calibration(constant).value == 0
    assert math.isnan(ours.precision(constant).value)


def test_certain_scores_that_are_wrong_cost_what_the_epsilon_says() -> None:
    outcome = binary_outcome([1, 0], [0.0, 1.0])
    assert ours.log_loss(outcome).value == pytest.approx(-math.log(np.finfo(float).eps), rel=1e-12)
    assert ours.log_loss(outcome).value == pytest.approx(sk.log_loss([1, 0], [0.0, 1.0]), rel=1e-12)


WAYS: dict[str, tuple[list[Any], list[Any], Any]] = {
    "texts": (["no", "yes"], ["no", "yes"], "yes"),
    "the other class is the positive one": (["bad", "good"], ["bad", "good"], "good"),
    "booleans by integers": ([False, True], [0, 1], None),
    "integers by booleans": ([0, 1], [False, True], 1),
    "floats by integers": ([0.0, 1.0], [0, 1], None),
    "floats by texts": ([0.0, 1.0], ["0", "1"], True),
    "texts of booleans by booleans": (["false", "true"], [False, True], "true"),
    "other integers": ([-1, 1], [-1, 1], None),
    "ones and twos": ([1, 2], [1, 2], 2),
}


@pytest.mark.parametrize("way", WAYS)
def test_however_labels_are_written(way: str, rng: np.random.Generator) -> None:
    labels, predictions, positive = WAYS[way]
    code, score = rng.integers(0, 2, 300), rng.random(300)
    code[::7] = -1
    guess = (score + 0.2 * code > 0.55).astype(int)
    data = {
        "truth": [None if c < 0 else labels[c] for c in code],
        "guess": [predictions[g] for g in guess],
        "chance": score,
    }
    roles = Schema(target="truth", prediction="guess", score="chance", positive=positive, task="binary")
    if way == "texts of booleans by booleans":  # inference takes them for four classes
        roles = roles.replace(classes=["false", "true"])
    outcome = profile(data, roles).outcome
    assert isinstance(outcome, BinaryOutcome)
    assert outcome.strange == 0
    assert wrong(outcome, code, guess, score) == {}
