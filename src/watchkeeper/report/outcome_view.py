"""What outcomes hold beside their metrics, as the page's documents take it: confusion, classes, sizes of errors, lists."""

from __future__ import annotations

from typing import Any

from watchkeeper.detection.performance import days_of
from watchkeeper.errors import InputError
from watchkeeper.metrics import classification, ranking
from watchkeeper.metrics.binning import histogram_cells
from watchkeeper.metrics.class_report import ReportLine, classification_report
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.profiles.outcome import BinaryOutcome, MulticlassOutcome, RegressionOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.ranking import RankingOutcome
from watchkeeper.profiles.tasks import plain_outcome
from watchkeeper.report.distribution import number_bars

_MOST_CLASSES = 400
_LENGTHS = (1, 2, 3, 5, 10, 20)
_BY_LENGTH = {"ndcg": ranking.ndcg, "hit_rate": ranking.hit_rate, "recall_at_k": ranking.recall_at_k}
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def confusion(reference: Profile, current: Profile) -> dict[str, Any] | None:
    """Return how often each class was predicted as each, ``[label][prediction]``; None for other tasks and without labels."""
    outcomes = plain_outcome(reference.outcome), plain_outcome(current.outcome)
    if not all(isinstance(o, BinaryOutcome | MulticlassOutcome) for o in outcomes):
        return None
    matrices = [classification.confusion_matrix(o) for o in outcomes]  # type: ignore[arg-type]
    if not any(m.any() for m in matrices):
        return None
    schema = reference.schema
    if schema.task == "binary":
        names = [c for c in schema.classes if c != schema.positive] + [str(schema.positive)]
    else:
        names = [*schema.classes, "other"] if any(m[-1].any() or m[:, -1].any() for m in matrices) else schema.classes
        matrices = [m[: len(names), : len(names)] for m in matrices]
    return {"classes": names, "reference": matrices[0].tolist(), "current": matrices[1].tolist()}


def calibration(reference: Profile, current: Profile) -> dict[str, Any] | None:
    """Return the bars of the reliability diagram; None where a side has no probability with a label."""
    found = {}
    for side, profile in _sides(reference, current).items():
        outcome = plain_outcome(profile.outcome)
        if not isinstance(outcome, BinaryOutcome | MulticlassOutcome) or outcome.losses.count == 0:
            return None
        fields = ("lower", "upper", "n", "score", "rate", "low", "high")
        found[side] = [{f: getattr(b, f) for f in fields} for b in classification.reliability(outcome)]
    return found


def classes(reference: Profile, current: Profile) -> dict[str, Any] | None:
    """Return the report by class of both sides, in scikit-learn's layout; None for other tasks and without labels.

    Of more than 400 classes, those whose misses grew most and those with the most rows; ``all`` says how many there are.
    """
    if reference.schema.task not in {"binary", "multiclass", "multilabel"}:
        return None
    try:
        found = {side: classification_report(profile) for side, profile in _sides(reference, current).items()}
    except InputError:
        return None
    lines = {side: {line.name: line for line in report.classes} for side, report in found.items()}
    names = list(dict.fromkeys(name for side in lines.values() for name in side))
    kept = _told(names, lines["reference"], lines["current"])
    left_out = set(names) - kept
    plain = {side: report.to_dict() for side, report in found.items()}
    told = {side: {k: v for k, v in values.items() if k not in left_out} for side, values in plain.items()}
    return {**told, "all": len(names)}


def _told(names: list[str], reference: dict[str, ReportLine], current: dict[str, ReportLine]) -> set[str]:
    if len(names) <= _MOST_CLASSES:
        return set(names)
    half = _MOST_CLASSES // 2
    sides = (reference, current)
    support = {name: sum(side[name].support for side in sides if name in side) for name in names}
    frequent = sorted(names, key=lambda name: -support[name])[:half]
    return {*frequent, *sorted(names, key=lambda name: -abs(_more_misses(name, *sides)))[:half]}


def _more_misses(name: str, reference: dict[str, ReportLine], current: dict[str, ReportLine]) -> float:
    """Return how many more rows of the class were missed than at the recall of the reference."""
    before, after = reference.get(name), current.get(name)
    return (before.recall.value - after.recall.value) * after.support if before and after else 0.0


def errors(reference: Profile, current: Profile) -> dict[str, Any] | None:
    """Return how errors (target minus prediction) are distributed, for regression and forecasting; None without labels."""
    sides = {side: plain_outcome(profile.outcome) for side, profile in _sides(reference, current).items()}
    found = [o.residuals for o in sides.values() if isinstance(o, RegressionOutcome) and o.residuals.count]
    if len(found) < len(sides):
        return None
    return {
        "distribution": number_bars(histogram_cells(found[0], found[1])),
        "quantiles": {
            side: [{"q": q, "value": one.quantile(q)} for q in _QUANTILES]
            for side, one in zip(sides, found, strict=True)
        },
        "n": [one.count for one in found],
        "horizon": reference.schema.horizon,
    }


def lists(reference: Profile, current: Profile) -> dict[str, Any] | None:
    """Return how good the first 1, 2, 3, 5, 10 and 20 rows of the lists are, for ranking; None where no list is judged."""
    found: dict[str, Any] = {}
    for side, profile in _sides(reference, current).items():
        outcome = plain_outcome(profile.outcome)
        if not isinstance(outcome, RankingOutcome):
            return None
        days = days_of(profile)
        found[side] = {
            name: [_plain(compute(outcome, days, length)) for length in _LENGTHS]
            for name, compute in _BY_LENGTH.items()
        }
    known = all(found[side]["ndcg"][0]["n"] for side in found)
    return {"lengths": list(_LENGTHS), **found} if known else None


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {name: getattr(estimate, name) for name in ("value", "low", "high", "n")} | {"coverage": None}


def _sides(reference: Profile, current: Profile) -> dict[str, Profile]:
    return {"reference": reference, "current": current}
