"""Performance of multiclass tasks without labels: CBPE, one class against the rest.

Each class's score is calibrated on the reference; over the rows of a window's sample the calibrated scores, made to sum to 1,
are the chances of the labels, and the expected confusion matrix and areas follow from them. As in binary tasks this sees a
change of the inputs, never one of the concept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from watchkeeper.metrics import classification, estimation
from watchkeeper.metrics.basis import over_classes
from watchkeeper.metrics.covariates import outcomes_of
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, Scale, interval
from watchkeeper.metrics.estimation import Calibrator, isotonic
from watchkeeper.profiles.outcome import MulticlassOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.rows import ClassRows
from watchkeeper.sketches import kernel
from watchkeeper.sketches.kernel import Floats

Weighed = tuple[float, Floats]
"""A metric's value, and what a label of each class in each row adds to it, shape (classes, rows)."""


_OF_CLASSES = {"roc_auc", "f1_macro"}


def calibrate(reference: MulticlassOutcome, days: Sequence[MulticlassOutcome] = ()) -> list[Calibrator] | None:
    """Return a calibrator for each class; None where one has fewer than 50 labelled rows in it or outside.

    ``days`` are the outcomes of the reference's days: with five or more, the calibrators know how far whole days depart.
    """
    if 2 * reference.improbable > reference.rows - reference.scoreless:
        return None
    found = [isotonic(reference.scores[3 * k], reference.scores[3 * k + 1]) for k in range(reference.classes)]
    whole = [calibrator for calibrator in found if calibrator is not None]
    if not whole or len(whole) != len(found):
        return None
    pairs = [[(day.scores[3 * k], day.scores[3 * k + 1]) for day in days if day.labelled] for k in range(len(whole))]
    return [replace(c, residuals=estimation.residuals(c, own)) for c, own in zip(whole, pairs, strict=True)]


def estimate(current: Profile, calibrators: list[Calibrator], metric: str) -> Estimate:
    """Return what ``metric`` (accuracy, error_rate, f1_macro, roc_auc) is expected to be, from the window's sample of rows.

    The interval holds the chance in the labels and in which rows the sample has, and the uncertainty of the calibrators, as
    the delta method gives them; labels and calibrators vary by as much more as the reference's days depart from the
    calibrators, all classes together, than independent rows would. It does not hold a change of concept.
    """
    rows = outcomes_of(current.sample, current.schema)
    if metric not in EXPECTED or not isinstance(rows, ClassRows) or len(rows.scores) != len(calibrators):
        return UNKNOWN
    known = np.flatnonzero(rows.probable & (rows.prediction >= 0))
    if len(known) == 0 or 2 * len(known) < len(rows):
        return UNKNOWN
    scores, prediction = rows.scores[:, known], rows.prediction[known].astype(np.int64)
    steps = [c(kernel.float_keys(s)) for c, s in zip(calibrators, scores, strict=True)]
    raw = np.array([c.rates[step] for c, step in zip(calibrators, steps, strict=True)])
    total = np.maximum(raw.sum(axis=0), 1e-12)
    chance, copies = raw / total, current.sample.index.copies[known].astype(np.float64)
    compute, scale = EXPECTED[metric]
    value, by = compute(chance, scores, prediction, copies)
    if math.isnan(value):
        return UNKNOWN
    mean = (chance * by).sum(axis=0)
    share = min(copies.sum() / max(current.rows, 1), 1.0)
    labels = share * float((copies * ((chance * by**2).sum(axis=0) - mean**2)).sum())
    chosen = (1 - share) * float((copies * mean**2).sum())
    doubt, between, days = 0.0, np.zeros(len(calibrators[0].residuals)), len(calibrators[0].residuals)
    for k, calibrator in enumerate(calibrators):
        moved = np.bincount(steps[k], copies * (by[k] - mean) / total, len(calibrator.rates))
        # a row is of one class: its squares by class add up, less that of their mean, which is about 0 (moved is centred)
        doubt += float((moved**2 * calibrator.rates / calibrator.counts).sum())
        between += calibrator.residuals @ (moved / calibrator.counts)
    inflation = max(float((between**2).sum()) / doubt, 1.0) if doubt > 0 else 1.0
    here = 1 + (inflation - 1) * rows_by_day(current) * days / float(calibrators[0].counts.sum()) if days else 1.0
    error = math.sqrt(labels * here + chosen + doubt * inflation)
    degrees = days - 1.0 if inflation > 1 else math.inf
    n = round(copies.sum() / share)
    low, high = interval(value, error, max(n, 1), scale, degrees)
    basis = over_classes((copies * chance).sum(axis=1) / share) if metric in _OF_CLASSES else n
    return Estimate(value, low, high, n, error, degrees, 0.0, here, basis)


def rows_by_day(profile: Profile) -> float:
    """Return how many rows a stretch of a profile's timeline has; all of them where it has none."""
    stretches = len(profile.timeline.outcomes) if profile.timeline is not None else 0
    return profile.rows / max(stretches, 1)


def _matrix(
    metric: Callable[[Floats], classification.Valued],
) -> Callable[[Floats, Floats, np.ndarray[tuple[int], np.dtype[np.int64]], Floats], Weighed]:
    def expected(
        chance: Floats, _: Floats, prediction: np.ndarray[tuple[int], np.dtype[np.int64]], copies: Floats
    ) -> Weighed:
        classes = len(chance)
        matrix = np.array([np.bincount(prediction, copies * row, classes)[:classes] for row in chance])
        value, gradient = metric(matrix)
        return value, gradient[:, prediction]

    return expected


def _areas(chance: Floats, scores: Floats, _: np.ndarray[tuple[int], np.dtype[np.int64]], copies: Floats) -> Weighed:
    values, by = [], np.zeros_like(chance)
    for k, (own, score) in enumerate(zip(chance, scores, strict=True)):
        _, place = np.unique(score, return_inverse=True)
        positives, negatives = (np.bincount(place, copies * c).astype(np.float64) for c in (own, 1 - own))
        value, positive, negative = classification.auc(positives, negatives)
        values.append(value)
        by += negative[place] / len(chance)
        by[k] += (positive - negative)[place] / len(chance)
    return float(np.mean(values)), by


def _right(matrix: Floats) -> classification.Valued:
    return classification.share_of(matrix, np.eye(len(matrix)), np.ones_like(matrix))


def _wrong(matrix: Floats) -> classification.Valued:
    return classification.share_of(matrix, 1 - np.eye(len(matrix)), np.ones_like(matrix))


EXPECTED: dict[str, tuple[Callable[..., Weighed], Scale]] = {
    "accuracy": (_matrix(_right), "share"),
    "error_rate": (_matrix(_wrong), "share"),
    "f1_macro": (_matrix(lambda m: classification.mean_f1(m, weighted=False)), "logit"),
    "roc_auc": (_areas, "logit"),
}
"""The metrics that are estimated, and the scale of their intervals."""
