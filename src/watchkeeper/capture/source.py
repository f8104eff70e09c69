"""From what a user hands in to record batches: the way in for all rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa

from watchkeeper.capture.delimited import DelimitedPart
from watchkeeper.capture.files import find_files, kind_of
from watchkeeper.capture.memory import TablePart, is_a, table_from
from watchkeeper.capture.nested import flat_schema, flattened, is_nested, origin
from watchkeeper.capture.parquet import ParquetPart
from watchkeeper.capture.part import Part
from watchkeeper.capture.slicing import right_sized
from watchkeeper.capture.stream import QueryPart, StreamPart, batches_of, reader_of
from watchkeeper.capture.widening import shared_schema
from watchkeeper.errors import EmptySource, InputError, UnknownColumn, UnsupportedSource


class Source:
    """Rows as Arrow record batches, from one or more parts that are read one after the other.

    Made by :func:`open_source`. Holds no file open between reads. One thread at a time may read it.

    Attributes
    ----------
    name
        What messages call it: the file's name, the folder or glob, or the type of the object.
    schema
        Columns that all parts can be brought to. Text that Parquet stores as dictionary stays one. Where ``flat``, structs are
        a column for each field, and lists have a column with their lengths beside them.
    rows
        The number of rows; None where only reading would tell (iterators, queries).

    Raises
    ------
    EmptySource
        There is no column.
    InputError
        Columns of one name have types that do not agree.
    """

    def __init__(self, name: str, parts: Sequence[Part], *, flat: bool = False) -> None:
        self.name = name
        self._parts = list(parts)
        text = all(isinstance(part, DelimitedPart) for part in parts)
        self._stored: pa.Schema = shared_schema([(part.name, part.schema) for part in parts], text=text)
        self._nested = flat and is_nested(self._stored)
        self.schema: pa.Schema = flat_schema(self._stored) if self._nested else self._stored
        if not self.schema.names:
            raise EmptySource(name, "columns")
        counts = [part.rows for part in parts]
        self.rows: int | None = None if None in counts else sum(cast(list[int], counts))
        self._done = 0

    def __repr__(self) -> str:
        rows = "rows unknown" if self.rows is None else f"{self.rows} rows"
        return f"<Source {self.name!r}: {rows}, {len(self.schema)} columns>"

    def head(self, n: int = 10_000) -> pa.Table:
        """Return the first ``n`` rows, or all if there are fewer; reads little more, and can be repeated.

        An iterator keeps what this takes from it, so that :meth:`batches` still begins with the first row.
        """
        kept: list[pa.RecordBatch] = []
        wanted = n
        for part in self._parts:
            if wanted <= 0:
                break
            for batch in part.peek(self._stored, wanted):
                kept.append(self._flat(batch.slice(0, wanted)))
                wanted -= kept[-1].num_rows
                if wanted <= 0:
                    break
        return pa.Table.from_batches(kept, self.schema)

    def batches(self, columns: list[str] | None = None, batch_rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """Return an iterator over all rows in order, in batches of at most ``batch_rows`` rows, none without rows.

        Memory stays flat: files are streamed, tables sliced without a copy. Wide rows make smaller batches, so that
        one takes about 32 MiB at most. Files are decoded in a thread that works two batches ahead and ends with the
        iterator.

        Parameters
        ----------
        columns
            Names of the columns to read, in the order wanted. None: all.

        Raises
        ------
        UnknownColumn
            A name that the source does not have.
        UnreadableSource
            While iterating: a file turns out to be damaged.
        InputError
            ``columns`` is empty, or the source is an iterator that was read before.
        """
        schema = self._selected(columns)
        if batch_rows < 1:
            raise InputError(f"batch_rows must be at least 1, but is {batch_rows}.")
        self._done = 0
        return self._counted(right_sized(self._rows_of_parts(schema, batch_rows), batch_rows))

    def position(self) -> float | None:
        """Return the share of rows that the latest :meth:`batches` has yielded, 0 to 1; None where rows are unknown."""
        if self.rows is None:
            return None
        return min(1.0, self._done / self.rows) if self.rows else 1.0

    def _selected(self, columns: list[str] | None) -> pa.Schema:
        if columns is None:
            return self.schema
        if not columns:
            raise InputError(
                f"No columns of {self.name} were asked for. Name at least one, or leave columns=None for all."
            )
        kinds = dict(zip(self.schema.names, self.schema.types, strict=True))
        for name in columns:
            if name not in kinds:
                raise UnknownColumn(name, kinds, "columns")
        return pa.schema([(name, kinds[name]) for name in dict.fromkeys(columns)])

    def _rows_of_parts(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        if not self._nested:
            for part in self._parts:
                yield from part.read(schema, batch_rows)
            return
        needed = dict.fromkeys(origin(name, self._stored) for name in schema.names)
        stored = pa.schema([(name, self._stored.field(name).type) for name in needed])
        for part in self._parts:
            for batch in part.read(stored, batch_rows):
                yield flattened(batch).select(schema.names)

    def _flat(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return flattened(batch) if self._nested else batch

    def _counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self._done += batch.num_rows
            yield batch


def open_source(data: object, name: str | None = None, *, flat: bool = False) -> Source:
    """Return a source of record batches for what a user hands in.

    Parameters
    ----------
    data
        - A path or glob of Parquet or CSV files (also ``.csv.gz``), a folder of such files, or a list of paths.
          Several files are one source: columns may be in any order or missing (null) and types may be narrower in one
          than in the other. Kinds are told by content.
        - A pandas or Polars frame (also lazy), a pyarrow table or batch, a mapping of name to values, a list of rows
          that are mappings, or a list of tables.
        - A DuckDB relation; another object that exports an Arrow stream, a record batch reader or an iterator of
          tables: these three can be read once.
    name
        What messages call it. None: the file's name, the folder or glob as given, or the object's type.
    flat
        Make nested columns flat, as :mod:`watchkeeper.capture.nested` says.

    Raises
    ------
    SourceNotFound
        No file at the path, or none that matches the glob.
    UnreadableSource
        A file that is empty, damaged, of another kind, or may not be read.
    UnsupportedSource
        An object of a type that holds no table.
    EmptySource
        No columns. No rows is fine: ``rows`` is 0.
    InputError
        Columns that share a name, differ in length or, between files, in type.

    Examples
    --------
    >>> source = open_source({"x": [1, 2, 3]})
    >>> source.rows, source.schema.names, [batch.num_rows for batch in source.batches(batch_rows=2)]
    (3, ['x'], [2, 1])
    """
    if isinstance(data, str | os.PathLike):
        return _open_files(find_files(data), name, str(data), flat)
    if isinstance(data, list | tuple) and data and all(isinstance(item, str | os.PathLike) for item in data):
        return _open_files([file for item in data for file in find_files(item)], name, f"{len(data)} files", flat)
    name = name or type(data).__name__
    return Source(name, _parts_in_memory(data, name), flat=flat)


def _open_files(files: list[Path], name: str | None, location: str, flat: bool) -> Source:
    name = name or (files[0].name if len(files) == 1 else location)
    return Source(name, [_file_part(path) for path in files], flat=flat)


def _file_part(path: Path) -> Part:
    kind = kind_of(path)
    return ParquetPart(path) if kind == "parquet" else DelimitedPart(path, compressed=kind == "csv.gz")


def _parts_in_memory(data: object, name: str) -> Sequence[Part]:
    table = table_from(data)
    if table is not None:
        return [TablePart(table, name)]
    if isinstance(data, list | tuple):
        return [TablePart(pa.Table.from_batches(batches_of(item)), name) for item in data]
    if is_a(data, "duckdb", "DuckDBPyRelation"):
        return [QueryPart(lambda: reader_of(data), name)]
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        reader = reader_of(data)
        return [StreamPart(iter(reader), name, reader.schema)]
    if isinstance(data, Iterator):
        return [StreamPart((batch for item in cast(Iterable[object], data) for batch in batches_of(item)), name)]
    raise UnsupportedSource(type(data).__name__)
