"""Outcomes, columns and days made straight from arrays, by the way that a batch takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, settings

from watchkeeper.capture.batch import Batch
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.profiles.column import NumericColumn
from watchkeeper.profiles.outcome import BinaryOutcome, MulticlassOutcome, RegressionOutcome
from watchkeeper.profiles.rows import OutcomeRows, outcome_rows
from watchkeeper.profiles.segments import Timeline
from watchkeeper.schema import Schema

TIGHT = 1e-12
examples = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""The same examples in every run."""


def integers(values: Sequence[Any] | np.ndarray) -> pa.Array:
    """Return codes as an Arrow column, null where negative or NaN."""
    array = np.asarray(values, dtype=np.float64)
    missing = np.isnan(array) | (array < 0)
    return pa.array(np.where(missing, 0, array).astype(np.int64), mask=missing)


def binary_rows(
    label: Sequence[Any] | np.ndarray,
    score: Sequence[Any] | np.ndarray,
    prediction: Sequence[Any] | np.ndarray | None = None,
    threshold: float = 0.5,
) -> OutcomeRows:
    """Return the rows of a binary task; labels and predictions are 0, 1 or negative for missing."""
    columns = {"y": integers(label), "s": pa.array(np.asarray(score, dtype=np.float64))}
    if prediction is not None:
        columns["p"] = integers(prediction)
    schema = Schema(
        target="y",
        score="s",
        prediction=None if prediction is None else "p",
        threshold=threshold,
        task="binary",
        positive="1",
        classes=["0", "1"],
    )
    rows = outcome_rows(Batch(pa.record_batch(columns), schema))
    assert rows is not None
    return rows


def binary_outcome(*args: Any, **kwargs: Any) -> BinaryOutcome:
    """Return the outcome of :func:`binary_rows`."""
    outcome = BinaryOutcome()
    outcome.update(binary_rows(*args, **kwargs))
    return outcome


def multiclass_rows(
    label: np.ndarray, scores: np.ndarray | None, prediction: np.ndarray | None, classes: int
) -> OutcomeRows:
    """Return the rows of a multiclass task; labels are places, negative for missing, ``scores`` (n, classes)."""
    names = [f"c{k}" for k in range(classes)]

    def text(codes: np.ndarray) -> pa.Array:
        return pa.array([None if c < 0 else f"c{int(c)}" for c in codes], pa.string())

    columns = {"y": text(label)}
    if prediction is not None:
        columns["p"] = text(prediction)
    if scores is not None:
        columns |= {f"s{k}": pa.array(scores[:, k]) for k in range(classes)}
    schema = Schema(
        target="y",
        prediction=None if prediction is None else "p",
        score=None if scores is None else {name: f"s{k}" for k, name in enumerate(names)},
        task="multiclass",
        classes=names,
    )
    rows = outcome_rows(Batch(pa.record_batch(columns), schema))
    assert rows is not None
    return rows


def multiclass_outcome(
    label: np.ndarray, scores: np.ndarray | None, prediction: np.ndarray | None, classes: int
) -> MulticlassOutcome:
    """Return the outcome of :func:`multiclass_rows`."""
    outcome = MulticlassOutcome(classes)
    outcome.update(multiclass_rows(label, scores, prediction, classes))
    return outcome


def regression_rows(target: Sequence[Any] | np.ndarray, prediction: Sequence[Any] | np.ndarray) -> OutcomeRows:
    """Return the rows of a regression task, NaN for missing."""
    columns = {
        "y": pa.array(np.asarray(target, dtype=np.float64)),
        "p": pa.array(np.asarray(prediction, dtype=np.float64)),
    }
    rows = outcome_rows(
        Batch(pa.record_batch(columns), Schema(target="y", prediction="p", task="regression", kinds={"y": "numeric"}))
    )
    assert rows is not None
    return rows


def regression_outcome(
    target: Sequence[Any] | np.ndarray, prediction: Sequence[Any] | np.ndarray, origin: float = 0.0
) -> RegressionOutcome:
    """Return the outcome of :func:`regression_rows`, squares about ``origin``."""
    outcome = RegressionOutcome(origin)
    outcome.update(regression_rows(target, prediction))
    return outcome


def by_day(kind: Any, rows: OutcomeRows, days: np.ndarray) -> list[Any]:
    """Return the outcome of each day."""
    timeline = Timeline(kind)
    timeline.update(days.astype(np.int64), rows)
    return [outcome for _, outcome in timeline.items()]


def numeric(values: Sequence[float] | np.ndarray) -> NumericColumn:
    """Return the state of a column of numbers."""
    column = NumericColumn()
    column.rows = len(values)
    column.update_values(np.asarray(values, dtype=np.float64))
    return column


def close(estimate: Estimate, expected: float, tolerance: float = TIGHT) -> bool:
    """Whether an estimate is what was computed elsewhere, up to rounding and the resolution that it states itself."""
    if np.isnan(expected):
        return not estimate.known
    return abs(estimate.value - expected) <= estimate.resolution + tolerance * max(1.0, abs(expected))
