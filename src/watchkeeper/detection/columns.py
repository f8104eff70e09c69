"""Evidence from columns: how far each distribution moved, and whether its quality fell."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtr, ndtri

from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.performance import worse
from watchkeeper.detection.verdict import FEWEST, POWER, Evidence
from watchkeeper.metrics import dependence, drift, quality, uniqueness
from watchkeeper.metrics.binning import Bins, Cells, common_bins, common_cells, pooled
from watchkeeper.metrics.chance import Chance, Sizes, chances, relevant_difference
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, critical, share_estimate, two_sided
from watchkeeper.metrics.names import ABUNDANT, DRIFT, LARGE, QUALITY, TABLE_QUALITY, WASSERSTEIN_FLOOR_LARGE, Metric
from watchkeeper.metrics.uniqueness import Repeats
from watchkeeper.profiles.column import Column, DatetimeColumn, NumericColumn, TextColumn
from watchkeeper.profiles.profile import Profile
from watchkeeper.sketches.kernel import Int64s

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class QualityChange:
    """One quality metric of a column in reference and current; evidence None: shown, never judged."""

    metric: Metric
    reference: Estimate
    current: Estimate
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """How one column changed.

    Attributes
    ----------
    metric
        Whose value is the effect: ``wasserstein`` in standard deviations, or ``jensen_shannon`` less what chance gives.
    evidence
        None for columns that follow the clock (the timestamp, ids), whose change is no news.
    distances
        Every univariate distance by name.
    design_effects
        How many rows of reference and of current count as one.
    tests
        The p-values that the evidence is made of, by test: ``kolmogorov_smirnov``, ``g`` and ``mean`` for numbers.
    """

    name: str
    metric: Metric
    evidence: Evidence | None
    distances: dict[str, float]
    quality: list[QualityChange]
    design_effects: tuple[float, float]
    new_categories: list[str] = field(default_factory=list)
    tests: dict[str, float] = field(default_factory=dict)

    def chances(self, before: Column, after: Column, alpha: float) -> dict[str, Chance]:
        """Return every distance as evidence of its own, by name, with the smallest effect that shows at ``alpha``.

        Some milliseconds a column: computed for a report, not for every window that is watched.
        """
        cells = common_cells(before, after)
        bins = common_bins(before, after, cells)
        used = quality.usable(before) / self.design_effects[0], quality.usable(after) / self.design_effects[1]
        if bins is None or min(used) < 2:
            return {}
        scale = quality.scale_of(before)
        found = chances(bins, cells, Sizes(*used), alpha, scale)
        if "wasserstein" in found:
            raw = found["wasserstein"]
            found["wasserstein_raw"] = Chance(raw.p_value, raw.detectable * scale)
        return found


@dataclass(frozen=True, slots=True)
class _Side:
    """A column of one profile, with what its sample says about dependence."""

    profile: Profile
    days: Int64s | None
    name: str
    baseline: Baseline | None = None

    @property
    def column(self) -> Column:
        return self.profile.columns[self.name]

    @property
    def sampled(self) -> pa.ChunkedArray | None:
        return self.profile.sample.column(self.name)

    def once(self, what: str, compute: Callable[[], T]) -> T:
        """Return what is computed of the reference once, of the current column each time."""
        return compute() if self.baseline is None else self.baseline.once((what, self.name), compute)

    def design_effect(self) -> float:
        return self.once("design effect", self._design_effect)

    def missing_effect(self) -> float:
        return self.once("missing effect", self._missing_effect)

    def natural_variation(self) -> float:
        values = self.sampled
        if values is None:
            return 0.0
        return self.once("natural variation", lambda: dependence.natural_variation(values, self.days))

    def _design_effect(self) -> float:
        values = self.sampled
        return 1.0 if values is None else dependence.design_effect(values, self.days, quality.usable(self.column))

    def _missing_effect(self) -> float:
        values = self.sampled
        if values is None or values.null_count == 0:
            return 1.0
        missing = pa.chunked_array([pc.is_null(values).combine_chunks().cast(pa.int8()).cast(pa.float64())])
        return dependence.design_effect(missing, self.days, self.column.rows)


def column_changes(baseline: Baseline, current: Profile) -> list[ColumnChange]:
    """Return how each column changed, in the order of the schema; what tells of the service itself is left out."""
    reference = baseline.profile
    codes = baseline.once("days", lambda: dependence.day_codes(reference)), dependence.day_codes(current)
    changes = []
    for name in reference.columns:
        if name in reference.schema.operational:
            continue
        sides = _Side(reference, codes[0], name, baseline), _Side(current, codes[1], name)
        changes.append(_column_change(*sides, judged=name != reference.schema.timestamp))
    return changes


def natural_variations(baseline: Baseline) -> dict[str, float]:
    """Return how far parts of the reference lie from the whole, by column: a smaller distance is no news."""
    profile = baseline.profile
    days = baseline.once("days", lambda: dependence.day_codes(profile))
    return {name: _Side(profile, days, name, baseline).natural_variation() for name in profile.columns}


def _column_change(reference: _Side, current: _Side, judged: bool) -> ColumnChange:
    before, after = reference.column, current.column
    effects = (reference.design_effect(), current.design_effect()) if judged else (1.0, 1.0)
    sizes = quality.usable(before) / effects[0], quality.usable(after) / effects[1]
    cells = common_cells(before, after)
    bins = common_bins(before, after, cells)
    numeric = isinstance(before, NumericColumn | TextColumn | DatetimeColumn)
    metric = DRIFT["wasserstein" if numeric else "jensen_shannon"]
    evidence, tests = None, {}
    if judged:
        common = _Common(before, after, cells, bins, sizes, effects, reference.natural_variation())
        tests = _tests(common)
        evidence = (_numeric_evidence if numeric else _category_evidence)(common, tests)
    return ColumnChange(
        reference.name,
        metric,
        evidence,
        drift.column_distances(before, after, bins, cells),
        _quality_changes(reference, current, effects, judged),
        effects,
        quality.new_categories(after, before),
        tests,
    )


@dataclass(frozen=True, slots=True)
class _Common:
    """Both columns, brought together once."""

    before: Column
    after: Column
    cells: Cells | None
    bins: Bins | None
    sizes: tuple[float, float]
    effects: tuple[float, float]
    natural: float

    @property
    def few(self) -> bool:
        """Whether there are too few values on either side to judge."""
        return min(quality.usable(self.before), quality.usable(self.after)) < FEWEST or min(self.sizes) < 2


def _tests(common: _Common) -> dict[str, float]:
    """Return the p-value of each test of a column: a G test, and for numbers Kolmogorov-Smirnov and a mean test."""
    if common.bins is None or common.few:
        return {}
    found = {"g": drift.g_test(common.bins, common.effects)}
    if common.cells is not None:
        largest = drift.kolmogorov_smirnov(common.cells)
        found["kolmogorov_smirnov"] = drift.kolmogorov_smirnov_p(largest, *common.sizes)
    before, after = common.before, common.after
    if isinstance(before, NumericColumn | TextColumn) and isinstance(after, NumericColumn | TextColumn):
        found["mean"] = _mean_test(before, after, common.sizes)
    return {name: 1.0 if math.isnan(p) else p for name, p in found.items()}


def _numeric_evidence(common: _Common, tests: dict[str, float]) -> Evidence:
    """Return evidence from a Kolmogorov-Smirnov, a G and a mean test together (Bonferroni over the three)."""
    before, after, sizes, cells = common.before, common.after, common.sizes, common.cells
    least = WASSERSTEIN_FLOOR_LARGE if min(sizes) >= LARGE else DRIFT["wasserstein"].floor or 0.0
    floor = max(least, common.natural)
    if cells is None or not tests:
        return _nothing(floor)
    scale = quality.scale_of(before)
    effect = drift.wasserstein(cells) / scale
    error = math.sqrt(1 / sizes[0] + 1 / sizes[1]) * _relative_spread(before, after, scale)
    p_value = min(1.0, len(tests) * min(tests.values()))
    z = critical(math.inf)
    relevant = _relevant_move(cells, sizes, (effect - floor) / error, floor) if min(sizes) >= ABUNDANT else 0.0
    return Evidence(effect, max(effect - z * error, 0.0), effect + z * error, floor, p_value, error, None, relevant)


def _relevant_move(cells: Cells, sizes: tuple[float, float], excess: float, floor: float) -> float:
    """Return the p-value of no move beyond the floor: by the mean distance, or by the largest gap of the two ECDFs.

    ``excess`` is by how many standard errors the effect exceeds its floor, which for a gap is that of a normal moved by it.
    """
    largest = drift.kolmogorov_smirnov(cells)
    gap = relevant_difference(largest, 2 * float(ndtr(floor / 2)) - 1, Sizes(*sizes))
    return min(1.0, 2 * min(gap, float(ndtr(-excess))))


def _relative_spread(before: Column, after: Column, scale: float) -> float:
    """Return how wide current and reference together are, in multiples of ``scale``, at most 10."""
    wide = max(quality.scale_of(after) / scale, 1.0) if scale > 0 else 1.0
    return min(wide, 10.0) if not quality.is_constant(before) else 1.0


def _mean_test(
    before: NumericColumn | TextColumn, after: NumericColumn | TextColumn, sizes: tuple[float, float]
) -> float:
    a, b = before.moments, after.moments
    error = (
        math.hypot(a.sd / math.sqrt(sizes[0]), b.sd / math.sqrt(sizes[1])) if a.count > 1 and b.count > 1 else math.nan
    )
    if not math.isfinite(error):
        return math.nan
    gap = b.mean - a.mean
    if error == 0:
        return 1.0 if gap == 0 else 0.0 if min(sizes) >= 5 else math.nan
    return two_sided(gap / error, max(min(sizes) - 1, 1.0))


def _category_evidence(common: _Common, tests: dict[str, float]) -> Evidence:
    """Return evidence from the G test; the effect is the Jensen-Shannon distance less what chance alone gives."""
    floor = max(DRIFT["jensen_shannon"].floor or 0.0, common.natural)
    bins, sizes = common.bins, common.sizes
    if bins is None or not tests:
        return _nothing(floor)
    joined = pooled(bins)
    degrees = max(len(joined.reference) - 1, 1)
    per_row = (1 / sizes[0] + 1 / sizes[1]) / (8 * math.log(2))
    divergence = drift.jensen_shannon(joined) ** 2
    low, high = (math.sqrt(end * per_row) for end in _noncentral(divergence / per_row - degrees, degrees))
    middle = math.sqrt(max(divergence - degrees * per_row, 0.0))
    noise = float(ndtri(1 - 1e-3) + ndtri(POWER))  # a typical share of the budget
    detectable = math.sqrt((noise * math.sqrt(2 * degrees) + noise * noise) * per_row)
    error = (middle - low) / critical(math.inf)
    relevant = float(ndtr(-(middle - floor) / max(error, 1e-12))) if min(sizes) >= ABUNDANT else 0.0
    return Evidence(middle, low, high, floor, tests["g"], math.nan, detectable, relevant)


def _noncentral(excess: float, degrees: int) -> tuple[float, float]:
    """Return the 95 % interval of the noncentrality of a chi-squared statistic that exceeds its degrees by ``excess``.

    The statistic has mean ``degrees + x`` and variance ``2 degrees + 4 x``; solved for x with the normal approximation.
    """
    z = critical(math.inf)
    middle = excess + 2 * z * z
    half = math.sqrt(max(4 * z * z * excess + 4 * z**4 + 2 * z * z * degrees, 0.0))
    return max(middle - half, 0.0), max(middle + half, 0.0)


def _nothing(floor: float) -> Evidence:
    return Evidence(math.nan, math.nan, math.nan, floor, math.nan)


_UNREAD = frozenset({"null_share", "mistyped_share"})
_RARE = frozenset({"infinite_share", "mistyped_share"})
"""Told only where there is any."""
_CHANCE = {"new_category_share": quality.unseen_share, "out_of_range_share": quality.edge_share}
"""What a second sample of the reference's kind would show by chance alone."""


