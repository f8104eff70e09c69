"""How good sets of labels are, from the outcome of a multilabel task; rows are the unit of evidence, or days.

Where rows have weights, values are those of scikit-learn with ``sample_weight``, and intervals rest on effective rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from watchkeeper.metrics.basis import effective_rows, over_classes
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, smooth_estimate
from watchkeeper.metrics.means import mean_of_sums, share_of_sums
from watchkeeper.profiles.multilabel import ROW_TERMS, MultilabelOutcome
from watchkeeper.profiles.weighted_sets import WeightedSetOutcome
from watchkeeper.sketches.kernel import Floats

_HITS, _FALSE, _MISSED, _F1, _EXACT = range(1, len(ROW_TERMS) + 1)
SetOutcome = MultilabelOutcome | WeightedSetOutcome


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of weights, 1 each where rows have none: by label, and over rows times (1, ``ROW_TERMS``).

    ``squares`` and ``products`` are the same sums of squared weights, ``counted`` the rows and ``n`` what they are worth.
    """

    labels: Floats
    squares: Floats
    rows: Floats
    products: Floats
    counted: int

    @property
    def n(self) -> int:
        return effective_rows(float(self.rows[0]), float(self.products[0, 0]))

    def means(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return the sums and products of (1, the sum of a row's terms times ``weights``)."""
        both = np.stack([np.eye(len(weights))[0], weights])
        return both @ self.rows, both @ self.products @ both.T


def _sums(outcome: SetOutcome) -> _Sums:
    gram = outcome.terms.gram
    if isinstance(outcome, WeightedSetOutcome):
        return _Sums(outcome.weights, outcome.squares, gram[0, 1:], gram[1:, 1:], outcome.terms.count)
    counts = outcome.labels.astype(np.float64)
    return _Sums(counts, counts, gram[0], gram, outcome.terms.count)


def _days(days: Sequence[SetOutcome]) -> list[_Sums]:
    return [sums for sums in map(_sums, days) if sums.rows[0] > 0]


def f1_macro(outcome: SetOutcome, days: Sequence[SetOutcome] = ()) -> Estimate:
    """F1 averaged over the labels that occur, true or predicted.

    A row counts for several labels, so their errors are added as if they moved together: the interval is never too narrow.
    """
    sums = _sums(outcome)
    present = sums.labels.sum(axis=1) > 0
    if not present.any():
        return UNKNOWN
    values, gradients = f1_by_label(sums.labels)
    errors = np.sqrt((sums.squares * gradients**2).sum(axis=1))
    size = float(present.sum())
    squares = float((errors[present].sum() / size) ** 2)
    value = float(values[present].mean())
    blocks = [day.labels.ravel() for day in _days(days)]
    found = smooth_estimate(value, (gradients / size).ravel(), squares, blocks, sums.n, "logit")
    return replace(found, basis=over_classes(_positives(sums)[present])) if found.known else found


def _positives(sums: _Sums) -> Floats:
    """Return how many rows have each label, shape (C,); the effective number where rows have weights."""
    totals, squares = (of[:, 0] + of[:, 2] for of in (sums.labels, sums.squares))
    return np.array([effective_rows(*pair) for pair in zip(totals.tolist(), squares.tolist(), strict=True)], np.float64)


def f1_micro(outcome: SetOutcome, days: Sequence[SetOutcome] = ()) -> Estimate:
    """F1 over all labels of all rows together."""
    sums = _sums(outcome)
    below = 2 * sums.rows[_HITS] + sums.rows[_FALSE] + sums.rows[_MISSED]
    if below <= 0:
        return UNKNOWN
    value = float(2 * sums.rows[_HITS] / below)
    gradient = np.zeros(len(sums.rows))
    gradient[[_HITS, _FALSE, _MISSED]] = np.array([2 - 2 * value, -value, -value]) / below
    squares = float(gradient @ sums.products @ gradient)
    found = smooth_estimate(value, gradient, squares, [day.rows for day in _days(days)], sums.n, "logit")
    positives = effective_rows(*(float(of[:, [0, 2]].sum()) for of in (sums.labels, sums.squares)))
    return replace(found, basis=min(positives, sums.n)) if found.known else found


def f1_samples(outcome: SetOutcome, days: Sequence[SetOutcome] = ()) -> Estimate:
    """F1 of each row's set, averaged over rows; 0 where both sets are empty, as in scikit-learn."""
    weights = np.zeros(len(ROW_TERMS) + 1)
    weights[_F1] = 1.0
    return _mean(outcome, days, weights)


def hamming_loss(outcome: SetOutcome, days: Sequence[SetOutcome] = ()) -> Estimate:
    """Share of all labels of all rows that are wrong, missed or false."""
    weights = np.zeros(len(ROW_TERMS) + 1)
    weights[[_FALSE, _MISSED]] = 1 / max(outcome.classes, 1)
    return _mean(outcome, days, weights)


def subset_accuracy(outcome: SetOutcome, days: Sequence[SetOutcome] = ()) -> Estimate:
    """Share of rows whose set is exactly right."""
    weights = np.zeros(len(ROW_TERMS) + 1)
    weights[_EXACT] = 1.0
    sums = _sums(outcome)
    return share_of_sums(*sums.means(weights), sums.counted, [day.means(weights)[0] for day in _days(days)])


def f1_by_label(counts: Floats) -> tuple[Floats, Floats]:
    """Return F1 of each label, shape (C,), NaN where it does not occur, and its gradient by ``counts``, shape (C, 3)."""
    below = 2 * counts[:, 0] + counts[:, 1] + counts[:, 2]
    safe = np.where(below > 0, below, 1.0)
    values = 2 * counts[:, 0] / safe
    gradients = np.stack([2 - 2 * values, -values, -values], axis=1) / safe[:, None]
    there = below > 0
    return np.where(there, values, math.nan), np.where(there[:, None], gradients, 0.0)


def _mean(outcome: SetOutcome, days: Sequence[SetOutcome], weights: Floats) -> Estimate:
    return mean_of_sums(*_sums(outcome).means(weights), [day.means(weights)[0] for day in _days(days)])
