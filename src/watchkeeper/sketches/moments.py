"""Count, sum and sum of squares of finite numbers, with their least and greatest."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.sketches.kernel import Floats
from watchkeeper.sketches.protocol import State, count_of, scalar_of

_HUGE = 2.0**480  # squares of what lies below, summed 2^63 times, stay finite
_SCALE = 2.0**-600


class Moments:
    """Sums from which mean and standard deviation follow, about a fixed origin.

    Sums and counts are kept, never means, so merging is adding. Numbers from 2^480 on are summed apart, scaled, so that
    no order of adding can overflow where another would not.

    Parameters
    ----------
    origin
        The number about which squares are summed. Set it near the mean where the spread is tiny beside the mean.

    Examples
    --------
    >>> m = Moments()
    >>> m.update(np.array([1.0, 2.0, 3.0]))
    >>> m.mean, m.sd
    (2.0, 1.0)
    """

    __slots__ = ("count", "huge_squares", "huge_total", "maximum", "minimum", "origin", "squares", "total")
    SUMS = frozenset({"total", "squares", "huge_total", "huge_squares"})

    def __init__(self, origin: float = 0.0) -> None:
        self.origin = origin
        self.count = 0
        self.total = self.squares = self.huge_total = self.huge_squares = 0.0
        self.minimum, self.maximum = math.inf, -math.inf

    def update(self, values: Floats) -> None:
        """Add finite numbers, shape (n,)."""
        if len(values) == 0:
            return
        low, high = float(values.min()) + 0.0, float(values.max()) + 0.0  # -0.0 becomes 0.0
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        self.count += len(values)
        with np.errstate(over="ignore"):
            apart = values - self.origin if self.origin else values
        if max(abs(low - self.origin), abs(high - self.origin)) >= _HUGE:
            huge = np.abs(apart) >= _HUGE
            scaled = values[huge] * _SCALE - self.origin * _SCALE
            self.huge_total += float(scaled.sum())
            self.huge_squares += float(np.square(scaled).sum())
            apart = apart[~huge]
        self.total += float(apart.sum())
        self.squares += float(
            np.square(apart).sum()
        )  # pairwise, and without the threads that a dot product would start

    def merge(self, other: Moments) -> Moments:
        """Return the sums of both together; an empty one has no say in the origin."""
        if self.count == 0 or other.count == 0:
            full = other if self.count == 0 else self
            return self.from_state(full.state())
        if self.origin != other.origin:
            raise ValueError(f"moments about {self.origin} and {other.origin} cannot be added")
        merged = Moments(self.origin)
        merged.count = self.count + other.count
        merged.minimum, merged.maximum = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        for name in self.SUMS:
            setattr(merged, name, getattr(self, name) + getattr(other, name))
        return merged

    @property
    def mean(self) -> float:
        """The arithmetic mean; NaN when empty."""
        if self.count == 0:
            return math.nan
        if self.huge_total:
            small = self.origin * _SCALE + self.total / self.count * _SCALE
            return (small + self.huge_total / self.count) / _SCALE
        return self.origin + self.total / self.count

    @property
    def sd(self) -> float:
        """The sample standard deviation (n - 1); 0 where all values are the same, NaN below two values."""
        if self.count < 2:
            return math.nan
        if self.minimum == self.maximum:  # the sums would leave their rounding
            return 0.0
        if self.huge_squares:
            total = self.huge_total + self.total * _SCALE
            squares = self.huge_squares + self.squares * _SCALE * _SCALE
            return _root(squares, total, self.count) / _SCALE
        return _root(self.squares, self.total, self.count)

    def state(self) -> State:
        """Return the content as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Moments:
        """Make moments from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls(scalar_of(state, "origin", float))
        made.count = count_of(state, "count")
        for name in ("total", "squares", "huge_total", "huge_squares", "minimum", "maximum"):
            setattr(made, name, scalar_of(state, name, float))
        sums = (made.total, made.squares, made.huge_total, made.huge_squares)
        if not all(map(math.isfinite, (*sums, made.origin))) or made.squares < 0 or made.huge_squares < 0:
            raise CorruptProfile("sums are not finite")
        ends = made.minimum, made.maximum
        if not (all(map(math.isfinite, ends)) and ends[0] <= ends[1] if made.count else ends == (math.inf, -math.inf)):
            raise CorruptProfile("the least number is above the greatest")
        return made


def _root(squares: float, total: float, count: int) -> float:
    return math.sqrt(max(squares - total * (total / count), 0.0) / (count - 1))