def _quality_changes(
    reference: _Side, current: _Side, effects: tuple[float, float], judged: bool
) -> list[QualityChange]:
    before, after = reference.column, current.column
    missing = (reference.missing_effect(), current.missing_effect()) if judged else (1.0, 1.0)
    changes = []
    for name, (metric, compute) in QUALITY.items():
        now = compute(after, [before])
        then = reference.once(name, functools.partial(_expected, name, before))
        if not now.known or (name in _RARE and now.value == then.value == 0):
            continue
        if isinstance(before, DatetimeColumn) and name == "out_of_range_share":
            continue  # time goes on
        evidence = None
        late = name == "null_share" and reference.name == reference.profile.schema.target  # coverage, not a fault
        unread = name in _UNREAD and now.value > 0  # of the timestamp too: rows without a time are in no window
        if metric.floor is not None and then.known and (judged or unread) and not late:
            pair = missing if name in {"null_share", "infinite_share", "mistyped_share"} else effects
            if now.value == 0 or not judged:
                # that none were seen is a matter of rows, however alike those of one day are; and no time is of no day
                pair = 1.0, 1.0
            evidence = worse(metric, _thin(now, pair[1]), _thin(then, pair[0]))
            evidence = _special(name, evidence, (before, after), (then, now))
        changes.append(QualityChange(metric, then, now, evidence))
    return changes


