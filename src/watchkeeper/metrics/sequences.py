"""Intervals that hold at every look at once: for people who look daily, and stop when they like what they see.

A 95 % interval holds at one moment that was fixed before. Whoever looks at each of 10,000 rows sees Wilson's interval miss the
truth at some of them in half of all runs. These sequences miss it at any of them in at most 5 % of runs, and are about twice as
wide. Each is a function of what a window's state holds already, so it merges as windows do.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import betaln

from watchkeeper.metrics.estimate import CONFIDENCE, Estimate, critical
from watchkeeper.sketches.kernel import Floats

ALPHA = 1 - CONFIDENCE
_PRIOR = 0.5
"""Of the mixture: Jeffreys' prior, which favours no share."""
_TIGHTEST = 1_000
"""The number of rows for which the asymptotic sequence is tightest."""
_HALVINGS = 60


def share_wealth(count: Floats, n: Floats, share: float) -> Floats:
    """Return the log of what a gambler has who bet against ``share`` at even odds: its e-process, of any shape.

    The likelihood of ``count`` among ``n`` under a mixture over all shares, against that under ``share``. Were that true
    it would exceed log(20) at any time with a probability of at most 1 / 20 (Ville's inequality).
    """
    mixed = betaln(count + _PRIOR, n - count + _PRIOR) - betaln(_PRIOR, _PRIOR)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(count > 0, count * np.log(share), 0.0) + np.where(n > count, (n - count) * np.log1p(-share), 0.0)
    wealth: Floats = mixed - own
    return wealth


def share_sequence(count: float, n: float) -> tuple[float, float]:
    """Return the limits between which a share lies at every look at once, with 95 % confidence.

    Parameters
    ----------
    count, n
        So many of so many rows, in all rows so far; may be effective, fractional numbers.

    References
    ----------
    Robbins, Annals of Mathematical Statistics 41 (1970), 1397-1409; Howard, Ramdas, McAuliffe, Sekhon, Annals of Statistics 49
    (2021), 1055-1080, for the mixture over a beta distribution.

    Examples
    --------
    >>> tuple(round(limit, 3) for limit in share_sequence(90, 100))
    (0.772, 0.971)
    """
    if not n > 0 or math.isnan(count):
        return math.nan, math.nan
    value = count / n
    # what share_wealth would have to exceed, of which only the second part hangs on the share
    limit = float(betaln(count + _PRIOR, n - count + _PRIOR) - betaln(_PRIOR, _PRIOR)) - math.log(1 / ALPHA)

    def outside(share: float) -> bool:
        ones = count * math.log(share) if count > 0 else 0.0
        return limit > ones + ((n - count) * math.log1p(-share) if n > count else 0.0)

    return _edge(outside, value, 0.0), _edge(outside, value, 1.0)


def _edge(outside: Callable[[float], bool], inside: float, end: float) -> float:
    """Return where what is ``outside`` begins between a point that is not and an end, by halving."""
    if not outside(end + (1e-300 if end == 0 else -1e-16)):
        return end
    beyond = end
    for _ in range(_HALVINGS):
        middle = (inside + beyond) / 2
        inside, beyond = (inside, middle) if outside(middle) else (middle, beyond)
    return beyond


def normal_sequence(estimate: Estimate) -> tuple[float, float]:
    """Return the limits of any metric with a standard error, holding at every look at once as far as the error is known.

    It is asymptotic, as intervals from standard errors are: after some hundred rows it misses in 5 % of runs.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, Annals of Statistics 52 (2024), 2613-2640, equation 10; for what is tightest
    at one time appendix B.2.
    """
    n, error = estimate.n, estimate.error
    if not estimate.known or not math.isfinite(error) or n < 1:
        return math.nan, math.nan
    rate = (-2 * math.log(ALPHA) + math.log(1 - 2 * math.log(ALPHA))) / _TIGHTEST
    grown = n * rate + 1
    half = error * math.sqrt(2 * grown / (n * rate) * math.log(math.sqrt(grown) / ALPHA))
    return estimate.value - half, estimate.value + half


def sequence(value: float, low: float, high: float, n: int, share: bool) -> tuple[float, float]:
    """Return the limits for a measurement as it is stored, with its 95 % interval; never narrower than that.

    For a share the rows count as many as its interval shows, which are fewer than ``n`` where days differ.
    """
    if any(map(math.isnan, (value, low, high))) or n < 1:
        return math.nan, math.nan
    if share and 0 <= value <= 1:
        effective = effective_rows(value, low, high, n)
        found = share_sequence(value * effective, effective)
    else:
        error = (high - low) / (2 * critical(math.inf))
        found = normal_sequence(Estimate(value, low, high, n, error))
    return min(found[0], low), max(found[1], high)


def effective_rows(share: float, low: float, high: float, n: int) -> float:
    """Return the number of independent rows of which Wilson's interval is as wide as this one; at most ``n``."""
    z, width = critical(math.inf), high - low
    # width = 2 z sqrt(p q / n + z^2 / 4 n^2) / (1 + z^2 / n), of which the square is quadratic in 1 / n
    a, b, c = z**4 * (width**2 - 1), z**2 * (2 * width**2 - 4 * share * (1 - share)), width**2
    roots = np.roots([a, b, c])
    usable = [1 / r.real for r in roots if abs(r.imag) < 1e-9 and r.real > 0]
    return min(float(n), max(usable, default=float(n)))
