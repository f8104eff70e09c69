"""A record batch with its schema, decoded column by column into what profiles count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from watchkeeper.errors import UnreadableSource
from watchkeeper.schema import Schema, label_text
from watchkeeper.sketches import kernel
from watchkeeper.sketches.kernel import Floats, Int64s, UInt64s
from watchkeeper.window import zone_info

_NULL_WORD = np.uint64(0x6E75_6C6C_0000_0001)
_WHOLE = 2**53
_NAN_WORD = np.uint64(0x7FF8_0000_0000_0000)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Float64 values, shape (n,), NaN where ``null``; ``mistyped`` counts texts that are no numbers (null as well)."""

    values: Floats
    null: NDArray[np.bool_] | None
    mistyped: int = 0


@dataclass(frozen=True, slots=True)
class Moments64:
    """Microseconds since 1970 in UTC, shape (n,), 0 where ``null``."""

    values: Int64s
    null: NDArray[np.bool_] | None
    mistyped: int = 0


@dataclass(frozen=True, slots=True)
class Texts:
    """Categories by code: ``names[codes[i]]``, code -1 where null. ``words`` are the names as Arrow."""

    names: pa.Array
    codes: NDArray[np.int32]


class Batch:
    """Rows in Arrow with the roles and kinds of their columns; each column is decoded once, when first asked for."""

    def __init__(self, rows: pa.RecordBatch, schema: Schema) -> None:
        self.record_batch = rows
        self.schema = schema
        self._decoded: dict[tuple[str, str], Any] = {}

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.record_batch.num_rows)

    def has(self, column: str) -> bool:
        """Whether the rows have this column."""
        return bool(self.record_batch.schema.get_field_index(column) >= 0)

    def column(self, name: str) -> pa.Array:
        """Return a column as it came; all null where the rows lack it."""
        index = self.record_batch.schema.get_field_index(name)
        return self.record_batch.column(index) if index >= 0 else pa.nulls(self.rows)

    def numbers(self, name: str) -> Numbers:
        """Return a column as float64. Booleans are 0 and 1, durations microseconds; text is read where it is a number."""
        key = ("numbers", name)
        if key not in self._decoded:
            self._decoded[key] = _to_numbers(self.column(name))
        return self._decoded[key]  # type: ignore[no-any-return]

    def moments(self, name: str) -> Moments64:
        """Return a column as UTC microseconds; naive times are taken to be in the schema's zone."""
        key = ("moments", name)
        if key not in self._decoded:
            self._decoded[key] = _to_moments(self.column(name), self.schema.zone)
        return self._decoded[key]  # type: ignore[no-any-return]

    def texts(self, name: str) -> Texts:
        """Return a column as categories; whole floats read as integers, so 1.0 and 1 are one category."""
        key = ("texts", name)
        if key not in self._decoded:
            self._decoded[key] = to_texts(self.column(name))
        return self._decoded[key]  # type: ignore[no-any-return]

    def words(self, name: str) -> UInt64s:
        """Return one 64-bit word per row for hashing; equal values of a kind have equal words on every machine."""
        kind = self.schema.kinds.get(name)
        if kind in {"categorical", "boolean", "text", None}:  # without a kind: types that cannot be profiled
            texts = self.texts(name)
            hashes = np.concatenate([hash_texts(texts.names), [_NULL_WORD]])
            return hashes[texts.codes]
        decoded = self.moments(name) if kind == "datetime" else self.numbers(name)
        values: Floats | Int64s = decoded.values
        if values.dtype == np.float64:
            values = np.add(values, 0.0, dtype=np.float64)  # -0.0 becomes 0.0
        words: UInt64s = values.view(np.uint64)
        if values.dtype == np.float64 and np.isnan(values).any():
            words = np.where(np.isnan(values), _NAN_WORD, words)
        if pa.types.is_integer(self.column(name).type):
            words = _exact_words(self.column(name), words)
        return words if decoded.null is None else np.where(decoded.null, _NULL_WORD, words)

    def row_hashes(self, names: list[str]) -> UInt64s:
        """Hash each row over the named columns; shape (n,)."""
        return kernel.combine_hashes(self.words(name) for name in names)


def _exact_words(integers: pa.Array, words: UInt64s) -> UInt64s:
    """Put the integers themselves where they have more digits than a float holds, as ids that carry a time often have."""
    exact = integers.fill_null(0).to_numpy(zero_copy_only=False)
    return np.where((exact > _WHOLE) | (exact < -_WHOLE), exact.astype(np.int64).view(np.uint64), words)


def hash_texts(names: pa.Array) -> UInt64s:
    """Return the stable 64-bit hash of each text, shape (n,), straight from Arrow's buffers."""
    if len(names) == 0:
        return np.empty(0, dtype=np.uint64)
    wide = names.cast(pa.large_string())
    _, offsets, data = wide.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[wide.offset : wide.offset + len(wide) + 1]
    raw = np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)
    return kernel.hash_bytes(raw, ends)


