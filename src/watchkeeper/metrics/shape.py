"""What changed of a column: its centre, its spread, its tails, its categories, its nulls, or its unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from watchkeeper.metrics import quality
from watchkeeper.metrics.units import UnitChange, guess_units
from watchkeeper.profiles.column import CategoricalColumn, Column, DatetimeColumn, NumericColumn, TextColumn
from watchkeeper.sketches.kernel import Floats

Aspect = Literal["unit", "shift", "spread", "tails", "new categories", "vanished categories", "shares", "nulls"]
_CENTRE = 0.1
_WIDER = math.log(1.15)
_OUTER = 0.005
_NULLS, _NEW, _VANISHED = 0.01, 0.005, 0.01
_SURE = 3.0
"""A part is told where it is so many standard errors."""


@dataclass(frozen=True, slots=True)
class Part:
    """One aspect of a change.

    Attributes
    ----------
    before, after
        Medians (shift), distances from the 10 % to the 90 % quantile (spread), shares of rows (the others).
    size
        Shift in standard deviations of the reference, ratio of spreads, difference of shares, explained part (unit).
    names
        Categories, those with most rows first.
    """

    aspect: Aspect
    size: float
    before: float = math.nan
    after: float = math.nan
    names: tuple[str, ...] = ()
    unit: UnitChange | None = None


def parts_of(before: Column, after: Column, name: str = "") -> list[Part]:
    """Return what changed of a column, what explains most first; nothing of what chance explains.

    For columns that are known to have changed: each part has to be of some size and three standard errors of independent rows,
    which is no test by itself. Where a change of units explains the distance, centre and spread are not told beside it.

    Parameters
    ----------
    before, after
        The column in reference and current data.
    name
        What the column is called, which helps to tell one unit from another.
    """
    found = _null_parts(before, after)
    if min(quality.usable(before), quality.usable(after)) < 2:
        return found
    if isinstance(before, CategoricalColumn) and isinstance(after, CategoricalColumn):
        return _category_parts(before, after) + found
    if isinstance(before, CategoricalColumn) or isinstance(after, CategoricalColumn):
        return found
    unit = guess_units(before, after, name)
    if unit is not None:
        return [Part("unit", unit.explained, unit=unit), *found]
    return _number_parts(before, after) + found


def _null_parts(before: Column, after: Column) -> list[Part]:
    shares = quality.null_share(before), quality.null_share(after)
    if not all(share.known for share in shares):
        return []
    rise = shares[1].value - shares[0].value
    sure = abs(rise) > _SURE * math.hypot(shares[0].error, shares[1].error)
    return [Part("nulls", rise, shares[0].value, shares[1].value)] if abs(rise) >= _NULLS and sure else []


def _number_parts(
    before: NumericColumn | TextColumn | DatetimeColumn, after: NumericColumn | TextColumn | DatetimeColumn
) -> list[Part]:
    counts = before.histogram.counts, after.histogram.counts
    values = tuple(_values(column) for column in (before, after))
    q = np.array([0.1, 0.5, 0.9])
    a, b = (_quantiles(v, c, q) for v, c in zip(values, counts, strict=True))
    sizes, scale = (int(counts[0].sum()), int(counts[1].sum())), quality.scale_of(before)
    noise, found = math.sqrt(1 / sizes[0] + 1 / sizes[1]), []
    move = float(b[1] - a[1]) / scale
    if abs(move) >= max(_CENTRE, _SURE * 1.25 * noise):
        found.append(Part("shift", move, float(a[1]), float(b[1])))
    wide = float(a[2] - a[0]), float(b[2] - b[0])
    if min(wide) > 0 and abs(math.log(wide[1] / wide[0])) >= max(_WIDER, _SURE * noise):
        found.append(Part("spread", wide[1] / wide[0], wide[0], wide[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        aligned = (values[1] - b[1]) * (wide[0] / wide[1] if min(wide) > 0 else 1.0) + a[1]
    shares = _outside(values[0], counts[0], values[0], counts[0]), _outside(values[0], counts[0], aligned, counts[1])
    error = math.sqrt(sum(max(s, _OUTER) / n for s, n in zip(shares, sizes, strict=True)))
    if abs(shares[1] - shares[0]) >= max(_SURE * error, 0.01):
        found.append(Part("tails", shares[1] - shares[0], shares[0], shares[1]))
    return sorted(found, key=_weight, reverse=True)


def _weight(part: Part) -> float:
    """Return how much a part moves values, in standard deviations or so."""
    return abs(math.log(part.size)) if part.aspect == "spread" else abs(part.size)


def _values(column: NumericColumn | TextColumn | DatetimeColumn) -> Floats:
    if not isinstance(column, DatetimeColumn):
        return column.histogram.values()
    low, high = column.histogram.bounds()
    middle: Floats = low / 2 + high / 2
    return middle


def _quantiles(values: Floats, counts: np.ndarray[tuple[int], np.dtype[np.int64]], q: Floats) -> Floats:
    edges = np.cumsum(counts) / counts.sum()
    return values[np.minimum(np.searchsorted(edges, q), len(values) - 1)]


def _outside(
    known: Floats,
    weights: np.ndarray[tuple[int], np.dtype[np.int64]],
    values: Floats,
    counts: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> float:
    """Return the share of rows beyond the outermost hundredth of what is known."""
    low, high = _quantiles(known, weights, np.array([_OUTER, 1 - _OUTER]))
    return float(counts[(values < low) | (values > high)].sum() / counts.sum())


def _category_parts(before: CategoricalColumn, after: CategoricalColumn) -> list[Part]:
    if not (before.categories.exact and after.categories.exact):
        new = quality.new_category_share(after, before)
        fresh = new.known and new.value - _SURE * new.error >= _NEW
        return [Part("new categories", new.value, 0.0, new.value)] if fresh else []
    first, second = before.categories.counts(), after.categories.counts()
    sizes = before.categories.count, after.categories.count
    found = []
    new_names = sorted((v for v in second if v not in first), key=lambda v: (-second[v], v))
    share = sum(second[v] for v in new_names) / sizes[1]
    if share >= _NEW:
        found.append(Part("new categories", share, 0.0, share, tuple(new_names)))
    gone = sorted((v for v in first if v not in second and _missed(first[v], sizes)), key=lambda v: (-first[v], v))
    lost = sum(first[v] for v in gone) / sizes[0]
    if lost >= _VANISHED:
        found.append(Part("vanished categories", -lost, lost, 0.0, tuple(gone)))
    both = [v for v in first if v in second]
    if both:
        most = max(sorted(both), key=lambda v: abs(second[v] / sizes[1] - first[v] / sizes[0]))
        a, b = first[most] / sizes[0], second[most] / sizes[1]
        error = math.sqrt(a * (1 - a) / sizes[0] + b * (1 - b) / sizes[1])
        if abs(b - a) >= max(_SURE * error, 0.02):
            found.append(Part("shares", b - a, a, b, (most,)))
    return sorted(found, key=_weight, reverse=True)


def _missed(count: int, sizes: tuple[int, int]) -> bool:
    """Whether a category that is gone should have come ten times."""
    return count / sizes[0] * sizes[1] >= 10
