"""A change of units guessed: which known conversion brings the current values back onto the reference's.

Two kinds of evidence. *Values*: instruments and tables repeat their values, so after the right conversion back the current
rows fall on values that the reference has, and before it they do not. *Shape*: the right conversion brings centre and spread
back together, where without it they are further apart than seasons and trends take them. A plain shift leaves the spread as it
was, and no conversion between units of different size does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from watchkeeper.metrics.binning import common_cells
from watchkeeper.profiles.column import Column, NumericColumn
from watchkeeper.sketches.kernel import Floats

_FEWEST = 20
_CLOSE = 0.02
"""A value hits one of the reference's where it lies within this part of the distance to the next; so 4 % hit by chance."""
_HIT, _MISSED = 0.7, 0.4
"""Converted back, at least so many rows must hit; as they are, at most so many: where more do, no unit changed."""
_FEWEST_SHAPED = 200
"""So many rows are needed where centre and spread speak alone."""
_MOST_VALUES = 2_000
_CENTRE, _SPREAD = 0.75, 0.2
"""How far a season moves a centre (in standard deviations) and the logarithm of a spread, as one standard deviation."""
_FAR, _NEAR = 25.0, 1.0
_EXPLAINED = 0.3
"""A conversion explains at least this part of the distance where values speak for it, twice as much where shapes do."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Values in unit ``old`` become ``factor`` x value + ``offset`` in unit ``new``; ``names``: parts of names of columns."""

    old: str
    new: str
    factor: float
    offset: float = 0.0
    names: tuple[str, ...] = ()

    def back(self, values: Floats) -> Floats:
        """Return values in the old unit."""
        return (values - self.offset) / self.factor

    def suits(self, name: str) -> bool:
        """Whether the name of a column, in lower case, suggests such a quantity."""
        return any(part in name for part in self.names)

    def reversed(self) -> Conversion:
        """Return the conversion the other way."""
        return Conversion(self.new, self.old, 1 / self.factor, -self.offset / self.factor, self.names)


_DISTANCE, _SPEED = ("dist", "visib", "length", "range", "km", "mile"), ("speed", "wind", "gust", "veloc")
_TIME = ("time", "dur", "latency", "delay", "age", "elapsed", "second", "minute", "hour")
_MONEY = ("price", "cost", "amount", "pay", "euro", "cent", "usd", "eur", "fee", "income", "balance")
_KNOWN = (
    Conversion("°C", "°F", 1.8, 32.0), Conversion("°C", "K", 1.0, 273.15), Conversion("°F", "K", 5 / 9, 459.67 * 5 / 9),
    Conversion("miles", "km", 1.609344, 0.0, _DISTANCE), Conversion("mph", "km/h", 1.609344, 0.0, _SPEED),
    Conversion("m/s", "km/h", 3.6, 0.0, _SPEED), Conversion("knots", "km/h", 1.852, 0.0, _SPEED),
    Conversion("m/s", "mph", 2.2369363, 0.0, _SPEED), Conversion("m/s", "knots", 1.9438445, 0.0, _SPEED),
    Conversion("m", "ft", 3.2808399, 0.0, (*_DISTANCE, "height", "alt", "elev", "depth")),
    Conversion("in", "cm", 2.54, 0.0, ("height", "width", "size", "length")),
    Conversion("in", "mm", 25.4, 0.0, ("rain", "precip", "snow", "size")),
    Conversion("cm", "mm", 10.0), Conversion("m", "cm", 100.0, 0.0, ("height", "length")),
    Conversion("kg", "lb", 2.2046226, 0.0, ("weight", "mass")), Conversion("oz", "g", 28.349523, 0.0, ("weight", "mass")),
    Conversion("inHg", "hPa", 33.863886, 0.0, ("press", "baro")), Conversion("kPa", "hPa", 10.0, 0.0, ("press", "baro")),
    Conversion("mmHg", "hPa", 1.3332239, 0.0, ("press", "baro")), Conversion("psi", "kPa", 6.8947573, 0.0, ("press",)),
    Conversion("gallons", "litres", 3.7854118, 0.0, ("volume", "fuel")), Conversion("kcal", "kJ", 4.184, 0.0, ("energy",)),
    Conversion("shares", "percent", 100.0, 0.0, ("share", "rate", "ratio", "pct", "perc", "humid", "prob", "score")),
    Conversion("euros", "cents", 100.0, 0.0, _MONEY), Conversion("units", "thousands", 1e-3, 0.0, _MONEY),
    Conversion("s", "ms", 1e3, 0.0, _TIME), Conversion("min", "s", 60.0, 0.0, _TIME), Conversion("h", "min", 60.0, 0.0, _TIME),
    Conversion("ms", "µs", 1e3, 0.0, ("micro",)), Conversion("days", "h", 24.0, 0.0, _TIME),
    Conversion("kg", "g", 1e3, 0.0, ("weight", "mass")), Conversion("km", "m", 1e3, 0.0, _DISTANCE),
    Conversion("radians", "degrees", 180 / math.pi, 0.0, ("dir", "angle", "lat", "lon", "bearing")),
)  # fmt: skip
CONVERSIONS = (*_KNOWN, *(known.reversed() for known in _KNOWN))


