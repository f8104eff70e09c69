"""A uniform sample of a window's rows, for what cannot be computed from sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from watchkeeper.capture.batch import Batch
from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.column import profiled_columns
from watchkeeper.schema import Schema
from watchkeeper.sketches.kernel import UInt64s
from watchkeeper.sketches.protocol import State, array_of, counts_of, part_of, strings_of
from watchkeeper.sketches.sample import SampleIndex

SAMPLE_ROWS = 5_000
"""Part of the format: entries of a window's sample of up to 200 columns."""
REFERENCE_ROWS = 100_000
"""Part of the format: the most entries that a reference's sample of up to 20 columns may have."""
_SAMPLE_CELLS = 1_000_000
_REFERENCE_CELLS = 2_000_000
_ARROW = {"numeric": pa.float64(), "datetime": pa.int64(), "categorical": pa.string(), "boolean": pa.string()}


def sample_columns(schema: Schema) -> dict[str, pa.DataType]:
    """Return the columns whose values a sample keeps, with the Arrow type in which it keeps them."""
    columns = {name: kind for name, kind in profiled_columns(schema).items() if kind in _ARROW}
    return {name: _ARROW[kind] for name, kind in columns.items()}


def sample_size(schema: Schema, rows: int = SAMPLE_ROWS) -> int:
    """Return how many entries a sample keeps: those asked for, fewer for many columns (5,000: for more than 200)."""
    cells = _SAMPLE_CELLS if rows <= SAMPLE_ROWS else _REFERENCE_CELLS
    return max(100, min(rows, REFERENCE_ROWS, cells // max(len(sample_columns(schema)), 1)))


class RowSample:
    """The rows with the smallest hashes of their id, or of their content where there is none.

    ``index`` says which and how often each came; ``rows`` holds their values: numbers as float64, moments as UTC
    microseconds, categories as text, null where missing. Samples of two sizes merge into one of the smaller size.
    """

    SUMS: frozenset[str] = frozenset()

    def __init__(self, schema: Schema, rows: int = SAMPLE_ROWS) -> None:
        self._schema = schema
        self._columns = sample_columns(schema)
        self.index = SampleIndex(sample_size(schema, rows))
        self.rows = pa.table({name: pa.array([], kind) for name, kind in self._columns.items()})

    def update(self, batch: Batch) -> None:
        """Offer the rows of a batch."""
        if not self._columns or batch.rows == 0:
            return
        priority, content = self._hashes(batch)
        near = np.flatnonzero(priority <= np.uint64(self.index.threshold))
        if len(near) > self.index.size:  # of one batch, no more than the sample's size can stay
            near = near[priority[near] <= _limit(priority[near], self.index.size)]
        if len(near):
            chosen = self.index.update(priority[near], content[near])
            offered = pa.table([_take(batch, name, near) for name in self._columns], names=list(self._columns))
            self.rows = _gather(self.rows, offered, chosen)

    def _hashes(self, batch: Batch) -> tuple[UInt64s, UInt64s]:
        """Return priority and content hash of each row; rows without an id are told apart by their content."""
        content = batch.row_hashes(sorted(self._columns))
        if not self._schema.id:
            return content, content
        missing = batch.column(self._schema.id).is_null().to_numpy(zero_copy_only=False)
        return np.where(missing, content, batch.row_hashes([self._schema.id])), content

    def label(self, batch: Batch) -> None:
        """Give those of its rows that are in the batch, told by their id, the target that they have there."""
        target = self._schema.target
        if target not in self._columns or batch.rows == 0 or len(self.index.priority) == 0:
            return
        priority, content = self._hashes(batch)
        place = np.minimum(np.searchsorted(self.index.priority, priority), len(self.index.priority) - 1)
        here = np.flatnonzero(self.index.priority[place] == priority)
        hashes = self.index.content.copy()
        hashes[place[here]] = content[here]
        self.index.content = hashes
        source = np.arange(len(self.rows), dtype=np.int64)
        source[place[here]] = len(self.rows) + np.arange(len(here))
        late = _take(batch, target, here).cast(self._columns[target])
        both = pa.chunked_array([*self.rows[target].chunks, late])
        column = both.take(pa.array(source)).combine_chunks()
        self.rows = self.rows.set_column(self.rows.column_names.index(target), target, column)

    def widen(self, schema: Schema) -> RowSample:
        """Return the sample under a schema with further columns, which are null in its rows."""
        made = RowSample(schema, self.index.size)
        size = made.index.size
        made.index.priority, made.index.copies = self.index.priority[:size], self.index.copies[:size]
        count = len(made.index.priority)
        columns = {
            name: self.rows[name].slice(0, count) if name in self._columns else pa.nulls(count, kind)
            for name, kind in made._columns.items()
        }
        made.rows = pa.table(columns) if columns else made.rows
        made.index.content = made._contents()
        return made

    def _contents(self) -> UInt64s:
        """Return the content hash of each row that it holds."""
        moments = [name for name in self._columns if self._schema.kinds[name] == "datetime"]
        rows = self.rows.combine_chunks()
        for name in moments:
            rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(pa.timestamp("us", "UTC")))
        batches = rows.to_batches()
        return Batch(batches[0], self._schema).row_hashes(sorted(self._columns)) if batches else self.index.content

    def column(self, name: str) -> pa.ChunkedArray | None:
        """Return the values of a column; None for one that the sample does not keep."""
        return self.rows[name] if name in self._columns else None

    def merge(self, other: RowSample) -> RowSample:
        """Return the sample of both together."""
        merged = RowSample(self._schema)
        merged.index = SampleIndex.from_state(self.index.state())
        merged.index.size = min(self.index.size, other.index.size)
        chosen = merged.index.update(other.index.priority, other.index.content, other.index.copies)
        merged.rows = _gather(self.rows, other.rows, chosen)
        return merged

    @classmethod
    def merged(cls, parts: Sequence[RowSample]) -> RowSample:
        """Return the sample of all parts together."""
        made = cls(parts[0]._schema)
        indices = [part.index for part in parts]
        made.index.size = min(index.size for index in indices)
        priority, content, copies = (
            np.concatenate([getattr(index, name) for index in indices]) for name in ("priority", "content", "copies")
        )
        chosen = made.index.update(priority, content, copies)
        if made._columns:
            rows = pa.concat_tables([part.rows for part in parts])
            made.rows = rows.take(pa.array(chosen)).combine_chunks()
        return made

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        return {"index": self.index.state(), "rows": {name: _pack(self.rows[name]) for name in self._columns}}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], schema: Schema) -> RowSample:
        """Make a sample from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls(schema)
        sizes = range(100, sample_size(schema, REFERENCE_ROWS) + 1)
        made.index = SampleIndex.from_state(part_of(state, "index"))
        packed = part_of(state, "rows")
        if list(packed) != list(made._columns) or made.index.size not in sizes:
            raise CorruptProfile("a sample's columns are not those of the schema")
        count = len(made.index.priority)
        made.rows = pa.table(
            {name: _unpack(part_of(packed, name), kind, count) for name, kind in made._columns.items()}
        )
        return made


def _limit(priority: UInt64s, size: int) -> np.uint64:
    """Return the ``size``-th smallest of the distinct priorities, or the largest where there are fewer."""
    limit: np.uint64 = np.partition(priority, size - 1)[size - 1]
    if len(np.unique(priority[priority <= limit])) == size:  # so it is unless rows repeat; it spares sorting all
        return limit
    distinct = np.unique(priority)
    largest: np.uint64 = distinct[min(size, len(distinct)) - 1]
    return largest


def _take(batch: Batch, name: str, places: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Array:
    kind = batch.schema.kinds[name]
    if kind in {"categorical", "boolean"}:
        texts = batch.texts(name)
        codes = texts.codes[places]
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), texts.names).cast(pa.string())
    decoded = batch.moments(name) if kind == "datetime" else batch.numbers(name)
    null = None if decoded.null is None else decoded.null[places]
    values = decoded.values[places]
    if kind == "numeric":  # equal rows keep equal bits: one zero, one NaN
        values = np.where(np.isnan(values), np.nan, values + 0.0)
    return pa.array(values, _ARROW[kind], mask=null)


def _gather(first: pa.Table, second: pa.Table, places: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Table:
    together = pa.concat_tables([first, second.cast(first.schema)])
    return together.take(pa.array(places)).combine_chunks()


def _pack(column: pa.ChunkedArray) -> State:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    null = np.packbits(array.is_null().to_numpy(zero_copy_only=False))
    if pa.types.is_string(array.type):
        encoded = array.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return {"names": encoded.dictionary.to_pylist(), "codes": codes + 1}
    values = array.fill_null(0).to_numpy(zero_copy_only=False)
    return {"values": values, "null": null}


def _unpack(state: Mapping[str, Any], kind: pa.DataType, count: int) -> pa.Array:
    if pa.types.is_string(kind):
        names, codes = strings_of(state, "names"), counts_of(state, "codes") - 1
        if len(codes) != count or (count and codes.max() >= len(names)):
            raise CorruptProfile("a sample's categories do not fit each other")
        # take on plain strings: a dictionary array would not check its codes
        return pa.array(names, pa.string()).take(pa.array(codes, mask=codes < 0))
    values = array_of(state, "values", np.float64 if pa.types.is_floating(kind) else np.int64)
    null = array_of(state, "null", np.uint8)
    if len(values) != count or len(null) != (count + 7) // 8:
        raise CorruptProfile("a sample's values do not fit each other")
    return pa.array(values, kind, mask=np.unpackbits(null, count=count).astype(bool))
