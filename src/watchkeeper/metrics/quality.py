"""Data quality of a column: what is missing, new, or out of range."""

from __future__ import annotations

import math

from watchkeeper.metrics.estimate import UNKNOWN, Estimate, share_estimate
from watchkeeper.profiles.column import CategoricalColumn, Column, DatetimeColumn, NumericColumn, TextColumn


def null_share(column: Column) -> Estimate:
    """Share of rows without a usable value: nulls, texts that are no numbers, and NaN."""
    return share_estimate(column.nulls + getattr(column, "nans", 0), column.rows)


def infinite_share(column: Column) -> Estimate:
    """Share of rows with +inf or -inf."""
    return share_estimate(getattr(column, "infinities", 0), column.rows)


def distinct_count(column: Column) -> Estimate:
    """How many different values there are.

    Exact where the state is (low = high). A full histogram knows only how many cells hold values, so ``low`` is that and
    ``high`` the number of rows; many categories are estimated from their hashes within 6.2 % (95 %).
    """
    seen = column.rows - column.nulls
    if isinstance(column, CategoricalColumn):
        count = column.categories.distinct
        margin = 0.0 if column.categories.exact else 1.96 * count / math.sqrt(1022)
        return Estimate(count, count - margin, count + margin, seen, margin / 1.96)
    cells = len(column.histogram.cells)
    if column.histogram.exact:
        return Estimate(cells, cells, cells, seen, 0.0)
    return Estimate(cells, cells, seen, seen)


def out_of_range_share(column: Column, reference: Column) -> Estimate:
    """Share of the finite values (moments, lengths) that lie outside the least and greatest of the reference.

    Exact at the ends unless an inexact cell straddles them; such a cell counts as inside.
    """
    if isinstance(column, CategoricalColumn) or isinstance(reference, CategoricalColumn):
        return UNKNOWN
    if len(reference.histogram.cells) == 0 or len(column.histogram.cells) == 0:
        return UNKNOWN
    least, greatest = (int(b[i]) for b, i in zip(reference.histogram.bounds(), (0, -1), strict=True))
    low, high = column.histogram.bounds()
    outside = (high < least) | (low > greatest)
    return share_estimate(int(column.histogram.counts[outside].sum()), column.histogram.count)


def new_category_share(column: Column, reference: Column) -> Estimate:
    """Share of the values whose category the reference does not have. Both must know every category by name."""
    if not isinstance(column, CategoricalColumn) or not isinstance(reference, CategoricalColumn):
        return UNKNOWN
    if not (column.categories.exact and reference.categories.exact):
        return _new_hash_share(column, reference)
    known = reference.categories.counts()
    counts = column.categories.counts()
    return share_estimate(sum(n for value, n in counts.items() if value not in known), column.categories.count)


def new_categories(column: Column, reference: Column, limit: int = 10) -> list[str]:
    """Return the most frequent categories that the reference does not have; none where it does not know all by name."""
    if not isinstance(column, CategoricalColumn) or not isinstance(reference, CategoricalColumn):
        return []
    if not reference.categories.exact:
        return []
    known = reference.categories.counts()
    return [value for value, _ in column.categories.top(1 << 30) if value not in known][:limit]


def _new_hash_share(column: CategoricalColumn, reference: CategoricalColumn) -> Estimate:
    """Return a lower bound: the share of values in hash cells where the reference has none."""
    mine, theirs = column.categories.hash_cells(), reference.categories.hash_cells()
    return share_estimate(int(mine[theirs == 0].sum()), int(mine.sum()))


def usable(column: Column) -> int:
    """Return how many values entered the column's distribution."""
    if isinstance(column, CategoricalColumn):
        return column.categories.count
    return column.histogram.count


def is_constant(column: Column) -> bool:
    """Whether the column holds at most one distinct value."""
    if isinstance(column, CategoricalColumn):
        return column.categories.exact and column.categories.distinct <= 1
    return column.histogram.exact and len(column.histogram.cells) <= 1


def scale_of(column: Column) -> float:
    """Return the number by which distances of a column are divided: its standard deviation.

    For moments in time the interquartile range over 1.349, in microseconds. For a constant column the size of its value,
    or 1, so that a move is told in multiples of what it was.
    """
    if isinstance(column, NumericColumn | TextColumn):
        spread = column.moments.sd
        if math.isfinite(spread) and spread > 0:
            return spread
        values = column.histogram.values()
        return max(abs(float(values[0])), 1.0) if len(values) else 1.0
    if isinstance(column, DatetimeColumn) and len(column.histogram.cells):
        return max((column.histogram.key_at(0.75) - column.histogram.key_at(0.25)) / 1.349, 1.0)
    return 1.0
