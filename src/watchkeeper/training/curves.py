"""The curve of a loss: its first, last and best value, when it reaches a level, and how it looks in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.training.run import Run

LOSS, HELD_OUT = "loss", "validation/loss"
_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDEST = 20


@dataclass(frozen=True, slots=True)
class Curve:
    """A loss by step. That of the training is a mean over the last 2 % of the values, 20 at most: single batches do not count.

    Attributes
    ----------
    steps, values
        Shape ``(n,)``; what is not finite is left out.
    lost
        Whether the latest value was not finite.
    """

    steps: Int64s
    values: Floats
    lost: bool = False

    @classmethod
    def of(cls, run: Run, name: str = LOSS) -> Curve:
        """Return a series of a run as a curve; empty where it has none."""
        if name not in run.series:
            return cls(np.empty(0, np.int64), np.empty(0))
        series = run.series[name]
        finite = np.isfinite(series.values)
        steps, values = series.steps[finite], series.values[finite]
        width = max(1, min(_WIDEST, len(values) // 50)) if name == LOSS else 1
        total = np.cumsum(np.concatenate([[0.0], values]))
        places = np.arange(1, len(values) + 1)
        before = np.maximum(places - width, 0)
        lost = len(finite) > 0 and not finite[-1]
        return cls(steps, (total[places] - total[before]) / (places - before), bool(lost))

    def __len__(self) -> int:
        return len(self.values)

    def numbers(self) -> dict[str, Any]:
        """Return the first, last and best value and the step of the best; None where there is none, NaN for a last one lost."""
        if not len(self):
            return {"first": None, "last": None, "best": None, "best_step": None}
        best = int(np.argmin(self.values))
        first, last = float(self.values[0]), math.nan if self.lost else float(self.values[-1])
        return {"first": first, "last": last, "best": float(self.values[best]), "best_step": int(self.steps[best])}

    def reaches(self, level: float) -> int | None:
        """Return the first step with a value at most the level; None: never."""
        below = np.flatnonzero(self.values <= level)
        return int(self.steps[below[0]]) if len(below) else None


def sparklines(curves: Sequence[Curve], width: int = 40) -> list[str]:
    """Return each curve as a line of blocks, all on the same axes; the higher, the greater.

    The axis of values is logarithmic where all are positive and some are ten times others. A place without values is blank.
    """
    known = np.concatenate([curve.values for curve in curves]) if curves else np.empty(0)
    if not len(known):
        return ["" for _ in curves]
    last = max(int(curve.steps[-1]) for curve in curves if len(curve))
    logarithmic = known.min() > 0 and known.max() > 10 * known.min()
    low, high = (math.log(v) if logarithmic else float(v) for v in (known.min(), known.max()))
    lines = []
    for curve in curves:
        heights = np.log(curve.values) if logarithmic else curve.values
        places = np.minimum(curve.steps * width // (last + 1), width - 1)
        lines.append("".join(_block(heights[places == place], low, high) for place in range(width)).rstrip())
    return lines


def _block(values: Floats, low: float, high: float) -> str:
    if not len(values):
        return " "
    share = (float(np.mean(values)) - low) / (high - low) if high > low else 0.0
    return _BLOCKS[min(int(share * len(_BLOCKS)), len(_BLOCKS) - 1)]
