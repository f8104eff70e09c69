"""A profile held against rules: which are broken, and which so few rows cannot tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc

from watchkeeper.detection.rules import ColumnRules, Rules
from watchkeeper.detection.verdict import Evidence, Verdict, VerdictName
from watchkeeper.errors import nearest
from watchkeeper.metrics import quality, uniqueness
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, share_estimate
from watchkeeper.profiles.column import CategoricalColumn, Column, DatetimeColumn
from watchkeeper.profiles.profile import Profile
from watchkeeper.sketches import kernel

ALPHA = 0.05
"""The chance that any rule is called broken by a table that just keeps all of them."""


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """One rule and what was found.

    Attributes
    ----------
    column
        None for a rule of all rows.
    rule
        Its key in the file, such as ``null_share``.
    bound
        The share that may break it at most.
    found
        The share that breaks it; unknown where it cannot be told.
    broken
        What is wrong, as a sentence, where it is no matter of shares: the column is missing, or of another kind.
    """

    column: str | None
    rule: str
    bound: float
    found: Estimate
    broken: str | None = None


def check_rules(profile: Profile, rules: Rules, names: Iterable[str] = ()) -> list[tuple[RuleCheck, Verdict]]:
    """Return every rule with its verdict, in the order of the file; ``names`` are columns that the profile leaves out.

    *critical*: broken, and more clearly than chance would show in a table that just keeps the rule (an exact binomial test at
    5 % over all rules together; a bound of 0 is broken by one row). *not enough data*: beyond the bound, but with so few rows
    that may be chance; or nothing to check. *ok*: kept. Rows are taken as independent.
    """
    checks = list(_checks(profile, rules, [*profile.schema.kinds, *names]))
    return [(check, _verdict(check, ALPHA / len(checks))) for check in checks]


def _checks(profile: Profile, rules: Rules, names: list[str]) -> Iterator[RuleCheck]:
    if rules.duplicate_share is not None:
        yield RuleCheck(None, "duplicate_share", rules.duplicate_share, uniqueness.duplicate_share(profile))
    for name, told in rules.columns.items():
        column = profile.columns.get(name)
        if column is None and name == profile.schema.id:
            continue  # ids have no state of their own; what repeats of them, duplicate_share says
        if column is None or (told.optional and column.nulls == column.rows and column.rows):
            if not told.optional:
                yield RuleCheck(name, "type", 0.0, UNKNOWN, _missing(name, names))
            continue
        kind = profile.schema.kinds[name]
        if told.type is not None:
            wrong = None if kind == told.type else f"{name} is {kind}, not {told.type}."
            yield RuleCheck(name, "type", 0.0, share_estimate(1, 1) if wrong else _unreadable(column, told), wrong)
        for rule, bound, found in _shares(column, told):
            yield RuleCheck(name, rule, bound, found)


def _unreadable(column: Column, told: ColumnRules) -> Estimate:
    """Return the share of the values that cannot be read as the type; 0 where a share of its own says how many may be."""
    there = column.rows - column.nulls + column.mistyped
    return (
        share_estimate(column.mistyped if told.mistyped_share is None else 0, there) if there else share_estimate(0, 1)
    )


def _missing_share(column: Column, told: ColumnRules) -> Estimate:
    """Return the share without a value; where a type is asked for, what cannot be read as it is that rule's to say."""
    found = quality.null_share(column)
    if told.type is None or not column.mistyped or not found.known:
        return found
    return share_estimate(round(found.value * found.n) - column.mistyped, found.n)


def _missing(name: str, names: list[str]) -> str:
    near = nearest(name, names)
    return f"There is no column {name}" + (f"; did you mean {near}?" if near else ".")


def _shares(column: Column, told: ColumnRules) -> Iterator[tuple[str, float, Estimate]]:
    """Yield each rule of a column with its bound and the share that breaks it."""
    if told.null_share is not None:
        yield "null_share", told.null_share, _missing_share(column, told)
    for rule, compute in (
        ("mistyped_share", uniqueness.mistyped_share),
        ("infinite_share", quality.infinite_share),
    ):
        bound = getattr(told, rule)
        if bound is not None:
            yield rule, bound, compute(column)
    if told.minimum is not None or told.maximum is not None:
        yield "out_of_range_share", told.out_of_range_share or 0.0, outside_share(column, told.minimum, told.maximum)
    if told.allowed is not None:
        yield "new_category_share", told.new_category_share or 0.0, other_share(column, told.allowed)
    if told.unique or told.repeated_share is not None:
        repeats = uniqueness.repeats_of_column(column)
        found = UNKNOWN if repeats is None else share_estimate(repeats.repeated, repeats.seen)
        yield "repeated_share", told.repeated_share or 0.0, found
    if told.format is not None:
        keeping = uniqueness.share_of_format(column, told.format)
        broken = share_estimate(keeping.n - round(keeping.value * keeping.n), keeping.n) if keeping.known else UNKNOWN
        yield "format_share", 1 - (told.format_share if told.format_share is not None else 1.0), broken


def outside_share(column: Column, minimum: float | None, maximum: float | None) -> Estimate:
    """Share of a column's numbers (lengths, of texts) below the minimum or above the maximum.

    An inexact cell that straddles an end counts as inside.
    """
    if isinstance(column, CategoricalColumn | DatetimeColumn) or column.histogram.count == 0:
        return UNKNOWN
    low, high = column.histogram.bounds()
    ends = np.array([-math.inf if minimum is None else minimum, math.inf if maximum is None else maximum])
    outside = (kernel.key_floats(high) < ends[0]) | (kernel.key_floats(low) > ends[1])
    return share_estimate(int(column.histogram.counts[outside].sum()), column.histogram.count)


def other_share(column: Column, allowed: tuple[str, ...]) -> Estimate:
    """Share of a column's values that are none of those allowed; of more than 4,096, of those in the sample of values."""
    if not isinstance(column, CategoricalColumn):
        return UNKNOWN
    counts, known = column.categories.below(column.categories.threshold), set(allowed)
    return share_estimate(sum(n for value, n in counts.items() if value not in known), sum(counts.values()))


def _verdict(check: RuleCheck, alpha: float) -> Verdict:
    found, bound = check.found, check.bound
    if check.broken is not None:
        return Verdict("critical", Evidence(1.0, 1.0, 1.0, 0.0, 0.0), alpha, 0.0)
    if not found.known:
        return Verdict("not enough data", Evidence(math.nan, math.nan, math.nan, 0.0, math.nan), alpha, math.nan)
    p_value = float(bdtrc(round(found.value * found.n) - 1, found.n, bound)) if found.value > 0 else 1.0
    over = found.value > bound + 1e-12
    name: VerdictName = "ok" if not over else "critical" if p_value <= alpha else "not enough data"
    evidence = Evidence(found.value - bound, found.low - bound, found.high - bound, 0.0, p_value, found.error)
    return Verdict(name, evidence, alpha, evidence.detectable_at(alpha))
