"""Which segment each row is in: a value of a column, the bin that it falls in, or the pair of two columns' segments."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from watchkeeper.capture.batch import Batch, Texts
from watchkeeper.profiles.segments import MISSING_VALUE
from watchkeeper.schema import CROSSING, label_text
from watchkeeper.sketches.kernel import Int64s
from watchkeeper.window import zone_info

_TABLE = 1 << 20
"""Pairs are told apart by counting where there can be at most so many, else by sorting."""


def cut_texts(batch: Batch, columns: Sequence[str]) -> Texts:
    """Return the segment of each row of a batch by one column, or by two that are crossed; code -1 where missing.

    Rows of a crossing that miss one of two values are in the segment of ``__missing__`` and the other.
    """
    if len(columns) == 1:
        return _column(batch, columns[0])
    first, second = (_column(batch, column) for column in columns)
    wide = len(second.names) + 1
    pairs = (first.codes.astype(np.int64) + 1) * wide + second.codes + 1
    used, codes = _distinct(pairs, (len(first.names) + 1) * wide)
    names = [[MISSING_VALUE, *texts.names.to_pylist()] for texts in (first, second)]
    told = [names[0][pair // wide] + CROSSING + names[1][pair % wide] for pair in used.tolist()]
    return Texts(pa.array(told, pa.string()), codes)


def missing_value(columns: Sequence[str]) -> str:
    """Return the segment of rows that have no value in any of the columns of a cut."""
    return CROSSING.join([MISSING_VALUE] * len(columns))


def bin_labels(edges: Sequence[float | str]) -> list[str]:
    """Return what the bins between edges are called, one more than edges; a bin holds its lower edge.

    Examples
    --------
    >>> bin_labels([18.0, 65.0]), bin_labels(["2013-07-01"])
    (['below 18', '18 to 65', '65 or more'], ['before 2013-07-01', '2013-07-01 or later'])
    """
    told = [label_text(edge) for edge in edges]
    before, after = ("before", "or later") if isinstance(edges[0], str) else ("below", "or more")
    between = [f"{low} to {high}" for low, high in itertools.pairwise(told)]
    return [f"{before} {told[0]}", *between, f"{told[-1]} {after}"]


def _column(batch: Batch, column: str) -> Texts:
    edges = batch.schema.segment_bins.get(column)
    if not edges:
        return batch.texts(column)
    decoded = batch.moments(column) if isinstance(edges[0], str) else batch.numbers(column)
    steps = _moments(edges, batch.schema.zone) if isinstance(edges[0], str) else np.array(edges, dtype=np.float64)
    values = decoded.values
    missing = np.isnan(values) if values.dtype == np.float64 else np.zeros(len(values), dtype=bool)
    if decoded.null is not None:
        missing |= decoded.null
    codes = np.where(missing, -1, np.searchsorted(steps, values, side="right"))
    return Texts(pa.array(bin_labels(edges), pa.string()), codes.astype(np.int32))


def _moments(edges: Sequence[str], zone: str | None) -> Int64s:
    """Return edges as UTC microseconds since 1970; those without an offset are in the zone."""
    epoch, info = datetime(1970, 1, 1, tzinfo=UTC), zone_info(zone)
    told = [datetime.fromisoformat(edge) for edge in edges]
    aware = [moment if moment.tzinfo is not None else moment.replace(tzinfo=info) for moment in told]
    steps = [(moment - epoch) for moment in aware]
    return np.array([(step.days * 86_400 + step.seconds) * 1_000_000 + step.microseconds for step in steps])


def _distinct(pairs: Int64s, possible: int) -> tuple[Int64s, NDArray[np.int32]]:
    """Return the distinct pairs, ascending, and the place of each row's pair among them."""
    if possible > _TABLE:
        used, codes = np.unique(pairs, return_inverse=True)
        return used, codes.astype(np.int32)
    there = np.bincount(pairs, minlength=possible) > 0
    places = np.cumsum(there, dtype=np.int32) - 1
    return np.flatnonzero(there), places[pairs].astype(np.int32)
