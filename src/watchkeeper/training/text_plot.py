"""A curve as a few lines of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from watchkeeper.sketches.kernel import Floats


def text_plot(
    values: Sequence[float] | Floats, *, width: int = 60, height: int = 8, marks: dict[int, str] | None = None
) -> str:
    """Return values, in their order, as lines of text: the greatest above, the least below, both said.

    Parameters
    ----------
    values
        Shape (n,); what is not finite stays blank.
    width, height
        In characters; more values than ``width`` are averaged.
    marks
        A letter for a place among the values, on a line below.
    """
    numbers = np.asarray(values, dtype=np.float64)
    width = min(width, len(numbers))
    cells = [part[np.isfinite(part)] for part in np.array_split(numbers, width)] if width else []
    means = [float(part.mean()) if len(part) else math.nan for part in cells]
    known = [m for m in means if math.isfinite(m)]
    if not known:
        return "(nothing to plot)"
    low, high = min(known), max(known)
    level = [round((m - low) / (high - low or 1) * (height - 1)) if math.isfinite(m) else -1 for m in means]
    lines = ["".join("•" if at == row else " " for at in level) for row in range(height - 1, -1, -1)]
    labels = [f"{high:.4g}", *[""] * (height - 2), f"{low:.4g}"]
    margin = max(map(len, labels))
    drawn = [f"{label:>{margin}} │{line}".rstrip() for label, line in zip(labels, lines, strict=True)]
    under = [" "] * width
    for place, letter in (marks or {}).items():
        under[min(width - 1, place * width // len(numbers))] = letter
    return "\n".join([*drawn, f"{'':>{margin}}  {''.join(under)}".rstrip()])
