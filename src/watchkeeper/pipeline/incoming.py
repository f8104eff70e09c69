"""Rows as they came in, in one form: an Arrow batch with what was said of each prediction or label, and what was refused.

Roles stand under names that begin with ``@`` (``@id``, ``@time``, ``@prediction``, ``@score`` or ``@score:CLASS``,
``@latency``, ``@error``, ``@cpu``, ``@memory``, ``@target``), so that no feature can be taken for one. Nothing here
knows a schema's names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pydantic_core import from_json

from watchkeeper.capture.batch import category_text
from watchkeeper.errors import InvalidBatch
from watchkeeper.pipeline.incoming_columns import predictions_by_column
from watchkeeper.pipeline.values import LONGEST_ID, LONGEST_NAME, MOST_COLUMNS, MOST_ROWS, Kind, Refusal
from watchkeeper.schema import Schema
from watchkeeper.window import microseconds, zone_info

ROLES = frozenset({"@id", "@time", "@prediction", "@score", "@latency", "@error", "@cpu", "@memory", "@target"})
_KEYS = {
    "predictions": {"id", "timestamp", "features", "prediction", "score", "latency", "segments", "error"},
    "labels": {"id", "label", "timestamp", "prediction_time"},
}
_PLAIN = frozenset({type(None), bool, int, float, str})
_SCALARS = frozenset({bool, int, float, str})
_LONG = 2**63


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which moments, in microseconds, a row may have happened; ``now`` is for rows that do not say; ``zone`` for
    times without an offset; ``replay`` where the rows' own times are the clock."""

    now: int
    earliest: int
    latest: int
    zone: str | None = None
    taken: frozenset[str] = frozenset()
    replay: bool = False


@dataclass(slots=True)
class Incoming:
    """What a body held: rows in one form, and the refused ones with their content; ``roles`` as another version told them."""

    rows: pa.RecordBatch
    refusals: list[Refusal] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    minted: list[str] | None = None
    roles: Schema | None = None

    @property
    def total(self) -> int:
        """How many rows came."""
        return int(self.rows.num_rows) + len(self.refusals)


class _Refused(ValueError):
    """Says why a row cannot be used."""


def read_json(kind: Kind, body: bytes, bounds: Bounds, mint: Callable[[int], str]) -> Incoming:
    """Read a JSON body; each row that cannot be used is refused alone.

    Raises
    ------
    InvalidBatch
        It is no JSON, or not an object with a list under ``kind``.
    """
    found = _rows_of(kind, body)
    whole = _by_column(found, bounds, mint) if kind == "predictions" else None
    return whole if whole is not None else _by_row(kind, found, bounds, mint)


def _by_column(found: list[Any], bounds: Bounds, mint: Callable[[int], str]) -> Incoming | None:
    columns = predictions_by_column(found, bounds.taken, lambda value: _time(value, bounds), mint)
    if columns is None:
        return None
    minted = columns["@id"].to_pylist() if "id" not in found[0] else None
    return Incoming(_record_batch(columns, []), minted=minted)


def _by_row(kind: Kind, found: list[Any], bounds: Bounds, mint: Callable[[int], str]) -> Incoming:
    read = _prediction if kind == "predictions" else _label
    kept: list[dict[str, Any]] = []
    refusals, contents = [], []
    minted = False
    for place, row in enumerate(found):
        try:
            values = read(row, bounds)
            if values["@id"] is None:
                values["@id"], minted = mint(values["@time"]), True
            kept.append(values)
        except _Refused as error:
            refusals.append(Refusal(place, str(error)))
            contents.append(_content(row))
    rows = _batch(kept, kind)
    return Incoming(rows, refusals, contents, [values["@id"] for values in kept] if minted else None)


def _rows_of(kind: Kind, body: bytes) -> list[Any]:
    document = _document(body)
    found = document.get(kind) if isinstance(document, dict) else None
    if not isinstance(found, list) or set(document) != {kind}:
        raise InvalidBatch(f'The body must be an object with one key, {{"{kind}": [...]}}, a list of rows.')
    if len(found) > MOST_ROWS:
        raise InvalidBatch(f"The batch has {len(found)} rows; at most {MOST_ROWS} are taken at once.")
    return found


