"""A comparison as Arrow tables: measurements and verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from watchkeeper.detection.columns import ColumnChange
from watchkeeper.detection.comparison import Comparison
from watchkeeper.detection.performance import MetricChange
from watchkeeper.detection.rules import Rules
from watchkeeper.detection.verdict import Verdict
from watchkeeper.detection.weak import WeakChange
from watchkeeper.metrics.chance import Chance
from watchkeeper.metrics.estimate import UNKNOWN, Estimate
from watchkeeper.metrics.names import DRIFT
from watchkeeper.metrics.sequences import sequence
from watchkeeper.profiles.profile import Profile
from watchkeeper.report import words
from watchkeeper.report.joint_words import joint_words
from watchkeeper.report.rules_report import rule_words
from watchkeeper.schema import CROSSING

MEASUREMENTS = pa.schema(
    [
        ("project", pa.string()),
        ("environment", pa.string()),
        ("model", pa.string()),
        ("version", pa.string()),
        ("window_start", pa.timestamp("us", "UTC")),
        ("window_end", pa.timestamp("us", "UTC")),
        ("segment", pa.string()),
        ("column", pa.string()),
        ("metric", pa.string()),
        ("params", pa.string()),
        ("source", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
        ("coverage", pa.float64()),
        ("reference", pa.float64()),
        ("effect", pa.float64()),
        ("p_value", pa.float64()),
        ("detectable", pa.float64()),
        ("unit", pa.string()),
        ("revision", pa.int64()),
        ("known_at", pa.timestamp("us", "UTC")),
    ]
)
"""The columns of a table of measurements; params is JSON."""
_PARAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "wasserstein": ("wasserstein", {"scale": "sd"}),
    "wasserstein_raw": ("wasserstein", {"scale": "raw"}),
    "jensen_shannon": ("jensen_shannon", {"base": 2}),
}
VERDICTS = pa.schema(
    [
        ("what", pa.string()),
        ("family", pa.string()),
        ("verdict", pa.string()),
        ("words", pa.string()),
        ("effect", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("floor", pa.float64()),
        ("p_value", pa.float64()),
        ("alpha", pa.float64()),
        ("detectable", pa.float64()),
    ]
)
"""The columns of a table of verdicts."""


def measurements(comparison: Comparison) -> pa.Table:
    """Return every measurement of the current window, a row each, with the reference's value beside it."""
    window = comparison.current.window
    common = {
        "project": "default",
        "window_start": window.start if window else None,
        "window_end": window.end if window else None,
        "revision": 0,
        "known_at": datetime.now(UTC),
    }
    rows = [dict.fromkeys(MEASUREMENTS.names) | common | row for row in comparison_rows(comparison, tested=True)]
    return pa.Table.from_pylist(rows, schema=MEASUREMENTS)


def comparison_rows(comparison: Comparison, *, tested: bool = False) -> Iterator[dict[str, Any]]:
    """Yield every measurement as a mapping; what is the same in all of them (model, window, time) is left out.

    ``tested``: each distance with its own p-value and smallest effect, not only the one that decides.
    """
    coverage = coverage_by_segment(comparison.current)
    for change, verdict in (*comparison.performance, *comparison.segments):
        yield from _outcome_rows(change, verdict, coverage.get(change.segment))
    for column, verdict in comparison.columns:
        chances = column_chances(comparison, column, verdict) if tested else {}
        for name, value in column.distances.items():
            judged = verdict if name == column.metric.name else None
            unit = DRIFT[name].unit if name in DRIFT else None
            metric, params = _PARAMS.get(name, (name, {}))
            yield (
                measurement_row(metric, Estimate(value, math.nan, math.nan, 0), UNKNOWN, judged, unit)
                | {
                    "column": column.name,
                    "n": comparison.current.columns[column.name].rows,
                    "params": json.dumps(params),
                }
                | (_chance(value, chances[name]) if judged is None and name in chances else {})
            )
    for joint, verdict in comparison.multivariate:
        if not math.isnan(joint.value):
            estimate = Estimate(joint.value, math.nan, math.nan, comparison.current.sample.rows.num_rows)
            yield measurement_row(joint.metric.name, estimate, UNKNOWN, verdict, joint.metric.unit)
    for weak in comparison.weak:
        yield _weak_row(weak)
    for quality, verdict in comparison.table:
        yield measurement_row(quality.metric.name, quality.current, quality.reference, verdict, quality.metric.unit)
    for column, quality, verdict in comparison.quality:
        yield measurement_row(quality.metric.name, quality.current, quality.reference, verdict, quality.metric.unit) | {
            "column": column.name
        }


def _weak_row(change: WeakChange) -> dict[str, Any]:
    """Return the loss of a weak segment, on the rows that did not find it; the reference's value is not one of a whole."""
    columns, values = zip(*change.parts, strict=True)
    told = {"weak": change.status, "side": change.side, "cost_share": round(change.weak.cost.value, 6)}
    return measurement_row(change.metric, change.weak.inside, UNKNOWN, None, None) | {
        "segment": f"{CROSSING.join(columns)}={CROSSING.join(values)}",
        "params": json.dumps(told),
        "effect": change.weak.gap.value,
        "p_value": change.weak.p_value,
    }


def coverage_by_segment(profile: Profile) -> dict[tuple[str, str] | None, float | None]:
    """Return the share of a profile's predictions that have a label (under None), and that of each segment's."""
    found: dict[tuple[str, str] | None, float | None] = {None: profile.coverage}
    for column, segments in profile.segments.items() if profile.coverage is not None else ():
        found |= {(column, value): one.labelled / one.rows for value, one in segments.items() if one.rows}
    return found


