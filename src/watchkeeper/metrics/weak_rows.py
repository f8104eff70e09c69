"""The row sample of a profile as cells and losses, for what looks for weak segments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.capture.batch import Batch
from watchkeeper.inference import rounded_edges
from watchkeeper.metrics.row_matrix import input_columns
from watchkeeper.metrics.weak_segments import Cells, Mask
from watchkeeper.profiles.cuts import bin_labels
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.rows import ClassRows, ManyRows, NumberRows, WeightedRows, outcome_rows
from watchkeeper.sketches.kernel import Floats

MOST_CELLS = 10
"""Into so many cells a column is cut at most, beside that of missing values and of all other categories."""
_MOST_COLUMNS = 100
NO_VALUE, OTHERS = "__missing__", "__other__"


@dataclass(frozen=True, slots=True)
class Grid:
    """How columns are cut: by name, the edges of a column of numbers, or the categories that have a cell of their own."""

    cuts: dict[str, list[float] | list[str]]


@dataclass(frozen=True, slots=True)
class LossRows:
    """The rows of a sample that have a label and a prediction: their cells, the loss of each, and which find.

    ``metric`` is the loss: ``log_loss``, ``error_rate`` or ``mae``. ``first`` is a half of rows by hash.
    """

    cells: Cells
    loss: Floats
    first: Mask
    metric: str


def grid_of(profile: Profile) -> Grid:
    """Return how the columns that go into the model are cut: as the schema bins segments, else by deciles, rounded."""
    cuts: dict[str, list[float] | list[str]] = {}
    for name in input_columns(profile)[:_MOST_COLUMNS]:
        values, edges = profile.sample.rows[name], profile.schema.segment_bins.get(name)
        if profile.schema.kinds[name] != "numeric":
            cuts[name] = _frequent(values)
        elif edges and not isinstance(edges[0], str):
            cuts[name] = list(edges)
        else:
            numbers = values.drop_null().to_numpy()
            numbers = numbers[np.isfinite(numbers)]
            distinct = np.unique(numbers)
            if len(distinct) > 1:
                few = len(distinct) <= MOST_CELLS
                cuts[name] = distinct[1:].tolist() if few else rounded_edges(numbers, MOST_CELLS)
    return Grid({name: cut for name, cut in cuts.items() if cut})


def _frequent(values: pa.ChunkedArray) -> list[str]:
    counts = pc.value_counts(values.drop_null()).to_pylist()
    ranked = sorted(counts, key=lambda entry: (-entry["counts"], entry["values"]))
    return [entry["values"] for entry in ranked[:MOST_CELLS]]


def loss_rows(profile: Profile, grid: Grid) -> LossRows | None:
    """Return the rows of a profile's sample that tell of losses; None for a task, or a sample, that has none."""
    sample = profile.sample
    table = sample.rows.combine_chunks()
    if profile.schema.target not in table.column_names or table.num_rows == 0:
        return None
    lost = _losses(Batch(table.to_batches()[0], profile.schema))
    if lost is None:
        return None
    loss, metric = lost
    known = np.isfinite(loss)
    if not known.any():
        return None
    columns = [_coded(table[name], cut) for name, cut in grid.cuts.items()]
    codes = np.stack(columns, axis=1)[known] if columns else np.empty((int(known.sum()), 0), dtype=np.int64)
    labels = [_labels(cut) for cut in grid.cuts.values()]
    first = (sample.index.priority & np.uint64(1)).astype(bool)[known]
    return LossRows(Cells(codes, list(grid.cuts), labels), loss[known], first, metric)


def _losses(batch: Batch) -> tuple[Floats, str] | None:
    """Return the loss of each row, NaN where it is not known, and what it is called; None where the task has none."""
    rows = outcome_rows(batch)
    rows = rows.rows if isinstance(rows, WeightedRows) else rows
    if isinstance(rows, NumberRows):
        return np.abs(rows.target - rows.prediction), "mae"
    if isinstance(rows, ManyRows):
        known = (rows.label >= 0) & (rows.prediction >= 0)
        return np.where(known, rows.label != rows.prediction, np.nan), "error_rate"
    if not isinstance(rows, ClassRows):
        return None
    scored = (rows.label >= 0) & rows.probable
    if scored.any():
        return np.where(scored, rows.loss, np.nan), "log_loss"
    known = (rows.label >= 0) & (rows.prediction != -1)
    return np.where(known, rows.label != rows.prediction, np.nan), "error_rate"


def _coded(column: pa.ChunkedArray, cut: list[float] | list[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the cell of each row: that of missing values comes last, that of other categories before it."""
    if isinstance(cut[0], str):
        found = pc.index_in(column, pa.array(cut, pa.string())).to_numpy(zero_copy_only=False)
        missing = column.is_null().to_numpy()
        places = np.where(np.isnan(found), len(cut), found) if found.dtype.kind == "f" else found
        return np.where(missing, len(cut) + 1, places).astype(np.int64)
    values = column.to_numpy(zero_copy_only=False)
    places = np.searchsorted(np.array(cut, dtype=np.float64), values, side="right")
    return np.where(np.isnan(values), len(cut) + 1, places).astype(np.int64)


def _labels(cut: list[float] | list[str]) -> list[str]:
    if isinstance(cut[0], str):
        return [*map(str, cut), OTHERS, NO_VALUE]
    return [*bin_labels(cut), NO_VALUE]
