"""A batch reads each column the same whatever its Arrow type, and whatever rows lie beside it."""

from __future__ import annotations

import datetime as dt
import decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from watchkeeper.capture.batch import Batch, category_text
from watchkeeper.errors import UnreadableSource
from watchkeeper.schema import Schema

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def batch(column: pa.Array, **schema: object) -> Batch:
    return Batch(pa.RecordBatch.from_arrays([column], ["c"]), Schema(**schema))  # type: ignore[arg-type]


def micros(text: str) -> int:
    when = dt.datetime.fromisoformat(text)
    return (when.replace(tzinfo=when.tzinfo or dt.UTC) - EPOCH) // dt.timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("column", "values", "mistyped"),
    [
        (pa.array([1, None, 3]), [1, np.nan, 3], 0),
        (pa.array([1.5, None, np.nan, np.inf]), [1.5, np.nan, np.nan, np.inf], 0),
        (pa.array([1.5], pa.float32()), [1.5], 0),
        (pa.array([True, False, None]), [1, 0, np.nan], 0),
        (pa.array([decimal.Decimal("1.25"), None]), [1.25, np.nan], 0),
        (pa.array([dt.timedelta(seconds=1), None], pa.duration("ns")), [1e6, np.nan], 0),
        (pa.array([dt.time(0, 0, 1)], pa.time32("s")), [1e6], 0),
        (pa.array([dt.datetime(1970, 1, 1, 0, 0, 1)], pa.timestamp("ms")), [1e6], 0),
        (pa.array([dt.date(1970, 1, 2)]), [86_400e6], 0),
        (
            pa.array(["1", " 2.5 ", "many", None, "nan", "-inf", ""]),
            [1, 2.5, np.nan, np.nan, np.nan, -np.inf, np.nan],
            2,
        ),
        (pa.array(["1", "x", "1"]).dictionary_encode(), [1, np.nan, 1], 1),
        (pa.array([7, None, 7]).dictionary_encode(), [7, np.nan, 7], 0),
        (pa.array([dt.datetime(1970, 1, 1, 0, 0, 1)], pa.timestamp("ms")).dictionary_encode(), [1e6], 0),
        (pa.array([2**63], pa.uint64()), [2.0**63], 0),
        (pa.nulls(2), [np.nan, np.nan], 0),
        (pa.array([], pa.int32()), [], 0),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else None,
)
def test_numbers(column: pa.Array, values: list[float], mistyped: int) -> None:
    numbers = batch(column).numbers("c")
    assert np.array_equal(numbers.values, values, equal_nan=True)
    assert numbers.values.dtype == np.float64
    assert numbers.mistyped == mistyped
    missing = column.null_count + mistyped
    assert (0 if numbers.null is None else int(numbers.null.sum())) == missing


UTC_TEXT = "2024-03-10T07:30:00Z"