def column_chances(comparison: Comparison, column: ColumnChange, verdict: Verdict | None) -> dict[str, Chance]:
    """Return every distance of a column as evidence of its own; nothing of one that is not judged."""
    if verdict is None:
        return {}
    before, after = comparison.reference.columns[column.name], comparison.current.columns[column.name]
    return column.chances(before, after, verdict.alpha)


def _chance(value: float, chance: Chance) -> dict[str, Any]:
    return {"effect": _known(value), "p_value": _known(chance.p_value), "detectable": _known(chance.detectable)}


def _outcome_rows(change: MetricChange, verdict: Verdict | None, coverage: float | None) -> Iterator[dict[str, Any]]:
    segment = {"segment": "=".join(change.segment) if change.segment else None}
    metric, reference = change.metric, change.reference
    if change.current.known:
        judged = None if change.from_estimate else verdict
        yield (
            measurement_row(metric.name, change.current, reference, judged, metric.unit)
            | segment
            | {"coverage": coverage, "params": metric.params}
        )
    if change.estimated.known:
        judged = verdict if change.from_estimate else None
        method = "dle" if metric.family == "regression" else "cbpe"
        estimated = {"source": "estimated", "params": json.dumps({"method": method})}
        yield measurement_row(metric.name, change.estimated, reference, judged, metric.unit) | segment | estimated
    if change.powered.known:
        powered = {"source": "prediction-powered", "params": json.dumps({"method": "ppi++"}), "coverage": coverage}
        yield measurement_row(metric.name, change.powered, reference, None, metric.unit) | segment | powered
    if change.gap.known:
        row = measurement_row(f"{metric.name}_estimate_gap", change.gap, UNKNOWN, None, metric.unit)
        yield row | segment | {"coverage": coverage}


def measurement_row(
    metric: str, now: Estimate, then: Estimate, verdict: Verdict | None, unit: str | None
) -> dict[str, Any]:
    """Return one realised measurement beside the reference's value, with the numbers of its verdict where there is one."""
    return {
        "metric": metric,
        "params": "{}",
        "source": "realised",
        "value": _known(now.value),
        "low": _known(now.low),
        "high": _known(now.high),
        "n": now.n,
        "reference": _known(then.value),
        "effect": _known(verdict.evidence.effect) if verdict else None,
        "p_value": _known(verdict.evidence.deciding) if verdict else None,
        "detectable": _known(verdict.detectable) if verdict else None,
        "basis": now.rests_on if now.known and now.n else None,
        "unit": unit,
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def verdicts(comparison: Comparison) -> pa.Table:
    """Return every verdict, a row each: what of it, the verdict, and its evidence in words and numbers."""
    return pa.Table.from_pylist([*_verdict_rows(comparison), *_rule_rows(comparison)], schema=VERDICTS)


def _verdict_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for family, items in (("performance", comparison.performance), ("segments", comparison.segments)):
        for change, verdict in items:
            if verdict is not None:
                where = f" [{'='.join(change.segment)}]" if change.segment else ""
                yield _verdict_row(change.metric.name + where, family, verdict, words.metric_words(change, verdict))
    for column, verdict in comparison.columns:
        if verdict is not None:
            sides = comparison.reference.columns[column.name], comparison.current.columns[column.name]
            said = words.column_words(column, verdict, *sides)
            yield _verdict_row(f"{column.metric.name} ({column.name})", "drift", verdict, said)
    for joint, verdict in comparison.multivariate:
        if verdict is not None:
            yield _verdict_row(joint.metric.name, "multivariate", verdict, joint_words(joint, verdict))
    for quality, verdict in comparison.table:
        if verdict is not None:
            yield _verdict_row(quality.metric.name, "quality", verdict, words.of_table(comparison, quality, verdict))
    for column, quality, verdict in comparison.quality:
        if verdict is not None:
            said = words.quality_words(column, quality, verdict)
            yield _verdict_row(f"{quality.metric.name} ({column.name})", "quality", verdict, said)


def _rule_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for check, verdict in comparison.rules if comparison.expected is not None else ():
        said = rule_words(check, verdict, comparison.expected or Rules())
        yield _verdict_row(f"{check.rule} ({check.column or 'all rows'})", "rules", verdict, said)


def _verdict_row(what: str, family: str, verdict: Verdict, said: str) -> dict[str, Any]:
    evidence = verdict.evidence
    numbers = {"effect": evidence.effect, "low": evidence.low, "high": evidence.high, "floor": evidence.floor}
    numbers |= {"p_value": evidence.p_value, "alpha": verdict.alpha, "detectable": verdict.detectable}
    return {"what": what, "family": family, "verdict": verdict.name, "words": said} | {
        k: _known(v) for k, v in numbers.items()
    }


def with_sequences(table: pa.Table) -> pa.Table:
    """Return measurements with ``sequence_low`` and ``sequence_high``, which hold at every look at once; null where unknown."""
    columns = zip(*(table[name].to_pylist() for name in ("value", "low", "high", "n", "unit")), strict=True)
    found = [
        sequence(value, low, high, n, unit == "share") if None not in {value, low, high, n} else (math.nan, math.nan)
        for value, low, high, n, unit in columns
    ]
    for place, name in enumerate(("sequence_low", "sequence_high")):
        limits = [limit[place] if math.isfinite(limit[place]) else None for limit in found]
        table = table.append_column(name, pa.array(limits, pa.float64()))
    return table
