"""Threads, row groups and blocks must not show in the result."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from watchkeeper.capture.source import open_source
from watchkeeper.engines.local import profile_source
from watchkeeper.errors import UnreadableSource
from watchkeeper.inference import infer
from watchkeeper.schema import Schema
from watchkeeper.testing import difference

SUMS = {"total", "squares", "huge_total", "huge_squares", "gram", "bin_scores"}


def check_same(first: object, second: object) -> None:
    """Counts to the bit, sums to 1e-12 of the sum of absolute values (about n here)."""
    found = difference(first, second, sums=SUMS, scale=1e6)
    assert found is None, found


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(7)
    n = 120_000
    score = rng.random(n)
    return pa.table(
        {
            "when": pa.array(np.arange(n) * 30_000_000, pa.timestamp("us", "UTC")),
            "x": rng.normal(size=n),
            "city": np.array(["Oslo", "Rome", "Lima"])[rng.integers(0, 3, n)],
            "score": score,
            "label": (rng.random(n) < score).astype(int),
        }
    )


def schema_for(table: pa.Table) -> Schema:
    return infer(table.slice(0, 10_000), Schema(timestamp="when", target="label", score="score", segments=["city"]))


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("group", [1_000, 50_000, 1_000_000])
def test_threads_and_row_groups_do_not_show(table: pa.Table, tmp_path: Path, threads: int, group: int) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, row_group_size=group)
    schema = schema_for(table)
    whole = profile_source(open_source(table), schema, threads=1)
    parts = profile_source(open_source(path), schema, threads=threads)
    assert parts.rows == len(table)
    check_same(parts.columns["x"].state(), whole.columns["x"].state())
    check_same(parts.sample.index.state(), whole.sample.index.state())
    assert parts.outcome is not None
    assert whole.outcome is not None
    check_same(parts.outcome.state(), whole.outcome.state())


def test_csv_and_parquet_give_the_same_profile(table: pa.Table, tmp_path: Path) -> None:
    few = table.slice(0, 30_000)
    pq.write_table(few, tmp_path / "t.parquet")
    pyarrow.csv.write_csv(few, tmp_path / "t.csv")
    schema = schema_for(few)
    first, second = (profile_source(open_source(tmp_path / name), schema) for name in ("t.parquet", "t.csv"))
    check_same(first.columns["x"].state(), second.columns["x"].state())
    check_same(first.columns["city"].state(), second.columns["city"].state())
    assert (first.start, first.end) == (second.start, second.end)


def test_progress_reaches_the_end(table: pa.Table) -> None:
    seen: list[tuple[int, float | None]] = []
    profile_source(
        open_source(table), schema_for(table), threads=2, progress=lambda rows, share: seen.append((rows, share))
    )
    assert [rows for rows, _ in seen] == sorted(rows for rows, _ in seen)
    assert seen[-1] == (len(table), 1.0)


def test_an_error_in_one_thread_ends_all_and_leaves_none_behind(table: pa.Table, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(
        table, path, row_group_size=5_000, compression="none", use_dictionary=False, write_page_checksum=True
    )
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    before = threading.active_count()
    with pytest.raises(UnreadableSource):
        profile_source(open_source(path), schema_for(table), threads=2)
    assert threading.active_count() == before


def test_text_that_is_not_utf_8_is_said(tmp_path: Path) -> None:
    raw = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    with pytest.raises(UnreadableSource, match="not UTF-8"):
        profile_source(open_source(pa.table({"c": raw})), Schema(kinds={"c": "categorical"}))
