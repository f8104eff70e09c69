"""The sample of a window's rows: uniform by id, right about copies, the same however the rows were cut."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from watchkeeper.capture.batch import Batch
from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.sample import REFERENCE_ROWS, SAMPLE_ROWS, RowSample, sample_size
from watchkeeper.schema import Schema

KINDS = {"id": "numeric", "x": "numeric", "c": "categorical", "note": "text"}


def sampled(rows: pa.Table, schema: Schema, batch_rows: int = 1 << 30, size: int = SAMPLE_ROWS) -> RowSample:
    sample = RowSample(schema, size)
    for batch in rows.combine_chunks().to_batches(max_chunksize=batch_rows):
        sample.update(Batch(batch, schema))
    return sample


def test_rows_that_repeat_do_not_push_others_out() -> None:
    rng = np.random.default_rng(1)
    rows = pa.table({"x": rng.integers(0, 5, 20_000).astype(float), "c": rng.choice(["a", "b"], 20_000)})
    schema = Schema(kinds={"x": "numeric", "c": "categorical"})
    whole, pieces = sampled(rows, schema), sampled(rows, schema, 700)
    assert len(whole.index.priority) == 10
    assert whole.rows.equals(pieces.rows)
    assert whole.index.copies.tolist() == pieces.index.copies.tolist()
    truth = rows.group_by(["x", "c"]).aggregate([([], "count_all")]).to_pylist()
    found = [row | {"count_all": c} for row, c in zip(whole.rows.to_pylist(), whole.index.copies.tolist(), strict=True)]
    assert sorted(found, key=str) == sorted(truth, key=str)


def test_a_sample_by_id_is_uniform() -> None:
    n = 60_000
    rows = pa.table({"id": np.arange(n), "x": np.arange(n) / n})
    schema = Schema(id="id", kinds={"id": "numeric", "x": "numeric"})
    sample = sampled(rows, schema, 7000)
    assert sample.rows.num_rows == SAMPLE_ROWS
    x = np.sort(sample.rows["x"].to_numpy())
    assert stats.kstest(x, "uniform").pvalue > 1e-4  # by chance 1 in 10,000, were the hash another
    assert np.array_equal(np.sort(sample.index.priority), sample.index.priority)


def test_ids_longer_than_a_float_are_told_apart() -> None:
    start = 1_780_000_000_000_000_000
    rows = pa.table({"id": np.arange(start, start + 3000), "x": np.zeros(3000)})
    schema = Schema(id="id", kinds={"id": "numeric", "x": "numeric"})
    assert len(sampled(rows, schema).index.priority) == 3000
    unsigned = rows.set_column(0, "id", rows["id"].cast(pa.uint64()))
    assert sampled(unsigned, schema).rows.equals(sampled(rows, schema).rows)


def test_whole_numbers_and_floats_are_the_same_rows() -> None:
    schema = Schema(kinds={"x": "numeric"})
    ints, floats = pa.table({"x": np.arange(-50, 50)}), pa.table({"x": np.arange(-50.0, 50.0)})
    assert sampled(ints, schema).index.priority.tolist() == sampled(floats, schema).index.priority.tolist()


@pytest.mark.parametrize("ids", [pa.nulls(6, pa.string()), None])
def test_rows_without_an_id_are_told_apart_by_content(ids: pa.Array | None) -> None:
    columns = {"x": pa.array([1.0, 2.0, 3.0, 3.0, -0.0, 0.0])}
    schema = Schema(id="id", kinds={"id": "categorical", "x": "numeric"})
    sample = sampled(pa.table(columns if ids is None else columns | {"id": ids}), schema)
    found = dict(zip(sample.rows["x"].to_pylist(), sample.index.copies.tolist(), strict=True))
    assert found == {1.0: 1, 2.0: 1, 3.0: 2, 0.0: 2}


def test_an_id_of_a_type_without_a_kind() -> None:
    rows = pa.table({"id": pa.array([b"\xff" * 16, b"\x00" * 16, b"\xff" * 16], pa.binary(16)), "x": [1.0, 2.0, 1.0]})
    sample = sampled(rows, Schema(id="id", kinds={"x": "numeric"}))
    assert sorted(sample.index.copies.tolist()) == [1, 2]


def test_equal_rows_keep_equal_bits() -> None:
    schema = Schema(kinds={"x": "numeric"})
    negative_nan = np.array([0xFFF8_0000_0000_0001], dtype=np.uint64).view(np.float64)
    values = np.concatenate([[-0.0, 0.0, np.nan], negative_nan])
    bits = set()
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        state = sampled(pa.table({"x": values[order]}), schema).state()
        bits.add(state["rows"]["x"]["values"].tobytes())
        assert sorted(state["index"]["copies"].tolist()) == [2, 2]
    assert len(bits) == 1


def test_what_a_sample_keeps() -> None:
    rows = pa.table({"id": [1], "x": [None], "c": [None], "note": ["hello"]})
    rows = rows.set_column(1, "x", pa.array([None], pa.float64()))
    sample = sampled(rows, Schema(id="id", kinds=KINDS))
    assert sample.rows.to_pylist() == [{"x": None, "c": None}]


@pytest.mark.parametrize(("columns", "size"), [(0, 5000), (1, 5000), (200, 5000), (400, 2500), (20_000, 100)])
def test_a_sample_of_many_columns_is_smaller(columns: int, size: int) -> None:
    assert sample_size(Schema(kinds={f"c{i}": "numeric" for i in range(columns)})) == size


def test_a_larger_sample_merges_with_an_ordinary_one_into_an_ordinary_one() -> None:
    n = 30_000
    rows = pa.table({"id": np.arange(n), "x": np.arange(n) / n})
    schema = Schema(id="id", kinds={"id": "numeric", "x": "numeric"})
    large, small = sampled(rows.slice(0, 20_000), schema, size=REFERENCE_ROWS), sampled(rows.slice(20_000), schema)
    assert large.rows.num_rows == 20_000
    assert RowSample.from_state(large.state(), schema).rows.equals(large.rows)
    assert large.widen(schema).rows.equals(large.rows)
    whole = sampled(rows, schema)
    for merged in (large.merge(small), small.merge(large), RowSample.merged([large, small])):
        assert merged.index.size == SAMPLE_ROWS
        assert merged.rows.equals(whole.rows)


@pytest.mark.parametrize("size", [99, REFERENCE_ROWS + 1])
def test_a_sample_of_an_impossible_size_is_refused(size: int) -> None:
    schema = Schema(kinds={"x": "numeric"})
    for possible in (100, 6_000, REFERENCE_ROWS):
        assert RowSample.from_state(RowSample(schema, possible).state(), schema).index.size == possible
    state = RowSample(schema).state()
    state["index"]["size"] = size
    with pytest.raises(CorruptProfile, match="sample's columns"):
        RowSample.from_state(state, schema)