@dataclass(frozen=True, slots=True)
class UnitChange:
    """A guess: the values were in unit ``old`` and are in ``new``.

    Attributes
    ----------
    explained
        By which part the Wasserstein distance from the reference shrinks when the conversion is undone, 0 to 1.
    values
        Whether converted values fall on the reference's own; else centre and spread speak alone.
    others
        Further pairs of units with the same factor, such as ``mph to km/h`` beside ``miles to km``.
    """

    old: str
    new: str
    explained: float
    values: bool
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rows:
    """Distinct values in ascending order and how many rows have each."""

    values: Floats
    counts: Floats

    def without(self, fixed: float | None) -> _Rows:
        if fixed is None:
            return self
        use = ~np.isclose(self.values, fixed, rtol=1e-9, atol=1e-12)
        return _Rows(self.values[use], self.counts[use])

    @property
    def total(self) -> float:
        return float(self.counts.sum())

    def quantiles(self, q: Floats) -> Floats:
        edges = (np.cumsum(self.counts) - self.counts / 2) / self.total
        return np.interp(q, edges, self.values)


def guess_units(reference: Column, current: Column, name: str = "") -> UnitChange | None:
    """Return the change of units that the current values speak for; None where none does, or there is too little to tell.

    A guess: values that grew threefold look like feet that were metres. Where several conversions fit, the one that explains
    most of the distance is told; of those with one factor, the one whose unit the column's ``name`` suggests.

    Examples
    --------
    >>> fahrenheit, celsius = NumericColumn(), NumericColumn()
    >>> values = np.random.default_rng(0).normal(60.0, 10.0, 500)
    >>> fahrenheit.update_values(values)
    >>> celsius.update_values((values + 3.0 - 32.0) / 1.8)
    >>> found = guess_units(fahrenheit, celsius)
    >>> found.old, found.new, round(found.explained, 2)
    ('°F', '°C', 0.93)
    """
    if not isinstance(reference, NumericColumn) or not isinstance(current, NumericColumn):
        return None
    if common_cells(reference, current) is None or min(reference.moments.count, current.moments.count) < _FEWEST:
        return None
    before, after = _rows(reference), _rows(current)
    apart = _distance(before, after.values, after.counts)
    if apart <= 0.1 * max(reference.moments.sd, 1e-300):
        return None
    found = [
        (explained, by_values, conversion)
        for conversion in CONVERSIONS
        if (explained := 1 - _distance(before, conversion.back(after.values), after.counts) / apart) >= _EXPLAINED
        and (by_values := _fits(reference, before, after, conversion)) is not None
        and (by_values or explained >= 2 * _EXPLAINED)
    ]
    return _told(found, name.casefold()) if found else None


