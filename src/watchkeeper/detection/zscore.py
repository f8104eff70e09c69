"""How unusual a window is among those before it, in standard deviations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from watchkeeper.detection.between import NORMAL_95
from watchkeeper.detection.saying import measured, said
from watchkeeper.detection.series import Point
from watchkeeper.detection.verdict import VerdictName
from watchkeeper.detection.watched import worse_by
from watchkeeper.metrics.names import Metric

WINDOWS = 28
FEWEST_WINDOWS = 8


@dataclass(frozen=True, slots=True)
class Usual:
    """What earlier windows say of the next: centre, the standard error of predicting it, and its degrees of freedom."""

    centre: float
    error: float
    degrees: float


@dataclass(frozen=True, slots=True)
class ZScore:
    """Warning where the window lies further than chance would have it from the mean of those before; critical at twice that.

    With t distributed as Student's with k - 1 degrees of freedom, the next of k alike, independent, normal windows lies
    beyond mean + t sd sqrt(1 + 1/k) with exactly the chance alpha. It follows what is usual, so what worsens slowly is not
    seen, and what stays bad becomes usual; where outliers have been among the windows take ``robust_zscore``.

    Parameters
    ----------
    metric
        What is judged; its ``better`` says on which side. Where neither is better, both sides are judged.
    windows
        How many sealed windows before are looked at; at least eight must be there.
    z
        Where given, so many standard deviations make a warning instead of alpha, and nothing of the budget is spent.
    """

    metric: Metric
    windows: int = WINDOWS
    z: float | None = None

    pools = 1

    @property
    def looks_back(self) -> int:
        """The windows that say what is usual."""
        return self.windows

    @property
    def spends(self) -> bool:
        """Unless a person stated the limit."""
        return self.z is None

    def check(self, history: Sequence[Point], alpha: float) -> tuple[VerdictName, str]:
        """Judge the last point among those before."""
        past = past_values(history, self.windows)
        if len(past) < FEWEST_WINDOWS or not history[-1].known:
            return too_few(history[-1], self.metric, len(past))
        error = float(past.std(ddof=1)) * math.sqrt(1 + 1 / len(past))
        usual = Usual(float(past.mean()), error, len(past) - 1)
        return judge_unusual(self.metric, history[-1], usual, self.z, alpha)


def past_values(history: Sequence[Point], windows: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the last known values before the last point, at most ``windows``."""
    return np.array([p.value for p in history[:-1] if p.known][-windows:], dtype=np.float64)


def too_few(point: Point, metric: Metric, found: int) -> tuple[VerdictName, str]:
    """Return that there are too few windows."""
    text = f"{measured(point, metric.unit)}: what is usual is known after {FEWEST_WINDOWS} windows; so far {found}"
    return "not enough data", text


def judge_unusual(
    metric: Metric, point: Point, usual: Usual, stated: float | None, alpha: float
) -> tuple[VerdictName, str]:
    """Judge a point against what is usual, by a ``stated`` number of standard deviations or by the one that alpha gives.

    The error is never below the point's own sampling error: windows that happened to agree do not make the next certain.
    """
    text = f"{measured(point, metric.unit)}, usual is {said(usual.centre, metric.unit)}"
    own = (point.high - point.low) / (2 * NORMAL_95)
    error = max(usual.error, own) if math.isfinite(own) else usual.error
    apart = worse_by(metric, point.value, usual.centre)
    if error == 0:
        return ("ok", text) if point.value == usual.centre else ("not enough data", f"{text} and has never varied")
    sides = 2 if metric.better is None else 1
    needed = stated or -float(stdtrit(usual.degrees, alpha / sides))
    z = apart / error
    text += f": {said(abs(z))} standard deviations {'off' if sides == 2 else 'worse' if z > 0 else 'better'}"
    if z <= needed:
        return "ok", text
    return "critical" if z > 2 * needed else "warning", f"{text}, more than {said(needed)}"
