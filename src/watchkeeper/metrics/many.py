"""Metrics of a multiclass task with thousands of classes: of all rows exactly, of classes from those that are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from watchkeeper.metrics.basis import over_classes
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, critical, smooth_estimate
from watchkeeper.profiles.many import ManyClassOutcome
from watchkeeper.sketches.kernel import Floats

TOP = 5


def many_metric(name: str, outcome: ManyClassOutcome, days: Sequence[ManyClassOutcome] = ()) -> Estimate:
    """Return a metric by its name; unknown where thousands of classes have none."""
    if name == "accuracy":
        return _share(outcome, days, 1, True)
    if name == "error_rate":
        return _share(outcome, days, 1, False)
    return _f1(outcome, days, name == "f1_weighted") if name in {"f1_macro", "f1_weighted"} else UNKNOWN


def top_k_accuracy(outcome: Any, days: Sequence[Any] = (), k: int = TOP) -> Estimate:
    """Share of labelled rows whose label is among the first 5 predicted (multiclass, predictions as lists, best first)."""
    return (
        _share(outcome, days, k, True) if isinstance(outcome, ManyClassOutcome) and outcome.ranks[1:].any() else UNKNOWN
    )


def _share(outcome: ManyClassOutcome, days: Sequence[ManyClassOutcome], k: int, right: bool) -> Estimate:
    n = outcome.both
    if n == 0:
        return UNKNOWN

    def sums(part: ManyClassOutcome) -> Floats:
        hits = int(part.ranks[:k].sum())
        return np.array([part.both, hits if right else part.both - hits], dtype=np.float64)

    value = float(sums(outcome)[1]) / n
    blocks = [sums(day) for day in days if day.both]
    return smooth_estimate(value, np.array([-value, 1.0]) / n, value * (1 - value) / n, blocks, n, "share")


def _f1(outcome: ManyClassOutcome, days: Sequence[ManyClassOutcome], weighted: bool) -> Estimate:
    """Return the mean of F1 over the classes that occur, plain or by how often each is the label.

    A wrong row counts for two classes; its two influences are added as if they were one's (their squares, twice), so the
    interval is never too narrow. Where classes are a sample, how they differ is part of the error.
    """
    counts = outcome.counts.astype(np.float64)
    if len(counts) == 0:
        return UNKNOWN
    below = counts[:, 0] + counts[:, 1]
    values = 2 * counts[:, 2] / below
    weights = (
        counts[:, 0] / counts[:, 0].sum() if weighted and counts[:, 0].any() else np.full(len(counts), 1 / len(counts))
    )
    value = float(values @ weights)
    by_count = -values / below * weights  # by label and by prediction alike
    by_label = by_count + ((values - value) / counts[:, 0].sum() if weighted and counts[:, 0].any() else 0.0)
    by_hit = 2 / below * weights
    hits, missed, false = counts[:, 2], counts[:, 0] - counts[:, 2], counts[:, 1] - counts[:, 2]
    squares = float(
        (hits * (by_label + by_count + by_hit) ** 2 + 2 * missed * by_label**2 + 2 * false * by_count**2).sum()
    )
    gradient = np.concatenate([by_label, by_count, by_hit])
    blocks = [_placed(day, outcome).T.ravel() for day in days if day.both]
    found = smooth_estimate(value, gradient, squares, blocks, outcome.both, "logit")
    found = replace(found, basis=over_classes(counts[:, 0], weights)) if found.known else found
    return _with_classes(found, values, weights) if outcome.sampled else found


def _placed(part: ManyClassOutcome, whole: ManyClassOutcome) -> Floats:
    """Return a part's counts in the places of the whole's classes, shape (k, 3)."""
    placed = np.zeros((len(whole.hashes), 3))
    place = np.minimum(np.searchsorted(whole.hashes, part.hashes), len(whole.hashes) - 1)
    same = whole.hashes[place] == part.hashes
    placed[place[same]] = part.counts[same]
    return placed


def _with_classes(found: Estimate, values: Floats, weights: Floats) -> Estimate:
    """Widen an estimate by how much the classes differ, of which a sample is kept."""
    spread = float((weights**2 * (values - found.value) ** 2).sum())
    error = math.hypot(found.error, math.sqrt(spread))
    half = critical(found.degrees) * error
    return replace(found, error=error, low=max(found.value - half, 0.0), high=min(found.value + half, 1.0))
