"""What several columns do together, in words and as the page takes it: the model's scores first."""

from __future__ import annotations

import math
from typing import Any

from watchkeeper.detection.comparison import Comparison
from watchkeeper.detection.multivariate import JointChange, score_columns
from watchkeeper.detection.verdict import Verdict
from watchkeeper.report.words import number

_NAMED = 3


def joint_words(change: JointChange, verdict: Verdict | None) -> str:
    """Return what one multivariate distance says, in a sentence or two."""
    if verdict is None or math.isnan(change.value):
        return f"{change.metric.title}: there is too little to compute it."
    said = _SENTENCES[change.metric.name](change)
    if verdict.name in {"warning", "critical"}:
        return said
    if verdict.name == "not enough data":
        return f"{said} There is not enough data to tell a change below {number(verdict.detectable)}."
    if verdict.evidence.effect <= verdict.evidence.floor:
        return f"{said} That is less than matters."
    return f"{said} That may be chance."


def _classifier(change: JointChange) -> str:
    evidence = change.evidence
    span = f"{number(change.value)} ({number(evidence.low + 0.5)} to {number(evidence.high + 0.5)}; 0.5 is chance)"
    told = f"A classifier tells current rows from those of the reference with an AUC of {span}."
    by = [name for name, part in list(change.columns.items())[:_NAMED] if part > 0.005]
    return f"{told} It goes by {', '.join(by)}." if by and evidence.effect > evidence.floor else told


def _reconstruction(change: JointChange) -> str:
    way, size = "worse" if change.value > 0 else "better", number(abs(change.value))
    return f"The main directions of the reference explain current rows {way} by {size} standard deviations."


def _correlation(change: JointChange) -> str:
    floor = change.evidence.floor
    pairs = [p for p in change.pairs if abs(p.after - p.before) > floor] or list(change.pairs[:1])
    each = [f"{p.names[0]} and {p.names[1]} from {number(p.before)} to {number(p.after)}" for p in pairs[:_NAMED]]
    return f"Rank correlations changed most: {'; '.join(each)}."


def _mmd(change: JointChange) -> str:
    return f"The distance of all columns together (MMD) exceeds chance by {number(change.evidence.effect)}."


_SENTENCES = {
    "classifier_drift": _classifier,
    "reconstruction_error": _reconstruction,
    "correlation_change": _correlation,
    "mmd": _mmd,
}


def joint_sentence(comparison: Comparison) -> str | None:
    """Return what a report says of columns together: the scores, then what alarms; None where it was not asked for."""
    if not comparison.multivariate:
        return None
    told = [
        joint_words(c, v) for c, v in comparison.multivariate if v is not None and v.name in {"warning", "critical"}
    ]
    scores = _scores(comparison)
    moved = [s["name"] for s in scores if s["verdict"] in {"warning", "critical"}]
    quiet = "The model's own outputs did not move by more than matters."
    first = f"The model's own outputs moved: {', '.join(moved)}." if moved else quiet
    rest = told or ["Taken together, columns did not change by more than matters."]
    return " ".join([*([first] if scores else []), *rest])


def _scores(comparison: Comparison) -> list[dict[str, Any]]:
    verdicts = {change.name: verdict for change, verdict in comparison.columns}
    found = []
    for change in score_columns(comparison.reference.schema, [c for c, _ in comparison.columns]):
        evidence, verdict = change.evidence, verdicts[change.name]
        found.append(
            {
                "name": change.name, "metric": change.metric.name, "effect": evidence.effect if evidence else None,
                "p_value": evidence.deciding if evidence else None, "verdict": verdict.name if verdict else None,
            }
        )  # fmt: skip
    return found


def joint_view(comparison: Comparison) -> dict[str, Any] | None:
    """Return what the page takes: ``scores`` (judged as columns, told first), and ``checks``; None where not asked for."""
    if not comparison.multivariate:
        return None
    return {"scores": _scores(comparison), "checks": [_check(c, v) for c, v in comparison.multivariate]}


def _check(change: JointChange, verdict: Verdict | None) -> dict[str, Any]:
    evidence = change.evidence
    return {
        "metric": change.metric.name, "title": change.metric.title, "value": change.value,
        "verdict": verdict.name if verdict else None, "words": joint_words(change, verdict),
        "effect": evidence.effect, "effect_low": evidence.low, "effect_high": evidence.high, "floor": evidence.floor,
        "p_value": evidence.deciding, "alpha": verdict.alpha if verdict else None,
        "detectable": verdict.detectable if verdict else None,
        "columns": [{"name": name, "importance": part} for name, part in list(change.columns.items())[:20]],
        "pairs": [
            {"columns": list(p.names), "before": p.before, "after": p.after, "p_value": p.p_value} for p in change.pairs
        ],
    }  # fmt: skip
