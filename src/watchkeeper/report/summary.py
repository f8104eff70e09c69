"""The headline and the few sentences that stand at the top of a report."""

from __future__ import annotations

from watchkeeper.detection.columns import ColumnChange, QualityChange
from watchkeeper.detection.comparison import Comparison
from watchkeeper.detection.performance import MetricChange
from watchkeeper.detection.verdict import Verdict
from watchkeeper.metrics.quality import usable
from watchkeeper.report.change_words import changes, units_sentence
from watchkeeper.report.joint_words import joint_sentence
from watchkeeper.report.ranking import RANK, ranked_columns
from watchkeeper.report.words import (
    gap_words,
    lowered,
    metric_words,
    number,
    powered_words,
    quality_words,
    segment_name,
    shift_words,
    spread,
)

_ALARMS = ("warning", "critical")


def headline(comparison: Comparison) -> str:
    """Return the one sentence that matters most."""
    worse = _alarms(comparison.performance)
    moved = [c for c, v in ranked_columns(comparison) if v is not None and v.name in _ALARMS]
    poorer = [(c, q) for c, q, v in comparison.quality if v is not None and v.name in _ALARMS]
    parts = [c for c, v in comparison.segments if v is not None and v.name in _ALARMS]
    names = list(dict.fromkeys([c.name for c in moved] + [c.name for c, _ in poorer]))
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    data = f"the data changed ({listed})" if names else ""
    if worse or parts:
        change = (worse or parts)[0]
        where = f" for {segment_name(*change.segment)}" if change.segment else ""
        return f"The model got worse{where}: {_short(change)}{f'; {data}' if data else ''}."
    if names:
        return f"The data changed: {_first_change(moved, poorer, listed)}.{_harm(comparison)}"
    if comparison.verdict == "not enough data":
        return "There is not enough data to say whether anything changed."
    unknown = sum(v.name == "not enough data" for v in comparison.verdicts)
    if 10 * (len(comparison.verdicts) - unknown) < len(comparison.verdicts):
        return (
            f"Too little data to judge: {unknown} of {len(comparison.verdicts)} checks had not enough; "
            "the others found no change for the worse."
        )
    rest = f"; {unknown} of them had not enough data to tell" if unknown else ""
    return f"No change for the worse was found in {comparison.checks} checks{rest}."


def _first_change(moved: list[ColumnChange], poorer: list[tuple[ColumnChange, QualityChange]], listed: str) -> str:
    """Return what changed: the words for it where it is one thing, else the names."""
    if poorer and {c.name for c, _ in poorer} | {c.name for c in moved} == {poorer[0][0].name}:
        mistyped = [
            item for item in poorer if item[1].metric.name == "mistyped_share"
        ]  # which are counted as missing too
        if len(poorer) == 1 or mistyped:
            return quality_words(*(mistyped or poorer)[0], None).removesuffix(".")
    one = len({c.name for c in moved} | {c.name for c, _ in poorer}) == 1
    return f"{listed} {'is not what it was' if one else 'are not what they were'}"


def _harm(comparison: Comparison) -> str:
    judged = [v for _, v in comparison.performance if v is not None]
    if not judged:
        return ""
    if not any(v.name == "ok" for v in judged):
        return " Whether performance suffered cannot be told yet."
    estimated = all(c.from_estimate for c, v in comparison.performance if v is not None and v.name == "ok")
    if estimated and comparison.reference.coverage:
        target = comparison.current.columns.get(comparison.current.schema.target or "")
        unlike = target is not None and usable(target) > 0
        why = (
            "No label of the current data is one that the reference has" if unlike else "The current data has no labels"
        )
        return f" {why}: no loss of performance is expected, and none could be measured."
    return " No loss of performance was found."


def _short(change: MetricChange) -> str:
    now = change.estimated if change.from_estimate else change.current
    way = "rose" if now.value > change.reference.value else "fell"
    said = " (estimated)" if change.from_estimate else ""
    unit = change.metric.unit
    before, after = number(change.reference.value, unit), number(now.value, unit)
    return f"{lowered(change.metric.title)} {way} from {before} to {after}{said}"


def _alarms(items: list[tuple[MetricChange, Verdict | None]]) -> list[MetricChange]:
    found = [(c, v) for c, v in items if v is not None and v.name in _ALARMS]
    found.sort(key=lambda item: (RANK[item[1].name], -item[1].evidence.effect / (item[1].evidence.floor or 1.0)))
    return [c for c, _ in found]


def sentences(comparison: Comparison) -> list[str]:
    """Return what changed most, how, and what it did to the model."""
    together = joint_sentence(comparison)
    return [
        *_what_changed(comparison),
        *([together] if together else []),
        *_what_broke(comparison),
        *_what_it_did(comparison),
        *_where(comparison),
    ]


def _what_changed(comparison: Comparison) -> list[str]:
    moved = [(c, v) for c, v in ranked_columns(comparison) if v is not None and v.name in _ALARMS]
    if not moved:
        judged = sum(v is not None for _, v in comparison.columns)
        return [f"None of {judged} columns was shown to have moved by more than matters."] if judged else []
    said = [
        shift_words(c, comparison.reference.columns[c.name], comparison.current.columns[c.name], True)
        for c, _ in moved[:3]
    ]
    more = f" {len(moved) - 3} more columns moved." if len(moved) > 3 else ""
    units = units_sentence(changes(comparison))
    return ["What changed most. " + " ".join(said) + more, *([units] if units else [])]


def _what_broke(comparison: Comparison) -> list[str]:
    broken = [(c, q, v) for c, q, v in comparison.quality if v is not None and v.name in _ALARMS]
    broken.sort(key=lambda item: -item[2].evidence.effect)
    return [" ".join(quality_words(c, q, v) for c, q, v in broken[:3])] if broken else []


def _what_it_did(comparison: Comparison) -> list[str]:
    if not comparison.performance:
        return []
    main = comparison.main_metric
    said = []
    for change, verdict in comparison.performance:
        if change.metric.name == main:
            said.append(metric_words(change, verdict))
            if change.estimated.known and change.current.known:
                expected = spread(change.estimated, change.metric.unit, change.metric.name)
                said.append(f"Without labels, {expected} would have been expected.")
    said += [
        metric_words(c, v)
        for c, v in comparison.performance
        if c.metric.name != main and v is not None and v.name in _ALARMS
    ]
    refuted = [c for c, _ in comparison.performance if c.refuted]
    if refuted:
        said.append(gap_words(max(refuted, key=lambda c: abs(c.gap.value) / c.gap.error)))
    if comparison.current.coverage is not None and comparison.current.coverage < 1:
        said.append(f"{number(comparison.current.coverage, 'share')} of the current predictions have a label.")
        said += [powered_words(c) for c, _ in comparison.performance if c.metric.name == "accuracy" and c.powered.known]
    return [" ".join(said)] if said else []


def _where(comparison: Comparison) -> list[str]:
    worse = _alarms(comparison.segments)
    if not comparison.segments:
        return []
    judged = [v for _, v in comparison.segments if v is not None]
    if not any(c.reference.known and (c.current.known or c.estimated.known) for c, _ in comparison.segments):
        return ["Segments cannot be measured: that takes labels on both sides, or labels in the reference and scores."]
    if not worse:
        unknown = sum(v.name == "not enough data" for v in judged)
        rest = f" {unknown} of {len(judged)} are too small to tell." if unknown else ""
        return [f"No segment was found to be worse.{rest}"]
    return [
        "By segment: "
        + " ".join(metric_words(c, dict_verdict) for c, dict_verdict in comparison.segments if c in worse[:3])
    ]
