"""An axis of a drawing: where a value stands on it in per cent, and which values are written beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from watchkeeper.sketches.kernel import Floats

TICKS = 5
FAR = 10.0
"""Positive values that span so many times their least are drawn on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from ``low`` to ``high``, on a logarithmic scale or not."""

    low: float
    high: float
    logarithmic: bool = False

    @classmethod
    def over(cls, values: Floats, *, logarithmic: bool | None = None) -> Axis:
        """Return the axis that values fit on, with some room; what is not finite is left out.

        ``logarithmic`` None: where all are positive and some are ten times others.
        """
        known = values[np.isfinite(values)]
        if logarithmic or (logarithmic is None and len(known) and known.min() > 0 and known.max() > FAR * known.min()):
            known = known[known > 0]
            if not len(known):
                return cls(0.1, 1.0, True)
            low, high = float(known.min()), float(known.max())
            return cls(low / 1.2, high * 1.2, True)
        if not len(known):
            return cls(0.0, 1.0)
        low, high = float(known.min()), float(known.max())
        room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
        return cls(low - room if low - room > 0 or low < 0 else 0.0, high + room)

    def places(self, values: Floats) -> Floats:
        """Return where values stand, from 0 at the low end to 100 at the high one; what lies beyond stands at the end."""
        if self.logarithmic:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log(np.maximum(values, self.low))
            low, high = math.log(self.low), math.log(self.high)
        else:
            low, high = self.low, self.high
        return np.asarray(np.clip(100 * (values - low) / (high - low), 0, 100))

    def place(self, value: float) -> float:
        """Return where one value stands."""
        return float(self.places(np.array([value]))[0])

    def ticks(self) -> list[float]:
        """Return some five round values on it."""
        return self._powers() if self.logarithmic else self._steps()

    def _steps(self) -> list[float]:
        rough = (self.high - self.low) / TICKS
        power = 10 ** math.floor(math.log10(rough))
        step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
        first = math.ceil(self.low / step)
        return [n * step for n in range(first, math.floor(self.high / step) + 1)]

    def _powers(self) -> list[float]:
        least, most = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        if most - least <= 2:
            found = [m * 10.0**p for p in range(least, most + 1) for m in (1, 2, 5)]
        else:
            every = -(-(most - least) // TICKS)
            found = [10.0**p for p in range(least, most + 1) if p % every == 0]
        return [value for value in found if self.low <= value <= self.high]


def short(value: float) -> str:
    """Return a number as people read it beside an axis: ``0.05``, ``1e-5``, ``12k``."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e3 <= abs(value) < 1e9 and value == round(value, -2):
        power, letter = (6, "M") if abs(value) >= 1e6 else (3, "k")
        return f"{value / 10**power:.3g}{letter}"
    text = f"{value:.3g}"
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else text
