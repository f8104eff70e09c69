"""The main path from any two tables to a report."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import watchkeeper as wk
from scored import scored_table
from watchkeeper.errors import EmptySource, InputError, InvalidSchema, SchemaMismatch, UnknownColumn

SCHEMA = {"timestamp": "when", "target": "label", "prediction": "prediction", "score": "score"}


def schema(**more: Any) -> wk.Schema:
    return wk.Schema(**SCHEMA, **more)  # type: ignore[arg-type]


def numbers(report: wk.Report) -> dict[tuple[Any, ...], list[float]]:
    what = ("metric", "column", "segment", "source", "params")
    values = ("value", "low", "high", "n", "reference", "p_value")
    rows = report.measurements().to_pylist()
    return {tuple(r[k] for k in what): [math.nan if r[k] is None else r[k] for k in values] for r in rows}


def check_same(first: wk.Report, second: wk.Report) -> None:
    mine, theirs = numbers(first), numbers(second)
    assert mine.keys() == theirs.keys()
    for key, values in mine.items():
        assert values == pytest.approx(theirs[key], rel=1e-9, abs=1e-12, nan_ok=True), key


def test_a_shift_is_found_and_told(files: tuple[Path, Path]) -> None:
    report = wk.compare(*files, schema=schema(segments=["city"]))
    assert report.verdict == "critical"
    assert report.exit_code() == 2
    moved = {row["what"]: row["verdict"] for row in report.verdicts().to_pylist()}
    assert moved["wasserstein (x)"] == "critical"
    assert moved["jensen_shannon (city)"] == "ok"
    assert any("The mean of x rose from" in said for said in report.sentences)
    assert "x" in report.headline


@pytest.mark.parametrize(
    "convert",
    [
        lambda t: t,
        lambda t: t.to_batches(),
        lambda t: t.to_pandas(),
        lambda t: pl.DataFrame(t.to_pydict(), schema_overrides={"when": pl.Datetime("us", "UTC")}),
        lambda t: {name: t[name].to_numpy() if name != "when" else t[name] for name in t.column_names},
        duckdb.arrow,
        lambda t: (batch for batch in t.to_batches(max_chunksize=700)),
    ],
    ids=["arrow", "batches", "pandas", "polars", "mapping", "duckdb", "iterator"],
)
def test_every_kind_of_table_gives_the_same_numbers(convert: Callable[[pa.Table], object]) -> None:
    before, after = scored_table(900, 1), scored_table(800, 2, 0.5)
    plain = wk.compare(before, after, schema=schema())
    other = wk.compare(convert(before), convert(after), schema=schema())
    check_same(other, plain)


def test_csv_and_profiles_give_the_same_numbers(files: tuple[Path, Path], tmp_path: Path) -> None:
    plain = wk.compare(*files, schema=schema())
    whole = wk.infer_schema(files[0], schema())
    saved = []
    for path in files:
        profile = wk.profile(path, whole)
        profile.save(tmp_path / f"{path.stem}.profile")
        saved.append(tmp_path / f"{path.stem}.profile")
        pyarrow.csv.write_csv(pq.read_table(path), tmp_path / f"{path.stem}.csv")
    check_same(wk.compare(*saved), plain)
    texts = [tmp_path / f"{path.stem}.csv" for path in files]
    check_same(wk.compare(*texts, schema=schema()), plain)


def test_parts_merge_to_the_whole(files: tuple[Path, Path]) -> None:
    table = pq.read_table(files[0])
    whole = wk.infer_schema(table, schema())
    parts = [wk.profile(table.slice(start, 500), whole) for start in range(0, len(table), 500)]
    merged = wk.merge(reversed(parts))
    assert merged.rows == len(table)
    first, second = (wk.compare(side, files[1]) for side in (merged, wk.profile(table, whole)))
    check_same(first, second)


def test_the_document_holds_no_nan_and_is_complete(files: tuple[Path, Path]) -> None:
    document = wk.compare(*files, schema=schema(segments=["city"])).to_dict()
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert [row["metric"] for row in document["performance"]][:2] == ["roc_auc", "average_precision"]
    assert {row["value"] for row in document["segments"]} == {"Oslo", "Rome", "Lima"}
    assert len(document["timeline"]) == 20
    assert {c["name"] for c in document["columns"]} == {"when", "x", "city", "score", "prediction", "label"}
    for column in document["columns"]:
        shares = column["distribution"]
        assert abs(sum(shares["reference"]) - 1) < 0.02 or column["name"] == "x"


def test_measurements_have_the_contract_s_columns(files: tuple[Path, Path]) -> None:
    table = wk.compare(*files, schema=schema()).measurements()
    assert (
        table.column_names
        == (
            "project environment model version window_start window_end segment column metric params source value low high n "
            "coverage reference effect p_value detectable unit revision known_at"
        ).split()
    )
    assert set(table["source"].to_pylist()) == {"realised", "estimated"}


def test_late_labels_count_as_coverage_and_not_as_negatives() -> None:
    before, after = scored_table(3_000, 1), scored_table(3_000, 2)
    labels = after["label"].to_pylist()
    gaps = pa.array([None if i % 3 == 0 else v for i, v in enumerate(labels)], pa.int64())
    report = wk.compare(before, after.set_column(5, "label", gaps), schema=schema())
    row = next(r for r in report.measurements().to_pylist() if r["metric"] == "accuracy" and r["source"] == "realised")
    assert (row["n"], row["coverage"]) == (2_000, pytest.approx(2 / 3))


def test_without_labels_the_estimate_is_judged() -> None:
    before, after = scored_table(6_000, 1), scored_table(6_000, 2, -2.0).drop(["label"])
    report = wk.compare(before, after, schema=schema())
    rows = {r["metric"]: r for r in report.measurements().to_pylist() if r["source"] == "estimated"}
    assert rows["roc_auc"]["p_value"] is not None
    assert any("lacks 'label'" in said for said in report.to_dict()["notices"])


def test_regression_and_multiclass() -> None:
    rng = np.random.default_rng(5)
    y = rng.normal(10, 3, 2_000)
    before = {"y": y, "y_hat": y + rng.normal(size=2_000)}
    after = {"y": y, "y_hat": y + 2 * rng.normal(size=2_000)}
    report = wk.compare(before, after)
    assert report.comparison.reference.schema.task == "regression"
    assert {"rmse", "mae"} <= {r["what"] for r in report.verdicts().to_pylist() if r["verdict"] == "critical"}
    classes = np.array(["a", "b", "c"])
    label = classes[rng.integers(0, 3, 3_000)]
    wrong = np.where(rng.random(3_000) < 0.4, classes[rng.integers(0, 3, 3_000)], label)
    report = wk.compare({"target": label, "prediction": label}, {"target": label, "prediction": wrong})
    assert report.comparison.reference.schema.task == "multiclass"
    assert "accuracy fell from 100 %" in report.headline


def test_rows_that_cannot_be_compared_end_in_a_sentence(files: tuple[Path, Path]) -> None:
    empty = scored_table(10, 1).slice(0, 0)
    with pytest.raises(EmptySource, match="has no rows"):
        wk.compare(files[0], empty)
    with pytest.raises(UnknownColumn, match="Did you mean 'label'") as caught:
        wk.compare(*files, schema=wk.Schema(target="lable"))
    assert caught.value.nearest == "label"
    with pytest.raises(InvalidSchema, match="alpha"):
        wk.compare(*files, alpha=5)
    with pytest.raises(InvalidSchema, match="named as target and as"):
        wk.compare(*files, schema=wk.Schema(target="label", prediction="label"))
    with pytest.raises(InvalidSchema, match="holds text"):
        wk.compare(*files, schema=wk.Schema(score="city"))
    first = wk.profile(files[0], schema())
    second = wk.profile(files[1], schema(segments=["city"]))
    with pytest.raises(SchemaMismatch, match=r"segments is \[\] and \['city'\]"):
        wk.compare(first, second)


def _with(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


@pytest.mark.parametrize(
    ("spoil", "notice"),
    [
        (lambda t: _with(t, "x", pa.nulls(len(t), pa.float64())), "x has no values"),
        (lambda t: _with(t, "x", pa.array(["oops", "3"] * (len(t) // 2))), "another type"),
        (lambda t: _with(t, "x", pa.array(np.where(np.arange(len(t)) % 2 == 0, np.inf, 1.0))), "infinite"),
        (lambda t: _with(t, "label", pa.array(["maybe"] * len(t))), "no known class"),
        (lambda t: _with(t, "score", pa.array(t["score"].to_numpy() * 7)), "outside 0 to 1"),
        (lambda t: t.drop(["city"]), "lacks 'city'"),
        (lambda t: t.append_column("new", t["x"]), "'new', which the reference lacks"),
        (lambda t: t.slice(0, 1), ""),
    ],
    ids=["null", "mixed", "infinite", "strange label", "no probability", "lacks", "new", "one row"],
)
def test_spoilt_columns_do_not_stop_the_rest(spoil: Callable[[pa.Table], pa.Table], notice: str) -> None:
    report = wk.compare(scored_table(2_000, 1), spoil(scored_table(2_000, 2)), schema=schema(segments=["city"]))
    document = report.to_dict()
    assert any(notice in said for said in document["notices"])
    assert len(document["columns"]) == 6
    assert report.headline
    assert repr(report)


def test_one_row_is_not_enough_data() -> None:
    one = scored_table(1, 1)
    report = wk.compare(one, one, schema=schema())
    assert report.verdict == "not enough data"
    assert report.exit_code() == 3


def test_strict_tells_what_could_not_be_told(files: tuple[Path, Path]) -> None:
    same = wk.compare(files[0], files[0], schema=schema())
    assert same.exit_code() == 0
    assert any(v["verdict"] == "not enough data" for v in same.verdicts().to_pylist()) == (
        same.exit_code(strict=True) == 3
    )


def test_odd_names_and_types_are_taken(tmp_path: Path) -> None:
    rows = 400
    table = pa.table(
        {
            "": np.arange(rows) * 1.0,
            "a\nb": np.arange(rows),
            "<img src=x onerror=alert(1)>": ["x", "y"] * (rows // 2),
            "[bold]": [True, False] * (rows // 2),
            "\N{GRINNING FACE}": pa.array([b"x"] * rows),
            "list": pa.array([[1, 2]] * rows),
        }
    )
    report = wk.compare(table, table)
    assert "cannot be profiled" in " ".join(report.to_dict()["notices"])
    report.save(tmp_path / "odd.html")
    page = (tmp_path / "odd.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "[bold]" in repr(report)


def test_integers_beyond_2_53_and_decimals_and_durations() -> None:
    table = pa.table(
        {
            "big": pa.array([2**60 + i for i in range(300)]),
            "money": pa.array([f"{i}.25" for i in range(300)]).cast(pa.decimal128(10, 2)),
            "wait": pa.array(range(300), pa.duration("s")),
            "clock": pa.array(range(300), pa.time32("s")),
            "day": pa.array(range(300), pa.date32()),
        }
    )
    report = wk.compare(table, table)
    assert report.verdict in {"ok", "not enough data"}
    assert len(report.to_dict()["columns"]) == 5


def test_pandas_with_missing_labels_reads_floats_as_classes() -> None:
    frame = pd.DataFrame({"y": [0.0, 1.0, np.nan] * 200, "p": [0.2, 0.8, 0.5] * 200})
    report = wk.compare(frame, frame)
    assert report.comparison.reference.schema.classes == ["0", "1"]
    assert report.comparison.reference.coverage == pytest.approx(2 / 3)


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 20])
def test_a_handful_of_rows_is_not_enough_data(rows: int) -> None:
    for seed in range(5):
        report = wk.compare(scored_table(rows, 2 * seed), scored_table(rows, 2 * seed + 1), schema=schema())
        assert report.verdict == "not enough data"
        report.to_html()


@pytest.mark.parametrize("form", ["text", "seconds", "milliseconds"])
def test_timestamps_as_text_or_numbers_are_read(form: str) -> None:
    def change(table: pa.Table) -> pa.Table:
        micros = table["when"].cast(pa.int64()).to_numpy() + 1_700_000_000_000_000
        made = {
            "text": pa.array(np.datetime_as_string(micros.astype("datetime64[us]")).tolist()),
            "seconds": pa.array(micros // 1_000_000),
            "milliseconds": pa.array(micros // 1_000),
        }
        return _with(table, "when", made[form])

    report = wk.compare(change(scored_table(2_000, 1)), change(scored_table(2_000, 2)), schema=schema())
    window = report.comparison.reference.window
    assert window is not None
    assert window.start.year == 2023
    assert report.comparison.reference.timeline is not None
    assert len(report.comparison.reference.timeline.outcomes) == 10 + 1  # the shift cuts a day in two


def test_more_categories_than_can_be_named_are_compared_and_said() -> None:
    before, after = ({"user": [f"user {i}" for i in range(start, start + 6_000)]} for start in (0, 6_000))
    report = wk.compare(before, after)
    assert report.verdict in {"ok", "not enough data"}  # ids are always new, and so they were
    assert any("more than 4,096 categories" in said for said in report.to_dict()["notices"])
    assert "distinct values" in " ".join(report.verdicts()["words"].to_pylist())


def test_late_labels_are_coverage_and_no_alarm() -> None:
    before, after = scored_table(3_000, 1), scored_table(3_000, 2)
    late = pa.array([v if i < 1_500 else None for i, v in enumerate(after["label"].to_pylist())], pa.int64())
    assert wk.compare(before, _with(after, "label", late), schema=schema()).verdict == "ok"
    assert wk.compare(before, after.drop(["label"]), schema=schema()).verdict == "ok"


def test_a_column_bears_the_worst_of_its_checks() -> None:
    gaps = scored_table(3_000, 2)
    gaps = _with(gaps, "x", pa.array([None if i % 5 == 0 else v for i, v in enumerate(gaps["x"].to_pylist())]))
    columns = {c["name"]: c for c in wk.compare(scored_table(3_000, 1), gaps, schema=schema()).to_dict()["columns"]}
    assert columns["x"]["verdict"] == "critical"
    assert "missing in 20" in columns["x"]["words"]


def test_roles_beside_a_profile_and_a_schema_as_fields(files: tuple[Path, Path], tmp_path: Path) -> None:
    made = wk.profile(files[0], schema())
    with pytest.raises(InvalidSchema, match="has its schema already"):
        wk.compare(made, files[1], schema=wk.Schema(target="label"))
    with pytest.raises(InputError, match="none of the columns"):
        wk.compare(made, {"other": [1, 2, 3]})
    (tmp_path / "s.yaml").write_text("target: label\nscore: score\n")
    for given in (tmp_path / "s.yaml", {"target": "label", "score": "score"}):
        assert wk.compare(*files, schema=given).comparison.reference.schema.target == "label"


def test_a_column_that_was_renamed_is_asked_about() -> None:
    before = pa.table({"age": [float(i) for i in range(60)], "x": [1.0, 2.0] * 30})
    notices = wk.compare(before, before.rename_columns(["Age", "x"])).to_dict()["notices"]
    assert "The current data has 'Age', and no 'age': was the column renamed?" in notices
    assert not any("renamed" in said for said in wk.compare(before, before).to_dict()["notices"])
