"""The document that the page draws: plain values in the shape that ``ui/src/view.ts`` describes."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from watchkeeper.detection.columns import ColumnChange
from watchkeeper.detection.comparison import Comparison
from watchkeeper.detection.performance import MetricChange, calibrator_of, days_of, estimate_metric
from watchkeeper.detection.verdict import Verdict
from watchkeeper.metrics.basis import is_approximate
from watchkeeper.metrics.chance import Chance
from watchkeeper.metrics.estimate import UNKNOWN, Estimate
from watchkeeper.metrics.names import DRIFT, SEGMENT_METRICS, TASKS, Metric
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.tasks import Outcome
from watchkeeper.report import outcome_view, words
from watchkeeper.report.change_words import changes
from watchkeeper.report.curve_view import curves
from watchkeeper.report.distribution import distribution, summary
from watchkeeper.report.joint_words import joint_view
from watchkeeper.report.notices import notices
from watchkeeper.report.ranking import ranked_columns
from watchkeeper.report.rules_report import rule_rows
from watchkeeper.report.summary import headline, sentences
from watchkeeper.report.tables import column_chances
from watchkeeper.report.weak_words import weak_row
from watchkeeper.window import day_window, moment, zone_info

FORMAT = "watchkeeper.view/1"
_TOLD = {"unit", "tails", "vanished categories"}
"""What the words on a column's verdict do not say yet."""
_NO_CHECK = dict.fromkeys(("effect", "effect_low", "effect_high", "floor", "p_value", "alpha", "detectable"))


def view(comparison: Comparison, title: str, more: list[str]) -> dict[str, Any]:
    """Return the document of a comparison; ``more`` are notices that the caller has."""
    schema = comparison.reference.schema
    found = {
        "format": FORMAT,
        "kind": "compare",
        "title": title,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "watchkeeper": version("watchkeeper"),
        "verdict": comparison.verdict,
        "pages": comparison.pages,
        "headline": headline(comparison),
        "sentences": sentences(comparison),
        "task": schema.task,
        "positive": None if schema.positive is None else str(schema.positive),
        "zone": schema.zone,
        "reference": _side(comparison.reference),
        "current": _side(comparison.current),
        "budget": {"alpha": comparison.alpha, "checks": comparison.checks, "words": words.budget_words(comparison)},
        "schema": [
            {"name": name, "kind": kind, "role": schema.role(name), "guessed": f"kinds.{name}" in schema.guessed}
            for name, kind in schema.kinds.items()
        ],
        "notices": [*more, *notices(comparison)],
        "main_metric": comparison.main_metric,
        "performance": [metric_row(change, verdict) for change, verdict in comparison.performance],
        "confusion": outcome_view.confusion(comparison.reference, comparison.current),
        "calibration": outcome_view.calibration(comparison.reference, comparison.current),
        "curves": curves(comparison.reference, comparison.current),
        "classes": outcome_view.classes(comparison.reference, comparison.current),
        "errors": outcome_view.errors(comparison.reference, comparison.current),
        "lists": outcome_view.lists(comparison.reference, comparison.current),
        "timeline": _timeline(comparison),
        "segments": _segments(comparison),
        "weak_segments": [weak_row(change) for change in comparison.weak],
        "quality": [
            _plain_row(
                change.metric, change.reference, change.current, verdict, words.of_table(comparison, change, verdict)
            )
            for change, verdict in comparison.table
        ],
        "rules": [] if comparison.expected is None else rule_rows(comparison.rules, comparison.expected),
        "columns": _columns(comparison),
        "multivariate": joint_view(comparison),
    }
    cleaned: dict[str, Any] = _clean(found)
    return cleaned


