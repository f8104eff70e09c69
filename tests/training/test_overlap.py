"""Held-out rows that were trained on are found, and rows that are equal by chance are not taken for them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.capture.source import open_source
from watchkeeper.errors import InputError
from watchkeeper.training.overlap import Overlap, overlap


def compared(held_out: pa.Table, training: pa.Table, id_: str | None = None) -> Overlap:
    return overlap(open_source(held_out), open_source(training), ["p"], id_)


def rows_of(n: int, seed: int, categories: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, categories, n) / 7 if categories else rng.normal(size=n)
    return pa.table({"x": x, "city": rng.choice(["a", "b"], n), "y": rng.integers(0, 2, n)})


@pytest.mark.parametrize("planted", [0, 1, 50])
def test_each_row_that_was_trained_on_is_counted(planted: int) -> None:
    training = rows_of(2_000, 1)
    held_out = pa.concat_tables([rows_of(500, 2), training.slice(100, planted)])
    found = compared(held_out.append_column("p", pa.array(np.zeros(len(held_out)))), training)
    assert (found.rows, found.found, found.usual, found.exact) == (500 + planted, planted, 0.0, False)
    assert list(found.by) == ["x", "city", "y"]
    assert found.trained_on == (planted > 0)


@pytest.mark.parametrize("seed", range(8))
def test_rows_that_are_equal_by_chance_are_none_and_planted_ones_are(seed: int) -> None:
    """Some 12 % of these rows have a twin."""
    training, held_out = rows_of(2_000, 100 + seed, 30_000), rows_of(1_000, 200 + seed, 30_000)
    chance = compared(held_out, training)
    assert chance.found > 5
    assert not chance.trained_on
    assert compared(pa.concat_tables([held_out, training.slice(0, 100)]), training).trained_on


def test_rows_of_few_values_say_nothing_unless_they_have_ids() -> None:
    training, held_out = rows_of(2_000, 1, 5), rows_of(500, 2, 5)
    found = compared(held_out, training)
    assert (found.blurred, found.trained_on) == (True, False)
    ids = [f"r{i}" for i in range(2_500)]
    with_ids = compared(held_out.append_column("id", [ids[2_000:]]), training.append_column("id", [ids[:2_000]]), "id")
    assert (with_ids.found, with_ids.exact, with_ids.trained_on) == (0, True, False)
    again = compared(
        held_out.append_column("id", [ids[1_999:2_499]]), training.append_column("id", [ids[:2_000]]), "id"
    )
    assert (again.found, again.trained_on) == (1, True)


values = st.lists(st.none() | st.floats(width=32) | st.integers(-5, 5).map(float), min_size=1, max_size=30)


@given(values)
def test_values_are_equal_whatever_type_they_are_stored_in(column: list[float | None]) -> None:
    wide, narrow = pa.array(column, pa.float64()), pa.array(column, pa.float32())
    found = compared(pa.table({"x": narrow}), pa.table({"x": wide}))
    assert found.found == len(column)


def test_each_kind_of_column_is_told_apart() -> None:
    moments = [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None, dt.datetime(2026, 1, 2, tzinfo=dt.UTC)]
    kinds = {
        "text": pa.array(["a", None, "b"]), "coded": pa.array(["a", None, "b"]).dictionary_encode(),
        "whole": pa.array([1, None, 2]), "flag": pa.array([True, None, False]), "when": pa.array(moments),
        "day": pa.array([dt.date(2026, 1, 1), None, dt.date(2026, 1, 2)]),
    }  # fmt: skip
    for column in kinds.values():
        one, other = pa.table({"x": column.slice(0, 2)}), pa.table({"x": column.slice(2)})
        assert compared(one, one).found == 2
        assert compared(one, other).found == 0
    assert compared(pa.table({"x": kinds["text"]}), pa.table({"x": kinds["coded"]})).found == 3
    assert compared(pa.table({"x": kinds["whole"]}), pa.table({"x": pa.array([1.0, 2.0])})).found == 2


def test_tables_that_share_nothing_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="shares no column"):
        compared(pa.table({"x": [1.0], "p": [1.0]}), pa.table({"z": [1.0], "p": [1.0]}))
