"""Metrics of multiclass tasks against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import by_day, close, examples, multiclass_outcome, multiclass_rows
from sklearn import metrics as sk

from watchkeeper import Schema, profile
from watchkeeper.metrics import classification as ours
from watchkeeper.profiles.outcome import MulticlassOutcome

Numbers = np.ndarray
FROM_SCORES = ("roc_auc", "average_precision", "log_loss", "brier", "ece", "mean_calibration")


def naive_ece(correct: Numbers, confidence: Numbers) -> float:
    place = np.clip(np.ceil(confidence * 15) - 1, 0, 14)
    return sum(
        float(np.mean(place == p)) * abs(correct[place == p].mean() - confidence[place == p].mean())
        for p in np.unique(place)
    )


def from_predictions(label: Numbers, prediction: Numbers) -> dict[str, float]:
    macro = {"average": "macro", "zero_division": 0.0}
    return {
        "accuracy": sk.accuracy_score(label, prediction),
        "error_rate": sk.zero_one_loss(label, prediction),
        "precision": sk.precision_score(label, prediction, **macro),
        "recall": sk.recall_score(label, prediction, **macro),
        "f1_macro": sk.f1_score(label, prediction, **macro),
        "f1_weighted": sk.f1_score(label, prediction, average="weighted", zero_division=0.0),
        "f1": math.nan,
        "specificity": math.nan,
    }


def from_scores(label: Numbers, scores: Numbers) -> dict[str, float]:
    classes = scores.shape[1]
    truth = np.eye(classes)[label]
    every = len(np.unique(label)) == classes
    best, confidence = scores.argmax(axis=1), scores.max(axis=1)
    return {
        "roc_auc": sk.roc_auc_score(label, scores, multi_class="ovr", average="macro") if every else math.nan,
        "average_precision": sk.average_precision_score(truth, scores, average="macro") if every else math.nan,
        "log_loss": sk.log_loss(label, scores, labels=np.arange(classes)),
        "brier": float(np.mean(((scores - truth) ** 2).sum(axis=1))),
        "ece": naive_ece(best == label, confidence),
        "mean_calibration": float(np.mean(best == label) - confidence.mean()),
    }


def wrong(outcome: MulticlassOutcome, expected: dict[str, float]) -> dict[str, tuple[float, float]]:
    found = {name: getattr(ours, name)(outcome) for name in expected}
    return {n: (found[n].value, value) for n, value in expected.items() if not close(found[n], value)}


def drawn(rng: np.random.Generator, n: int, classes: int, digits: int) -> tuple[Numbers, Numbers]:
    """Return labels and probabilities that know something of them; few digits make ties."""
    label = rng.integers(0, classes, n)
    raw = (
        np.round(rng.gamma(0.7, size=(n, classes)) + 1.5 * rng.random((n, 1)) * np.eye(classes)[label], digits) + 0.125
    )
    return label, raw / raw.sum(axis=1, keepdims=True)


@examples
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 1500),
    st.integers(3, 6),
    st.integers(0, 16),
    st.floats(0, 0.6),
    st.booleans(),
)
def test_any_rows(seed: int, n: int, classes: int, digits: int, missing: float, given_predictions: bool) -> None:
    rng = np.random.default_rng(seed)
    label, scores = drawn(rng, n, classes, digits)
    label[rng.random(n) < missing] = -1
    label[0] = 0
    prediction = rng.integers(0, classes, n) if given_predictions else None
    outcome = multiclass_outcome(label, scores, prediction, classes)
    known = label >= 0
    shown = scores.argmax(axis=1) if prediction is None else prediction
    expected = from_predictions(label[known], shown[known]) | from_scores(label[known], scores[known])
    assert wrong(outcome, expected) == {}
    matrix = sk.confusion_matrix(label[known], shown[known], labels=np.arange(classes))
    assert outcome.confusion[:classes, :classes].tolist() == matrix.tolist()
    assert outcome.labelled == known.sum()


@pytest.mark.parametrize("classes", [3, 4, 5, 6])
def test_through_the_public_way(classes: int, rng: np.random.Generator) -> None:
    label, scores = drawn(rng, 3000, classes, 16)
    names = np.array([f"kind {k}" for k in range(classes)])
    data = {"truth": names[label]} | {f"p{k}": scores[:, k] for k in range(classes)}
    schema = Schema(target="truth", score={name: f"p{k}" for k, name in enumerate(names.tolist())}, task="multiclass")
    outcome = profile(data, schema).outcome
    assert isinstance(outcome, MulticlassOutcome)
    assert wrong(outcome, from_predictions(label, scores.argmax(axis=1)) | from_scores(label, scores)) == {}
    assert 0 < ours.roc_auc(outcome).resolution < 0.01


def test_without_scores_only_predictions_count(rng: np.random.Generator) -> None:
    label, prediction = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    outcome = multiclass_outcome(label, None, prediction, 4)
    expected = from_predictions(label, prediction) | dict.fromkeys(FROM_SCORES, math.nan)
    assert wrong(outcome, expected) == {}


def test_a_class_that_never_comes_leaves_the_areas_unknown(rng: np.random.Generator) -> None:
    label, scores = drawn(rng, 400, 4, 16)
    label[label == 3] = 0
    outcome = multiclass_outcome(label, scores, None, 4)
    assert math.isnan(ours.roc_auc(outcome).value)
    assert wrong(outcome, from_scores(label, scores)) == {}


def test_labels_of_no_listed_class_are_one_class_of_their_own(rng: np.random.Generator) -> None:
    """Predictions can be right or wrong about them; scores say nothing about them."""
    label, scores = drawn(rng, 600, 4, 16)
    outcome = multiclass_outcome(label, scores[:, :3], label, 3)
    assert outcome.strange == (label == 3).sum()
    assert wrong(outcome, from_predictions(label, label)) == {}
    assert outcome.losses.count == (label < 3).sum()


def test_no_label_at_all(rng: np.random.Generator) -> None:
    _, scores = drawn(rng, 50, 3, 16)
    outcome = multiclass_outcome(np.full(50, -1), scores, None, 3)
    names = ("accuracy", "error_rate", "precision", "recall", "f1_macro", "f1_weighted", *FROM_SCORES)
    assert [name for name in names if getattr(ours, name)(outcome).known] == []


def test_the_area_over_days_says_its_design_effect(rng: np.random.Generator) -> None:
    """Days that differ widen the mean over classes too, and it says by how much."""
    days = np.repeat(np.arange(30), 60)
    label = rng.integers(0, 3, len(days))
    knows = rng.gamma(2, 0.6, 30)[days]
    raw = np.exp(rng.normal(size=(len(days), 3)) + knows[:, None] * np.eye(3)[label])
    rows = multiclass_rows(label, raw / raw.sum(axis=1, keepdims=True), None, 3)
    outcome = MulticlassOutcome(3)
    outcome.update(rows)
    found = ours.roc_auc(outcome, by_day(lambda: MulticlassOutcome(3), rows, days))
    assert found.design_effect > 1.5
    assert found.degrees == 29
    assert found.error > ours.roc_auc(outcome).error * 1.2