def _nulls(array: pa.Array) -> NDArray[np.bool_] | None:
    return array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _to_numbers(array: pa.Array) -> Numbers:
    kind = array.type
    if pa.types.is_null(kind):
        return Numbers(np.full(len(array), np.nan), np.ones(len(array), dtype=bool))
    if _is_text(kind):
        return _read_numbers(array)
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        array = array.cast(pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us")).cast(pa.int64())
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        array = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    if pa.types.is_nested(kind):  # a list where a number belongs
        return Numbers(np.full(len(array), np.nan), np.ones(len(array), dtype=bool), len(array) - array.null_count)
    null = _nulls(array)
    if not pa.types.is_float64(array.type):
        array = array.cast(pa.float64(), safe=False)
    values = array.to_numpy(zero_copy_only=False)
    return Numbers(np.ascontiguousarray(values, dtype=np.float64), null)


def _read_numbers(array: pa.Array) -> Numbers:
    """Read texts as numbers, one parse for each distinct text."""
    texts = to_texts(array)
    parsed = np.full(len(texts.names) + 1, np.nan)
    known = np.zeros(len(texts.names) + 1, dtype=bool)
    for place, text in enumerate(texts.names.to_pylist()):
        try:
            parsed[place], known[place] = float(text), True
        except ValueError:
            continue
    null = ~known[texts.codes]
    return Numbers(parsed[texts.codes], null if null.any() else None, int(null.sum() - (texts.codes < 0).sum()))


def _to_moments(array: pa.Array, zone: str | None) -> Moments64:
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if _is_text(kind):
        return _read_moments(array, zone)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _count_moments(array)
    before = array.null_count
    if pa.types.is_null(kind) or not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        array = pa.nulls(len(array), pa.timestamp("us"))
    naive = array.type.tz is None if pa.types.is_timestamp(array.type) else True
    array = array.cast(pa.timestamp("us", None if naive else "UTC"), safe=False)
    null = _nulls(array)
    values = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if naive and zone is not None:
        values = _to_utc(values, zone) if null is None else np.where(null, 0, _to_utc(values, zone))
    return Moments64(values, null, array.null_count - before)


def _count_moments(array: pa.Array) -> Moments64:
    """Read numbers as time since 1970: seconds, milli-, micro- or nanoseconds, each by its own size (from 1973 on)."""
    numbers = _to_numbers(array)
    size = np.abs(numbers.values)
    usable = size < 1e20  # false for NaN
    factor = np.select([size < 1e11, size < 1e14, size < 1e17], [1e6, 1e3, 1.0], 1e-3)
    values = np.where(usable, numbers.values * factor, 0.0).astype(np.int64)
    return Moments64(values, None if usable.all() else ~usable, int((~usable).sum()) - array.null_count)


def _read_moments(array: pa.Array, zone: str | None) -> Moments64:
    """Read ISO 8601 texts, with an offset from UTC or without; each that cannot be read becomes null, and no other."""
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return _to_moments(array.cast(kind), zone)
        except pa.ArrowInvalid:
            continue
    texts = to_texts(array)
    read = [_read_moment(texts.names[place], zone) for place in range(len(texts.names))]
    values = np.array([value or 0 for value in read] + [0], dtype=np.int64)
    known = np.array([value is not None for value in read] + [False])
    null = ~known[texts.codes]
    return Moments64(values[texts.codes], null if null.any() else None, int(null.sum() - (texts.codes < 0).sum()))


def _read_moment(text: pa.Scalar, zone: str | None) -> int | None:
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return int(_to_moments(pa.array([text]).cast(kind), zone).values[0])
        except pa.ArrowInvalid:
            continue
    return None


def _to_utc(local: Int64s, zone: str) -> Int64s:
    """Turn local clock readings into UTC, the earlier of two where a clock was set back."""
    from datetime import datetime, timedelta

    info, hour = zone_info(zone), 3_600_000_000 // 4
    quarters, inverse = np.unique(local // hour, return_inverse=True)
    epoch = datetime(1970, 1, 1)
    offsets = np.zeros(len(quarters), dtype=np.int64)
    for place, quarter in enumerate(quarters.tolist()):
        try:
            offset = (epoch + timedelta(microseconds=quarter * hour)).replace(tzinfo=info).utcoffset()
        except OverflowError:
            continue
        offsets[place] = (offset or timedelta()) // timedelta(microseconds=1)
    return local - offsets[inverse]


def to_texts(array: pa.Array) -> Texts:
    """Return an array as categories; whole floats read as integers."""
    if isinstance(array, pa.ChunkedArray):
        raise UnreadableSource("a batch", "its columns must be plain arrays")
    if not pa.types.is_dictionary(array.type):
        if pa.types.is_null(array.type):
            array = array.cast(pa.string())
        elif pa.types.is_nested(array.type):
            array = pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
        array = array.dictionary_encode()
    codes = array.indices.cast(pa.int32()).fill_null(-1).to_numpy(zero_copy_only=False)
    names = array.dictionary
    if not _is_text(names.type):
        names = pa.array([None if v is None else category_text(v) for v in names.to_pylist()], pa.string())
    elif pa.types.is_string_view(names.type):  # no kernel can pick from it yet
        names = names.cast(pa.large_string())
    if names.null_count:  # a null inside the dictionary is a null all the same
        missing = names.is_null().to_numpy(zero_copy_only=False)
        codes = np.where((codes >= 0) & missing[codes], -1, codes)
        names = pc.fill_null(names, "")
    unique = names.dictionary_encode()
    if len(unique.dictionary) < len(names):  # a dictionary may hold a value twice
        codes = np.where(codes < 0, -1, unique.indices.to_numpy(zero_copy_only=False)[codes])
        names = unique.dictionary
    return Texts(names, np.ascontiguousarray(codes, dtype=np.int32))


def category_text(value: object) -> str:
    """Return a category as people read it: booleans as true and false, whole floats as integers."""
    return str(value).lower() if isinstance(value, bool) else label_text(value)
