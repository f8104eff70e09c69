"""What leads and decides is the first headline metric that can be computed; what cannot be judged is said to be so."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

import watchkeeper as wk
from watchkeeper.detection.comparison import Comparison, compare_profiles
from watchkeeper.report.summary import headline, sentences

REGIONS = np.array(["north", "south", "east", "west"])
SCHEMA = wk.Schema(task="binary", target="target", prediction="predicted", segments=["region"])


def table(seed: int, flipped: float = 0.0, rows: int = 8000, **more: Any) -> pa.Table:
    """Return outcomes without scores, nine in ten right; a share of those of the north is flipped."""
    rng = np.random.default_rng(seed)
    region, target = rng.choice(REGIONS, rows), rng.integers(0, 2, rows)
    wrong = (rng.random(rows) < 0.1) ^ ((region == "north") & (rng.random(rows) < flipped))
    return pa.table({"region": region, "target": target, "predicted": np.where(wrong, 1 - target, target)} | more)


def printed(report: wk.Report) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(report.to_terminal(160))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_without_scores_segments_are_judged_by_what_is_known() -> None:
    report = wk.compare(table(1), table(2, 0.5), schema=SCHEMA)
    told = report.to_dict()
    assert told["main_metric"] == "f1"
    north = next(row for row in told["segments"] if row["value"] == "north")
    assert {m["metric"]: m["verdict"] for m in north["metrics"] if m["verdict"]} == {"f1": "critical"}
    assert any(said.startswith("By segment: ") and "north" in said for said in told["sentences"])
    assert "By segment: F1" in printed(report)
    same = wk.compare(table(1), table(3), schema=SCHEMA).to_dict()
    assert "No segment was found to be worse." in same["sentences"]


def test_with_scores_roc_auc_decides_as_ever() -> None:
    scores = {"score": np.random.default_rng(0).random(8000)}
    told = wk.compare(table(1, **scores), table(2, **scores), schema=SCHEMA.replace(score="score")).to_dict()
    assert told["main_metric"] == "roc_auc"
    assert {m["metric"] for s in told["segments"] for m in s["metrics"] if m["verdict"]} == {"roc_auc"}


def test_without_labels_and_scores_segments_cannot_be_measured() -> None:
    bare = table(2).set_column(1, "target", pa.nulls(8000, pa.int64()))
    said = " ".join(wk.compare(table(1), bare, schema=SCHEMA).to_dict()["sentences"])
    assert "Segments cannot be measured" in said
    assert "too small" not in said


def of_few_rows(judged: int) -> Comparison:
    """Return a comparison of twelve columns of few rows, so many of which are said to be well."""
    few = {f"x{i}": np.arange(12.0) + i for i in range(12)}
    before = wk.profile(pa.table(few))
    found = compare_profiles(before, wk.profile(pa.table({k: v + 50 for k, v in few.items()}), before.schema))
    columns = [
        (change, replace(verdict, name="ok") if verdict is not None and place < judged else verdict)
        for place, (change, verdict) in enumerate(found.columns)
    ]
    return replace(found, columns=columns, quality=[], table=[], checks=12)


def test_of_few_rows_nothing_is_shown_and_nothing_denied() -> None:
    assert sentences(of_few_rows(0))[0] == "None of 12 columns was shown to have moved by more than matters."


def test_a_headline_begins_with_what_could_not_be_judged() -> None:
    assert headline(of_few_rows(1)).startswith("Too little data to judge: 11 of 12 checks")
    assert of_few_rows(1).verdict == "ok"
    assert headline(of_few_rows(2)) == (
        "No change for the worse was found in 12 checks; 10 of them had not enough data to tell."
    )
