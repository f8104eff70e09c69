"""A multiclass task with thousands of classes against scikit-learn."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

import watchkeeper as wk
from watchkeeper.detection.performance import days_of
from watchkeeper.errors import InvalidSchema
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.metrics.many import top_k_accuracy
from watchkeeper.metrics.names import TASKS
from watchkeeper.profiles.many import WHOLE_CLASSES, ManyClassOutcome
from watchkeeper.profiles.profile import Profile


def drawn(rng: np.random.Generator, n: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of which some are far more frequent than others, and predictions, 70 % of them right."""
    label = (classes * rng.random(n) ** 2).astype(int)
    return label, np.where(rng.random(n) < 0.7, label, rng.integers(0, classes, n))


def profiled(label: np.ndarray, guess: np.ndarray) -> Profile:
    rows = {"y": [f"p{k}" for k in label], "prediction": [f"p{k}" for k in guess]}
    return wk.profile(rows, wk.Schema(target="y", prediction="prediction", task="multiclass"))


def metric(profile: Profile, name: str) -> Estimate:
    return TASKS["multiclass"][name][1](profile.outcome, days_of(profile))


def expected(label: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": sk.accuracy_score(label, guess),
        "error_rate": 1 - sk.accuracy_score(label, guess),
        "f1_macro": sk.f1_score(label, guess, average="macro"),
        "f1_weighted": sk.f1_score(label, guess, average="weighted"),
    }


def test_two_thousand_classes(rng: np.random.Generator) -> None:
    label, guess = drawn(rng, 20_000, 2000)
    profile = profiled(label, guess)
    assert (profile.schema.task, profile.schema.many_classes) == ("multiclass", True)
    assert isinstance(profile.outcome, ManyClassOutcome)
    assert not profile.outcome.sampled
    for name, value in expected(label, guess).items():
        found = metric(profile, name)
        assert found.value == pytest.approx(value), name
        assert found.low < value < found.high, name
    report, theirs = (
        wk.classification_report(profile).to_dict(),
        sk.classification_report(label, guess, output_dict=True, zero_division=0),
    )
    for k in (0, 1, 700):
        assert {m: report[f"p{k}"][m] for m in theirs[str(k)]} == pytest.approx(theirs[str(k)])
    assert report["macro avg"]["f1-score"] == pytest.approx(theirs["macro avg"]["f1-score"])


def test_more_classes_than_are_kept(rng: np.random.Generator) -> None:
    """Accuracy stays exact; F1 is that of a sample of classes, and its interval holds that of all."""
    label, guess = drawn(rng, 60_000, 12_000)
    profile = profiled(label, guess)
    assert profile.outcome.sampled
    assert len(profile.outcome.names) == WHOLE_CLASSES
    values = expected(label, guess)
    assert metric(profile, "accuracy").value == pytest.approx(values["accuracy"])
    for name in ("f1_macro", "f1_weighted"):
        found = metric(profile, name)
        assert found.low <= values[name] <= found.high, name
        assert found.high - found.low < 0.05, name
    assert len(profile.to_bytes()) < 600_000


def test_top_k(rng: np.random.Generator) -> None:
    scores = rng.random((500, 12))
    label = np.where(rng.random(500) < 0.4, scores.argmax(axis=1), rng.integers(0, 12, 500))
    best = np.argsort(-scores, axis=1)[:, :6]
    rows = pa.table({"y": label.astype(str), "p": pa.array([[str(k) for k in row] for row in best])})
    profile = wk.profile(rows, wk.Schema(target="y", prediction="p"))
    for k in (1, 3, 5):
        assert top_k_accuracy(profile.outcome, k=k).value == pytest.approx(sk.top_k_accuracy_score(label, scores, k=k))
    assert metric(profile, "accuracy").value == pytest.approx((label == best[:, 0]).mean())
    plain = profiled(label, best[:, 0]).outcome
    assert not top_k_accuracy(plain).known


def test_errors_are_those_of_a_bootstrap(rng: np.random.Generator) -> None:
    """Never too narrow, and at most half again too wide."""
    label, guess = drawn(rng, 4000, 400)
    found = {name: metric(profiled(label, guess), name) for name in ("f1_macro", "f1_weighted")}
    again: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(60):
        pick = rng.integers(0, 4000, 4000)
        values = expected(label[pick], guess[pick])
        for name, values_of in again.items():
            values_of.append(values[name])
    for name, values_of in again.items():
        assert 0.8 < found[name].error / np.std(values_of) < 1.7, name


def test_a_loss_is_found(rng: np.random.Generator) -> None:
    label, guess = drawn(rng, 6000, 3000)
    worse = np.where(rng.random(6000) < 0.2, 0, guess)
    sides = ({"y": [f"p{k}" for k in label], "prediction": [f"p{k}" for k in said]} for said in (guess, worse))
    report = wk.compare(*sides, schema=wk.Schema(target="y", prediction="prediction", many_classes=True))
    assert report.verdict == "critical"
    assert report.headline.startswith("The model got worse")


def test_a_guess_does_not_go_so_far(rng: np.random.Generator) -> None:
    """Texts of which most are new may be anything."""
    label, guess = drawn(rng, 3000, 2000)
    rows = {"y": [f"p{k}" for k in label], "prediction": [f"p{k}" for k in guess]}
    with pytest.raises(InvalidSchema, match="many_classes=True"):
        wk.profile(rows, wk.Schema(target="y", prediction="prediction"))
