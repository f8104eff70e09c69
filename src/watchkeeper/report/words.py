"""Findings in words: one or two sentences that a colleague would say."""

from __future__ import annotations

import math

import numpy as np

from watchkeeper.detection.columns import ColumnChange, QualityChange
from watchkeeper.detection.comparison import Comparison
from watchkeeper.detection.importance import NEGLIGIBLE
from watchkeeper.detection.performance import MetricChange
from watchkeeper.detection.segment_cost import Cost
from watchkeeper.detection.verdict import Verdict
from watchkeeper.metrics.basis import basis_words, is_approximate
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.metrics.names import Metric
from watchkeeper.profiles.column import CategoricalColumn, Column, DatetimeColumn, NumericColumn, TextColumn
from watchkeeper.schema import CROSSING

_OTHERS = {"__other__": "all others", "__missing__": "no value"}


def number(value: float, unit: str | None = None) -> str:
    """Return a number as people write it: four significant digits, shares in percent."""
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "unlimited" if value > 0 else "-unlimited"
    if unit == "share":
        percent = 100 * value
        return f"{percent:.0f} %" if percent == round(percent) else f"{percent:.{1 if abs(percent) >= 1 else 2}f} %"
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or abs(value) < 1e-4:
        return f"{value:.3g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if abs(value) < 1000 else 0
    return f"{value:,.{min(digits, 4)}f}"


def gap(value: float, unit: str | None = None) -> str:
    """Return a difference as people write it: of shares, in percentage points."""
    return f"{number(100 * value)} points" if unit == "share" and math.isfinite(value) else number(value, unit)


def spread(estimate: Estimate, unit: str | None = None, metric: str = "") -> str:
    """Return a value with its interval: ``0.710 (0.679–0.739)``, in as few characters as tell it.

    ``~`` stands before one whose interval is approximate, as of a ``metric`` that rests on too little.
    """
    if not estimate.known:
        return "unknown"
    if is_approximate(metric, estimate):
        return f"~{spread(estimate, unit)}"
    value, low, high = (_brief(v, unit) for v in (estimate.value, estimate.low, estimate.high))
    dash = " to " if estimate.low < 0 else "\N{EN DASH}"
    return f"{value} ({low}{dash}{high})" + (" %" if unit == "share" else "")


def _brief(value: float, unit: str | None) -> str:
    if unit == "share":
        return f"{100 * value:.1f}"
    return f"{value:.3f}" if abs(value) < 10 and abs(value) >= 0.001 else number(value)


def segment_name(column: str, value: str) -> str:
    """Return a segment as people say it."""
    columns, values = column.split(CROSSING), value.split(CROSSING)
    if len(columns) == 1 or len(columns) != len(values):
        return f"{column} {_OTHERS.get(value, value)}"
    return ", ".join(f"{c} {_OTHERS.get(v, v)}" for c, v in zip(columns, values, strict=True))


def lowered(title: str) -> str:
    """Return a metric's title as it stands inside a sentence."""
    return title if title[:2].isupper() or title[1:2].isdigit() else title[0].lower() + title[1:]


def metric_words(change: MetricChange, verdict: Verdict | None) -> str:
    """Return what became of a metric."""
    metric = change.metric
    where = f" for {segment_name(*change.segment)}" if change.segment else ""
    now = change.estimated if change.from_estimate else change.current
    if not now.known or not change.reference.known:
        side = "reference" if now.known else "current data"
        return f"{metric.title}{where} cannot be computed for the {side}."
    said = " is estimated, without labels, to have" if change.from_estimate else ""
    moved = _moved(metric, change.reference.value, now.value, bool(said))
    text = f"{metric.title}{where}{said} {moved}."
    few = [e for e in (now, change.reference) if is_approximate(metric.name, e)]
    if verdict is not None and few:
        scant = min(few, key=lambda e: e.rests_on)
        where = "" if scant is now else "in the reference, "
        return f"{text} There is not enough data to tell: {where}{basis_words(metric.name, scant.rests_on)}."
    return f"{text} {_evidence_words(metric, verdict)}".strip() if verdict is not None else text


def _moved(metric: Metric, before: float, after: float, estimated: bool) -> str:
    if number(before, metric.unit) == number(after, metric.unit):
        return f"stayed at {number(after, metric.unit)}"
    rose = ("risen" if estimated else "rose") if after > before else ("fallen" if estimated else "fell")
    return f"{rose} from {number(before, metric.unit)} to {number(after, metric.unit)}"