@pytest.mark.parametrize(
    ("column", "zone", "values", "mistyped"),
    [
        (pa.array([dt.datetime(2024, 3, 10, 3, 30)]), None, ["2024-03-10T03:30"], 0),
        (pa.array([dt.datetime(2024, 3, 10, 3, 30)]), "America/New_York", ["2024-03-10T07:30"], 0),
        (
            pa.array([dt.datetime(2024, 3, 10, 7, 30)], pa.timestamp("ns", "UTC")),
            "America/New_York",
            ["2024-03-10T07:30"],
            0,
        ),
        (pa.array([dt.datetime(2024, 3, 10, 7, 30)], pa.timestamp("s", "Asia/Kolkata")), None, ["2024-03-10T07:30"], 0),
        (pa.array([dt.date(2024, 3, 11)]), "America/New_York", ["2024-03-11T04:00"], 0),
        (pa.array([dt.date(2024, 3, 11)], pa.date64()), None, ["2024-03-11"], 0),
        (
            pa.array(["2024-03-11", "2024-03-10 03:30:00"]),
            "America/New_York",
            ["2024-03-11T04:00", "2024-03-10T07:30"],
            0,
        ),
        (pa.array([UTC_TEXT, "2024-03-10T03:30:00-04:00"]), "Asia/Kolkata", ["2024-03-10T07:30"] * 2, 0),
        (pa.array([UTC_TEXT, "2024-03-10T03:30:00"]), "America/New_York", ["2024-03-10T07:30"] * 2, 0),
        (pa.array([UTC_TEXT, "rubbish", None, "2024-03-10"]), None, ["2024-03-10T07:30", None, None, "2024-03-10"], 1),
        (
            pa.array([UTC_TEXT, "", UTC_TEXT]).dictionary_encode(),
            None,
            ["2024-03-10T07:30", None, "2024-03-10T07:30"],
            1,
        ),
        (pa.array([dt.datetime(2024, 3, 11)]).dictionary_encode(), None, ["2024-03-11"], 0),
        (pa.array([dt.datetime(2024, 3, 11), None]), "Asia/Kolkata", ["2024-03-10T18:30", None], 0),
        (pa.array([True, False]), None, [None, None], 2),
        # numbers count from 1970: in seconds, milli-, micro- or nanoseconds, as their size tells
        (pa.array([1_710_055_800, 1_710_055_800_000]), None, ["2024-03-10T07:30"] * 2, 0),
        (pa.array([1_710_055_800_000_000, 1_710_055_800_000_000_000]), None, ["2024-03-10T07:30"] * 2, 0),
        (pa.array([1_710_055_800.0, None, 1e300]), None, ["2024-03-10T07:30", None, None], 1),
        (pa.nulls(2), "Asia/Kolkata", [None, None], 0),
    ],
)
def test_moments(column: pa.Array, zone: str | None, values: list[str | None], mistyped: int) -> None:
    moments = batch(column, zone=zone).moments("c")
    assert moments.values.tolist() == [0 if v is None else micros(v) for v in values]
    null = [False] * len(column) if moments.null is None else moments.null.tolist()
    assert null == [v is None for v in values]
    assert moments.mistyped == mistyped


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata", "UTC"]
)
def test_clock_readings_become_utc_as_pythons_do(zone: str) -> None:
    """The earlier of two moments where a clock was set back; where it was put forward, the old offset."""
    start = dt.datetime(2023, 1, 1)
    readings = [start + dt.timedelta(minutes=17 * i) for i in range(62_000)]  # two years
    found = batch(pa.array(readings, pa.timestamp("us")), zone=zone).moments("c").values
    info = ZoneInfo(zone)
    expected = [(r.replace(tzinfo=info).astimezone(dt.UTC) - EPOCH) // dt.timedelta(microseconds=1) for r in readings]
    assert found.tolist() == expected


def test_moments_outside_the_calendar_do_not_fail() -> None:
    far = pa.array([2**62, -(2**62), 2**63 - 1]).cast(pa.timestamp("us"))
    assert len(batch(far, zone="America/New_York").moments("c").values) == 3


def test_a_text_that_cannot_be_read_leaves_the_others_alone() -> None:
    texts = ["2024-01-01", UTC_TEXT, "soon", None, "2024-02-30"]
    whole = batch(pa.array(texts), zone="Europe/Berlin").moments("c")
    for place, text in enumerate(texts):
        alone = batch(pa.array([text], pa.string()), zone="Europe/Berlin").moments("c")
        assert alone.values[0] == whole.values[place]
        assert (alone.null is not None) == bool(whole.null[place])


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array(["a", None, "b", "a"]), ["a", None, "b", "a"]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array(["", "\x00", "🦉"]), ["", "\x00", "🦉"]),
        (pa.array([1, 2, None]), ["1", "2", None]),
        (pa.array([1.0, 1.5, -0.0, 0.0, None]), ["1", "1.5", "0", "0", None]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([dt.date(2024, 1, 2)]), ["2024-01-02"]),
        (pa.array([b"\xff"]), ["b'\\xff'"]),
        (pa.nulls(2), [None, None]),
        (pa.array([], pa.string()), []),
        (
            pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2], pa.int8()), pa.array(["a", None, "a"])),
            ["a", None, None, "a"],
        ),
        (pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int32()), pa.array([5, None])), [None, "5"]),
        (pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.uint64()), pa.array([1.0, 2.5])), ["1", "2.5"]),
        (pa.array(["x", "a", None, "b"]).slice(1), ["a", None, "b"]),
        (pa.array(["x", "a", "b"]).dictionary_encode().slice(1), ["a", "b"]),
    ],
)
def test_texts(column: pa.Array, texts: list[str | None]) -> None:
    found = batch(column).texts("c")
    names = found.names.to_pylist()
    assert [None if code < 0 else names[code] for code in found.codes.tolist()] == texts
    assert len(set(names)) == len(names)
    assert found.codes.dtype == np.int32


def test_category_text() -> None:
    assert [category_text(v) for v in (True, False, 1, 1.0, "1.0", 2.5)] == ["true", "false", "1", "1", "1.0", "2.5"]


def test_columns_that_are_not_there_are_null() -> None:
    rows = batch(pa.array([1, 2]))
    assert rows.has("c")
    assert not rows.has("d")
    assert rows.column("d").null_count == rows.rows == 2
    assert rows.numbers("d").null.all()
    assert rows.moments("d").null.all()
    assert rows.texts("d").codes.tolist() == [-1, -1]


def test_each_column_is_decoded_once() -> None:
    rows = batch(pa.array(["1", "2"]))
    assert rows.numbers("c") is rows.numbers("c")
    assert rows.texts("c") is rows.texts("c")
    assert rows.moments("c") is rows.moments("c")


def test_chunks_are_refused() -> None:
    with pytest.raises(UnreadableSource, match="plain arrays"):
        _Chunked().texts("c")


class _Chunked(Batch):
    def __init__(self) -> None:
        super().__init__(pa.RecordBatch.from_pydict({"c": ["a"]}), Schema())

    def column(self, name: str) -> pa.Array:
        return pa.chunked_array([["a"]])


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("numeric", [pa.array([1, 0, None]), pa.array([1.0, -0.0, None]), pa.array(["1", "0.0", "x"])]),
        ("categorical", [pa.array(["1", "0", None]), pa.array([1, 0, None]), pa.array([1.0, -0.0, None])]),
        ("boolean", [pa.array([True, False, None]), pa.array(["true", "false", None])]),
        (
            "datetime",
            [pa.array(["1970-01-01", "2024-01-01", None]), pa.array([dt.date(1970, 1, 1), dt.date(2024, 1, 1), None])],
        ),
    ],
)
def test_equal_values_have_equal_words(kind: str, columns: list[pa.Array]) -> None:
    words = [batch(column, kinds={"c": kind}).words("c").tolist() for column in columns]
    assert all(w == words[0] for w in words)
    assert len(set(words[0])) == 3


def test_rows_are_hashed_in_the_order_of_names() -> None:
    rows = Batch(
        pa.RecordBatch.from_pydict({"a": [1, 2, 1], "b": [2, 1, 2]}), Schema(kinds={"a": "numeric", "b": "numeric"})
    )
    one, other = rows.row_hashes(["a", "b"]), rows.row_hashes(["b", "a"])
    assert one[0] == one[2] != one[1]
    assert one.tolist() != other.tolist()