def _clean(value: Any) -> Any:
    """Return the value with NaN and infinities as None: JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _side(profile: Profile) -> dict[str, Any]:
    zone = zone_info(profile.schema.zone)
    edges = [
        None if edge is None else moment(edge).astimezone(zone).isoformat() for edge in (profile.start, profile.end)
    ]
    return {
        "name": profile.name,
        "rows": profile.rows,
        "start": edges[0],
        "end": edges[1],
        "coverage": profile.coverage,
        "bytes": len(profile.to_bytes()),
    }


def estimate_value(estimate: Estimate, metric: str, coverage: float | None = None) -> dict[str, Any] | None:
    """Return an estimate of a metric as the page takes it; None where it is unknown."""
    if not estimate.known:
        return None
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}
    return numbers | {"coverage": coverage, "approximate": is_approximate(metric, estimate)}


def check_value(verdict: Verdict | None, said: str) -> dict[str, Any]:
    """Return a verdict as the page takes it; None where the number is only shown, never judged."""
    if verdict is None:
        return {"verdict": None, "words": said, **_NO_CHECK}
    evidence = verdict.evidence
    return {
        "verdict": verdict.name,
        "words": said,
        "effect": evidence.effect,
        "effect_low": evidence.low,
        "effect_high": evidence.high,
        "floor": evidence.floor,
        "p_value": evidence.deciding,
        "alpha": verdict.alpha,
        "detectable": verdict.detectable,
    }


def metric_row(change: MetricChange, verdict: Verdict | None) -> dict[str, Any]:
    """Return one metric as the page takes it."""
    metric = change.metric
    return {
        "metric": metric.name,
        "title": metric.title,
        "unit": metric.unit,
        "better": metric.better,
        "reference": estimate_value(change.reference, metric.name),
        "current": estimate_value(change.current, metric.name),
        "estimated": estimate_value(change.estimated, metric.name),
        "powered": estimate_value(change.powered, metric.name),
        "gap": estimate_value(change.gap, metric.name),
        **check_value(verdict, words.metric_words(change, verdict)),
    }


def _plain_row(
    metric: Metric, reference: Estimate, current: Estimate, verdict: Verdict | None, said: str
) -> dict[str, Any]:
    return metric_row(MetricChange(metric, reference, current, UNKNOWN, None), None) | check_value(verdict, said)


def _timeline(comparison: Comparison) -> list[dict[str, Any]]:
    task = comparison.reference.schema.task or ""
    outcome = comparison.reference.outcome
    if outcome is None or task not in TASKS:
        return []
    calibrator = calibrator_of(outcome, days_of(comparison.reference))
    points = []
    for side, profile in (("reference", comparison.reference), ("current", comparison.current)):
        if profile.timeline is None:
            continue
        for day, part in profile.timeline.items():
            window = day_window(day, 1 << profile.timeline.shift, profile.schema.zone)
            realised = {name: TASKS[task][name][1](part, ()) for name in SEGMENT_METRICS[task]}
            expected = {name: estimate_metric(part, calibrator, name) for name in SEGMENT_METRICS[task]}
            points.append(
                {
                    "side": side,
                    "start": window.start.isoformat(),
                    "end": window.end.isoformat(),
                    "n": part.rows,
                    "coverage": _coverage(part, profile),
                    "metrics": {k: estimate_value(e, k) for k, e in realised.items() if e.known},
                    "estimated": {k: estimate_value(e, k) for k, e in expected.items() if e.known},
                }
            )
    return points


def _coverage(part: Outcome, profile: Profile) -> float | None:
    return part.labelled / part.rows if part.rows and profile.schema.target is not None else None


def _segments(comparison: Comparison) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    schema = comparison.reference.schema
    cuts = schema.cuts()
    sizes = [
        {c: {v: o.rows for v, o in s.items()} for c, s in p.segments.items()}
        for p in (comparison.reference, comparison.current)
    ]
    for change, verdict in comparison.segments:
        if change.segment is None:
            continue
        column, value = change.segment
        row = rows.setdefault(
            change.segment,
            {
                "column": column,
                "value": value,
                "rows": [sizes[0][column].get(value, 0), sizes[1][column].get(value, 0)],
                "sensitive": any(part in schema.sensitive for part in cuts[column]),
                "cost": _cost(comparison, change.segment),
                "metrics": [],
            },
        )
        row["metrics"].append(metric_row(change, verdict))
    return list(rows.values())


def _cost(comparison: Comparison, segment: tuple[str, str]) -> dict[str, Any] | None:
    """Return what a segment costs more than in the reference, as the page takes it; None where it is not known."""
    cost = comparison.costs.get(segment)
    if cost is None:
        return None
    values = {"value": cost.value, "low": cost.low, "high": cost.high, "share": cost.share}
    return {"metric": cost.metric.name, **values, "words": words.cost_words(cost)}


def _columns(comparison: Comparison) -> list[dict[str, Any]]:
    quality: dict[str, list[dict[str, Any]]] = {}
    for column, change, verdict in comparison.quality:
        said = words.quality_words(column, change, verdict)
        quality.setdefault(column.name, []).append(
            _plain_row(change.metric, change.reference, change.current, verdict, said)
        )
    whole, changed = comparison.column_verdicts(), changes(comparison)
    rows = []
    for column, judged in ranked_columns(comparison):
        row = _column(comparison, column, judged, quality.get(column.name, []))
        alarms = [q["words"] for q in row["quality"] if q["verdict"] in {"warning", "critical"}]
        calm = judged is None or judged.name not in {"warning", "critical"}  # quality alone alarms: it comes first
        parts = changed.get(column.name, [])
        told = [part["words"] for part in parts if part["aspect"] in _TOLD]
        if whole[column.name] in {"warning", "critical"}:
            told += words.importance_words(row["importance"])
        outcome: dict[str, Any] = {
            "verdict": whole[column.name],
            "words": " ".join([*alarms, row["words"], *told] if calm else [row["words"], *told, *alarms]),
            "changes": parts,
        }
        rows.append(row | outcome)
    return rows


def _column(
    comparison: Comparison, change: ColumnChange, verdict: Verdict | None, quality: list[dict[str, Any]]
) -> dict[str, Any]:
    before, after = comparison.reference.columns[change.name], comparison.current.columns[change.name]
    schema = comparison.reference.schema
    return {
        "name": change.name,
        "kind": schema.kinds[change.name],
        "role": schema.role(change.name),
        "metric": change.metric.name,
        "importance": comparison.importances.get(change.name),
        "distances": _distances(comparison, change, verdict),
        "tests": change.tests,
        "quality": quality,
        "new_categories": change.new_categories,
        "reference": summary(before),
        "current": summary(after),
        "distribution": distribution(before, after),
        **check_value(verdict, words.column_words(change, verdict, before, after)),
    }


def _distances(comparison: Comparison, change: ColumnChange, verdict: Verdict | None) -> list[dict[str, Any]]:
    chances = column_chances(comparison, change, verdict)
    told = []
    for name, value in change.distances.items():
        if name in DRIFT:
            known = chances.get(name, Chance(math.nan, math.nan))
            told.append(_distance(change, name, value) | {"p_value": known.p_value, "detectable": known.detectable})
    return told


def _distance(change: ColumnChange, name: str, value: float) -> dict[str, Any]:
    estimate = Estimate(value, math.nan, math.nan, 0)
    said = f"{DRIFT[name].title} of {change.name}: {words.number(value)}."
    return _plain_row(DRIFT[name], UNKNOWN, estimate, None, said)