def _evidence_words(metric: Metric, verdict: Verdict) -> str:
    evidence, unit = verdict.evidence, metric.unit
    limits = f"{gap(evidence.low, unit)} to {gap(evidence.high, unit)}"
    worse, enough = f"That is worse by {gap(evidence.effect, unit)} ({limits})", gap(evidence.floor, unit)
    if verdict.name == "critical":
        return f"{worse}, certainly more than twice the {enough} that matters."
    if verdict.name == "warning":
        return f"{worse}; {enough} is enough to matter."
    if verdict.name == "not enough data":
        bounded = unit == "share" or (metric.better == "higher" and metric.name != "r2")
        if not math.isfinite(verdict.detectable) or (bounded and verdict.detectable > 1):
            return "There is not enough data to tell."
        return (
            f"There is not enough data to tell: a loss below {gap(verdict.detectable, unit)} could not have been seen."
        )
    if evidence.effect <= 0:
        return "That is not worse."
    if evidence.effect <= evidence.floor:
        return f"A loss below {gap(evidence.floor, unit)} is not held to matter."
    return f"A loss of {gap(evidence.effect, unit)} ({limits}) may be chance."


def cost_words(cost: Cost) -> str:
    """Return what a segment costs more than in the reference."""
    what = {"accuracy": "errors", "log_loss": "of log loss", "ndcg": "of NDCG"}.get(cost.metric.name, "of error")
    share = f", {number(cost.share, 'share')} of the whole" if math.isfinite(cost.share) and cost.value > 0 else ""
    way = "more" if cost.value > 0 else "less"
    low, high = (number(v) for v in (cost.low, cost.high))
    return f"{number(abs(cost.value))} {what} {way} than in the reference{share} ({low} to {high})."


def importance_words(share: float | None) -> list[str]:
    """Return a sentence on what importance says about an alarm; none where it is not known."""
    if share is None:
        return []
    little = ", which is why it is at most a warning" if share < NEGLIGIBLE else ""
    return [f"It makes up {number(share, 'share')} of what the model goes by{little}."]


def gap_words(change: MetricChange) -> str:
    """Return that labels refute the estimate of a metric."""
    found, unit = change.gap, change.metric.unit
    way = "above" if found.value > 0 else "below"
    low, high = sorted((abs(found.low), abs(found.high)))
    title = lowered(change.metric.title)
    return (
        f"The estimate does not hold here: over the {found.n:,} rows with a label, {title} lies {gap(abs(found.value), unit)} "
        f"({gap(low, unit)} to {gap(high, unit)}) {way} what their scores let expect, "
        "so the concept changed, not only the inputs."
    )


def powered_words(change: MetricChange) -> str:
    """Return what a few labels and all scores say together of a metric."""
    title, value = lowered(change.metric.title), spread(change.powered, change.metric.unit)
    return f"With the scores of the others, {title} is {value}, if labels come at random."


def column_words(change: ColumnChange, verdict: Verdict | None, before: Column, after: Column) -> str:
    """Return how a column changed: what moved, then by how much."""
    what = shift_words(change, before, after, verdict is not None and verdict.name in {"warning", "critical"})
    if verdict is None:
        return what
    evidence = verdict.evidence
    if math.isnan(evidence.effect):
        return f"{what} There is not enough to compare."
    size = (
        f"{number(evidence.effect)} standard deviations"
        if change.metric.name == "wasserstein"
        else f"a Jensen-Shannon distance of {number(evidence.effect)}"
    )
    if isinstance(before, DatetimeColumn):
        size = f"{number(evidence.effect)} times its usual spread"
    if verdict.name in {"warning", "critical"}:
        return f"{what} It moved by {size}; {number(evidence.floor)} is enough to matter."
    if verdict.name == "not enough data":
        return f"{what} There is not enough data to tell a move below {number(verdict.detectable)}."
    if evidence.p_value <= verdict.alpha and evidence.effect <= evidence.floor:
        return f"{what} It moved by {size}, less than the {number(evidence.floor)} that matters."
    if evidence.p_value <= verdict.alpha:
        return f"{what} It moved by {size}; that this is more than the {number(evidence.floor)} that matters may be chance."
    return f"{what} What difference there is may be chance."


def shift_words(change: ColumnChange, before: Column, after: Column, alarmed: bool = False) -> str:
    """Return in one sentence what a column was and is; of an ``alarmed`` one whose mean stayed, how its shape changed."""
    if isinstance(before, NumericColumn | TextColumn) and isinstance(after, NumericColumn | TextColumn):
        what = "mean length" if isinstance(before, TextColumn) else "mean"
        a, b = before.moments, after.moments
        if a.count == 0 or b.count == 0:
            return f"{change.name} has no values in the {'reference' if a.count == 0 else 'current data'}."
        if alarmed and abs(b.mean - a.mean) < 0.03 * max(a.sd, b.sd, 0.0):
            return f"The shape of {change.name} changed: {_middle(before)} before, {_middle(after)} now."
        text = f"The {what} of {change.name} {_went(a.mean, b.mean)}"
        if not math.isnan(a.sd + b.sd) and abs(b.sd - a.sd) > 0.2 * max(a.sd, b.sd):
            text += f"; its standard deviation {_went(a.sd, b.sd)}"
        return text + "."
    if isinstance(before, CategoricalColumn) and isinstance(after, CategoricalColumn):
        return _category_words(change, before, after)
    return f"{change.name} is a time."