def _special(
    name: str, evidence: Evidence, columns: tuple[Column, Column], values: tuple[Estimate, Estimate]
) -> Evidence | None:
    """Return the evidence where a metric has a rule of its own: repeats may be chance, and only a constant is one value."""
    if name == "top_share":
        return evidence if values[1].value == 1 > values[0].value else None
    if name == "repeated_share":
        before, now = (uniqueness.repeats_of_column(column) for column in columns)
        return of_repeats(evidence, now, before)
    return evidence


def of_repeats(evidence: Evidence, now: Repeats | None, before: Repeats | None) -> Evidence:
    """Return evidence for more repeats that more rows do not explain either."""
    if now is None or before is None or math.isnan(evidence.p_value):
        return evidence
    return replace(evidence, p_value=max(evidence.p_value, uniqueness.chance_of_repeats(now, before)))


def table_changes(baseline: Baseline, current: Profile) -> list[QualityChange]:
    """Return how the quality of all rows changed: duplicates, judged where the reference has next to none."""
    reference = baseline.profile
    changes = []
    for name, (metric, compute) in TABLE_QUALITY.items():
        then, now = baseline.once(("table", name), functools.partial(compute, reference)), compute(current)
        if not (then.known and now.known):
            continue
        evidence = None
        if then.value <= uniqueness.UNIQUE:
            sides = uniqueness.repeats_of_rows(current), uniqueness.repeats_of_rows(reference)
            evidence = of_repeats(worse(metric, now, then), *sides)
        changes.append(QualityChange(metric, then, now, evidence))
    return changes


def _expected(name: str, before: Column) -> Estimate:
    """Return the reference's own value of a quality metric, or what chance alone brings."""
    return _CHANCE[name](before) if name in _CHANCE else QUALITY[name][1](before, [before])


def _thin(estimate: Estimate, design_effect: float) -> Estimate:
    """Return a share as if only one row in ``design_effect`` had been seen."""
    if estimate.n == 0:
        return UNKNOWN
    wide = share_estimate(round(estimate.value * estimate.n), estimate.n, design_effect)
    return replace(wide, value=estimate.value, error=max(wide.error, estimate.error))
