"""Bodies that are no JSON, and batch ids that are used once, for schemathesis."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import schemathesis
from hypothesis import strategies

import watchkeeper as wk


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _table(ids: list[str], other: str = "prediction") -> bytes:
    return _stream(pa.table({"id": pa.array(ids, pa.string()), other: pa.array([1] * len(ids), pa.int64())}))


_NUMBERS = {"x": [1.0, 2.0, 3.0] * 20, "y": [0, 1, 0] * 20, "score": [0.2, 0.7, 0.4] * 20}
_PROFILE = wk.profile(pa.table(_NUMBERS), wk.Schema(target="y", score="score")).to_bytes()
ARROW = "application/vnd.apache.arrow.stream"
_calls = itertools.count()

_predictions = [_table(ids) for ids in ([], ["a"], ["a", "b"], ["a", "a"])]

schemathesis.openapi.media_type(ARROW, strategies.sampled_from(_predictions))
schemathesis.openapi.media_type("application/octet-stream", strategies.just(_PROFILE))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Give each batch an id of its own: the same one with another body is refused, as it should be."""
    del context
    headers = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= 128 and all("!" <= c <= "~" for c in key):
        headers["Idempotency-Key"] = f"{key[:100]}-{next(_calls)}"
    fine = case.meta is None or case.meta.generation.mode.is_positive
    if fine and case.path.endswith("/labels") and case.media_type == ARROW and case.body in _predictions:
        kwargs["data"] = _table(["a", "b"], "label")
