"""How much the windows of a reference differ among themselves, beyond what sampling makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.performance import days_of
from watchkeeper.detection.verdict import FEWEST
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.metrics.names import TASKS
from watchkeeper.profiles.profile import Profile

FEWEST_WINDOWS = 5
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean of the windows' values, standard deviation between windows beyond sampling noise, their number, and the
    correlation of that deviation from one window to the next."""

    mean: float = math.nan
    sd: float = math.nan
    windows: int = 0
    correlation: float = 0.0


def between_windows(values: Sequence[Estimate]) -> Spread:
    """Return how the windows of a reference differ; nothing is known from fewer than five that rest on 30 rows each.

    Of windows with mean square sampling error e², whose values have variance S², the variance between them is S² - e²
    (the method of moments), at least 0. The mean is that of the windows, not of all rows: an AUC over a month also ranks
    rows of one day against rows of another, and so is no typical AUC of a day.

    Parameters
    ----------
    values
        One metric in each window of the reference, oldest first.

    Examples
    --------
    >>> spread = between_windows([Estimate(v, v - 0.02, v + 0.02, 500) for v in (0.70, 0.74, 0.66, 0.72, 0.68)])
    >>> round(spread.mean, 3), round(spread.sd, 3), spread.windows
    (0.7, 0.03, 5)
    """
    known = [v for v in values if v.known and v.rests_on >= FEWEST and math.isfinite(v.high - v.low)]
    if len(known) < FEWEST_WINDOWS:
        return Spread()
    found = np.array([v.value for v in known])
    noise = float(np.mean([((v.high - v.low) / (2 * NORMAL_95)) ** 2 for v in known]))
    whole = float(found.var(ddof=1))
    beyond = max(whole - noise, 0.0)
    return Spread(float(found.mean()), math.sqrt(beyond), len(known), _correlation(found, whole, beyond))


def reference_spread(baseline: Baseline, metric: str, reference: float, column: str | None = None) -> Spread:
    """Return how a performance metric differs between the days of a reference; nothing is known where it has no days.

    Also for the segments of a column, whose days are not kept apart. In the worst case each segment has good and bad days of
    its own; then their variance is that of all rows divided by the sum of squared shares of rows, which is what is taken. The
    mean of days is taken to lie as far from the segment's own ``reference`` value as for all rows.

    Parameters
    ----------
    baseline
        The reference.
    metric
        A metric of its task.
    reference
        The metric's value in the reference, of all rows or of the segment.
    column
        The column that cuts the segment; None for all rows.
    """
    task, whole = baseline.profile.schema.task or "", baseline.profile.outcome
    if task not in TASKS or metric not in TASKS[task] or whole is None:
        return Spread()
    _, compute = TASKS[task][metric]
    days = baseline.once(("days apart", metric), lambda: [compute(day, ()) for day in days_of(baseline.profile)])
    spread = baseline.once(("spread of days", metric), lambda: between_windows(days))
    if spread.windows == 0:
        return spread
    value = baseline.once(("metric of all days", metric), lambda: compute(whole, ()).value)
    timeline = baseline.profile.timeline
    together = 1 << timeline.shift if timeline is not None else 1  # days in one stretch, where there are many
    alike = _concentration(baseline.profile, column) if column is not None else 1.0
    return replace(spread, mean=reference + spread.mean - value, sd=spread.sd * math.sqrt(together / alike))


def reference_basis(baseline: Baseline, metric: str, segment: str | None = None) -> int:
    """Return what the reference's value of a performance metric hangs on, of all rows or a segment such as ``origin=JFK``.

    0 where the reference has no such value.
    """
    outcome: Any = baseline.profile.outcome
    if segment is not None:
        column, _, value = segment.partition("=")
        states = baseline.profile.segments.get(column)
        outcome = dict(states.items()).get(value) if states is not None else None
    measures = TASKS.get(baseline.profile.schema.task or "", {})
    if outcome is None or metric not in measures:
        return 0
    return baseline.once(("basis", metric, segment), lambda: measures[metric][1](outcome, ()).rests_on)


def _concentration(profile: Profile, column: str) -> float:
    """Return the sum of squared shares of rows over the segments of a column."""
    segments = profile.segments.get(column)
    rows = [outcome.rows for _, outcome in segments.items()] if segments is not None else []
    return sum((count / sum(rows)) ** 2 for count in rows) if sum(rows) else 1.0


def _correlation(values: np.ndarray[tuple[int], np.dtype[np.float64]], whole: float, beyond: float) -> float:
    """Return the lag-1 correlation of the part beyond sampling noise, in 0 to 0.9.

    References
    ----------
    Kendall, Biometrika 41 (1954), 403-404: from m values it is (1 + 3 r) / m too small, which is put right.
    """
    if beyond <= 0:
        return 0.0
    apart = values - values.mean()
    lagged = float(apart[1:] @ apart[:-1]) / float(apart @ apart)
    return min(max((lagged + (1 + 3 * max(lagged, 0.0)) / len(values)) * whole / beyond, 0.0), 0.9)
