"""Reading a body column by column gives what reading it row by row gives, whatever stands in it."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from watchkeeper.pipeline import incoming
from watchkeeper.pipeline.incoming import Bounds, Incoming, read_json

BOUNDS = Bounds(1_700_000_000_000_000, 0, 1_800_000_000_000_000, "Europe/Berlin", frozenset({"taken"}))
NUMBERS = st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from([2**63, -(2**63) - 1, 2**63 - 1, 10**400, -0.0])
TEXTS = st.sampled_from(["", "a", "b", "ü", "\ud800", "x" * 257])
ODD: st.SearchStrategy[Any] = st.none() | st.booleans() | NUMBERS | TEXTS | st.just([1.5]) | st.just({"deep": 1})
NAN = st.just(float("nan"))
# One kind of value for a column, mostly; now and then anything.
COLUMNS = st.sampled_from(
    [st.floats(-2, 2), st.integers(-9, 9), st.sampled_from("ab"), st.booleans(), NUMBERS | NAN, ODD]
)
TIMES = st.sampled_from(
    [1_650_000_000, 1_650_000_000_123, 1_650_000_000.5, "2023-01-02T03:04:05Z", "2023-01-02T03:04:05"]
)


@st.composite
def bodies(draw: st.DrawFn) -> list[Any]:
    """Draw rows that are alike, but for a few odd ones."""
    names = draw(st.lists(st.sampled_from(["x", "y", "z", "@z", "taken", ""]), unique=True, max_size=4))
    features = st.fixed_dictionaries({name: draw(COLUMNS) for name in names})
    score = draw(
        st.sampled_from([st.floats(0, 1), NUMBERS | NAN, st.fixed_dictionaries({"a": NUMBERS, "b": NUMBERS}), ODD])
    )
    parts: dict[str, Any] = {"features": features, "score": score, "prediction": draw(COLUMNS)}
    parts |= {"id": st.sampled_from(["a", "b", "c"]) | draw(st.sampled_from([st.just("d"), ODD])), "timestamp": TIMES}
    parts |= {"latency": st.floats(0, 1), "timestamp ": ODD, "error": st.none() | TEXTS}
    kept = draw(st.sets(st.sampled_from(["id", "timestamp", "features", "score", "prediction", "latency"]), min_size=2))
    if draw(st.integers(0, 9)) == 0:
        kept |= {draw(st.sampled_from(sorted(parts)))}
    rows: list[Any] = draw(st.lists(st.fixed_dictionaries({k: parts[k] for k in sorted(kept)}), min_size=1, max_size=6))
    if draw(st.integers(0, 9)) == 0:
        rows[draw(st.integers(0, len(rows) - 1))] = draw(ODD)
    return rows


def told(read: Incoming) -> tuple[Any, ...]:
    """Return all that was read, comparable where NaN is in it."""
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, read.rows.schema) as writer:
        writer.write_batch(read.rows)
    return stream.getvalue().to_pybytes(), read.refusals, read.contents, read.minted


def read_both(rows: list[Any]) -> tuple[Incoming, Incoming | None]:
    """Read rows one by one, and by column where that can be."""
    body = json.dumps({"predictions": rows}).encode()
    found = incoming._rows_of("predictions", body)
    return incoming._by_row("predictions", found, BOUNDS, str), incoming._by_column(found, BOUNDS, str)


@given(bodies())
def test_by_column_is_by_row(rows: list[Any]) -> None:
    by_row, by_column = read_both(rows)
    event("by column" if by_column is not None else "by row alone")
    if by_column is not None:
        assert told(by_column) == told(by_row)
        assert not by_row.refusals


@pytest.mark.parametrize(
    "row",
    [
        {
            "id": "a",
            "timestamp": 1_650_000_000,
            "features": {"x": 1.5, "c": "a", "n": None},
            "prediction": 1,
            "score": 0.5,
        },
        {"prediction": "late", "score": {"late": 0.9, "in time": 0.1}, "latency": 0.25},
        {"id": "a", "timestamp": "2023-01-02T03:04:05Z", "features": {"x": 1}, "score": 1},
    ],
)
def test_plain_bodies_are_read_by_column(row: dict[str, Any]) -> None:
    """The law above says nothing of bodies that are never read so: these are."""
    by_row, by_column = read_both([row] * 3)
    assert by_column is not None
    assert told(by_column) == told(by_row)


def test_a_batch_too_odd_for_the_fast_reader_is_still_read() -> None:
    body = (
        b'{"predictions": [{"id": "a", "prediction": 1, "features": {"x": "\\ud800"}}, {"id": "b", "prediction": 1}]}'
    )
    read = read_json("predictions", body, BOUNDS, str)
    assert [r.row for r in read.refusals] == [0]
    assert read.rows.num_rows == 1
