"""The features of sampled rows as places on a few levels each, as the reference's rows define them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.capture.batch import Batch
from watchkeeper.profiles.rows import OutcomeRows, outcome_rows
from watchkeeper.profiles.sample import RowSample, sample_columns
from watchkeeper.schema import Schema
from watchkeeper.sketches.kernel import Floats, Int64s

MOST_LEVELS = 256
"""Of all features together: the parameters of a model of them stay few beside the rows."""
_MOST_EACH, _BINS, _MOST_FEATURES = 32, 8, 64
_BLOCK = 8_192


@dataclass(frozen=True, slots=True)
class Levels:
    """What the levels of each feature are: inner edges of a number's bins, or a text's frequent values.

    Each feature has two further levels: missing (the last), and other values than the frequent ones (the one before).

    Attributes
    ----------
    edges, names
        Feature to ascending edges, and to values.
    """

    edges: dict[str, Floats]
    names: dict[str, pa.Array]

    @property
    def count(self) -> int:
        """How many levels there are in all."""
        return sum(len(e) + 2 for e in self.edges.values()) + sum(len(n) + 2 for n in self.names.values())

    def places(self, rows: pa.Table) -> Int64s:
        """Return the level of each feature in each row, counted through all features, shape (features, rows)."""
        found, first = [], 0
        for name, edges in self.edges.items():
            values = rows[name].to_numpy()
            place = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))
            found.append(place + first)
            first += len(edges) + 2
        for name, names in self.names.items():
            known = pc.index_in(rows[name], value_set=names).fill_null(len(names)).to_numpy()
            place = np.where(rows[name].is_null().to_numpy(), len(names) + 1, known)
            found.append(place + first)
            first += len(names) + 2
        return np.array(found, dtype=np.int64).reshape(len(found), len(rows))


def levels_of(sample: RowSample, schema: Schema, more: tuple[str, ...] = ()) -> Levels:
    """Return the levels of the features of a reference's rows: quantile bins, and values by how often they come.

    ``more`` are further columns, which come first. At most 64 features, in the order of the schema; the more there are, the
    fewer levels each has.
    """
    kinds = sample_columns(schema)
    features = [*more, *(name for name in kinds if schema.role(name) == "feature")][:_MOST_FEATURES]
    most = max(2, min(_MOST_EACH, MOST_LEVELS // max(len(features), 1) - 2))
    edges, names = {}, {}
    for name in features:
        if pa.types.is_floating(kinds[name]):
            values = sample.rows[name].drop_null().to_numpy()
            values = values[np.isfinite(values)]
            cuts = np.linspace(0, 1, min(most, _BINS) + 1)[1:-1]
            edges[name] = np.unique(np.quantile(values, cuts)) if len(values) else np.empty(0)
        elif pa.types.is_string(kinds[name]):
            counted = pc.value_counts(sample.rows[name].drop_null())
            order = pc.sort_indices(counted, sort_keys=[("counts", "descending"), ("values", "ascending")])[:most]
            names[name] = counted.field("values").take(order)
    return Levels(edges, names)


def outcomes_of(sample: RowSample, schema: Schema) -> OutcomeRows | None:
    """Return labels, predictions and scores of a sample's rows, coded as an outcome takes them."""
    batches = sample.rows.combine_chunks().to_batches()
    return outcome_rows(Batch(batches[0], schema)) if batches else None


@dataclass(frozen=True, slots=True)
class Design:
    """Rows of a linear model in which each level of each feature has an offset, and a slope on ``z``.

    Attributes
    ----------
    places
        Shape (features, rows).
    z
        Shape (rows,).
    levels
        How many there are; the model has twice as many parameters.
    """

    places: Int64s
    z: Floats
    levels: int

    def blocks(self) -> Iterator[tuple[slice, np.ndarray[Any, np.dtype[np.float32]]]]:
        """Yield the rows of the matrix, shape (some rows, 2 x levels), so that memory does not grow with them."""
        for first in range(0, len(self.z), _BLOCK):
            part = slice(first, first + _BLOCK)
            z = self.z[part].astype(np.float32)
            matrix = np.zeros((len(z), 2 * self.levels), dtype=np.float32)
            rows = np.arange(len(z))
            for place in self.places[:, part]:
                matrix[rows, place] = 1
                matrix[rows, self.levels + place] = z
            yield part, matrix

    def times(self, weights: Floats) -> Floats:
        """Return the linear predictor, shape (rows,)."""
        offsets, slopes = weights[self.places], weights[self.levels + self.places]
        found: Floats = offsets.sum(axis=0) + self.z * slopes.sum(axis=0)
        return found

    def transposed_times(self, values: Floats) -> Floats:
        """Return the sum over rows of ``values`` times the row, shape (2 x levels,)."""
        return np.concatenate([self._sums(values), self._sums(values * self.z)])

    def _sums(self, values: Floats) -> Floats:
        found: Floats = np.bincount(self.places.ravel(), np.tile(values, len(self.places)), self.levels).astype(
            np.float64
        )
        return found
