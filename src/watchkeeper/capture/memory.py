"""From objects in memory to Arrow: mappings of columns, lists of rows, data frames, tables."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from watchkeeper.capture.part import sentence
from watchkeeper.capture.widening import check_unique, conform, plain_schema
from watchkeeper.errors import InputError, UnsupportedSource


class TablePart:
    """Rows of an Arrow table; batches are slices of it, so nothing is copied."""

    def __init__(self, table: pa.Table, name: str) -> None:
        self.name, self._table = name, table
        self.schema: pa.Schema = plain_schema(table.schema, name)
        self.rows: int | None = table.num_rows

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all rows."""
        with exporting(self.name):
            for batch in self._table.select(schema.names).to_batches(max_chunksize=batch_rows):
                yield conform(batch, schema)

    def peek(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield rows from the start."""
        return self.read(schema, rows)


def table_from(data: object) -> pa.Table | None:
    """Return ``data`` as a table where it stands in memory as a whole; None for streams and what is no table.

    NaN that comes from NumPy, pandas or Python becomes null, since they have no other way to write it down; Arrow and
    Polars tell the two apart and are taken at their word. A column of mixed types becomes text.

    Raises
    ------
    InputError
        Columns of different lengths, a name that occurs twice.
    """
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if is_a(data, "pandas", "DataFrame"):
        return _from_pandas(data)
    if is_a(data, "polars", "LazyFrame"):
        data = _collected(data)
    if is_a(data, "polars", "DataFrame"):
        return _from_polars(data)
    if isinstance(data, Mapping):
        return _from_columns({str(name): values for name, values in data.items()}, [str(name) for name in data])
    if isinstance(data, list | tuple) and all(isinstance(row, Mapping) for row in data):
        names = list(dict.fromkeys(str(key) for row in data for key in row))
        rows = [{str(key): value for key, value in row.items()} for row in data]
        return _from_columns({name: [row.get(name) for row in rows] for name in names}, names)
    return None


def is_a(data: object, package: str, name: str) -> bool:
    """Whether ``data`` is an instance of a class of that name, without importing the package that defines it."""
    return any(t.__name__ == name and t.__module__.split(".")[0].strip("_") == package for t in type(data).__mro__)


@contextlib.contextmanager
def exporting(name: str) -> Iterator[None]:
    """Turn Arrow's own errors inside into :class:`InputError` that says which source they came from."""
    try:
        yield
    except pa.ArrowException as error:
        raise InputError(f"The rows of {name} cannot be read: {sentence(error)}") from error


def _from_pandas(frame: Any) -> pa.Table:
    names = [str(name) for name in frame.columns]
    check_unique(names, type(frame).__name__)
    named = any(name is not None for name in frame.index.names)
    try:
        return pa.Table.from_pandas(frame, preserve_index=named)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):  # a column of mixed types
        if named:
            frame = frame.reset_index()
            names = [str(name) for name in frame.columns]
        return _from_columns({name: frame.iloc[:, i] for i, name in enumerate(names)}, names)


def _from_polars(frame: Any) -> pa.Table:
    try:  # Polars exports string views, which are read batch by batch where pyarrow can; 16 cannot
        pa.array([], pa.string_view()).cast(pa.large_string())
    except pa.ArrowNotImplementedError:
        return frame.to_arrow()  # copies every text at once
    return pa.RecordBatchReader.from_stream(frame).read_all()


def _collected(lazy: Any) -> Any:
    try:
        return lazy.collect(engine="streaming")
    except TypeError:  # Polars before 1.23 has no engines to choose from
        return lazy.collect()


def _from_columns(columns: Mapping[str, Any], names: Sequence[str]) -> pa.Table:
    check_unique(names, "The mapping")
    arrays = {name: _array(name, values) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        first = next(iter(lengths))
        odd = next(name for name in lengths if lengths[name] != lengths[first])
        raise InputError(
            f"Columns must be of one length, but {first!r} has {lengths[first]} values and {odd!r} has {lengths[odd]}."
        )
    return pa.table(arrays)


def _array(name: str, values: Any) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise InputError(f"Column {name!r} must be a sequence of values, one per row, but is {type(values).__name__}.")
    if is_a(values, "polars", "Series"):
        return values.to_arrow()
    if (
        not isinstance(values, list | tuple | np.ndarray)
        and hasattr(values, "__array__")
        and not hasattr(values, "iloc")
    ):
        values = np.asarray(values)
    if isinstance(values, np.ndarray) and values.ndim > 1:
        return _vectors(values)
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pa.array([None if _is_null(value) else str(value) for value in values], pa.string())


def _vectors(values: np.ndarray[Any, Any]) -> pa.Array:
    """Return an array of shape (rows, ...) as one vector per row."""
    width = int(np.prod(values.shape[1:]))
    if not width:
        raise UnsupportedSource(f"an array of shape {values.shape}")
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), width)


def _is_null(value: object) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or type(value).__name__ in {"NAType", "NaTType"}
