"""Tables as they came in: an Arrow IPC stream, checked in full before a value is touched, brought to the one form of rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.capture.batch import Batch
from watchkeeper.errors import InvalidBatch
from watchkeeper.pipeline.incoming import Bounds, Incoming, why_outside
from watchkeeper.pipeline.incoming_unsaid import check_times, nothing_predicted, roles_like
from watchkeeper.pipeline.values import LONGEST_ID, LONGEST_NAME, MOST_COLUMNS, MOST_ROWS, Kind, Refusal
from watchkeeper.schema import Schema
from watchkeeper.sketches.kernel import Int64s

MOST_BYTES = 256 << 20
Mint = Callable[[int], str]
_DEFAULTS = {
    "predictions": {"id": "@id", "timestamp": "@time", "prediction": "@prediction", "score": "@score",
                    "latency": "@latency", "error": "@error"},
    "labels": {"id": "@id", "timestamp": "@time", "label": "@target", "target": "@target",
               "prediction_time": "@prediction_time"},
}  # fmt: skip

_TOLD = {"id": "@id", "timestamp": "@time"}
_WORDS = {"@time": "timestamp", "@target": "label"}


def read_arrow(
    kind: Kind, body: bytes, bounds: Bounds, mint: Mint, schema: Schema | None, other: Schema | None = None
) -> Incoming:
    """Read an Arrow IPC stream; rows without a usable id or time are refused alone.

    Parameters
    ----------
    schema
        That of the rows' version, or what was said of it.
    other
        The schema of another version, which tells roles where ``schema`` tells of no prediction, score or error.

    Raises
    ------
    InvalidBatch
        It is no such stream, damaged, too large, or has columns of types or names that cannot be taken.
    """
    table = _read(body)
    names, like = _names(table, kind, schema), None
    if other is not None and kind == "predictions" and not any(map(_is_outcome, names)):
        like = roles_like(schema, other, table.column_names)
        if like is not None:
            schema, bounds = like, replace(bounds, zone=bounds.zone or like.zone)
            names = _names(table, kind, schema)
    columns = {role: table[name] for role, name in names.items()}
    if kind == "predictions":
        check_times(table.schema.metadata, columns)
    if kind == "labels" and bounds.replay and "timestamp" in _word(table.schema.metadata)[0]:
        del columns["@time"]  # the client says now, which is no time of a replay
    _check_columns(kind, columns, bounds)
    reasons: dict[int, str] = {}
    times = _times(columns, "@time", table.num_rows, bounds, reasons)
    if "@prediction_time" in columns:
        told = _moments(columns["@prediction_time"], bounds)
        columns["@prediction_time"] = pa.array(told[0], pa.timestamp("us", "UTC"), mask=told[1])
    ids, minted = _ids(columns, times, kind, mint, reasons)
    if kind == "labels":
        for place in np.flatnonzero(_missing(columns["@target"])).tolist():
            reasons.setdefault(place, "the label is missing")
        columns.setdefault("@prediction_time", pa.nulls(table.num_rows, pa.timestamp("us", "UTC")))
    columns["@id"], columns["@time"] = ids, pa.array(times, pa.timestamp("us", "UTC"))
    segments = [s for s in (schema.segments if schema is not None else []) if s in columns]
    whole = pa.table(columns).replace_schema_metadata({"segments": json.dumps(segments)})
    made = _without(whole, reasons, ids if minted else None)
    made.roles = like
    return made


def _read(body: bytes) -> pa.Table:
    try:
        with pa.ipc.open_stream(body) as reader:
            batches, rows, size = [], 0, 0
            for batch in reader:
                batch.validate(full=True)
                rows, size = rows + batch.num_rows, size + batch.nbytes
                if rows > MOST_ROWS or size > MOST_BYTES:
                    raise InvalidBatch(f"The batch has more than {MOST_ROWS} rows or {MOST_BYTES >> 20} MiB.")
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
    except (pa.ArrowException, OSError, ValueError, KeyError, UnicodeDecodeError) as error:
        raise InvalidBatch(f"The body is no whole Arrow IPC stream: {' '.join(str(error).split())[:200]}") from error
    if len(set(table.column_names)) < table.num_columns or table.num_columns > MOST_COLUMNS:
        raise InvalidBatch(f"The columns must have different names, and be at most {MOST_COLUMNS}.")
    return table


def _names(table: pa.Table, kind: Kind, schema: Schema | None) -> dict[str, str]:
    """Return the column of each role and feature.

    A time that the client filled in gives way to a column of times. An id that it made does not: it was returned to the
    caller as the one by which the label will come.
    """
    filled, named = _word(table.schema.metadata)
    found: dict[str, str] = {}
    for name in sorted(table.column_names, key=lambda name: name in filled):
        told = _TOLD.get(name if name in filled else named.get(name, ""))
        role = told or _role(name, kind, schema)
        if role not in found:
            found[role] = name
        elif name not in filled:
            raise InvalidBatch(
                f"The columns {found[role]!r} and {name!r} both are the {_WORDS.get(role, role[1:])} of the rows: leave "
                "one of them out, or rename it."
            )
        elif role == "@id":
            raise InvalidBatch(
                f"The ids of this version are in the column {found[role]!r}, but others were made and returned, by which "
                f"labels would find no prediction. Say predictions(table, id={found[role]!r})."
            )
    roles = {name: role for role, name in found.items()}
    return {roles[name]: name for name in table.column_names if name in roles}


def _word(metadata: dict[bytes, bytes] | None) -> tuple[set[str], dict[str, str]]:
    """Return what the client says of a table: the columns that it filled in, and which columns play which roles."""
    try:
        said = json.loads((metadata or {}).get(b"watchkeeper", b"{}"))
        filled = {str(name) for name in said.get("filled", [])} & _TOLD.keys()
        return filled, {str(column): str(role) for column, role in said.get("named", {}).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidBatch(f"What the table's metadata says under 'watchkeeper' cannot be read: {error}.") from error


def _role(name: str, kind: Kind, schema: Schema | None) -> str:
    named: dict[str, str] = dict(_DEFAULTS[kind])
    if schema is not None:
        roles = {"id": "@id", "timestamp": "@time", "prediction": "@prediction", "latency": "@latency"}
        roles |= {"error": "@error", "cpu": "@cpu", "memory": "@memory", "target": "@target"}
        named = {default: role for default, role in named.items() if default not in schema.kinds}
        named |= {getattr(schema, role): place for role, place in roles.items() if getattr(schema, role)}
        named |= score_columns(schema)
    if name.startswith("score:") and kind == "predictions":
        return f"@{name}"
    return named.get(name, name)


def score_columns(schema: Schema) -> dict[str, str]:
    """Return the schema's score columns with the name that each has among rows that came in."""
    if isinstance(schema.score, str):
        return {schema.score: "@score"}
    return {column: f"@score:{label}" for label, column in (schema.score or {}).items()}


