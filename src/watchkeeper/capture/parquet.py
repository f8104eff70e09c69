"""One Parquet file, streamed page by page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from watchkeeper.capture.part import own_columns, reading
from watchkeeper.capture.prefetch import prefetched
from watchkeeper.capture.widening import conform, plain_schema
from watchkeeper.errors import UnreadableSource

_BATCH_BYTES = 32 * 2**20
_BUFFERS_BYTES = 16 * 2**20


class ParquetPart:
    """Rows of the Parquet file at ``path``.

    Memory stays flat for any number of rows, in one row group or many: about three batches of at most 32 MiB, two
    pages per column (1 MiB each as most writers make them) and 16 MiB of read buffers. What a writer puts into a single
    page must fit into memory.
    """

    def __init__(self, path: Path) -> None:
        self.name, self.path = path.name, str(path)
        self._dictionaries: list[str] = []
        with reading(self.path), pq.ParquetFile(self.path, pre_buffer=False) as file:
            self._dictionaries = _dictionary_columns(file)
            self.rows: int | None = file.metadata.num_rows
            self._buffer_bytes = max(2**12, min(2**16, _BUFFERS_BYTES // max(1, file.metadata.num_columns)))
            self._row_bytes = _bytes_per_row(file.metadata)
        with reading(self.path), self._open() as file:
            self.schema = plain_schema(file.schema_arrow, self.name)

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all rows; decoding runs ahead of the consumer in a thread."""
        return prefetched(self._decode(schema, batch_rows))

    def peek(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield rows from the start."""
        return self._decode(schema, rows)

    def _decode(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        columns = own_columns(self.schema, schema)
        share = len(columns) / max(1, len(self.schema))
        batch_rows = max(1, min(batch_rows, int(_BATCH_BYTES / max(1.0, self._row_bytes * share))))
        found = 0
        with reading(self.path), self._open() as file:
            # One thread: this generator already runs beside the consumer, and decoding columns at once costs memory.
            for batch in file.iter_batches(batch_rows, columns=columns, use_threads=False):
                found += batch.num_rows
                yield conform(batch, schema)
        if found != self.rows:
            raise UnreadableSource(self.path, f"it promises {self.rows} rows but holds {found}. Write it again.")

    def _open(self) -> pq.ParquetFile:
        # Without buffer_size a column chunk is loaded whole, which for one huge row group is the whole file.
        return pq.ParquetFile(
            self.path,
            pre_buffer=False,
            buffer_size=self._buffer_bytes,
            read_dictionary=self._dictionaries,
            page_checksum_verification=True,
        )


def _dictionary_columns(file: pq.ParquetFile) -> list[str]:
    """Return the text columns to read as dictionaries: stored as such, with few distinct values.

    For others the reader would gather a dictionary of its own that grows with the rows. At most 3 bytes per row tell
    codes from text, which takes at least 4, without trusting what each writer says of its encodings.
    """
    metadata = file.metadata
    groups = {0, metadata.num_row_groups - 1} if metadata.num_row_groups else set()
    texts = {f.name for f in file.schema_arrow if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)}
    paths = [(i, metadata.schema.column(i).path) for i in range(metadata.num_columns)] if texts else []
    found = []
    for index, path in paths:
        chunks = [metadata.row_group(g).column(index) for g in groups] if path in texts else []
        if chunks and all(c.has_dictionary_page and c.total_uncompressed_size <= 3 * c.num_values for c in chunks):
            found.append(path)
    return found


def _bytes_per_row(metadata: pq.FileMetaData) -> float:
    if not metadata.num_row_groups:
        return 1.0
    group = metadata.row_group(0)
    # Encodings compress too, so that a number takes eight bytes in memory though less in the file.
    return float(max(group.total_byte_size / max(1, group.num_rows), 8 * metadata.num_columns))
