"""Structs are columns for their fields, lists are known by their length, whatever they come in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from watchkeeper import compare
from watchkeeper.capture.nested import flattened
from watchkeeper.capture.source import open_source

ROWS: list[dict[str, Any]] = [
    {"id": 1, "who": {"age": 30, "home": {"city": "Ulm"}}, "tags": ["a", "b"]},
    {"id": 2, "who": None, "tags": []},
    {"id": 3, "who": {"age": None, "home": None}, "tags": None},
]
FLAT = ["id", "who.age", "who.home.city", "tags", "tags.length"]


def test_fields_and_lengths(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, tmp_path / "rows.parquet")
    for data in (table, ROWS, tmp_path / "rows.parquet"):
        source = open_source(data, flat=True)
        assert source.schema.names == FLAT
        read = pa.Table.from_batches(source.batches(batch_rows=2))
        assert read.schema.names == FLAT
        assert read.equals(source.head())
        assert read["who.age"].to_pylist() == [30, None, None]
        assert read["who.home.city"].to_pylist() == ["Ulm", None, None]
        assert read["tags.length"].to_pylist() == [2, 0, None]
        some = pa.Table.from_batches(source.batches(["tags.length", "who.age"]))
        assert some.to_pylist() == read.select(["tags.length", "who.age"]).to_pylist()


def test_a_column_keeps_its_name_and_no_other_takes_it() -> None:
    batch = pa.RecordBatch.from_pylist([{"a": {"b": 1}, "a.b": 2, "c": {"d": 3}}])
    assert flattened(batch).to_pylist() == [{"a.b": 2, "c.d": 3}]
    assert open_source({"c": [{"d": 3}], "x": [1]}, flat=True).schema.names == ["c.d", "x"]


def rows(rng: np.random.Generator, n: int, moved: bool) -> pa.Table:
    begun = datetime(2025, 1, 1, tzinfo=UTC)
    far = 30 if moved else 0
    return pa.table(
        {
            "at": [begun + timedelta(hours=float(h)) for h in rng.integers(0, 500, n)],
            "born": [begun + timedelta(days=float(d)) for d in rng.normal(far, 10, n)],
            "known": rng.random(n) < (0.6 if moved else 0.3),
            "user": [f"u{k}" for k in rng.integers(0, 20_000, n) + (20_000 if moved else 0)],
            "who": [{"age": float(a)} for a in rng.normal(40 + far, 10, n)],
            "tags": [["t"] * int(k) for k in rng.poisson(6 if moved else 2, n)],
        }
    )


def test_compare_says_something_sensible_of_each() -> None:
    rng = np.random.default_rng(3)
    schema = {"timestamp": "at"}
    said = {}
    for moved in (False, True):
        report = compare(rows(rng, 6_000, moved=False), rows(rng, 5_000, moved=moved), schema=schema)
        said[moved] = {c["name"]: c for c in report.to_dict()["columns"]}
        assert not any("cannot be profiled" in notice for notice in report.to_dict()["notices"])
    assert {
        n: c["verdict"] for n, c in said[False].items() if c["verdict"] not in {None, "ok", "not enough data"}
    } == {}
    moved_columns = {n for n, c in said[True].items() if c["verdict"] in {"warning", "critical"}}
    assert moved_columns == {"born", "known", "user", "who.age", "tags.length"}
    words = {name: c["words"] for name, c in said[True].items()}
    assert "later by 30" in " ".join(p["words"] for p in said[True]["born"]["changes"])
    assert "'true' makes up" in words["known"]
    assert "new to the reference" in words["user"]
    assert "The mean of tags.length rose" in words["tags.length"]
