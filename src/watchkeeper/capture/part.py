"""What a source is made of: a part reads one file, or what stands in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa

from watchkeeper.errors import UnreadableSource


class Part(Protocol):
    """Rows that are read together.

    Attributes
    ----------
    name
        What messages call it.
    schema
        Its columns, in plain types (:func:`watchkeeper.capture.widening.plain_schema`).
    rows
        The number of rows; None where only reading would tell.
    """

    name: str
    schema: pa.Schema
    rows: int | None

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all rows with the columns of ``schema``, in batches of about ``batch_rows`` rows."""
        ...

    def peek(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the first rows, at least ``rows`` where there are as many; :meth:`read` starts afresh all the same."""
        ...


def own_columns(part_schema: pa.Schema, schema: pa.Schema) -> list[str]:
    """Return the columns of ``schema`` that a part has; its first one where it has none, which keeps the row count."""
    own = set(part_schema.names)
    return [name for name in schema.names if name in own] or part_schema.names[:1]


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn what goes wrong inside into :class:`UnreadableSource` for ``path``."""
    try:
        yield
    except PermissionError as error:
        raise UnreadableSource(path, "permission denied. Let the user that runs Watchkeeper read it.") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnreadableSource(path, sentence(error)) from error


def sentence(error: BaseException) -> str:
    """Return the reader's own word as one line of at most 300 characters that ends in a full stop."""
    text = " ".join(str(error).split())[:300] or type(error).__name__
    return text if text.endswith((".", "!", "?")) else text + "."