def _document(body: bytes) -> Any:
    """Return what JSON says; what the fast reader does not take (lone surrogates, say) the standard one may."""
    try:
        return from_json(body)
    except ValueError:
        pass
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidBatch(f"The body is not JSON: {error}.") from error


def _check_keys(row: Any, kind: str) -> None:
    if not isinstance(row, dict):
        raise _Refused(f"a row must be an object, but is {_kind_of(row)}")
    unknown = row.keys() - _KEYS[kind]
    if unknown:
        raise _Refused(f"the key {min(unknown)!r} is not known; a row has {', '.join(sorted(_KEYS[kind]))}")


def _prediction(row: Any, bounds: Bounds) -> dict[str, Any]:
    _check_keys(row, "predictions")
    features, segments = _mapping(row, "features"), _mapping(row, "segments")
    values: dict[str, Any] = {"@id": _id(row.get("id")), "@time": _time(row.get("timestamp"), bounds)}
    values["@prediction"] = _scalar(row.get("prediction"), "prediction")
    _add_score(values, row.get("score"))
    values["@latency"] = _number(row.get("latency"), "latency")
    values["@error"] = _text(row.get("error"), "error")
    if values["@prediction"] is None and values["@error"] is None and not any("@score" in name for name in values):
        raise _Refused("it has neither a prediction, nor a score, nor an error")
    for group, known in ((features, "feature"), (segments, "segment")):
        for name, value in group.items():
            _check_feature(name, value, known, bounds)
    values.update(features)
    values.update({name: None if value is None else category_text(value) for name, value in segments.items()})
    if segments:
        values["@segments"] = tuple(segments)
    return values


def _label(row: Any, bounds: Bounds) -> dict[str, Any]:
    _check_keys(row, "labels")
    name = _id(row.get("id"))
    if name is None:
        raise _Refused("a label needs the id of its prediction")
    value = _scalar(row.get("label"), "label")
    if value is None:
        raise _Refused("the label is missing")
    given = row.get("prediction_time")
    told = None if given is None else _moment(given, bounds.zone, "prediction_time")
    return {"@id": name, "@target": value, "@time": _time(row.get("timestamp"), bounds), "@prediction_time": told}


def _mapping(row: dict[str, Any], key: str) -> dict[str, Any]:
    value = row.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Refused(f"{key} must be an object of name to value, but is {_kind_of(value)}")
    return value


def _check_feature(name: str, value: Any, known: str, bounds: Bounds) -> None:
    if not name or len(name) > LONGEST_NAME or name[0] == "@" or name in bounds.taken or not _encodes(name):
        why = "has the name of a role's column" if name in bounds.taken else "has a name that cannot be used"
        raise _Refused(f"the {known} {name[:40]!r} {why}")
    if type(value) in _PLAIN:
        if isinstance(value, int) and not -_LONG <= value < _LONG:
            raise _Refused(f"the {known} {name!r} is beyond 64 bits")
        if isinstance(value, str) and not _encodes(value):
            raise _Refused(f"the {known} {name!r} holds text that is not UTF-8")
    elif not (isinstance(value, list) and all(map(_is_number, value))):
        raise _Refused(f"the {known} {name!r} must be null, true, false, a number, text or a list of numbers")


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and -_LONG <= value < _LONG)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _id(value: Any) -> str | None:
    if value is None:
        return None
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID or not _encodes(value):
        raise _Refused(f"the id must be text of 1 to {LONGEST_ID} characters, but is {_shown(value)}")
    return value


def _scalar(value: Any, name: str) -> Any:
    if value is None or type(value) in _SCALARS:
        if isinstance(value, float) and math.isnan(value):
            return None
        if isinstance(value, int) and not -_LONG <= value < _LONG:
            raise _Refused(f"the {name} is beyond 64 bits")
        if isinstance(value, str) and not _encodes(value):
            raise _Refused(f"the {name} holds text that is not UTF-8")
        return value
    raise _Refused(f"the {name} must be a class or number, but is {_shown(value)}")


def _add_score(values: dict[str, Any], score: Any) -> None:
    if score is None:
        return
    if isinstance(score, dict):
        for label, chance in score.items():
            if not _encodes(label):
                raise _Refused("the score names a class that is not UTF-8")
            values[f"@score:{label}"] = _number(chance, f"score of {label!r}")
    else:
        values["@score"] = _number(score, "score")


