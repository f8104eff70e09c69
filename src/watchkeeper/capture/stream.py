"""Rows that come once, or that a query works out anew: readers, generators, relations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from watchkeeper.capture.memory import exporting, table_from
from watchkeeper.capture.widening import conform, plain_schema, shared_schema
from watchkeeper.errors import EmptySource, InputError, UnsupportedSource

FIRST_ROWS = 10_000


class StreamPart:
    """Rows of an iterator of record batches, which can be read once.

    :meth:`peek` keeps what it takes, and :meth:`read` yields that first. The iterator runs in the thread of the
    consumer, because connections to databases often belong to one.

    Parameters
    ----------
    schema
        The schema of all batches. None: the columns and widest types of the first 10,000 rows, which are taken and
        kept at once; later batches may lack columns (null) or have narrower types.
    """

    rows: int | None = None

    def __init__(self, batches: Iterator[pa.RecordBatch], name: str, schema: pa.Schema | None = None) -> None:
        self.name, self._batches = name, batches
        self._kept: list[pa.RecordBatch] = []
        self._begun = False
        if schema is None:
            self._keep(FIRST_ROWS)
            if not self._kept:
                raise EmptySource(name, "columns")
            schema = shared_schema(
                (f"batch {i} of {name}", plain_schema(b.schema, name)) for i, b in enumerate(self._kept)
            )
        self.schema = plain_schema(schema, name)

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all rows, those kept first."""
        self._check_unread()
        self._begun = True
        return self._conformed(self._drained(), schema)

    def peek(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield rows from the start, and keep them."""
        self._check_unread()
        self._keep(rows)
        return self._conformed(iter(list(self._kept)), schema)

    def _check_unread(self) -> None:
        if self._begun:
            raise InputError(
                f"{self.name} is an iterator whose rows have been read already. "
                "Hand in a new one, or a table or file, which can be read again."
            )

    def _keep(self, rows: int) -> None:
        kept = sum(batch.num_rows for batch in self._kept)
        with exporting(self.name):
            while kept < rows and (batch := next(self._batches, None)) is not None:
                self._kept.append(batch)
                kept += batch.num_rows

    def _drained(self) -> Iterator[pa.RecordBatch]:
        while self._kept:
            yield self._kept.pop(0)
        yield from self._batches

    def _conformed(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        known = set(self.schema.names)
        with exporting(self.name):
            for batch in batches:
                new = [field for field in plain_schema(batch.schema, self.name).names if field not in known]
                if new:
                    reason = f"A later batch of {self.name} has a column {new[0]!r} that the first batches lack."
                    raise InputError(f"{reason} Give every batch the same columns.")
                yield conform(batch, schema)


class QueryPart:
    """Rows of an object that works them out anew each time it is asked, such as a DuckDB relation."""

    rows: int | None = None

    def __init__(self, ask: Callable[[], pa.RecordBatchReader], name: str) -> None:
        self.name, self._ask = name, ask
        with exporting(name):
            self.schema = plain_schema(ask().schema, name)

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all rows."""
        with exporting(self.name):
            for batch in self._ask():
                yield conform(batch, schema)

    def peek(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield rows from the start."""
        return self.read(schema, rows)


def batches_of(data: object) -> Iterator[pa.RecordBatch]:
    """Yield the record batches of anything that holds a table, at least one so that its columns are known.

    Raises
    ------
    UnsupportedSource
        ``data`` holds no table: a series, a single array, text.
    """
    table = table_from(data)
    if table is not None:
        yield from table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        return
    reader = reader_of(data)
    batch = pa.RecordBatch.from_pylist([], schema=reader.schema)
    yield batch
    yield from reader


def reader_of(data: object) -> pa.RecordBatchReader:
    """Return a reader over an object that exports Arrow."""
    if isinstance(data, pa.RecordBatchReader):
        return data
    try:
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data)
        if hasattr(data, "__arrow_c_array__"):
            batch = pa.record_batch(data)
            return pa.RecordBatchReader.from_batches(batch.schema, [batch])
    except (pa.ArrowException, TypeError) as error:  # an array or series that is no table
        raise UnsupportedSource(type(data).__name__) from error
    raise UnsupportedSource(type(data).__name__)
