"""Data quality of a column: what is missing, new, or out of range."""

from __future__ import annotations

import math
from dataclasses import replace

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

    Exact where the state is (low = high). Many categories are estimated from their hashes within 6.2 % (95 %), and are
    at most as many as rows. A histogram that is not exact does not know: NaN.
    """
    seen = column.rows - column.nulls
    if isinstance(column, CategoricalColumn):
        count = column.categories.distinct
        margin = 0.0 if column.categories.exact else 1.96 * count / math.sqrt(1022)
        return Estimate(min(count, seen), count - margin, min(count + margin, seen), seen, margin / 1.96)
    cells = len(column.histogram.cells)
    if column.histogram.exact:
        return Estimate(cells, cells, cells, seen, 0.0)
    return UNKNOWN


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
    """Share of the values whose category the reference does not have.

    Where either side has more than 4,096 categories, the share among those that both samples of categories would hold:
    unbiased, as they are drawn by hash. The standard error counts categories, not rows, for rows of one category come
    and go together.
    """
    if not isinstance(column, CategoricalColumn) or not isinstance(reference, CategoricalColumn):
        return UNKNOWN
    limit = min(column.categories.threshold, reference.categories.threshold)
    known, counts = reference.categories.below(limit), column.categories.below(limit)
    return _share_of_groups([n for value, n in counts.items() if value not in known], sum(counts.values()))


def unseen_share(reference: Column) -> Estimate:
    """Share of the reference's rows whose category no other row has: what new categories are to be expected of chance.

    The missing mass of Good and Turing (Good, Biometrika 40, 1953): a row drawn anew is of an unseen category as often as
    a row of the sample is the only one of its own.
    """
    if not isinstance(reference, CategoricalColumn):
        return UNKNOWN
    counts = list(reference.categories.below(reference.categories.threshold).values())
    pairs = sum(n == 2 for n in counts)
    found = _share_of_groups([n for n in counts if n == 1], sum(counts))
    extra = math.sqrt(2 * pairs) / max(sum(counts), 1)
    return replace(found, error=math.hypot(found.error, extra)) if found.known else found


def _share_of_groups(groups: list[int], total: int) -> Estimate:
    found = share_estimate(sum(groups), total)
    if not found.known:
        return found
    return replace(found, error=max(found.error, math.sqrt(sum(n * n for n in groups)) / total))


def edge_share(reference: Column) -> Estimate:
    """Share of the reference's rows that alone make its least or its greatest value: what chance puts out of range."""
    if isinstance(reference, CategoricalColumn) or len(reference.histogram.cells) == 0:
        return UNKNOWN
    counts = reference.histogram.counts
    alone = int(counts[0] == 1) + int(counts[-1] == 1) if len(counts) > 1 else 0
    return share_estimate(alone, reference.histogram.count)


def new_categories(column: Column, reference: Column, limit: int = 10) -> list[str]:
    """Return the most frequent categories that the reference does not have; none where it does not know all by name."""
    if not isinstance(column, CategoricalColumn) or not isinstance(reference, CategoricalColumn):
        return []
    if not reference.categories.exact:
        return []
    known = reference.categories.counts()
    return [value for value, _ in column.categories.top(1 << 30) if value not in known][:limit]


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
