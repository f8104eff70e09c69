"""How unusual a window is among those before it, where outliers among them must not count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from watchkeeper.detection.series import Point
from watchkeeper.detection.verdict import VerdictName
from watchkeeper.detection.zscore import FEWEST_WINDOWS, WINDOWS, Usual, judge_unusual, past_values, too_few
from watchkeeper.metrics.names import Metric
from watchkeeper.sketches.kernel import Floats

_EFFICIENCY = 0.37
_NORMAL_MEDIAN = 0.6744897501960817


def scale_of(values: Floats) -> tuple[float, float]:
    """Return the standard deviation that the median absolute deviation stands for, and its degrees of freedom.

    The MAD of normal values has 37 % of the efficiency of the standard deviation: it is worth as much as that of 37 % of the
    values. For the few windows here it is too small on average by about 0.8 / k, which is put right.

    References
    ----------
    Rousseeuw and Croux, JASA 88 (1993), 1273-1283.
    """
    k = len(values)
    spread = float(np.median(np.abs(values - np.median(values)))) / _NORMAL_MEDIAN
    return spread * k / (k - 0.8), max(_EFFICIENCY * (k - 1), 1.0)


@dataclass(frozen=True, slots=True)
class RobustZScore:
    """As :class:`~watchkeeper.detection.zscore.ZScore`, with the median and the median absolute deviation.

    Up to half of the windows before may be outliers. The price is that a given change is harder to see.

    Parameters
    ----------
    metric, windows, z
        As there.
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
        scale, degrees = scale_of(past)
        error = scale * math.sqrt(1 + math.pi / 2 / len(past))  # the median varies by pi/2 more than the mean
        usual = Usual(float(np.median(past)), error, degrees)
        return judge_unusual(self.metric, history[-1], usual, self.z, alpha)
