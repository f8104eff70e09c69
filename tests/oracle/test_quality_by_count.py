"""Quality of a column against counting row by row."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import examples, numeric

from watchkeeper.capture.batch import Batch
from watchkeeper.metrics import quality
from watchkeeper.profiles.column import CategoricalColumn, NumericColumn
from watchkeeper.schema import Schema

VALUES = st.one_of(
    st.none(),
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 2.5]),
    st.floats(-100, 100),
)
COLUMN = st.lists(VALUES, min_size=1, max_size=80)
TEXTS = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", "", "ä", "Z"])), min_size=1, max_size=60)


def numbers(values: list[float | None]) -> NumericColumn:
    column = NumericColumn()
    array = pa.array(values, pa.float64(), from_pandas=False)
    column.update(Batch(pa.record_batch({"x": array}), Schema(kinds={"x": "numeric"})), "x")
    return column


def texts(values: list[str | None]) -> CategoricalColumn:
    column = CategoricalColumn()
    array = pa.array(values, pa.string())
    column.update(Batch(pa.record_batch({"x": array}), Schema(kinds={"x": "categorical"})), "x")
    return column


def finite(values: list[float | None]) -> list[float]:
    return [v for v in values if v is not None and math.isfinite(v)]


@examples
@given(COLUMN, COLUMN)
def test_numbers(values: list[float | None], reference: list[float | None]) -> None:
    column, before = numbers(values), numbers(reference)
    rows = len(values)
    unusable = sum(v is None or math.isnan(v) for v in values)
    assert quality.null_share(column).value == unusable / rows
    assert quality.infinite_share(column).value == sum(v is not None and math.isinf(v) for v in values) / rows
    assert quality.null_share(column).n == rows
    distinct = quality.distinct_count(column)
    assert distinct.value == distinct.low == distinct.high == len(set(finite(values)))
    assert quality.usable(column) == len(finite(values))
    assert quality.is_constant(column) == (len(set(finite(values))) <= 1)
    outside = quality.out_of_range_share(column, before)
    if finite(values) and finite(reference):
        low, high = min(finite(reference)), max(finite(reference))
        assert outside.value == sum(not low <= v <= high for v in finite(values)) / len(finite(values))
        assert outside.n == len(finite(values))
    else:
        assert not outside.known


@examples
@given(TEXTS, TEXTS)
def test_categories(values: list[str | None], reference: list[str | None]) -> None:
    column, before = texts(values), texts(reference)
    there = [v for v in values if v is not None]
    new = [v for v in there if v not in reference]
    assert quality.null_share(column).value == values.count(None) / len(values)
    assert quality.distinct_count(column).value == len(set(there))
    share = quality.new_category_share(column, before)
    if there:
        assert share.value == len(new) / len(there)
    else:
        assert not share.known
    assert quality.new_categories(column, before) == sorted(set(new), key=lambda v: (-new.count(v), v))
    assert not quality.out_of_range_share(column, before).known


@examples
@given(st.integers(0, 2**32 - 1), st.integers(1000, 6000), st.floats(1, 2))
def test_full_states_say_within_what_the_truth_lies(seed: int, n: int, wider: float) -> None:
    """A cell that straddles the end of the reference counts as inside; how many values there are is not known."""
    rng = np.random.default_rng(seed)
    reference, values = rng.normal(size=n), wider * rng.normal(size=n)
    column, before = numeric(values), numeric(reference)
    outside = float(np.mean((values < reference.min()) | (values > reference.max())))
    edge = sum(column.histogram.resolution() for _ in range(2))
    assert outside - edge <= quality.out_of_range_share(column, before).value <= outside
    assert not quality.distinct_count(column).known  # cells are not values
    assert quality.is_constant(column) is False


def test_more_categories_than_are_known_by_name(rng: np.random.Generator) -> None:
    """Counts are estimated within 6.2 % (95 %), and so is the share of new ones, from values drawn by hash."""
    reference, values = texts([f"a{i}" for i in range(20_000)]), texts([f"a{i}" for i in range(10_000, 30_000)])
    distinct = quality.distinct_count(values)
    assert distinct.low <= 20_000 <= distinct.high
    assert abs(distinct.value / 20_000 - 1) < 0.062
    assert quality.new_category_share(values, reference).value == pytest.approx(0.5, abs=0.07)  # 4 standard errors


def test_what_chance_makes_new_or_puts_out_of_range(rng: np.random.Generator) -> None:
    """The reference's own share of lone categories foretells that of new ones in a second sample (Good and Turing)."""
    draws = [[f"s{i}" for i in rng.integers(0, 2_000, 5_000)] for _ in range(2)]
    before, after = map(texts, draws)
    expected = float(np.mean([v not in set(draws[0]) for v in draws[1]]))
    assert quality.new_category_share(after, before).value == expected
    assert quality.unseen_share(before).value == pytest.approx(expected, abs=0.02)
    assert quality.edge_share(numeric(rng.normal(size=200))).value == 2 / 200
    assert quality.edge_share(numeric(np.zeros(200))).value == 0


def test_missing_rows_of_other_types_count() -> None:
    column = NumericColumn()
    array = pa.array(["1", "2.5", "", "x", None, "nan", "1"], pa.string())
    column.update(Batch(pa.record_batch({"x": array}), Schema(kinds={"x": "numeric"})), "x")
    assert column.mistyped == 2
    assert quality.null_share(column).value == 4 / 7
    assert quality.distinct_count(column).value == 2
