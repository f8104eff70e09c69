"""Evidence from several columns at once: the model's scores first, then what tells current rows from those of the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from watchkeeper.detection.columns import ColumnChange
from watchkeeper.detection.verdict import FEWEST, Evidence
from watchkeeper.metrics.domain import Domain, domain_classifier
from watchkeeper.metrics.joint import (
    Joint,
    Pair,
    correlation_changes,
    mmd,
    reconstruction_error,
)
from watchkeeper.metrics.names import MULTIVARIATE, Metric
from watchkeeper.metrics.row_matrix import Rows, paired_rows
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema

_MOST = 10
_FEWEST_DAYS = 16


@dataclass(frozen=True, slots=True)
class JointChange:
    """One multivariate distance, with what it says of columns.

    Attributes
    ----------
    value
        In the unit of the metric; NaN where there was too little to compute it.
    evidence
        None for the scores, which are judged as columns; they are told here because they are looked at first.
    columns
        Column to its part, largest first: importances of the classifier.
    pairs
        Changes of rank correlation, the most certain first, ten at most.
    """

    metric: Metric
    value: float
    evidence: Evidence
    columns: dict[str, float]
    pairs: tuple[Pair, ...] = ()


def score_columns(schema: Schema, columns: Sequence[ColumnChange]) -> list[ColumnChange]:
    """Return what became of the model's own outputs: the tests on them see what matters to the model in one dimension.

    References
    ----------
    Lipton, Wang and Smola, ICML 2018 (BBSD); Rabanser, Guennemann and Lipton, NeurIPS 2019, where they did best.
    """
    return [change for change in columns if schema.role(change.name) in {"score", "prediction"}]


def multivariate_changes(reference: Profile, current: Profile) -> list[JointChange]:
    """Return what a domain classifier, principal components, rank correlations and MMD say of the two row samples.

    From the features that the samples keep (5,000 rows a side, no times, labels, scores or texts); days, not rows, count as
    evidence where both sides have five. Some seconds for twenty columns. Where the reference has sixteen days, no floor is
    below what tells its first half from its second for certain (the lower 95 % limit): a season is no news.
    """
    sides = paired_rows(reference, current)
    changes = _changes(sides)
    if not sides[0].by_day or sides[0].block_count < _FEWEST_DAYS:
        return changes
    late = sides[0].blocks >= sides[0].block_count // 2
    natural = _changes((_part(sides[0], ~late), _part(sides[0], late)))
    return [_above(change, known.evidence.low) for change, known in zip(changes, natural, strict=True)]


def _part(rows: Rows, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Rows:
    blocks = np.unique(rows.blocks[chosen], return_inverse=True)[1].astype(np.int64)
    return Rows(rows.values[chosen], rows.names, rows.categorical, blocks, rows.by_day)


def _above(change: JointChange, natural: float) -> JointChange:
    if math.isnan(natural) or natural <= change.evidence.floor:
        return change
    return replace(change, evidence=replace(change.evidence, floor=natural))


def _changes(sides: tuple[Rows, Rows]) -> list[JointChange]:
    few = min(len(side) for side in sides) < FEWEST
    domain = None if few else domain_classifier(*sides)
    pairs = [] if few else correlation_changes(*sides)
    return [
        _domain_change(domain),
        _joint_change("reconstruction_error", None if few else reconstruction_error(*sides)),
        _pair_change(pairs),
        _joint_change("mmd", None if few else mmd(*sides)),
    ]


def _domain_change(found: Domain | None) -> JointChange:
    metric = MULTIVARIATE["classifier_drift"]
    if found is None:
        return _nothing(metric)
    evidence = Evidence(
        found.auc - 0.5, found.low - 0.5, found.high - 0.5, metric.floor or 0.0, found.p_value, found.error
    )
    return JointChange(metric, found.auc, evidence, found.importances)


def _joint_change(name: str, found: Joint | None) -> JointChange:
    metric = MULTIVARIATE[name]
    if found is None:
        return _nothing(metric)
    evidence = Evidence(found.effect, found.low, found.high, metric.floor or 0.0, found.p_value, found.error)
    return JointChange(metric, found.value, evidence, {})


def _pair_change(pairs: list[Pair]) -> JointChange:
    """Judge the most certain change of a correlation, by its p-value times the number of pairs."""
    metric = MULTIVARIATE["correlation_change"]
    if not pairs:
        return _nothing(metric)
    floor = metric.floor or 0.0
    large = [pair for pair in pairs if abs(pair.after - pair.before) > floor]
    first = (large or pairs)[0]
    effect, half = abs(first.after - first.before), 1.96 * first.error
    p_value = min(1.0, len(pairs) * first.p_value)
    evidence = Evidence(effect, max(effect - half, 0.0), effect + half, floor, p_value, first.error)
    return JointChange(metric, effect, evidence, {}, tuple(pairs[:_MOST]))


def _nothing(metric: Metric) -> JointChange:
    return JointChange(metric, math.nan, Evidence(math.nan, math.nan, math.nan, metric.floor or 0.0, math.nan), {})
