"""Segments by bins and by pairs: edges are the schema's, so profiles of parts merge to that of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import watchkeeper as wk
from watchkeeper.capture.batch import Batch
from watchkeeper.errors import InvalidSchema, SchemaMismatch
from watchkeeper.inference import infer, rounded_edges
from watchkeeper.profiles.cuts import bin_labels, cut_texts
from watchkeeper.profiles.segments import SEGMENT_CAP
from watchkeeper.testing import difference


def flights(n: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    age = rng.integers(15, 95, n).astype(float)
    return {
        "age": pa.array(np.where(rng.random(n) < 0.03, np.nan, age), mask=rng.random(n) < 0.03),
        "origin": pa.array(rng.choice(["JFK", "LGA", None], n)),
        "carrier": rng.choice(["UA", "AA", "B6"], n),
        "when": pa.array(1_372_600_000_000_000 + rng.integers(0, 10**13, n), pa.timestamp("us")),
        "score": score,
        "y": (rng.random(n) < score).astype(int),
    }


SEGMENTS: list[Any] = ["age", ["origin", "carrier"], ["age", "origin"], "when"]


def codes(values: pa.Array, columns: list[str], **schema: Any) -> list[str | None]:
    batch = Batch(pa.record_batch({"a": values, "b": values}), wk.Schema(**schema))
    texts = cut_texts(batch, columns)
    return [None if code < 0 else texts.names[code].as_py() for code in texts.codes.tolist()]


def test_a_bin_holds_its_lower_edge_and_what_is_missing_is_apart() -> None:
    values = pa.array([-np.inf, 17.9, 18, 24.9, 65, np.inf, None, np.nan])
    young, middle, old = "below 18", "18 to 65", "65 or more"
    found = codes(values, ["a"], segment_bins={"a": [18, 65]})
    assert found == [young, young, middle, middle, old, old, None, None]


def test_numbers_that_come_as_text_are_binned_too() -> None:
    assert codes(pa.array(["17", "18.5", "old"]), ["a"], segment_bins={"a": [18]}) == ["below 18", "18 or more", None]


def test_dates_are_edges_in_the_schema_s_zone() -> None:
    instants = pa.array(["2013-07-01T03:59:00Z", "2013-07-01T04:00:00Z"])
    bins = {"a": ["2013-07-01"]}
    assert codes(instants, ["a"], segment_bins=bins, zone="America/New_York") == [
        "before 2013-07-01",
        "2013-07-01 or later",
    ]
    assert codes(instants, ["a"], segment_bins=bins) == ["2013-07-01 or later"] * 2


def test_a_crossing_is_each_pair_that_occurs() -> None:
    batch = Batch(
        pa.record_batch({"a": pa.array(["x", "x", None, None]), "b": pa.array([1, None, 70, None])}),
        wk.Schema(segment_bins={"b": [18, 65]}),
    )
    texts = cut_texts(batch, ["a", "b"])
    found = [texts.names[code].as_py() for code in texts.codes.tolist()]
    assert found == ["x x below 18", "x x __missing__", "__missing__ x 65 or more", "__missing__ x __missing__"]


@pytest.mark.parametrize("wide", [50, 3000])
def test_many_pairs_are_told_apart_as_few_are(wide: int) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, wide, 4000), rng.integers(0, wide, 4000)
    batch = Batch(pa.record_batch({"a": pa.array(first.astype(str)), "b": pa.array(second.astype(str))}), wk.Schema())
    texts = cut_texts(batch, ["a", "b"])
    assert len(texts.names) == len(set(zip(first.tolist(), second.tolist(), strict=True)))
    assert texts.names.take(pa.array(texts.codes)).to_pylist() == [
        f"{a} x {b}" for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]


def test_the_whole_is_the_merge_of_its_parts() -> None:
    table = pa.table(flights(4000))
    schema = wk.infer_schema(table, wk.Schema(target="y", score="score", timestamp="when", segments=SEGMENTS))
    assert set(schema.segment_bins) == {"age", "when"}
    whole = wk.profile(table, schema)
    assert list(whole.segments) == ["age", "when", "origin x carrier", "age x origin"]
    assert all(sum(o.rows for _, o in s.items()) == 4000 for s in whole.segments.values())
    parts = [wk.profile(table.slice(at, 700), schema) for at in range(0, 4000, 700)]
    merged = wk.merge(parts[::-1])
    merged.name = whole.name
    assert difference(merged.state()["segments"], whole.state()["segments"], sums=whole.SUMS, scale=1e3) is None
    assert wk.Profile.from_bytes(whole.to_bytes()).segments.keys() == whole.segments.keys()


def test_pairs_beyond_the_cap_are_the_same_ones_in_every_order() -> None:
    rng = np.random.default_rng(2)
    table = pa.table({"a": rng.integers(0, 40, 3000).astype(str), "b": rng.integers(0, 40, 3000).astype(str),
                      "p": rng.normal(size=3000), "y": rng.normal(size=3000)})  # fmt: skip
    schema = wk.infer_schema(table, wk.Schema(target="y", prediction="p", segments=[["a", "b"]]))
    whole = wk.profile(table, schema).segments["a x b"]
    merged = wk.merge(wk.profile(table.slice(at, 1000), schema) for at in (2000, 0, 1000)).segments["a x b"]
    assert len(whole.outcomes) == SEGMENT_CAP
    assert {v: o.rows for v, o in whole.items()} == {v: o.rows for v, o in merged.items()}


def test_late_labels_find_their_bins() -> None:
    table = pa.table(flights(600) | {"id": [f"r{i}" for i in range(600)]})
    given = wk.Schema(id="id", target="y", score="score", segments=["age", ["age", "origin"]])
    schema = wk.infer_schema(table, given)
    whole = wk.profile(table, schema)
    late = table.set_column(table.column_names.index("y"), "y", pa.nulls(600, pa.int64()))
    made = wk.profile(late, schema)
    made.label(Batch(table.combine_chunks().to_batches()[0], schema))
    assert difference(made.state()["segments"], whole.state()["segments"], sums=whole.SUMS, scale=1e3) is None


def test_a_schema_without_bins_and_pairs_is_what_it_was() -> None:
    plain = wk.Schema(target="y", segments=["a"])
    assert "crossed" not in plain.to_dict()
    assert "segment_bins" not in plain.to_dict()
    assert wk.Schema(segments=["a", ("b", "a")], segment_bins={"a": [1]}).to_dict()["crossed"] == [["b", "a"]]
    binned = plain.replace(segment_bins={"a": [1, 2]})
    assert binned.fingerprint != plain.fingerprint
    with pytest.raises(SchemaMismatch, match="segment_bins"):
        plain.check_same(binned)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("segments", [["a"]]),
        ("segments", [["a", "b", "c"]]),
        ("segments", [["a", "a"]]),
        ("crossed", "a x b"),
        ("crossed", ["a"]),
        ("segment_bins", {"a": []}),
        ("segment_bins", {"a": [2, 1]}),
        ("segment_bins", {"a": [1, 1]}),
        ("segment_bins", {"a": [1, "2013-01-01"]}),
        ("segment_bins", {"a": ["soon"]}),
        ("segment_bins", {"a": [float("nan")]}),
        ("segment_bins", {"a": list(range(63))}),
        ("segment_bins", {"a": 3}),
    ],
)
def test_what_is_no_cut_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidSchema):
        wk.Schema(**{field: value})


def test_bins_are_only_for_what_has_too_many_values_to_tell_each() -> None:
    table = pa.table(
        {
            "hour": list(range(24)) * 50,
            "age": [i / 7 for i in range(1200)],
            "years": list(range(18, 78)) * 20,
            "code": list(range(1200)),
        }
    )
    schema = infer(table, wk.Schema(segments=["hour", "age", "years", "code"], kinds={"code": "categorical"}))
    assert list(schema.segment_bins) == ["age", "years"]
    assert (schema.kinds["hour"], schema.kinds["age"]) == ("categorical", "numeric")
    assert "segment_bins.age" in schema.guessed


def test_edges_are_round_and_cut_into_about_equal_parts() -> None:
    values = np.random.default_rng(3).lognormal(3, 1, 10_000)
    edges = rounded_edges(values)
    shares = np.diff([0, *np.searchsorted(np.sort(values), edges), len(values)]) / len(values)
    assert len(edges) == 4
    assert 0.1 < shares.min() < shares.max() < 0.3
    assert max(len(label) for label in bin_labels(edges)) <= 16
    zeros = np.concatenate([np.zeros(9000), np.arange(1, 1001)])
    assert rounded_edges(zeros) == [1.0]