def _told(found: list[tuple[float, bool, Conversion]], name: str) -> UnitChange:
    """Return the best: by values before by shape, of shapes what the name suggests first, then what explains most."""
    best = max(found, key=lambda item: (item[1], not item[1] and item[2].suits(name), item[0]))
    same = [
        c for _, _, c in found if math.isclose(c.factor, best[2].factor, rel_tol=1e-3) and c.offset == best[2].offset
    ]
    same.sort(key=lambda c: (not c.suits(name), "percent" not in {c.old, c.new}))  # percent, where no name says better
    others = () if same[0].suits(name) else tuple(f"{c.old} to {c.new}" for c in same[1:])
    return UnitChange(same[0].old, same[0].new, min(best[0], 1.0), best[1], others)


def _rows(column: NumericColumn) -> _Rows:
    return _Rows(column.histogram.values(), column.histogram.counts.astype(np.float64))


def _distance(before: _Rows, values: Floats, counts: Floats) -> float:
    """Return the Wasserstein distance of the current values (ascending or not) from the reference."""
    together = np.concatenate([before.values, values])
    weights = np.concatenate([before.counts / before.total, -counts / counts.sum()])
    order = np.argsort(together, kind="stable")
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = np.abs(np.cumsum(weights[order]))[:-1]
        return float((gaps * np.diff(together[order])).sum())


def _fits(column: NumericColumn, before: _Rows, after: _Rows, conversion: Conversion) -> bool | None:
    """Return True where values speak for a conversion, False where only shapes do, None where neither does."""
    fixed = None if conversion.factor == 1 else conversion.offset / (1 - conversion.factor)
    before, after = before.without(fixed), after.without(fixed)  # a 0 is a 0 in miles and in km
    if min(before.total, after.total) < _FEWEST:
        return None
    back = conversion.back(after.values)
    if column.histogram.exact and 3 <= len(before.values) <= _MOST_VALUES and before.total >= 5 * len(before.values):
        plain = float(after.counts[_hits(before.values, after.values)].sum()) / after.total
        if plain > _MISSED:
            return None
        if _values_agree(before, after, back):
            return True
    enough = min(before.total, after.total) >= _FEWEST_SHAPED
    return False if enough and _shapes_agree(before, after, _Rows(back, after.counts)) else None


def _values_agree(before: _Rows, after: _Rows, back: Floats) -> bool:
    """Whether the rows that come to lie inside the reference's range, half of all at least, fall on its values."""
    inside = (back >= before.values[0]) & (back <= before.values[-1])
    seen = float(after.counts[inside].sum())
    if seen < max(0.5 * after.total, _FEWEST) or len(np.unique(back[inside])) < 2:
        return False
    return float(after.counts[inside][_hits(before.values, back[inside])].sum()) / seen >= _HIT


def _hits(known: Floats, values: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which values are the reference's, within a fiftieth of the distance to its next value."""
    steps = np.diff(known)
    room = np.minimum(np.append(steps, np.inf), np.insert(steps, 0, np.inf))
    right = np.clip(np.searchsorted(known, values), 0, len(known) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(known[left] - values) < np.abs(known[right] - values), left, right)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.abs(known[nearest] - values) <= _CLOSE * room[nearest]
    return found


def _shapes_agree(before: _Rows, after: _Rows, back: _Rows) -> bool:
    """Whether centre and spread are what seasons explain after the conversion is undone, and far from it before."""
    without, undone = _strangeness(before, after), _strangeness(before, back)
    return without >= _FAR and undone <= _NEAR


def _strangeness(before: _Rows, after: _Rows) -> float:
    """Return squared moves of centre and log spread, each in what a season does; infinite where there is no spread."""
    q = np.array([0.1, 0.5, 0.9])
    a, b = before.quantiles(q), after.quantiles(q)
    wide = a[2] - a[0], b[2] - b[0]
    if min(wide) <= 0:
        return math.inf
    centre = (b[1] - a[1]) / wide[0] * 2.563
    return float((centre / _CENTRE) ** 2 + (math.log(wide[1] / wide[0]) / _SPREAD) ** 2)
