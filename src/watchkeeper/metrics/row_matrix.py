"""The row samples of two profiles as one pair of matrices, for what looks at several columns at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.metrics.dependence import day_codes
from watchkeeper.profiles.profile import Profile
from watchkeeper.sketches.kernel import Floats, Int64s

MOST_ROWS = 10_000
_TOP = 30
_ROLES = {"feature", "segment", "sensitive", "text"}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one side.

    Attributes
    ----------
    values
        Shape (n, d), NaN for missing. Categories are places in the order of their frequency in the reference, from 0 on; those
        beyond the thirtieth share the next place.
    names, categorical
        Of each column, its name and whether it holds categories.
    blocks
        Rows of one block (a local day) are not taken to be independent, shape (n,), from 0 on.
    by_day
        Whether blocks are days; else each row is one.
    """

    values: Floats
    names: list[str]
    categorical: list[bool]
    blocks: Int64s
    by_day: bool

    def __len__(self) -> int:
        return len(self.values)

    @property
    def block_count(self) -> int:
        """How many blocks there are."""
        return int(self.blocks.max()) + 1 if len(self.blocks) else 0

    def numbers(self) -> Floats:
        """Return the columns that hold numbers, shape (n, k)."""
        return self.values[:, ~np.array(self.categorical, dtype=bool)]


def input_columns(profile: Profile) -> list[str]:
    """Return the columns that go into the model and whose values the sample keeps: no times, ids, labels, scores."""
    schema = profile.schema
    kinds = {"numeric", "categorical", "boolean"}
    return [
        name
        for name in profile.columns
        if schema.kinds[name] in kinds and schema.role(name) in _ROLES and name not in schema.operational
    ]


def paired_rows(reference: Profile, current: Profile) -> tuple[Rows, Rows]:
    """Return the samples of both, encoded alike; rows that came more than once are there as often, 10,000 rows at most.

    Days are blocks where both sides have at least five.
    """
    names = input_columns(reference)
    days = day_codes(reference), day_codes(current)
    by_day = days[0] is not None and days[1] is not None
    picked = _picked(reference), _picked(current)
    columns: list[list[Floats]] = [[], []]
    categorical = []
    for name in names:
        first, second = reference.sample.column(name), current.sample.column(name)
        assert first is not None
        assert second is not None
        texts = pa.types.is_string(first.type)
        categorical.append(texts)
        known = _frequent(first, picked[0]) if texts else None
        for side, column, rows in zip(columns, (first, second), picked, strict=True):
            side.append(_encoded(column, known)[rows])
    made = []
    for side, rows, codes in zip(columns, picked, days, strict=True):
        values = np.column_stack(side) if side else np.empty((len(rows), 0))
        blocks = np.arange(len(rows)) if not by_day or codes is None else codes[rows]
        made.append(Rows(values, names, categorical, blocks.astype(np.int64), by_day))
    return made[0], made[1]


def _picked(profile: Profile) -> Int64s:
    """Return places in the sample, each as often as its row came."""
    copies = profile.sample.index.copies.astype(np.int64)
    places = np.repeat(np.arange(len(copies)), np.minimum(copies, MOST_ROWS))
    if len(places) <= MOST_ROWS:
        return places
    return np.sort(np.random.default_rng(0).choice(places, MOST_ROWS, replace=False))


def _frequent(column: pa.ChunkedArray, rows: Int64s) -> pa.Array:
    counted = pc.value_counts(column.take(pa.array(rows)).drop_null())
    pairs = sorted((-c["counts"], c["values"]) for c in counted.to_pylist())
    return pa.array([value for _, value in pairs[:_TOP]], pa.string())


def _encoded(column: pa.ChunkedArray, known: pa.Array | None) -> Floats:
    if known is None:
        numbers = column.fill_null(np.nan).to_numpy().astype(np.float64)
        return np.where(np.isfinite(numbers), numbers, np.nan)
    places = pc.index_in(column, known).fill_null(len(known)).to_numpy().astype(np.float64)
    return np.where(column.is_null().to_numpy(), np.nan, places)
