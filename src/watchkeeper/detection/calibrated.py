"""Evidence calibrated to the size of the window: the measurement's own p-value, and an effect that matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from watchkeeper.detection.saying import chance, gap, measured, said
from watchkeeper.detection.series import Point
from watchkeeper.detection.verdict import FEWEST, VerdictName
from watchkeeper.metrics.names import Metric

_LOWER = 0.79
"""1.96 / (1.645 + 0.842): a change less this part of the smallest that shows lies below the 95 % limit of the change,
because that was told at an alpha of at most 5 % and with 80 % power."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Warning where the p-value is at most alpha and the effect above the floor; critical where moreover the lower limit of
    the effect is above twice the floor.

    The default for drift and quality: it neither alarms more often in large windows nor sleeps in small ones. Each window
    speaks for itself. Evidence of several windows is not added up here, since p-values of windows that are compared with one
    and the same reference depend on each other (as much as windows and reference are alike in size), and methods that hold
    under any dependence gain nothing over the single window; what adds up over windows is ``risk``.

    It promises as much as the p-value does, which takes the rows of one window as independent of each other where it cannot
    know better. For performance by day, where good and bad days come anyway, take ``risk``.

    Parameters
    ----------
    metric
        What is judged.
    floor
        The smallest effect that matters. By default the metric's own, or what the reference says where that is more.
    """

    metric: Metric
    floor: float | None = None

    looks_back = 0
    spends = True
    pools = 1

    def check(self, history: Sequence[Point], alpha: float) -> tuple[VerdictName, str]:
        """Judge the last point by its p-value and effect."""
        point, unit = history[-1], self.metric.unit
        if math.isnan(point.p_value) or math.isnan(point.effect):
            return "not enough data", f"{measured(point, unit)}: too little to judge, or nothing to compare with"
        floor = self._floor(point)
        if point.effect <= floor:
            return _unseen(point, floor), f"{measured(point, unit)}: {gap(floor, unit)} is enough to matter"
        if point.p_value > alpha:
            text = f"{measured(point, unit)}: the change of {gap(point.effect, unit)} may be chance"
            return _unseen(point, floor), f"{text} (p = {said(point.p_value)})"
        certain = point.effect - _LOWER * point.detectable > 2 * floor
        text = f"{measured(point, unit)}: {self._changed()} by {gap(point.effect, unit)}, more than the {gap(floor, unit)} "
        return "critical" if certain else "warning", f"{text}that matters (by chance: {chance(point.p_value)})"

    def _changed(self) -> str:
        return "moved" if self.metric.family == "drift" else "worse"

    def _floor(self, point: Point) -> float:
        if self.floor is not None:
            return self.floor
        scale = abs(point.reference) if self.metric.relative else 1.0
        own = (self.metric.floor or 0.0) * scale
        return max(own, point.floor) if math.isfinite(point.floor) else own


def _unseen(point: Point, floor: float) -> VerdictName:
    """Return "not enough data" where a change of twice the floor would not have been seen, and may be there."""
    blind = point.detectable > 2 * floor and point.effect + _LOWER * point.detectable > 2 * floor
    return "not enough data" if blind or 0 < point.n < FEWEST else "ok"