def _check_columns(kind: Kind, columns: dict[str, pa.ChunkedArray], bounds: Bounds) -> None:
    if kind == "labels":
        extra = [n for n in columns if n not in {"@id", "@time", "@target", "@prediction_time"}]
        if extra or not {"@id", "@target"} <= columns.keys():
            raise InvalidBatch(
                "A table of labels has the columns id and label, and may have timestamp and prediction_time; "
                + (f"{extra[0]!r} is none of them." if extra else "id or label is missing.")
            )
    elif not any(map(_is_outcome, columns)):
        raise nothing_predicted([name for name in columns if not name.startswith("@")])
    for name, column in columns.items():
        if not name or len(name) > LONGEST_NAME or (name in bounds.taken and not name.startswith("@")):
            raise InvalidBatch(f"The column {name[:40]!r} has a name that cannot be used.")
        if not _takes(column.type):
            raise InvalidBatch(f"The column {name!r} is of type {column.type}, which is not taken.")


def _is_outcome(name: str) -> bool:
    return name.startswith(("@prediction", "@score", "@error"))


def _takes(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
        return bool(types.is_integer(kind) or types.is_floating(kind))
    tests = (
        types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_string,
        types.is_large_string, types.is_string_view, types.is_timestamp, types.is_date, types.is_time, types.is_duration,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _moments(column: pa.ChunkedArray, bounds: Bounds) -> tuple[Int64s, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return microseconds and where they are missing."""
    array = _plain(column)
    read = Batch(pa.record_batch([array], ["t"]), Schema(kinds={"t": "datetime"}, zone=bounds.zone)).moments("t")
    null = np.zeros(len(array), dtype=bool) if read.null is None else read.null
    return read.values, null


def _times(
    columns: dict[str, pa.ChunkedArray], name: str, rows: int, bounds: Bounds, reasons: dict[int, str]
) -> Int64s:
    if name not in columns:
        return np.full(rows, bounds.now, dtype=np.int64)
    values, null = _moments(columns[name], bounds)
    for place in np.flatnonzero(null).tolist():
        reasons[place] = "the timestamp is missing or no time"
    for place in np.flatnonzero(~null & ((values > bounds.latest) | (values < bounds.earliest))).tolist():
        reasons[place] = why_outside(int(values[place]), bounds)
    return np.where(null, bounds.now, values).astype(np.int64)


def _ids(
    columns: dict[str, pa.ChunkedArray], times: Int64s, kind: Kind, mint: Mint, reasons: dict[int, str]
) -> tuple[pa.Array, bool]:
    if "@id" not in columns:
        return pa.array([mint(t) for t in times.tolist()], pa.string()), True
    try:
        ids = _plain(columns["@id"]).cast(pa.string())
    except pa.ArrowException as error:
        raise InvalidBatch(f"The ids are of type {columns['@id'].type}, which does not name rows.") from error
    lengths = pc.fill_null(pc.utf8_length(ids), LONGEST_ID if kind == "predictions" else 0)
    for place in np.flatnonzero((lengths.to_numpy() > LONGEST_ID) | (lengths.to_numpy() == 0)).tolist():
        reasons.setdefault(place, f"the id must be text of 1 to {LONGEST_ID} characters")
    if kind == "labels" or ids.null_count == 0:
        return ids, False
    missing = ids.is_null().to_numpy(zero_copy_only=False)
    minted = [mint(t) if gone else None for t, gone in zip(times.tolist(), missing.tolist(), strict=True)]
    return pc.coalesce(ids, pa.array(minted, pa.string())), True


def _plain(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _missing(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(pc.is_null(column, nan_is_null=True).to_numpy())


def _without(table: pa.Table, reasons: dict[int, str], minted: pa.Array | None) -> Incoming:
    """Take refused rows out and keep what they were."""
    kept, refusals, contents = table, [], []
    if reasons:
        places = sorted(reasons)
        refusals = [Refusal(place, reasons[place]) for place in places]
        contents = [json.dumps(row, default=str)[:4096] for row in table.take(pa.array(places)).to_pylist()]
        mask = np.ones(len(table), dtype=bool)
        mask[places] = False
        kept = table.filter(pa.array(mask))
        minted = None if minted is None else minted.filter(pa.array(mask))
    batches = kept.combine_chunks().to_batches()
    rows = batches[0] if batches else pa.RecordBatch.from_pylist([], kept.schema)
    return Incoming(rows, refusals, contents, None if minted is None else minted.to_pylist())
