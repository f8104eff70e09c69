"""A file of monitors to begin with, each with the reason why; cautious, and meant to be edited."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.between import reference_spread
from watchkeeper.detection.saying import gap
from watchkeeper.detection.watched import METRICS, PERFORMANCE
from watchkeeper.metrics.names import TASKS
from watchkeeper.profiles.profile import Profile
from watchkeeper.response.document import flow
from watchkeeper.schema import Schema

HEADLINES = {
    "binary": ("roc_auc", "f1"),
    "multiclass": ("f1_macro", "accuracy"),
    "regression": ("rmse", "mae"),
    "multilabel": ("f1_micro", "subset_accuracy"),
    "forecasting": ("mae", "rmse"),
    "ranking": ("ndcg", "mrr"),
}
"""What a task is judged by, the first by segment too."""
_MOST_SEGMENTS = 10
_Line = str | dict[str, Any]


def suggest(
    schema: Schema, reference: Profile | None, metrics: Collection[str], *, model: str, environment: str = "production"
) -> str:
    """Return the text of a file of monitors for a model, with reasons as comments.

    Performance, failures, latency and missing traffic open incidents; drift and quality explain them.

    Parameters
    ----------
    schema
        Of the version that is watched.
    reference
        Its reference; without one, what needs it is left out, and said.
    metrics
        The names of metrics that were measured so far; empty where nothing was.
    model, environment
        For whom.

    Returns
    -------
    YAML that :meth:`Monitors.from_yaml` takes.
    """
    lines: list[str] = [
        f"model: {flow(model)}",
        f"environment: {flow(environment)}",
        f"window: {flow({'every': '1d'} | ({'zone': schema.zone} if schema.zone else {}))}",
        "# At most one false incident in 600 days is to be expected, over all checks together: 5 % of months have one.",
        "budget: 1 per 600 days",
        "monitors:",
    ]
    about = _drift(schema, reference), _quality(schema, reference)
    for part in (_performance(schema, reference, metrics), _service(schema, metrics), *about):
        lines += [f"  - {flow(line)}" if isinstance(line, dict) else f"  # {line}" for line in part]
    lines += [
        "# Nobody is told yet. Channels and actions are named in the operator's file beside the store:",
        "# respond:",
        "#   - {on: {severity: warning}, notify: [console]}",
    ]
    return "\n".join(lines) + "\n"


def _performance(schema: Schema, reference: Profile | None, metrics: Collection[str]) -> Iterator[_Line]:
    names = _headlines(schema, metrics)
    if not names:
        yield "Performance cannot be watched: the schema names no target with a prediction or score."
        return
    yield "Performance is what matters. It is judged when its labels are there, against the reference."
    baseline = Baseline(reference) if reference is not None else None
    for place, name in enumerate(names):
        monitor: dict[str, Any] = {"metric": name}
        if baseline is None:
            yield f"{METRICS[name].title}: there is no reference, so a day is held against the 28 before it."
            yield monitor | {"detect": "robust_zscore"}
            continue
        segments, left = _segments(schema, reference) if place == 0 else ([], [])
        yield from _risk_reasons(schema, baseline, name)
        if left:
            yield f"Left out, since each has more than {_MOST_SEGMENTS} values and every one costs: {', '.join(left)}."
        yield monitor | ({"segments": segments} if segments else {}) | {"detect": {"risk": _tolerance(name)}}
    if baseline is not None and names[0] == "roc_auc":
        yield "Estimated from the scores, before labels come. Blind to a changed meaning of the label, so it only explains."
        yield {
            "metric": "roc_auc",
            "source": "estimated",
            "role": "evidence",
            "detect": {"risk": _tolerance("roc_auc")},
        }


def _headlines(schema: Schema, metrics: Collection[str]) -> list[str]:
    if schema.target is None or (schema.prediction is None and schema.score is None):
        return []
    measured = set(metrics) & PERFORMANCE
    known = HEADLINES.get(schema.task or "", ())
    return [n for n in known if (n in measured if measured else n != "roc_auc" or schema.score is not None)]


def _tolerance(name: str) -> dict[str, Any]:
    metric = METRICS[name]
    return {"tolerance": metric.floor} | ({"relative": True} if metric.relative else {})


def _risk_reasons(schema: Schema, baseline: Baseline, name: str) -> Iterator[str]:
    """Yield what is tolerated, and how much days of the reference differ anyway."""
    metric = METRICS[name]
    assert metric.floor is not None
    amount = f"{100 * metric.floor:g} %" if metric.relative else gap(metric.floor, metric.unit)
    yield f"{metric.title}: alarms where it is certainly worse by more than {amount}."
    outcome = baseline.profile.outcome
    value = TASKS[schema.task or ""][name][1](outcome, ()).value if outcome is not None else math.nan
    spread = reference_spread(baseline, name, value)
    if spread.windows == 0:
        yield "The reference has too few days to say how much days differ; the first eight windows will."
    else:
        yield f"The {spread.windows} days of the reference differ by {gap(spread.sd, metric.unit)} (standard deviation) anyway."


def _segments(schema: Schema, reference: Profile | None) -> tuple[list[str], list[str]]:
    """Return the segment columns to watch, and those that have too many values."""
    cuts = list(schema.cuts())
    if reference is None:
        return [], []
    sizes = {column: len(list(reference.segments[column].items())) for column in cuts if column in reference.segments}
    few = [column for column, size in sizes.items() if size <= _MOST_SEGMENTS and _nameable(column)]
    return few, [_plain(column) for column, size in sizes.items() if size > _MOST_SEGMENTS]


def _service(schema: Schema, metrics: Collection[str]) -> Iterator[_Line]:
    yield "Bounds that a person stated alarm whatever chance does. Put your own numbers here."
    if schema.error is not None or "failure_rate" in metrics:
        bounds = {"warning": "> 1%", "critical": "> 5%"}
        yield {"metric": "failure_rate", "detect": {"threshold": bounds, "m_of_n": [2, 3]}}
    if schema.latency is not None or "latency_p99" in metrics:
        yield "Twice what the last four weeks had; better is a number that was promised to somebody."
        bounds = {"warning": "> 2x 28d", "critical": "> 5x 28d"}
        yield {"metric": "latency_p99", "detect": {"threshold": bounds, "m_of_n": [2, 3]}}
    yield "A day without rows, or with a tenth of what is usual: whoever calls the model has stopped."
    yield {
        "name": "traffic",
        "metric": "throughput",
        "no_data": "critical",
        "detect": {"threshold": {"warning": "< 0.1x 28d"}},
    }


def _drift(schema: Schema, reference: Profile | None) -> Iterator[_Line]:
    if reference is None:
        yield "Drift and quality are held against a reference, and there is none yet. Set one, then ask again."
        return
    yield "Drift explains; by itself it is not harm, so it opens no incident."
    if _of_kinds(schema, {"numeric", "datetime", "text"}):
        yield {"metric": "wasserstein", "columns": "all", "role": "evidence", "detect": "calibrated"}
    categories = [column for column in _of_kinds(schema, {"categorical", "boolean"}) if _nameable(column)]
    if categories:
        yield {"metric": "jensen_shannon", "columns": categories, "role": "evidence", "detect": "calibrated"}


def _quality(schema: Schema, reference: Profile | None) -> Iterator[_Line]:
    if reference is None:
        return
    yield "Quality explains too: missing values, categories never seen, numbers out of the reference's range."
    yield {"metric": "null_share", "columns": "all", "role": "evidence", "detect": "calibrated"}
    if _of_kinds(schema, {"categorical"}):
        yield {"metric": "new_category_share", "columns": "all", "role": "evidence", "detect": "calibrated"}
    if _of_kinds(schema, {"numeric"}):
        yield {"metric": "out_of_range_share", "columns": "all", "role": "evidence", "detect": "calibrated"}


def _of_kinds(schema: Schema, kinds: set[str]) -> list[str]:
    """Return the columns of these kinds that are judged."""
    apart = schema.operational | {schema.timestamp}
    return [column for column, kind in schema.profiled().items() if kind in kinds and column not in apart]


def _nameable(column: str) -> bool:
    """Whether a file of monitors can name a column; ``columns: all`` covers the others."""
    return 0 < len(column) <= 256 and column.isprintable()


def _plain(column: str) -> str:
    return column if _nameable(column) else repr(column)[:80]
