"""Sends the rows of a file as batches that count once, however often they are sent."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.capture.source import Source, open_source
from watchkeeper.client.connection import Connection
from watchkeeper.errors import InputError, ServerRefused, UnknownColumn
from watchkeeper.schema import Schema

_ROWS = 50_000
_MOST_BYTES = 24 << 20
_MOST_REASONS = 1000
NOW = "now"
"""As the name of the column of times: there is none, the predictions were made just now."""
_TIMES = {b"watchkeeper": b'{"times": "told"}'}
_TRIES, _PAUSE = 60, 2.0
Tell = Callable[[str, int, float | None], None]


@dataclass(slots=True)
class Sent:
    """What became of the rows of a file; ``reasons`` are the first thousand refused ones with their place, from 0."""

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    replayed: int = 0
    reasons: list[tuple[int, str]] = field(default_factory=list)

    def add(self, receipt: dict[str, Any]) -> None:
        """Count a batch that was acknowledged."""
        for refused in receipt["quarantined"][: max(0, _MOST_REASONS - len(self.reasons))]:
            self.reasons.append((self.rows + refused["row"], refused["reason"]))
        self.rows += receipt["rows"]
        self.accepted += receipt["accepted"]
        self.rejected += receipt["rejected"]
        self.replayed += receipt["rows"] if receipt["replayed"] else 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        reasons = [{"row": row, "reason": reason} for row, reason in self.reasons]
        return {name: getattr(self, name) for name in ("rows", "accepted", "rejected", "replayed")} | {
            "reasons": reasons
        }


class FileLog:
    """Sends one file, folder or glob.

    Parameters
    ----------
    connection
        The server.
    data
        Anything that :func:`~watchkeeper.capture.source.open_source` takes.
    where
        ``model``, ``version`` (None: the one that serves) and ``environment``.
    schema
        Which column is what; a ``timestamp`` of ``now`` says that the predictions were made just now. Where it names none,
        the server refuses a file with a column of times that its version's schema does not name either.
    """

    def __init__(self, connection: Connection, data: object, where: dict[str, Any], schema: Schema) -> None:
        self._now = schema.timestamp == NOW
        self._connection, self._schema = connection, schema.replace(timestamp=None) if self._now else schema
        self._where = {name: value for name, value in where.items() if value is not None}
        self._source: Source = open_source(data)

    def send_predictions(self, clock: str | None, tell: Tell) -> Sent:
        """Register the version, then send every row; returns when all are acknowledged."""
        self._schema.check_columns(self._source.schema.names)
        where = self._where
        if "version" not in where:
            where["version"] = self._serving()
        given = {k: v for k, v in self._schema.to_dict().items() if v != getattr(Schema(), k)}
        self._connection.register(
            where["model"], where["version"], schema=given or None, clock=clock, environment=where["environment"]
        )
        batches = self._source.batches(batch_rows=_ROWS)
        if not self._now:
            batches = (batch.replace_schema_metadata(_TIMES) for batch in batches)
        return self._send("predictions", where, batches, tell)

    def send_labels(self, tell: Tell) -> Sent:
        """Send every row that has an id and a label; returns when all are acknowledged."""
        where = {name: value for name, value in self._where.items() if name != "version"}
        columns = self._label_columns()
        batches = self._source.batches(list(columns), batch_rows=_ROWS)
        return self._send("labels", where, (self._as_labels(batch, columns) for batch in batches), tell)

    def _serving(self) -> str:
        try:
            version = self._connection.serving(self._where["model"], environment=self._where["environment"])
        except ServerRefused as refused:
            if refused.status != 404:
                raise
            version = None
        if version is None:
            raise InputError(f"No version of {self._where['model']!r} serves yet; say which one with --version.")
        return version

    def _label_columns(self) -> dict[str, str]:
        """Return the columns to send, with the names under which they are sent."""
        names = self._source.schema.names
        label = self._schema.target or next((n for n in ("label", "target") if n in names), "label")
        columns = {self._schema.id or "id": "id", label: "label"}
        time_column = self._schema.timestamp or ("timestamp" if "timestamp" in names else None)
        if time_column is not None:
            columns[time_column] = "timestamp"
        if "prediction_time" in names:
            columns.setdefault("prediction_time", "prediction_time")
        for column in columns:
            if column not in names:
                raise UnknownColumn(column, names, "A file of labels")
        return columns

    def _as_labels(self, batch: pa.RecordBatch, columns: dict[str, str]) -> pa.RecordBatch:
        arrays = [self._zoned(batch.column(name)) for name in columns]
        return pa.RecordBatch.from_arrays(arrays, list(columns.values()))

    def _zoned(self, array: pa.Array) -> pa.Array:
        naive = pa.types.is_timestamp(array.type) and array.type.tz is None
        if not naive or self._schema.zone is None:
            return array
        return pc.assume_timezone(array, self._schema.zone, ambiguous="earliest", nonexistent="earliest")

    def _send(self, kind: str, where: dict[str, str], batches: Iterator[pa.RecordBatch], tell: Tell) -> Sent:
        sent = Sent()
        for batch in batches:
            for body in _bodies(batch):
                sent.add(self._deliver(kind, body, where))
                tell(self._source.name, sent.rows, self._source.position())
        return sent

    def _deliver(self, kind: str, body: bytes, where: dict[str, str]) -> dict[str, Any]:
        """Send one batch, again and again while the server says that it is busy."""
        told = "\0".join([kind, *(f"{name}={where[name]}" for name in sorted(where))])
        batch = f"log-{hashlib.blake2b(told.encode() + body, digest_size=20).hexdigest()}"
        for left in reversed(range(_TRIES)):
            try:
                return self._connection.send(kind, body, batch=batch, **where)
            except ServerRefused as refused:
                if refused.status not in {429, 503} or not left:
                    raise
                time.sleep(_PAUSE)
        raise AssertionError("the last try raises")


def _bodies(batch: pa.RecordBatch) -> Iterator[bytes]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    body = sink.getvalue()
    if body.size <= _MOST_BYTES or batch.num_rows == 1:
        yield body.to_pybytes()
        return
    half = batch.num_rows // 2
    yield from _bodies(batch.slice(0, half))
    yield from _bodies(batch.slice(half))
