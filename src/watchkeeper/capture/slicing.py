"""Batches of a useful size: large ones sliced without copying, small ones put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

COMBINED_BYTES = 16 * 2**20  # Wide rows fill memory long before there are many of them.


def right_sized(batches: Iterable[pa.RecordBatch], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in the same order, in batches of at most ``batch_rows`` rows and none without rows.

    A batch of at least half that size passes through or is sliced, without a copy. Smaller neighbours are copied
    together until they are as large or take 16 MiB.
    """
    small: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        for start in range(0, batch.num_rows, batch_rows):
            piece = batch.slice(start, batch_rows)
            if small and rows + piece.num_rows > batch_rows:
                yield from _combined(small)
                small, rows, size = [], 0, 0
            if not small and piece.num_rows * 2 >= batch_rows:
                yield piece
                continue
            small.append(piece)
            rows, size = rows + piece.num_rows, size + piece.nbytes
            if rows * 2 >= batch_rows or size >= COMBINED_BYTES:
                yield from _combined(small)
                small, rows, size = [], 0, 0
    yield from _combined(small)


def _combined(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if len(batches) == 1:
        yield batches[0]
    elif batches:
        yield from pa.Table.from_batches(batches).combine_chunks().to_batches()
