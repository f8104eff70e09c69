"""Parquet: any table comes back, and memory does not grow with its rows."""

from __future__ import annotations

import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchkeeper.capture.source import open_source

VALUES = {
    "int": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "short": (st.integers(0, 255), pa.uint8()),
    "float": (st.floats(), pa.float64()),
    "bool": (st.booleans(), pa.bool_()),
    "text": (st.text(st.characters(codec="utf-8")), pa.string()),
    "words": (st.sampled_from(["a", "b", ""]), pa.large_string()),
    "category": (st.sampled_from(["a", "b", ""]), pa.dictionary(pa.int32(), pa.string())),
    "bytes": (st.binary(), pa.binary()),
    "time": (st.integers(0, 2**50), pa.timestamp("us")),
    "zoned": (st.integers(0, 2**50), pa.timestamp("us", "UTC")),
    "lists": (st.lists(st.integers(0, 9), max_size=3), pa.list_(pa.int64())),
    "structs": (st.fixed_dictionaries({"a": st.integers(0, 9)}), pa.struct([("a", pa.int64())])),
    "nothing": (st.none(), pa.null()),
}
ROWS = st.lists(st.tuples(*(st.one_of(st.none(), values) for values, _ in VALUES.values())), max_size=40)


def plain(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.cast(schema).combine_chunks()


@given(rows=ROWS, group_rows=st.integers(1, 50), batch_rows=st.integers(1, 50), codes=st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_comes_back(
    rows: list[tuple], group_rows: int, batch_rows: int, codes: bool, tmp_path: Path
) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in VALUES]
    arrays = [pa.array(values, kind) for values, (_, kind) in zip(columns, VALUES.values(), strict=True)]
    table = pa.Table.from_arrays(arrays, names=list(VALUES))
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=group_rows, use_dictionary=codes)
    source = open_source(tmp_path / "a.parquet")
    assert source.rows == len(rows)
    found = pa.Table.from_batches(list(source.batches(batch_rows=batch_rows)), source.schema)
    # Written out, because NaN equals nothing.
    assert str(plain(found, table.schema).to_pylist()) == str(table.to_pylist())


def test_few_distinct_texts_stay_a_dictionary(tmp_path: Path) -> None:
    few = [f"name {i % 50}" for i in range(20_000)]
    many = [f"name {i}" for i in range(20_000)]
    pq.write_table(pa.table({"few": few, "many": many}), tmp_path / "a.parquet", row_group_size=7000)
    source = open_source(tmp_path / "a.parquet")
    assert source.schema.types == [pa.dictionary(pa.int32(), pa.string()), pa.string()]
    found = pa.Table.from_batches(list(source.batches(batch_rows=6500)))
    assert found["few"].to_pylist() == few
    assert found["many"].to_pylist() == many


def test_wide_rows_make_smaller_batches(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["x" * 10_000 + str(i) for i in range(10_000)]}), tmp_path / "a.parquet")
    batches = list(open_source(tmp_path / "a.parquet").batches())
    assert sum(batch.num_rows for batch in batches) == 10_000
    assert max(batch.nbytes for batch in batches) < 64 * 2**20


def test_no_bytes_held_after_reading(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": np.random.default_rng(0).normal(size=100_000)}), tmp_path / "a.parquet")
    before = pa.total_allocated_bytes()
    source = open_source(tmp_path / "a.parquet")
    for _ in source.batches(batch_rows=1000):
        pass
    source.head()
    del _
    assert pa.total_allocated_bytes() == before


PEAK = """
import resource, sys
import pyarrow.csv, pyarrow.parquet
from watchkeeper.capture.source import open_source
scale = 1 if sys.platform == "darwin" else 1024
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
rows = sum(batch.num_rows for batch in open_source(sys.argv[1]).batches())
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale - before)
"""


def peak_bytes(path: Path, rows: int) -> int:
    """Return by how much reading ``path`` raises the peak of a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    read, peak = map(int, done.stdout.split())
    assert read == rows
    return peak


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no getrusage")
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_memory_does_not_grow_with_rows(kind: str, tmp_path: Path) -> None:
    # Texts that all differ are the hard case: a reader that gathers a dictionary would hold them all.
    small, large = (500_000, 2_000_000) if kind == "parquet" else (150_000, 600_000)
    peaks = {}
    for rows in (small, large):
        path = tmp_path / f"{rows}.{kind}"
        random = np.random.default_rng(0)
        columns = {f"x{i}": random.normal(size=rows) for i in range(6)}
        columns["c"] = np.array(["a", "b", "c"])[random.integers(0, 3, rows)]
        columns["s"] = pa.array(np.arange(10**9, 10**9 + rows)).cast(pa.string())
        if kind == "parquet":
            pq.write_table(pa.table(columns), path, row_group_size=rows)
        else:
            pa.csv.write_csv(pa.table(columns), path)
        peaks[rows] = peak_bytes(path, rows)
        path.unlink()
    assert peaks[large] < 200e6
    assert peaks[large] < peaks[small] + 50e6


def test_alphabet_of_names(tmp_path: Path) -> None:
    table = pa.table({letter: [i] for i, letter in enumerate(string.printable)})
    pq.write_table(table, tmp_path / "a.parquet")
    assert open_source(tmp_path / "a.parquet").head().equals(table)
