"""Errors of a regression without labels: a model of the error's size on the reference's rows, read at the window's.

Known as direct loss estimation (DLE). Where predictions are mostly wrong by how much, given prediction and features, is learned
from the labelled rows of the reference's sample; the window's expected error is the mean of that over its own rows. It sees
that more rows came of which the model knows little, never that the relation of target and features changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from watchkeeper.metrics.covariates import Levels, levels_of, outcomes_of
from watchkeeper.metrics.dependence import FEWEST_DAYS
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, interval
from watchkeeper.profiles.outcome import ERROR_TERMS, RegressionOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.rows import NumberRows
from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.window import local_days

FEWEST_ROWS = 500
"""Labelled rows of the reference's sample, below which nothing is estimated."""
EXPECTED = ("mae", "mse", "rmse")
_POWERS = {"mae": 1, "mse": 2, "rmse": 2}
_PENALTY = 3.0
_FEWEST_EACH = 10
_TERM = {1: 1 + ERROR_TERMS.index("absolute"), 2: 1 + ERROR_TERMS.index("squared")}


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """The expected size of an error by prediction and features: ridge regression on their levels.

    Attributes
    ----------
    levels
        Of the prediction and each feature.
    weights
        Power of the error (1, 2, 4) to the intercept, and what each level adds, shape (1 + levels,).
    covariance
        Power (1, 2) to their covariance, that holds where errors vary with the rows (White 1980).
    between
        Power (1, 2) to the variance by which whole days depart from what the model expects, beyond chance in their rows.
    days
        Of the reference: how many told so; 0 where there are fewer than five.
    """

    levels: Levels
    weights: dict[int, Floats]
    covariance: dict[int, Floats]
    between: dict[int, float]
    days: int


def fit(reference: Profile) -> ErrorModel | None:
    """Fit the model on the labelled rows of a reference's sample; None with fewer than 500 of them."""
    rows, prediction = outcomes_of(reference.sample, reference.schema), reference.schema.prediction
    if not isinstance(rows, NumberRows) or prediction is None:
        return None
    known = np.flatnonzero(np.isfinite(rows.target) & np.isfinite(rows.prediction))
    if len(known) < FEWEST_ROWS:
        return None
    levels = levels_of(reference.sample, reference.schema, (prediction,))
    matrix = _matrix(levels, reference, known)
    copies = reference.sample.index.copies[known].astype(np.float64)
    error = np.abs(rows.target - rows.prediction)[known]
    weighed = matrix * copies[:, None]
    inverse = np.linalg.inv(weighed.T @ matrix + _PENALTY * np.diag(np.arange(matrix.shape[1]) > 0))
    weights = {power: inverse @ (weighed.T @ error**power) for power in (1, 2, 4)}
    covariance = {}
    for power in (1, 2):
        left = weighed * (error**power - matrix @ weights[power])[:, None]
        covariance[power] = inverse @ (left.T @ left) @ inverse
    alone = ErrorModel(levels, weights, covariance, {1: 0.0, 2: 0.0}, 0)
    stretches = _stretches(reference, known)
    departures = (
        {p: _departures(reference, stretches, matrix, alone, p) for p in (1, 2)} if stretches is not None else {}
    )
    if not departures or len(departures[1]) < FEWEST_DAYS:
        return alone
    between = {p: max(float(of[:, 0].var(ddof=1) - of[:, 1].mean()), 0.0) for p, of in departures.items()}
    return replace(alone, between=between, days=len(departures[1]))


def _stretches(profile: Profile, known: Int64s) -> Int64s | None:
    """Return for each known row of the sample its stretch of the timeline; None without days."""
    column = profile.schema.timestamp
    moments = profile.sample.column(column) if column is not None else None
    if moments is None or moments.null_count or profile.timeline is None:
        return None
    found: Int64s = local_days(moments.to_numpy()[known], profile.schema.zone) >> profile.timeline.shift
    return found


def _departures(reference: Profile, stretches: Int64s, matrix: Floats, model: ErrorModel, power: int) -> Floats:
    """Return of each stretch by how much its mean error departs from the model's, and the variance of that by chance.

    The mean is that of all its rows, what the model expects that of those in the sample. Shape (stretches, 2).
    """
    assert reference.timeline is not None
    sizes = matrix @ model.weights[power]
    chance = float(np.maximum(matrix @ model.weights[2 * power] - sizes**2, 0.0).mean())
    found = []
    for stretch, outcome in reference.timeline.outcomes.items():
        own = sizes[stretches == stretch]
        if len(own) < _FEWEST_EACH or not isinstance(outcome, RegressionOutcome) or outcome.errors.count < len(own):
            continue
        n = outcome.errors.count
        realised = float(outcome.errors.gram[0, _TERM[power]]) / n
        chosen = float(own.var(ddof=1)) * (1 - len(own) / n) / len(own)
        found.append((realised - float(own.mean()), chance / n + chosen))
    return np.array(found).reshape(len(found), 2)


def estimate(current: Profile, model: ErrorModel, metric: str) -> Estimate:
    """Return what ``metric`` (mae, mse, rmse) is expected to be, from the window's sample of rows.

    The interval holds the chance in the targets and in which rows the sample has, the uncertainty of the model, and by how much
    whole days depart from it in the reference. It does not hold a change of the relation of target and features.
    """
    rows = outcomes_of(current.sample, current.schema)
    if metric not in EXPECTED or not isinstance(rows, NumberRows):
        return UNKNOWN
    known = np.flatnonzero(np.isfinite(rows.prediction))
    if len(known) == 0:
        return UNKNOWN
    power, matrix = _POWERS[metric], _matrix(model.levels, current, known)
    copies = current.sample.index.copies[known].astype(np.float64)
    share = copies / copies.sum()
    first = share @ matrix
    value = float(first @ model.weights[power])
    if value <= 0:
        return UNKNOWN
    sizes = matrix @ model.weights[power]
    squares = np.maximum(matrix @ model.weights[2 * power], sizes**2)
    seen, n = copies.sum(), max(current.rows, 1)
    chance = float(share @ (squares - sizes**2)) / n
    chosen = max(1 - seen / n, 0.0) * float(share @ (sizes - value) ** 2) / seen
    days = len(current.timeline.outcomes) if current.timeline is not None else 0
    apart = model.between[power] * (1 / max(days, 1) + 1 / model.days) if model.days else 0.0
    error = math.sqrt(chance + chosen + float(first @ model.covariance[power] @ first) + apart)
    degrees = model.days - 1.0 if apart > 0 else math.inf
    if metric == "rmse":
        value, error = math.sqrt(value), error / (2 * math.sqrt(value))
    return Estimate(value, *interval(value, error, n, "log", degrees), n, error, degrees)


def _matrix(levels: Levels, profile: Profile, known: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Floats:
    matrix = np.zeros((len(known), 1 + levels.count))
    matrix[:, 0] = 1
    for place in levels.places(profile.sample.rows)[:, known]:
        matrix[np.arange(len(known)), 1 + place] = 1
    return matrix
