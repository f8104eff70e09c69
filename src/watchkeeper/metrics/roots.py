"""Where a function is zero, and the ranks of values: two small things whose home in SciPy takes half a second to import."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from watchkeeper.sketches.kernel import Floats

_MOST_STEPS = 200
_LEAST = 1e-300


def root(function: Callable[[float], float], low: float, high: float, precision: float) -> float:
    """Return a place between ``low`` and ``high`` where a continuous function is zero, to within ``precision``.

    The signs at both ends must differ. False position that halves the weight of an end which stays (the Illinois method), and
    bisection where that does not shrink the interval.

    References
    ----------
    Dowell and Jarratt, BIT 11 (1971), 168-174.

    Examples
    --------
    >>> round(root(lambda x: x * x - 2, 0.0, 2.0, 1e-12), 9)
    1.414213562
    """
    at_low, at_high = function(low), function(high)
    if at_low == 0:
        return low
    if at_high != 0 and (at_low > 0) == (at_high > 0):
        raise ValueError(f"the signs at {low} and {high} are the same")
    for step in range(_MOST_STEPS):
        if at_high == 0 or abs(high - low) <= precision:
            break
        middle = high - at_high * (high - low) / (at_high - at_low) if step % 3 else (low + high) / 2
        found = function(middle)
        if (found > 0) != (at_high > 0):
            low, at_low = high, at_high
        elif abs(at_low) > _LEAST:
            at_low /= 2
        high, at_high = middle, found
    return high


def middle_ranks(values: Floats) -> Floats:
    """Return the rank of each value from 1 on, equal values at the middle of their ranks, shape (n,).

    Examples
    --------
    >>> middle_ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
