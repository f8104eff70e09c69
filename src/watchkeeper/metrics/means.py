"""Means over units, be they of equal weight or not: of values from 0 to 1, and shares, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from watchkeeper.metrics.basis import effective_rows
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, Influence, interval, smooth_estimate
from watchkeeper.sketches.kernel import Floats


def mean_of_sums(sums: Floats, products: Floats, blocks: Sequence[Floats] = ()) -> Estimate:
    """Return the mean of values from 0 to 1.

    The interval is symmetric on the logit. The standard error is that of the values themselves, which are less spread out
    than the zeros and ones of a share.

    Parameters
    ----------
    sums
        Of weights, and of weights times values, shape (2,). Where units have no weights, each weighs 1.
    products
        Of the two over units, shape (2, 2): sums of squared weights, of these times values, and times squared values.
    blocks
        The two sums of each day; with five or more, days are the unit of evidence.
    """
    total, n = float(sums[0]), effective_rows(float(sums[0]), float(products[0, 0]))
    if n == 0:
        return UNKNOWN
    value = min(max(float(sums[1]) / total, 0.0), 1.0)
    gradient = np.array([-value, 1.0]) / total
    found = smooth_estimate(value, gradient, float(gradient @ products @ gradient), blocks, n)
    low, high = interval(value, found.error, n, "logit", found.degrees)
    return replace(found, low=low, high=high)


def share_of_sums(sums: Floats, products: Floats, counted: int, blocks: Sequence[Floats] = ()) -> Estimate:
    """Return a share of ``counted`` units, with Wilson's interval; the other parameters are as in :func:`mean_of_sums`."""
    total, n = float(sums[0]), effective_rows(float(sums[0]), float(products[0, 0]))
    if n == 0:
        return UNKNOWN
    value = float(sums[1]) / total
    gradient = np.array([-value, 1.0]) / total
    rows = of_weighted(float(gradient @ products @ gradient), n, counted, value * (1 - value))
    return smooth_estimate(value, gradient, rows, blocks, n, "share")


def of_weighted(variance: float, n: int, counted: int, least: float = 0.0) -> float | Influence:
    """Return what ``counted`` rows, worth ``n``, say of a share or the like: where weights differ, its variance is estimated.

    ``least`` is the variance of one row, by the value alone. Near 0 and 1 the estimate rests on a few rows, which happen to
    weigh little or much, so that it is never taken to be less than that of ``n`` rows.
    """
    return Influence(max(variance * n, least) / (n - 1), n - 1.0) if 1 < n < counted else variance
