"""Arrow batches as bytes in the store, with a checksum in front."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from watchkeeper.errors import CorruptStore

_DIGEST = 16


def to_body(rows: pa.RecordBatch | pa.Table) -> bytes:
    """Return rows as a checked Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write(rows)
    content: bytes = sink.getvalue().to_pybytes()
    return hashlib.blake2b(content, digest_size=_DIGEST).digest() + content


def from_body(body: bytes) -> pa.Table:
    """Return the rows that :func:`to_body` wrote.

    Raises
    ------
    CorruptStore
        The bytes are not those that were written.
    """
    content = memoryview(body)[_DIGEST:]
    if hashlib.blake2b(content, digest_size=_DIGEST).digest() != bytes(body[:_DIGEST]):
        raise CorruptStore("a batch in the store", "its checksum is wrong")
    with pa.ipc.open_stream(pa.py_buffer(content)) as reader:
        return reader.read_all()
