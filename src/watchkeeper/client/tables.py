"""Tables of predictions and labels as batches: Arrow streams of at most 10,000 rows and about 8 MiB."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watchkeeper.client.ids import Mint
from watchkeeper.client.moments import moment, now

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS, MOST_BYTES = 10_000, 8 * 2**20


@dataclass(frozen=True, slots=True)
class Slice:
    """The body of a batch."""

    body: bytes
    rows: int


@dataclass(frozen=True, slots=True)
class Slices:
    """The bodies of a table, and the ids of its rows."""

    slices: list[Slice]
    ids: list[str]


def predictions(table: object, names: Mapping[str, str], mint: Mint) -> Slices:
    """Cut a table of predictions into batches; ids and times are added where the columns so named are not there."""
    found = _read(table)
    named = {column: role for role, column in names.items() if column != role and column in found.column_names}
    moments = _moments(found, names["timestamp"])
    added: dict[str, list[Any]] = {}
    if names["id"] in found.column_names:
        ids = ["" if value is None else str(value) for value in found.column(names["id"]).to_pylist()]
    else:
        ids = added["id"] = [mint.at(ms) for ms in moments]
    if names["timestamp"] not in found.column_names:
        added["timestamp"] = [now()[1]] * found.num_rows
    return Slices(list(_slices(_with(found, added, named))), ids)


def labels(table: object) -> Slices:
    """Cut a table of labels into batches; those without a time became known now."""
    found = _read(table)
    known = "timestamp" in found.column_names
    added = {} if known else {"timestamp": [now()[1]] * found.num_rows}
    return Slices(list(_slices(_with(found, added, {}))), [])


def _read(table: object) -> pa.Table:
    import pyarrow as pa

    from watchkeeper.capture.source import open_source

    source = open_source(table)
    return pa.Table.from_batches(source.batches(), schema=source.schema)


def _with(table: pa.Table, added: Mapping[str, list[Any]], named: Mapping[str, str]) -> pa.Table:
    """Return the table with columns added, and with a word to the server on them and on which columns play roles."""
    import pyarrow as pa

    for name, values in added.items():
        array = pa.array(values, pa.timestamp("us", tz="UTC") if name == "timestamp" else pa.string())
        table = table.append_column(name, array)
    word = json.dumps({"filled": list(added), "named": dict(named)})
    return table.replace_schema_metadata({**(table.schema.metadata or {}), b"watchkeeper": word.encode()})


def _moments(table: pa.Table, column: str) -> list[int]:
    """Return the event time of each row in milliseconds since 1970; now where it has none that can be read."""
    import pyarrow as pa

    here = now()[0]
    if column not in table.column_names:
        return [here] * table.num_rows
    values = table.column(column)
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("ms", tz=values.type.tz), safe=False).cast(pa.int64())
        return [here if value is None else value for value in values.to_pylist()]
    return [_ms(value, here) for value in values.to_pylist()]


def _ms(value: object, otherwise: int) -> int:
    try:
        return moment(value)[0]
    except (ValueError, OverflowError):
        return otherwise


def _slices(table: pa.Table) -> Iterator[Slice]:
    rows = max(1, min(MOST_ROWS, int(MOST_ROWS if not table.nbytes else MOST_BYTES * table.num_rows // table.nbytes)))
    for start in range(0, table.num_rows, rows):
        yield from _bodies(table.slice(start, rows))


def _bodies(piece: pa.Table) -> Iterator[Slice]:
    """Yield a piece as one body, or halves of it where rows are uneven and it is too large."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, piece.schema) as writer:
        writer.write_table(piece.combine_chunks())
    size = sink.tell()
    if size > MOST_BYTES and piece.num_rows > 1:
        half = piece.num_rows // 2
        yield from _bodies(piece.slice(0, half))
        yield from _bodies(piece.slice(half))
    else:
        yield Slice(sink.getvalue().to_pybytes(), piece.num_rows)