def _number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if type(value) not in {int, float}:
        raise _Refused(f"the {name} must be a number, but is {_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise _Refused(f"the {name} is beyond what a float holds") from None


def _text(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _encodes(value):
        raise _Refused(f"the {name} must be text, but is {_shown(value)}")
    return value[:LONGEST_NAME]


def _time(value: Any, bounds: Bounds) -> int:
    if value is None:
        return bounds.now
    found = _moment(value, bounds.zone, "timestamp")
    why = why_outside(found, bounds)
    if why:
        raise _Refused(why)
    return found


def why_outside(at: int, bounds: Bounds) -> str:
    """Return why a moment is not taken; empty where it is."""
    if at > bounds.latest:
        return f"the timestamp {_told(at)} lies in the future: now is {_told(bounds.now)}"
    if at < bounds.earliest:
        return (
            f"the timestamp {_told(at)} lies before {_told(bounds.earliest)}, and older rows are not kept; "
            "to replay history, register the model with the clock 'event'"
        )
    return ""


def _moment(value: Any, zone: str | None, name: str) -> int:
    if type(value) in {int, float}:
        return _count(value, name)
    if not isinstance(value, str):
        raise _Refused(f"the {name} must be ISO 8601 text or a number since 1970, but is {_shown(value)}")
    try:
        read = datetime.fromisoformat(value.strip())
        return microseconds(read if read.tzinfo is not None else read.replace(tzinfo=zone_info(zone)))
    except (ValueError, OverflowError):
        raise _Refused(f"the {name} {_shown(value)} is no time such as 2026-05-31T08:15:00Z") from None


def _count(value: float, name: str) -> int:
    """Read a number as seconds, milli-, micro- or nanoseconds since 1970, by its size."""
    size = abs(value)
    if not size < 1e20:
        raise _Refused(f"the {name} {value!r} is no time")
    factor = 1e6 if size < 1e11 else 1e3 if size < 1e14 else 1.0 if size < 1e17 else 1e-3
    return int(value * int(factor)) if factor >= 1 and isinstance(value, int) else int(value * factor)


def _told(at: int) -> str:
    return datetime.fromtimestamp(max(min(at / 1e6, 2e11), -6e10), UTC).isoformat(timespec="seconds")


def _kind_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _content(row: Any) -> str:
    text = json.dumps(row, default=str)
    return text if len(text) <= 4096 else f"{text[:4093]}..."


def _batch(rows: list[dict[str, Any]], kind: Kind) -> pa.RecordBatch:
    segments = list(dict.fromkeys(name for row in rows if "@segments" in row for name in row.pop("@segments")))
    first = ["@id", "@time"] + (["@target", "@prediction_time"] if kind == "labels" else [])
    names = list(dict.fromkeys([*first, *(name for row in rows for name in row)])) if rows else first
    if len(names) > MOST_COLUMNS:
        raise InvalidBatch(f"The rows have {len(names)} different names; at most {MOST_COLUMNS} are taken.")
    arrays = [_column(name, [row.get(name) for row in rows]) for name in names]
    columns = dict(zip(names, arrays, strict=True))
    return _record_batch({n: a for n, a in columns.items() if n in first or not _empty_role(n, a)}, segments)


def _record_batch(columns: dict[str, pa.Array], segments: list[str]) -> pa.RecordBatch:
    fields = [(name, array.type) for name, array in columns.items()]
    schema = pa.schema(fields, metadata={"segments": json.dumps(segments)})
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)


def _empty_role(name: str, array: pa.Array) -> bool:
    return name.startswith("@") and array.null_count == len(array)


def _column(name: str, values: list[Any]) -> pa.Array:
    if name in {"@time", "@prediction_time"}:
        return pa.array(values, pa.timestamp("us", "UTC"))
    if name in {"@id", "@error"}:
        return pa.array(values, pa.string())
    return values_array(values)


def values_array(values: Iterable[Any]) -> pa.Array:
    """Return values as an Arrow array; as text where they are of types that do not go together."""
    held = list(values)
    try:
        return pa.array(held)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        texts = (None if v is None else str(v) if isinstance(v, list) else category_text(v) for v in held)
        return pa.array(texts, pa.string())


def chunks(table: pa.Table, most: int) -> Iterator[pa.RecordBatch]:
    """Yield a table in batches of at most so many rows."""
    yield from table.combine_chunks().to_batches(max_chunksize=most)