def _middle(column: NumericColumn | TextColumn) -> str:
    low, high = (number(v) for v in column.histogram.quantiles(np.array([0.05, 0.95])).tolist())
    return f"90 % between {low} and {high}"


def _category_words(change: ColumnChange, before: CategoricalColumn, after: CategoricalColumn) -> str:
    totals = before.categories.count, after.categories.count
    if not all(totals):
        return f"{change.name} has no values in the {'reference' if totals[0] == 0 else 'current data'}."
    names = {v for v, _ in before.categories.top(200)} | {v for v, _ in after.categories.top(200)}
    shares = {v: (before.categories.estimate(v) / totals[0], after.categories.estimate(v) / totals[1]) for v in names}
    if not shares:
        counts = before.categories.distinct, after.categories.distinct
        return f"{change.name} had about {counts[0]:,} distinct values before, and {counts[1]:,} now."
    moves = {v: round(abs(now - then), 12) for v, (then, now) in shares.items()}
    value = max(sorted(shares), key=lambda v: (moves[v], v == "true"))  # of a boolean, how often it is true
    then, now = shares[value]
    return f"{quoted(value)} makes up {number(now, 'share')} of {change.name}, {number(then, 'share')} before."


def _went(before: float, after: float) -> str:
    """Return ``rose from 1 to 2``, ``fell from 2 to 1`` or ``stayed at 1``."""
    then, now = number(before), number(after)
    return f"stayed at {now}" if then == now else f"{'rose' if after > before else 'fell'} from {then} to {now}"


def quality_words(column: ColumnChange, change: QualityChange, verdict: Verdict | None) -> str:
    """Return what became of a column's quality."""
    name, now, then = column.name, change.current, change.reference
    before = f", {number(then.value, change.metric.unit)} before" if then.known else ""
    share = number(now.value, change.metric.unit)
    text = {
        "null_share": f"{name} has no values in the current data."
        if now.value == 1
        else f"{name} is missing in {share} of rows{before}.",
        "infinite_share": f"{name} is infinite in {share} of rows{before}.",
        "out_of_range_share": f"{share} of {name} lies outside the range of the reference.",
        "new_category_share": f"{share} of {name} are categories new to the reference{_listed(column.new_categories)}.",
        "mistyped_share": f"{share} of {name} is of another type than it should be{before}: it was counted as missing.",
        "format_share": f"{share} of {name} has the format that its values had{before}.",
        "repeated_share": f"{name} was unique and is not any more: {share} of its rows share their value with another.",
        "top_share": f"{name} has one value only; its most frequent one made up {number(then.value, 'share')} before."
        if now.value == 1 and then.known and then.value < 1
        else f"The most frequent value makes up {share} of {name}{before}.",
        "distinct_count": f"{name} has {share} distinct values{before}.",
    }[change.metric.name]
    if verdict is not None and verdict.name == "not enough data":
        return f"{text} There is not enough data to tell a rise below {number(verdict.detectable, change.metric.unit)}."
    return text


def table_words(change: QualityChange, verdict: Verdict | None, by_id: str | None, exact: bool) -> str:
    """Return what became of the quality of all rows."""
    what = f"the {by_id} of an earlier one" if by_id is not None else "an earlier one in all columns"
    told = "" if exact else ", as a sample of distinct rows lets estimate"
    unit = change.metric.unit
    before = f", {number(change.reference.value, unit)} before" if change.reference.known else ""
    return f"{number(change.current.value, unit)} of rows repeat {what}{before}{told}." + _unseen(
        change.metric, verdict
    )


def of_table(comparison: Comparison, change: QualityChange, verdict: Verdict | None) -> str:
    """Return :func:`table_words` as the comparison lets say them."""
    index = comparison.current.sample.index
    return table_words(change, verdict, comparison.reference.schema.id, len(index.priority) < index.size)


def _unseen(metric: Metric, verdict: Verdict | None) -> str:
    if verdict is None or verdict.name != "not enough data":
        return ""
    return f" There is not enough data to tell a rise below {number(verdict.detectable, metric.unit)}."


def _listed(values: list[str]) -> str:
    if not values:
        return ""
    return ": " + ", ".join(map(quoted, values[:3])) + (" and others" if len(values) > 3 else "")


def quoted(value: str) -> str:
    """Return a category between quotes, cut after 40 characters."""
    short = value if len(value) <= 40 else value[:37] + "..."
    return f"'{short}'"


def budget_words(comparison: Comparison) -> str:
    """Return what the budget of false alarms promises."""
    days = comparison.reference.timeline is not None and len(comparison.reference.timeline.outcomes) >= 5
    unit = "Days, not rows, count as evidence." if days else "Rows are taken as independent of each other."
    return (
        f"If nothing had changed, the chance of any warning among these {comparison.checks} checks would be "
        f"at most {number(comparison.alpha, 'share')}. {unit}"
    )
