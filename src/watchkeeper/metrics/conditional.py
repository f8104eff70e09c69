"""Calibration that depends on features: what CBPE is corrected by where the reference proves that it has to be.

CBPE takes rows of one score to be alike. Where a window holds many of a kind for whom the score means something else, it is
wrong, although the reference knows better. A penalised logistic model on the reference's rows says how the calibrated score
is to be read at each level of each feature; by how much an estimate changes with it has a standard error of its own. Only a
change of more than three of these is made, so where the reference proves nothing, the estimate is CBPE's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from watchkeeper.metrics.covariates import Design, Levels, levels_of, outcomes_of
from watchkeeper.metrics.estimate import Estimate, interval
from watchkeeper.metrics.estimation import Calibrator, expected
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.rows import ClassRows
from watchkeeper.sketches import kernel
from watchkeeper.sketches.kernel import Floats

FEWEST_ROWS = 10_000
"""Labelled rows of the reference's sample, below which little could be proved: an ordinary sample costs nothing."""
PROOF = 3.0
"""How many standard errors prove that an estimate has to be corrected."""
PENALTY = 10.0
"""Of squared offsets and slopes: a prior by which each is 0, give or take .3 on the logit scale."""
_LEAST = 0.002
_STEPS, _ENOUGH = 8, 1e-3
_WORK = 6e9  # multiplications of one step: about half a second


@dataclass(frozen=True, slots=True)
class Conditional:
    """The chance of a positive by score and features.

    Attributes
    ----------
    calibrator
        The chance by score alone, from which it departs.
    weights, covariance
        Offsets and slopes by level (:class:`Design`), and their posterior covariance (Laplace's approximation).
    rows
        Labelled rows that it was fitted on.
    """

    calibrator: Calibrator
    levels: Levels
    weights: Floats
    covariance: Floats
    rows: int


@dataclass(frozen=True, slots=True)
class Correction:
    """By how much an estimate changes when features are heeded, with its standard error."""

    value: float
    error: float

    @property
    def proven(self) -> bool:
        """Whether it is more than three standard errors."""
        return abs(self.value) > PROOF * self.error > 0


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of a sample with a probability and a prediction, each array of shape (n,) but the design.

    ``place`` is the row's score among the distinct ``scores``; ``base`` the chance that CBPE gives it, ``chance`` that by
    score and features; ``weight`` how often it came; ``whole`` the rows that the sample stands for.
    """

    design: Design
    scores: Floats
    place: np.ndarray[tuple[int], np.dtype[np.int64]]
    prediction: np.ndarray[tuple[int], np.dtype[np.int64]]
    weight: Floats
    base: Floats
    chance: Floats
    whole: int

    def part(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]], whole: int) -> Scored:
        """Return some of the rows, which stand for ``whole``."""
        design = Design(self.design.places[:, rows], self.design.z[rows], self.design.levels)
        return Scored(
            design,
            self.scores,
            self.place[rows],
            self.prediction[rows],
            self.weight[rows],
            self.base[rows],
            self.chance[rows],
            whole,
        )


def fit(reference: Profile, calibrator: Calibrator, penalty: float = PENALTY) -> Conditional | None:
    """Fit the model on the labelled rows of a reference's sample; None with fewer than 10,000 of them, or no features.

    References
    ----------
    Penalised maximum likelihood by Newton's method; MacKay, Neural Computation 4 (1992), for the posterior.
    """
    rows = outcomes_of(reference.sample, reference.schema)
    if not isinstance(rows, ClassRows):
        return None
    known = np.flatnonzero((rows.label >= 0) & rows.probable)
    levels = levels_of(reference.sample, reference.schema)
    if len(known) < FEWEST_ROWS or levels.count == 0:
        return None
    known = known[: int(_WORK / (2 * levels.count) ** 2)]  # in the order of hashes, so any first rows are a sample
    places = levels.places(reference.sample.rows)[:, known]
    z = _logit(_rates(calibrator, rows.scores[0][known]))
    design = Design(places, z, levels.count)
    label, copies = rows.label[known].astype(np.float64), reference.sample.index.copies[known].astype(np.float64)
    weights, covariance = _newton(design, label, copies, penalty)
    return Conditional(calibrator, levels, weights, covariance, len(known))


def _newton(design: Design, label: Floats, copies: Floats, penalty: float) -> tuple[Floats, Floats]:
    weights = np.zeros(2 * design.levels)
    for _ in range(_STEPS):
        chance = expit(design.z + design.times(weights))
        slope = design.transposed_times(copies * (label - chance)) - penalty * weights
        hessian = penalty * np.eye(len(weights))
        spread = (copies * chance * (1 - chance)).astype(np.float32)
        for part, matrix in design.blocks():
            hessian += matrix.T @ (matrix * spread[part, None])
        step = np.linalg.solve(hessian, slope)
        weights = weights + step
        if np.abs(step).max() < _ENOUGH:
            break
    covariance: Floats = np.linalg.inv(hessian).astype(np.float64)
    return weights, covariance


def scored(model: Conditional, current: Profile) -> tuple[Scored | None, Scored | None]:
    """Return the rows of a window's sample as the model sees them, and those of them with a label; None: there are none."""
    rows = outcomes_of(current.sample, current.schema)
    if not isinstance(rows, ClassRows) or current.outcome is None:
        return None, None
    known = np.flatnonzero(rows.probable & (rows.prediction >= 0))
    if len(known) == 0:
        return None, None
    base = _rates(model.calibrator, rows.scores[0][known])
    z = _logit(base)
    design = Design(model.levels.places(current.sample.rows)[:, known], z, model.levels.count)
    scores, place = np.unique(rows.scores[0][known], return_inverse=True)
    whole = Scored(
        design,
        scores,
        place,
        rows.prediction[known].astype(np.int64),
        current.sample.index.copies[known].astype(np.float64),
        base,
        expit(z + design.times(model.weights)),
        current.rows,
    )
    labelled = np.flatnonzero(rows.label[known] >= 0)
    return whole, whole.part(labelled, current.outcome.labelled) if len(labelled) else None


