"""The mean over units of a value from 0 to 1, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from watchkeeper.metrics.estimate import UNKNOWN, Estimate, interval, smooth_estimate
from watchkeeper.sketches.kernel import Floats


def mean_estimate(total: float, squares: float, n: int, blocks: Sequence[Floats] = ()) -> Estimate:
    """Return the mean of ``n`` values from 0 to 1.

    The interval is symmetric on the logit. The standard error is that of the values themselves, which are less spread out
    than the zeros and ones of a share.

    Parameters
    ----------
    total, squares
        Sums of the values and of their squares.
    blocks
        Of each day, how many values and their sum, shape (2,); with five or more, days are the unit of evidence.
    """
    if n == 0:
        return UNKNOWN
    value = min(max(total / n, 0.0), 1.0)
    spread = max(squares - n * value * value, 0.0) / n**2
    found = smooth_estimate(value, np.array([-value, 1.0]) / n, spread, blocks, n)
    low, high = interval(value, found.error, n, "logit", found.degrees)
    return replace(found, low=low, high=high)
