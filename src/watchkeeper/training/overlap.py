"""Whether rows that are said to be held out are among those that a model was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.capture.source import Source
from watchkeeper.errors import InputError
from watchkeeper.sketches.categories import hash_texts
from watchkeeper.sketches.kernel import UInt64s

DEVIATIONS = 4.0
"""Coincidences that exceed what training rows have among themselves by so many standard deviations are none."""
BLURRED = 0.5
"""Where so many rows of the training have a twin in it, rows say nothing about who they are."""
_NOTHING = np.uint64(0x9E3779B97F4A7C15)
_FEW = 5


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many held-out rows are found in the training table.

    Attributes
    ----------
    rows, found
        How many were held out, and how many of these are in the training table.
    usual
        The share of training rows that are equal to another one of the training: so many equal ones are chance.
    by
        The columns that rows were compared by.
    exact
        Whether these are ids.
    """

    rows: int
    found: int
    usual: float
    by: Sequence[str]
    exact: bool

    @property
    def blurred(self) -> bool:
        """Whether nothing can be said: rows have so few values that most have a twin."""
        return not self.exact and self.usual >= BLURRED

    @property
    def trained_on(self) -> bool:
        """Whether more rows are found than chance explains; of ids, and of rows that are all different, any is too many."""
        if self.exact:
            return self.found > 0
        chance = self.rows * self.usual
        return not self.blurred and self.found > chance + DEVIATIONS * math.sqrt(chance * (1 - self.usual))


def overlap(held_out: Source, training: Source, without: Sequence[str], id_: str | None = None) -> Overlap:
    """Compare rows by their id, where both tables have it, else by every column that both have.

    Both are read once; 8 bytes a row are kept.

    Parameters
    ----------
    held_out, training
        The tables.
    without
        Columns that say nothing about who a row is: predictions and scores.
    id_
        The column of ids.

    Raises
    ------
    InputError
        The tables share no column.
    """
    shared = [name for name in held_out.schema.names if name in training.schema.names and name not in without]
    if not shared:
        names = ", ".join(map(repr, training.schema.names[:_FEW]))
        raise InputError(f"the training table shares no column with the held-out one; it has {names}.")
    exact = id_ is not None and id_ in shared
    by = [id_] if exact and id_ is not None else shared
    kinds = {name: _kind(held_out.schema.field(name).type, training.schema.field(name).type) for name in by}
    known, twins = np.unique(_hashes(training, kinds), return_counts=True)
    rows = _hashes(held_out, kinds)
    usual = float(twins[twins > 1].sum() / max(twins.sum(), 1))
    return Overlap(len(rows), int(np.isin(rows, known).sum()), usual, by, exact)


def _kind(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type in which values of two columns are equal where they mean the same."""
    types = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in (one, other)]
    if all(map(_is_number, types)):
        return (
            pa.float32()
            if any(pa.types.is_float32(kind) or pa.types.is_float16(kind) for kind in types)
            else pa.float64()
        )
    return (
        pa.timestamp("us")
        if all(pa.types.is_timestamp(kind) or pa.types.is_date(kind) for kind in types)
        else pa.string()
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def _hashes(source: Source, kinds: dict[str, pa.DataType]) -> UInt64s:
    found = [_batch(batch, kinds) for batch in source.batches(list(kinds))]
    return np.concatenate(found) if found else np.empty(0, np.uint64)


def _batch(batch: pa.RecordBatch, kinds: dict[str, pa.DataType]) -> UInt64s:
    mixed = np.zeros(batch.num_rows, dtype=np.uint64)
    for name, kind in kinds.items():
        mixed = _mix(mixed ^ _column(batch.column(batch.schema.get_field_index(name)), kind))
    return mixed


def _column(values: pa.Array, kind: pa.DataType) -> UInt64s:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_boolean(values.type) and kind != pa.string():
        values = values.cast(pa.int8())
    values = values.cast(kind, safe=False)
    if pa.types.is_string(kind):
        coded = values.dictionary_encode()
        hashes = np.append(hash_texts(coded.dictionary.to_pylist()), _NOTHING)
        return np.asarray(hashes[pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)])
    if pa.types.is_timestamp(kind):
        values = values.cast(pa.int64())
        return np.asarray(pc.fill_null(values, np.iinfo(np.int64).min).to_numpy(zero_copy_only=False).view(np.uint64))
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64) + 0.0  # a negative nought is none
    return np.asarray(np.where(np.isnan(numbers), _NOTHING, numbers.view(np.uint64)))


def _mix(values: UInt64s) -> UInt64s:
    """Return well-mixed bits: the finalizer of SplitMix64 (Steele, Lea and Flood, 2014)."""
    values = values + _NOTHING
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