def correction(model: Conditional, rows: Scored, metric: str) -> Correction:
    """Return by how much CBPE's estimate of a metric over these rows changes when their features are heeded.

    Its error holds what the reference leaves open of the model, and the chance of which rows the sample holds.
    """
    before, _ = _expected(rows, rows.base, metric)
    after, flip = _expected(rows, rows.chance, metric)
    if math.isnan(before) or math.isnan(after):
        return Correction(0.0, math.inf)
    moved = rows.design.transposed_times(rows.weight * flip * rows.chance * (1 - rows.chance))
    doubt = float(moved @ model.covariance @ moved)
    m, seen = len(rows.weight), float(rows.weight.sum())
    parts = flip * (rows.chance - rows.base) * m
    left = max(1 - seen / max(rows.whole, 1), 0.0)  # of all rows, how many the sample lacks
    return Correction(after - before, math.sqrt(doubt + left * float(parts.var()) / m))


def corrected(found: Estimate, by: Correction, metric: str) -> Estimate:
    """Return an estimate of CBPE's as the correction leaves it: unchanged unless that is proven."""
    if not found.known or not by.proven:
        return found
    scale = expected(metric, np.ones((2, 1)), np.ones((2, 1)), np.array([0.5]))[4]
    value = found.value + by.value
    value = min(max(value, 0.0), 1.0) if scale in {"share", "logit"} else max(value, 0.0)
    error = math.hypot(found.error, by.error)
    low, high = interval(value, error, max(found.n, 1), scale)
    return replace(found, value=value, low=low, high=high, error=error)


def _expected(rows: Scored, chance: Floats, metric: str) -> tuple[float, Floats]:
    """Return the expected metric, and what one label changes of it in each row."""
    size = len(rows.scores)
    cell = rows.prediction * size + rows.place
    positives, negatives = (
        np.bincount(cell, rows.weight * share, 2 * size).reshape(2, size).astype(np.float64)
        for share in (chance, 1 - chance)
    )
    value, by_positive, by_negative, _, _ = expected(metric, positives, negatives, rows.scores)
    flip: Floats = (by_positive - by_negative)[rows.prediction, rows.place]
    return value, flip


def _rates(calibrator: Calibrator, scores: Floats) -> Floats:
    return calibrator.rates[calibrator(kernel.float_keys(scores))]


def _logit(rates: Floats) -> Floats:
    clipped = np.clip(rates, _LEAST, 1 - _LEAST)
    found: Floats = np.log(clipped / (1 - clipped))
    return found
