"""Has the model become worse by more than is tolerated? The interval of the change decides, days and all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from watchkeeper.detection.between import NORMAL_95
from watchkeeper.detection.robust import scale_of
from watchkeeper.detection.saying import gap, measured, said
from watchkeeper.detection.series import Point
from watchkeeper.detection.verdict import VerdictName
from watchkeeper.detection.watched import too_little, worse_by
from watchkeeper.detection.zscore import FEWEST_WINDOWS, WINDOWS
from watchkeeper.metrics.basis import least_basis
from watchkeeper.metrics.names import Metric

HORIZONS = (1, 2, 4, 7)
"""The last window alone, and the mean of the last so many: what is too small to show in one day shows in a week, in which
each weekday comes once."""
_FEW_WINDOWS = 14
_COARSE = 5
"""There is not enough data where the 95 % interval of the change reaches beyond so many tolerances."""


@dataclass(frozen=True, slots=True)
class _Noise:
    """How windows vary: sd between them, how many told so, correlation of neighbours, degrees of freedom."""

    between: float
    windows: int
    correlation: float
    degrees: float


@dataclass(frozen=True, slots=True)
class _Look:
    """The mean change for the worse over the last windows, its standard error and degrees of freedom."""

    windows: int
    change: float
    error: float
    degrees: float

    def half_width(self, alpha: float) -> float:
        return -float(stdtrit(self.degrees, alpha)) * self.error if alpha > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Risk:
    """Alarms only where the interval of the change for the worse, at level alpha, lies above the tolerance.

    The error of the change has three parts. What sampling makes of the window's value comes from its interval. How much
    windows differ anyway (the rows of a day share their weather) comes from the windows of the reference: their standard
    deviation beyond sampling noise, with their number less one as degrees of freedom for Student's t. And the reference's mean
    over m windows has 1/m of both. Where windows and reference are alike, that is the exact prediction interval for the next of
    m + 1 windows. Without a reference that has windows, the median absolute deviation of the sealed ones says how much they
    differ, from the eighth on.

    The last 1, 2, 4 and 7 windows are looked at, those that together rest on what the metric needs (so a model with few
    positives a day is judged by its week), with equal parts of alpha (so that together they stay within it), and with the
    correlation of neighbouring windows in the error of their mean. An alarm also needs the last window itself to be worse
    than tolerated, so that it ends with the trouble, not a week later.

    Warning: an alarm. Critical: the 95 % interval of the change moreover lies above twice the tolerance. Not enough data: no
    value, no interval, unknown variation, or such noise that the 95 % interval reaches beyond five tolerances.

    Parameters
    ----------
    metric
        What is judged; one of whose directions is better.
    tolerance
        The change for the worse that is tolerated.
    relative
        Whether it is a share of the reference's value.

    References
    ----------
    Podkopaev and Ramdas, ICLR 2022, for the question; Satterthwaite 1946 for the degrees of freedom.
    """

    metric: Metric
    tolerance: float
    relative: bool = False

    looks_back = WINDOWS
    spends = True
    pools = HORIZONS[-1]

    def check(self, history: Sequence[Point], alpha: float) -> tuple[VerdictName, str]:
        """Judge the last point, and the mean of the last few."""
        point, unit = history[-1], self.metric.unit
        before = point.reference_mean if math.isfinite(point.reference_mean) else point.reference
        if not math.isfinite(_sampling(self.metric, point)) or not math.isfinite(before):
            return "not enough data", f"{measured(point, unit)}: there is no interval, or no reference, to judge it by"
        noise = _noise(self.metric, history)
        if noise is None:
            text = f"{measured(point, unit)}, reference {said(before, unit)}: how much windows differ is known after"
            return "not enough data", f"{text} {FEWEST_WINDOWS} windows"
        tolerance = self.tolerance * (abs(before) if self.relative else 1.0)
        looks = _looks(self.metric, history, before, noise)
        if not looks:
            return (
                "not enough data",
                f"about {measured(point, unit)}: {too_little(self.metric.name, history[-HORIZONS[-1] :])}",
            )
        return self._judge(looks, before, tolerance, alpha, point)

    def _judge(
        self, looks: list[_Look], before: float, tolerance: float, alpha: float, point: Point
    ) -> tuple[VerdictName, str]:
        unit, part = self.metric.unit, alpha / len(looks)
        last = worse_by(self.metric, point.value, before)
        text = f"{measured(point, unit)}, reference {said(before, unit)}: "
        clearest = max(looks, key=lambda look: look.change - look.half_width(part))
        if last > tolerance and clearest.change - clearest.half_width(part) > tolerance:
            certain = clearest.change - clearest.half_width(0.025) > 2 * tolerance
            over = f"over the last {clearest.windows} windows " if clearest.windows > 1 else ""
            text += f"{over}worse by {gap(clearest.change, unit)}, more than {gap(tolerance, unit)} tolerated"
            return "critical" if certain else "warning", text
        sharpest = min(looks, key=lambda look: look.half_width(0.025))
        better, worse = (sharpest.change + side * sharpest.half_width(0.025) for side in (-1, 1))
        if worse > _COARSE * tolerance > 0:
            least = f"{gap(abs(better), unit)} {'worse' if better > 0 else 'better'}"
            return "not enough data", f"{text}between {least} and {gap(worse, unit)} worse, too little to tell"
        if last <= 0:
            return "ok", f"{text}not worse"
        enough = "tolerated" if last <= tolerance else "which may be chance"
        return "ok", f"{text}worse by {gap(last, unit)}, {enough}"


def _sampling(metric: Metric, point: Point) -> float:
    """Return the standard error of sampling, from the side of the interval towards the better."""
    above, below = point.high - point.value, point.value - point.low
    side = above if metric.better == "higher" else below if metric.better == "lower" else max(above, below)
    return side / NORMAL_95


def _noise(metric: Metric, history: Sequence[Point]) -> _Noise | None:
    """Return how windows vary: by the reference, else by the sealed windows, of which neighbours say too little.

    A reference of few windows (that of a version fitted anew in a hurry) gives way once the sealed ones know better; its
    mean stays as uncertain as its few windows make it.
    """
    point = history[-1]
    past = [p for p in history[:-1] if math.isfinite(_sampling(metric, p))][-WINDOWS:]
    known = point.reference_windows >= 2 and math.isfinite(point.reference_sd)
    if known and not point.reference_windows < _FEW_WINDOWS <= len(past):
        rho, m = point.reference_correlation, point.reference_windows
        degrees = max((m - 1) * (1 - rho**2) / (1 + rho**2), 1.0)
        return _Noise(point.reference_sd, m, rho, degrees)
    if len(past) < FEWEST_WINDOWS:
        return None
    scale, degrees = scale_of(np.array([p.value for p in past]))
    sampled = float(np.mean([_sampling(metric, p) ** 2 for p in past]))
    windows = point.reference_windows if known else len(past)
    return _Noise(math.sqrt(max(scale**2 - sampled, 0.0)), windows, math.nan, degrees)


def _looks(metric: Metric, history: Sequence[Point], before: float, noise: _Noise) -> list[_Look]:
    """Return the mean change over each horizon that the history has; the last window alone where correlation is unknown."""
    known = [p for p in history[-HORIZONS[-1] :] if math.isfinite(_sampling(metric, p))]
    changes = np.array([worse_by(metric, p.value, before) for p in known])
    sampled = np.array([_sampling(metric, p) ** 2 for p in known])
    unknown = math.isnan(noise.correlation)
    rho, between, looks = 0.0 if unknown else noise.correlation, noise.between**2, []
    typical = between * (1 + rho) / (1 - rho) + float(sampled.mean())
    for k in (1,) if unknown else HORIZONS:
        if k > len(known):
            break
        if 0 < sum(p.rests_on for p in known[-k:]) < least_basis(metric.name):
            continue
        together = 1 + 2 * sum((1 - j / k) * rho**j for j in range(1, k))
        variance = (between * together + float(sampled[-k:].mean())) / k + typical / noise.windows
        looks.append(_Look(k, float(changes[-k:].mean()), math.sqrt(variance), noise.degrees))
    return looks
