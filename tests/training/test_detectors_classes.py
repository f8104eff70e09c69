"""Detectors of classes and labels: collapse, order, and labels that are wrong at random, beside classes that overlap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from watchkeeper.training.detectors.classes import ClassCollapse, LabelNoise, Unshuffled, UnshuffledNumbers
from watchkeeper.training.run import Run

STEPS, BATCH = 300, 32


def run_of(rng: np.random.Generator, draw: object, classes: int = 4) -> Run:
    """Return a run that has learned to know the classes, of which batches are drawn by a function of the generator."""
    run = Run(loss="cross_entropy", classes=classes, planned_steps=STEPS)
    names = [str(c) for c in range(classes)]
    for step in range(STEPS):
        run.add_loss(step, 0.5 + np.exp(-step / 20) + 0.02 * rng.normal())
        if step % 5 == 0:
            labels, given, sure = draw(rng, step)  # type: ignore[operator]
            run.add("targets", step, np.bincount(labels, minlength=classes), names)
            run.add("predictions", step, np.bincount(given, minlength=classes), names)
            top = np.argsort(-sure)[: len(labels) // 4]
            wrong = labels != given
            run.add("certain", step, (len(labels), wrong.sum(), len(top), wrong[top].sum()), ("r", "w", "s", "sw"))
    return run


def flipped(share: float, classes: int = 4) -> object:
    """A model that knows every true class, and labels of which a share is another one: as sure of these as of the rest."""

    def draw(rng: np.random.Generator, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        true = rng.integers(0, classes, BATCH)
        other = (true + rng.integers(1, classes, BATCH)) % classes
        return np.where(rng.random(BATCH) < share, other, true), true, rng.random(BATCH)

    return draw


def overlapping(distance: float) -> object:
    """The best model of two normal distributions so far apart: it errs where it is unsure."""

    def draw(rng: np.random.Generator, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        true = rng.integers(0, 2, BATCH)
        x = rng.normal(size=BATCH) + distance * (true - 0.5)
        return true, (x > 0).astype(int), np.abs(x)

    return draw


@pytest.mark.parametrize("share", [0.2, 0.3, 0.4])
def test_labels_wrong_at_random_are_found_with_their_share(share: float) -> None:
    (finding,) = LabelNoise().check(run_of(np.random.default_rng(0), flipped(share)))
    assert finding.numbers["wrong"] == pytest.approx(share, abs=0.06)
    assert finding.numbers["surest_wrong"] == pytest.approx(share, abs=0.12)


@pytest.mark.parametrize("distance", [1.0, 1.7, 3.0])
def test_classes_that_overlap_are_not(distance: float) -> None:
    error = stats.norm.cdf(-distance / 2)
    run = run_of(np.random.default_rng(1), overlapping(distance), 2)
    rows, wrong = run.series["certain"].rows[:, :2].sum(axis=0)
    assert wrong / rows == pytest.approx(error, abs=0.03)
    assert list(LabelNoise().check(run)) == []


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 50])
@pytest.mark.parametrize("dimensions", [1, 2, 10, 30])
def test_mistakes_over_all_are_at_least_the_mean_of_the_surest_and_a_guess(classes: int, dimensions: int) -> None:
    """The bound that tells overlap from noise, for the best model of normal distributions that overlap more and less."""
    rng = np.random.default_rng(classes * dimensions)
    for distance in (0.2, 0.5, 1.0, 2.0):
        middles = rng.normal(size=(classes, dimensions)) * distance
        true = rng.integers(0, classes, 8_000)
        x = middles[true] + rng.normal(size=(8_000, dimensions))
        scores = x @ middles.T - (middles**2).sum(axis=1) / 2
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        wrong, sure = scores.argmax(axis=1) != true, (chances / chances.sum(axis=1, keepdims=True)).max(axis=1)
        top = wrong[np.argsort(-sure)[:2_000]].mean()
        assert wrong.mean() >= 0.95 * np.sqrt(top * (1 - 1 / classes))
        flipped_top, flipped_all = 0.2 + 0.8 * top * 0.9, 0.2 + 0.8 * wrong.mean() * 0.9
        if wrong.mean() < 0.1:
            assert flipped_all < np.sqrt(flipped_top * (1 - 1 / classes)) or classes == 2


def gate(detector: LabelNoise) -> tuple[float, float]:
    """Return in which share of 40 runs wrong labels are found, and overlapping classes taken for them."""
    rates = []
    for draw, classes in ((flipped(0.2), 4), (overlapping(1.0), 2)):
        rng = np.random.default_rng(2)
        rates.append(float(np.mean([bool(list(detector.check(run_of(rng, draw, classes)))) for _ in range(40)])))
    return rates[0], rates[1]


def test_wrong_labels_are_told_from_hard_ones() -> None:
    found, false = gate(LabelNoise())
    assert found >= 0.85
    assert false <= 0.03


@pytest.mark.parametrize("broken", [LabelNoise(deviations=-9.0, wrong=0.0), LabelNoise(wrong=0.5)])
def test_the_gate_catches_a_broken_detector_of_wrong_labels(broken: LabelNoise) -> None:
    found, false = gate(broken)
    assert not (found >= 0.85 and false <= 0.03)


def collapsed(rng: np.random.Generator, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels = (rng.random(BATCH) < 0.05).astype(int)
    return labels, np.zeros(BATCH, int), np.ones(BATCH)


def rare_and_known(rng: np.random.Generator, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels = (rng.random(BATCH) < 0.05).astype(int)
    return labels, labels, np.ones(BATCH)


def test_a_constant_head_collapses_and_a_rare_class_that_is_known_does_not() -> None:
    assert [f.problem for f in ClassCollapse().check(run_of(np.random.default_rng(3), collapsed, 2))] == [
        "class_collapse"
    ]
    assert list(ClassCollapse().check(run_of(np.random.default_rng(3), rare_and_known, 2))) == []


def ordered(rng: np.random.Generator, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels = np.full(BATCH, 4 * step // STEPS)
    return labels, labels, np.ones(BATCH)


def test_sorted_rows_are_unshuffled_and_drawn_ones_are_not() -> None:
    rng = np.random.default_rng(4)
    assert [f.problem for f in Unshuffled().check(run_of(rng, ordered))] == ["unshuffled"]
    assert list(Unshuffled().check(run_of(rng, flipped(0.0)))) == []
    false = [bool(list(replace(Unshuffled()).check(run_of(rng, flipped(0.0))))) for _ in range(20)]
    assert sum(false) == 0


@pytest.mark.parametrize("batch", [2, 3, 8, 64])
def test_sorted_numbers_are_unshuffled_and_means_of_drawn_ones_vary_as_they_should(batch: int) -> None:
    rng = np.random.default_rng(5)
    told = []
    for targets in (rng.normal(size=(400, batch)), np.sort(rng.normal(size=400 * batch)).reshape(400, batch)):
        run = Run(loss="mse")
        for step, row in enumerate(targets):
            run.add("head", step, (row.mean(), row.var()), ("target_mean", "target_variance"))
        mean, within = run.series["head"].rows.T
        told.append([f.problem for f in UnshuffledNumbers().check(run)])
        if not told[-1]:
            assert mean.var() / within.mean() == pytest.approx(1 / (batch - 1), rel=0.25)
    assert told == [[], ["unshuffled"]]
