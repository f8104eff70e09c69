"""Prediction-powered estimates: a few labels say what is true, all scores say where the labelled rows stand among the rest.

The mean of a loss over the labelled rows is right but coarse; what the calibrated score expects of it is fine but may be
wrong. Their difference over the labelled rows tells how wrong, so the expectation over the unlabelled ones can be used, as far
as it helps. This holds whatever the calibration is worth, provided that the labelled rows are a random part of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from watchkeeper.metrics.estimate import UNKNOWN, Estimate, Scale, interval
from watchkeeper.metrics.estimation import FEWEST_LABELS, Calibrator, cells_of, log_loss_of
from watchkeeper.profiles.outcome import EVERY_LABEL, BinaryOutcome
from watchkeeper.sketches.kernel import Floats

Loss = Callable[[Floats, Floats, bool], Floats]
"""Of scores, predictions and a label."""
_FEWEST_BLOCKS = 5
POWERED: dict[str, tuple[Loss, Scale]] = {
    "accuracy": (lambda _, predicted, positive: (predicted == positive).astype(np.float64), "share"),
    "error_rate": (lambda _, predicted, positive: (predicted != positive).astype(np.float64), "share"),
    "brier": (lambda scores, _, positive: (scores - positive) ** 2, "log"),
    "log_loss": (lambda scores, _, positive: log_loss_of(scores, positive), "log"),
}
"""The means that can be so estimated: what a row adds, and the scale of the interval."""


@dataclass(frozen=True, slots=True)
class _Cells:
    """Rows by prediction and score: counts of negatives, positives and unlabelled, losses by label, and the one expected."""

    counts: Floats  # (3, cells)
    losses: Floats  # (2, cells)
    expected: Floats  # (cells,)

    def labelled(self, power: float) -> Floats:
        """Return, by label and cell, the loss less ``power`` times the expected one."""
        return self.losses - power * self.expected


def estimate(
    outcome: BinaryOutcome, calibrator: Calibrator | None, metric: str, days: Sequence[BinaryOutcome] = ()
) -> Estimate:
    """Return a mean over all rows with a probability, of which some have labels; unknown below 50 labels, or with all.

    Parameters
    ----------
    calibrator
        What the reference says of scores; None: they are taken as they are, which is as valid, and less sharp where wrong.
    days
        The outcomes of the window's days. With five or more, days are the unit of evidence where that is wider.

    References
    ----------
    Angelopoulos, Duchi and Zrnic, PPI++ (arXiv 2311.01453), section 3 for the power: it is 0 where scores say nothing.
    """
    if metric not in POWERED or outcome.labelled < FEWEST_LABELS or outcome.labelled >= outcome.rows:
        return UNKNOWN
    loss, scale = POWERED[metric]
    rows = _cells(outcome, calibrator, loss)
    n, rest = float(rows.counts[:2].sum()), float(rows.counts[2].sum())
    if n < FEWEST_LABELS or rest < 1:
        return UNKNOWN
    power = _power(rows, n, rest)
    errors, seen, unseen = rows.labelled(power), rows.counts[:2], rows.counts[2]
    rectified, foretold = float((seen * errors).sum()) / n, float(unseen @ rows.expected) / rest
    value = rectified + power * foretold
    independent = float((seen * (errors - rectified) ** 2).sum()) / n / (n - 1)
    independent += power**2 * float(unseen @ (rows.expected - foretold) ** 2) / rest**2
    between = [_influence(_cells(day, calibrator, loss), power, rectified, foretold, n, rest) for day in days]
    clustered = (
        len(between) / (len(between) - 1) * float(np.square(between).sum()) if len(between) >= _FEWEST_BLOCKS else 0.0
    )
    degrees = float(len(between) - 1) if clustered > independent else n - 1
    error = math.sqrt(max(independent, clustered, _least(value, n) if scale == "share" else 0.0))
    value = min(max(value, 0.0), 1.0) if scale == "share" else value
    low, high = interval(value, error, round(n), scale, degrees)
    return Estimate(value, low, high, round(n), error, degrees)


def _power(rows: _Cells, n: float, rest: float) -> float:
    """Return how far the expectation is to be trusted, 0 to 1: the one that makes the variance least."""
    seen, expected = rows.counts[:2], np.broadcast_to(rows.expected, rows.losses.shape)
    among = seen / n
    mean_loss, mean_expected = float((among * rows.losses).sum()), float((among * expected).sum())
    together = float((among * (rows.losses - mean_loss) * (expected - mean_expected)).sum())
    alone = float((among * (expected - mean_expected) ** 2).sum())
    return min(max(together / (alone * (1 + n / rest)), 0.0), 1.0) if alone > 0 else 0.0


def _influence(day: _Cells, power: float, rectified: float, foretold: float, n: float, rest: float) -> float:
    errors = day.labelled(power) - rectified
    unseen = float(day.counts[2] @ (day.expected - foretold))
    return float((day.counts[:2] * errors).sum()) / n + power * unseen / rest


def _cells(outcome: BinaryOutcome, calibrator: Calibrator | None, loss: Loss) -> _Cells:
    keys, scores, counts = cells_of(outcome, ((0,), (1,), (EVERY_LABEL,)))
    rate = calibrator.rates[calibrator(keys)] if calibrator is not None else scores
    predicted = np.repeat([0.0, 1.0], len(keys))
    scores, rate = np.tile(scores, 2), np.tile(rate, 2)
    flat = counts.reshape(3, -1)
    flat = np.stack([flat[0], flat[1], flat[2] - flat[0] - flat[1]])
    losses = np.stack([loss(scores, predicted, positive) for positive in (False, True)])
    return _Cells(flat, losses, (1 - rate) * losses[0] + rate * losses[1])


def _least(value: float, n: float) -> float:
    raised = (min(max(value, 0.0), 1.0) * n + 1) / (n + 2)
    return raised * (1 - raised) / (n + 2) if value <= 0 or value >= 1 else 0.0
