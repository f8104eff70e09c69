"""The gradient noise scale: how large a batch is before a larger one hardly points better.

References
----------
McCandlish, Kaplan, Amodei and OpenAI Dota Team, An Empirical Model of Large-Batch Training (2018), appendix A.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.special import stdtrit

from watchkeeper.errors import InputError

SMALL, WASTEFUL = 0.1, 10.0
"""Of the noise scale: below, a batch is small; above, it wastes rows."""


@dataclass(slots=True)
class NoiseScale:
    """Estimates ``tr(S) / |G|^2`` from squared norms of gradients at two batch sizes: S the covariance of a row's gradient, G
    the mean gradient.

    Numerator and denominator are both without bias, and are averaged each for itself before they are divided; the mean of
    their ratios would not be near it.

    Attributes
    ----------
    decay
        Weight of the past in the averages, for a training in which the gradient changes. None: plain averages, for a model
        that stands still; only these have an interval.
    """

    decay: float | None = 0.99
    _noise: float = field(default=0.0, init=False)
    _signal: float = field(default=0.0, init=False)
    _weight: float = field(default=0.0, init=False)
    _pairs: list[tuple[float, float]] = field(default_factory=list, init=False)

    def add(self, small: float, small_rows: int, large: float, large_rows: int) -> None:
        """Take the squared norm of the gradient of a small batch (or their mean over several) and that of a large one.

        Raises
        ------
        InputError
            The large batch is not larger, or a norm is no finite number.
        """
        if not 0 < small_rows < large_rows or not math.isfinite(small + large):
            raise InputError(
                f"The noise scale needs finite squared norms at two sizes, the second larger; got {small} at {small_rows} rows "
                f"and {large} at {large_rows}."
            )
        noise = (small - large) / (1 / small_rows - 1 / large_rows)
        signal = (large_rows * large - small_rows * small) / (large_rows - small_rows)
        if self.decay is None:
            self._pairs.append((noise, signal))
        keep = self.decay if self.decay is not None else 1 - 1 / len(self._pairs)
        self._noise = keep * self._noise + (1 - keep) * noise
        self._signal = keep * self._signal + (1 - keep) * signal
        self._weight = keep * self._weight + (1 - keep)

    @property
    def noise(self) -> float:
        """The trace of the covariance of one row's gradient; NaN before anything was added."""
        return self._noise / self._weight if self._weight else math.nan

    @property
    def signal(self) -> float:
        """The squared norm of the mean gradient; may be below 0 where it cannot be told from 0."""
        return self._signal / self._weight if self._weight else math.nan

    @property
    def value(self) -> float:
        """The noise scale in rows; infinite where no gradient can be told from noise."""
        if math.isnan(self.signal):
            return math.nan
        return max(self.noise, 0.0) / self.signal if self.signal > 0 else math.inf

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return limits of the noise scale by Fieller's theorem; (0, inf) where they cannot be said."""
        n = len(self._pairs)
        if n < 3:
            return 0.0, math.inf
        (vn, cov), (_, vs) = np.cov(np.asarray(self._pairs).T) / n
        t = float(stdtrit(n - 1, (1 + confidence) / 2)) ** 2
        a, b, c = self.signal**2 - t * vs, self.signal * self.noise - t * cov, self.noise**2 - t * vn
        if a <= 0 or self.signal <= 0 or b * b < a * c:
            return 0.0, math.inf
        half = math.sqrt(b * b - a * c)
        return max(0.0, (b - half) / a), max(0.0, (b + half) / a)


@dataclass(frozen=True, slots=True)
class BatchSize:
    """What the noise scale says of a batch size.

    Attributes
    ----------
    noise_scale, low, high
        The noise scale in rows, with its 95 % interval.
    rows
        The batch size in use.
    verdict
        ``small`` (below a tenth of the noise scale: twice the rows nearly halve the steps), ``wasteful`` (above ten times:
        twice the rows hardly save any), ``fine`` between, ``unknown`` where the interval does not say.
    """

    noise_scale: float
    low: float
    high: float
    rows: int

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.rows < SMALL * self.low:
            return "small"
        if self.rows > WASTEFUL * self.high:
            return "wasteful"
        return "fine" if self.rows >= SMALL * self.high and self.rows <= WASTEFUL * self.low else "unknown"

    @property
    def words(self) -> str:
        """The same in a sentence or two."""
        said = f"The gradient noise scale is {_rows(self.noise_scale)} rows ({_rows(self.low)} to {_rows(self.high)})"
        return {
            "small": f"{said}: batches of {self.rows:,} are small. Twice the rows would nearly halve the steps.",
            "wasteful": f"{said}: batches of {self.rows:,} waste rows. Half of them would hardly take more steps.",
            "fine": f"{said}: batches of {self.rows:,} are fine.",
            "unknown": f"{said}: too few batches to say whether {self.rows:,} rows are fine.",
        }[self.verdict]

    def __str__(self) -> str:
        return self.words


def _rows(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"
