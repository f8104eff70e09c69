"""What comes more than once, what is all one, and what shape texts have."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from scipy.special import bdtrc

from watchkeeper.metrics.estimate import UNKNOWN, Estimate, share_estimate
from watchkeeper.profiles.column import CategoricalColumn, Column, DatetimeColumn, NumericColumn, TextColumn
from watchkeeper.profiles.formats import FORMATS, VAGUE, formats_of
from watchkeeper.profiles.profile import Profile

UNIQUE = 0.01
"""A column, an id or a row counts as unique where at most this share of rows repeats another."""
FEW = 50
"""Of so few categories the names themselves are what is expected, not their format."""
MAIN = 0.95
"""A format is that of a column where so large a share of its values have it."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many of ``seen`` rows repeat another, among ``rows`` of which these are a sample by what they hold."""

    repeated: int
    seen: int
    rows: int

    @property
    def pairs(self) -> float:
        """To what the number of repeats would be proportional if two rows were alike by chance alone."""
        return float(self.seen) * float(self.rows)


def mistyped_share(column: Column) -> Estimate:
    """Share of rows whose value is of another type than the column: texts that are no numbers, or no times."""
    return share_estimate(column.mistyped, column.rows)


def top_share(column: Column) -> Estimate:
    """Share of the values that are the most frequent one; 1 for a constant column, unknown where counts are not exact."""
    if isinstance(column, CategoricalColumn):
        if not column.categories.exact or column.categories.count == 0:
            return UNKNOWN
        return share_estimate(column.categories.top(1)[0][1], column.categories.count)
    if isinstance(column, TextColumn) or not column.histogram.exact or column.histogram.count == 0:
        return UNKNOWN
    return share_estimate(int(column.histogram.counts.max()), column.histogram.count)


def repeats_of_column(column: Column) -> Repeats | None:
    """Return how many rows of a categorical column hold a value that another row holds too; None for other kinds."""
    if not isinstance(column, CategoricalColumn) or column.categories.count == 0:
        return None
    total = column.categories.count
    counts = np.array(list(column.categories.below(column.categories.threshold).values()), dtype=np.int64)
    found = Repeats(int(counts[counts > 1].sum()), int(counts.sum()), total)
    often = sum(n for n in column.categories.certain().values() if n > 1)  # what a sample of values may well miss
    return Repeats(often, total, total) if often * found.seen > found.repeated * total else found


def repeated_share(column: Column, reference: Column) -> Estimate:
    """Share of rows whose value another row has too, where the reference's are unique (at most 1 % repeat); else unknown.

    Of more than 4,096 values those with the smallest hashes are a uniform sample with exact counts; where the values known to
    be frequent make up more than it says, they count.
    """
    before, now = repeats_of_column(reference), repeats_of_column(column)
    if before is None or now is None or before.repeated > UNIQUE * before.seen:
        return UNKNOWN
    return share_estimate(now.repeated, now.seen)


def repeats_of_rows(profile: Profile) -> Repeats:
    """Return how many rows repeat the id of another, or all of its content where there is no id.

    The sample holds the rows with the smallest hashes with how often each came, a uniform sample of the distinct ones.
    """
    copies = profile.sample.index.copies
    return Repeats(int((copies - 1).sum()), int(copies.sum()), profile.rows)


def duplicate_share(profile: Profile) -> Estimate:
    """Share of rows that repeat the id of an earlier one, or all of its content where the schema names no id.

    Exact up to as many distinct rows as the sample holds (5,000), above an unbiased ratio estimate from its distinct rows
    with their counts (bottom-k: Cohen and Kaplan, PODC 2007).
    """
    index, found = profile.sample.index, repeats_of_rows(profile)
    if found.seen == 0:
        return UNKNOWN
    plain = share_estimate(found.repeated, found.seen)
    if len(index.priority) < index.size:
        return plain
    mean = float(index.copies.mean())
    error = float(index.copies.std()) / math.sqrt(len(index.copies)) / mean**2
    wide = max(plain.error, error)
    low, high = min(plain.low, plain.value - 1.96 * wide), max(plain.high, plain.value + 1.96 * wide)
    return replace(plain, low=max(low, 0.0), high=min(high, 1.0), error=wide)


def chance_of_repeats(now: Repeats, before: Repeats) -> float:
    """Return the p-value of so many repeats if rows were alike as often by chance as in the reference.

    Given all repeats of both sides, those of current are binomial with the share of its pairs of rows: what is unique among
    few rows need not be among many (the birthday problem), so a larger window alone is no alarm.
    """
    total = now.repeated + before.repeated
    share = now.pairs / (now.pairs + before.pairs) if now.pairs + before.pairs else 1.0
    return float(bdtrc(now.repeated - 1, total, share)) if now.repeated else 1.0


def format_counts(column: Column) -> dict[str, int] | None:
    """Return how many values have each format; None where a column holds no texts or its profile is older than formats."""
    if isinstance(column, NumericColumn | DatetimeColumn):
        return None
    if isinstance(column, TextColumn):
        counts = dict(zip(FORMATS, column.formats.counts.tolist(), strict=True))
        return counts if sum(counts.values()) else None
    values = column.categories.below(column.categories.threshold)
    if not values:
        return None
    places = formats_of(pa.array(list(values), pa.string()))
    sums = np.bincount(places, weights=np.array(list(values.values()), dtype=np.float64), minlength=len(FORMATS))
    return dict(zip(FORMATS, sums.astype(np.int64).tolist(), strict=True))


def main_format(column: Column, few: int = FEW) -> str | None:
    """Return the format of at least 95 % of a column's values; None where there is none that promises anything.

    None of a column of at most ``few`` categories either: new categories say it all.
    """
    if isinstance(column, CategoricalColumn) and column.categories.distinct <= few:
        return None
    counts = format_counts(column)
    if counts is None:
        return None
    name = max(counts, key=counts.__getitem__)
    return name if name not in VAGUE and counts[name] >= MAIN * sum(counts.values()) else None


def format_share(column: Column, reference: Column) -> Estimate:
    """Share of the values that have the format of the reference's; unknown where that has none."""
    name = main_format(reference)
    return UNKNOWN if name is None else share_of_format(column, name)


def share_of_format(column: Column, name: str) -> Estimate:
    """Share of the values that have a format; of more than 4,096 distinct values, of those in the sample of values."""
    counts = format_counts(column)
    if counts is None:
        return UNKNOWN
    found = share_estimate(counts[name], sum(counts.values()))
    return found if not isinstance(column, CategoricalColumn) or column.categories.exact else _of_values(found, column)


def _of_values(found: Estimate, column: CategoricalColumn) -> Estimate:
    """Return a share among a sample of values with an error that counts values: all rows of one come and go together."""
    sizes = np.array(list(column.categories.below(column.categories.threshold).values()), dtype=np.float64)
    spread = math.sqrt(found.value * (1 - found.value) * float(np.square(sizes).sum())) / float(sizes.sum())
    error = max(found.error, spread)
    low, high = min(found.low, found.value - 1.96 * error), max(found.high, found.value + 1.96 * error)
    return replace(found, low=max(low, 0.0), high=min(high, 1.0), error=error)
