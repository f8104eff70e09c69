"""How good sets of labels are, from the outcome of a multilabel task; rows are the unit of evidence, or days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from watchkeeper.metrics.basis import over_classes
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, smooth_estimate
from watchkeeper.metrics.means import mean_estimate
from watchkeeper.profiles.multilabel import ROW_TERMS, MultilabelOutcome
from watchkeeper.sketches.kernel import Floats

_HITS, _FALSE, _MISSED, _F1, _EXACT = range(1, len(ROW_TERMS) + 1)


def f1_macro(outcome: MultilabelOutcome, days: Sequence[MultilabelOutcome] = ()) -> Estimate:
    """F1 averaged over the labels that occur, true or predicted.

    A row counts for several labels, so their errors are added as if they moved together: the interval is never too narrow.
    """
    counts = outcome.labels.astype(np.float64)
    present = counts.sum(axis=1) > 0
    if not present.any():
        return UNKNOWN
    values, gradients = f1_by_label(counts)
    errors = np.sqrt((counts * gradients**2).sum(axis=1))
    size = float(present.sum())
    blocks = [day.labels.astype(np.float64).ravel() for day in days if day.terms.count]
    squares = float((errors[present].sum() / size) ** 2)
    value = float(values[present].mean())
    found = smooth_estimate(value, (gradients / size).ravel(), squares, blocks, outcome.terms.count, "logit")
    return replace(found, basis=over_classes((counts[:, 0] + counts[:, 2])[present])) if found.known else found


def f1_micro(outcome: MultilabelOutcome, days: Sequence[MultilabelOutcome] = ()) -> Estimate:
    """F1 over all labels of all rows together."""
    sums = outcome.terms.gram[0]
    below = 2 * sums[_HITS] + sums[_FALSE] + sums[_MISSED]
    if below <= 0:
        return UNKNOWN
    value = float(2 * sums[_HITS] / below)
    gradient = np.zeros(len(sums))
    gradient[[_HITS, _FALSE, _MISSED]] = np.array([2 - 2 * value, -value, -value]) / below
    squares = float(gradient @ outcome.terms.gram @ gradient)
    blocks = [day.terms.gram[0] for day in days if day.terms.count]
    found = smooth_estimate(value, gradient, squares, blocks, outcome.terms.count, "logit")
    positives = round(float(sums[_HITS] + sums[_MISSED]))
    return replace(found, basis=min(positives, outcome.terms.count)) if found.known else found


def f1_samples(outcome: MultilabelOutcome, days: Sequence[MultilabelOutcome] = ()) -> Estimate:
    """F1 of each row's set, averaged over rows; 0 where both sets are empty, as in scikit-learn."""
    weights = np.zeros(len(ROW_TERMS) + 1)
    weights[_F1] = 1.0
    return _mean(outcome, days, weights)


def hamming_loss(outcome: MultilabelOutcome, days: Sequence[MultilabelOutcome] = ()) -> Estimate:
    """Share of all labels of all rows that are wrong, missed or false."""
    weights = np.zeros(len(ROW_TERMS) + 1)
    weights[[_FALSE, _MISSED]] = 1 / max(outcome.classes, 1)
    return _mean(outcome, days, weights)


def subset_accuracy(outcome: MultilabelOutcome, days: Sequence[MultilabelOutcome] = ()) -> Estimate:
    """Share of rows whose set is exactly right."""
    n, hits = outcome.terms.count, float(outcome.terms.gram[0, _EXACT])
    if n == 0:
        return UNKNOWN
    value = hits / n
    gradient = np.zeros(len(ROW_TERMS) + 1)
    gradient[0], gradient[_EXACT] = -value / n, 1 / n
    blocks = [day.terms.gram[0] for day in days if day.terms.count]
    return smooth_estimate(value, gradient, value * (1 - value) / n, blocks, n, "share")


def f1_by_label(counts: Floats) -> tuple[Floats, Floats]:
    """Return F1 of each label, shape (C,), NaN where it does not occur, and its gradient by ``counts``, shape (C, 3)."""
    below = 2 * counts[:, 0] + counts[:, 1] + counts[:, 2]
    safe = np.where(below > 0, below, 1.0)
    values = 2 * counts[:, 0] / safe
    gradients = np.stack([2 - 2 * values, -values, -values], axis=1) / safe[:, None]
    there = below > 0
    return np.where(there, values, math.nan), np.where(there[:, None], gradients, 0.0)


def _mean(outcome: MultilabelOutcome, days: Sequence[MultilabelOutcome], weights: Floats) -> Estimate:
    gram = outcome.terms.gram
    blocks = [np.array([day.terms.count, day.terms.gram[0] @ weights]) for day in days if day.terms.count]
    return mean_estimate(float(gram[0] @ weights), float(weights @ gram @ weights), outcome.terms.count, blocks)
