"""What a report says where some labels are there: both sources together, and whether the estimate holds."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scored import scored_table
from watchkeeper import Schema, compare

SCHEMA = Schema(target="label", score="score", prediction="prediction", timestamp="when")


def some_labels(table: pa.Table, wrong: float) -> pa.Table:
    """Return the table with a tenth of its labels, a share of which say the opposite."""
    rng = np.random.default_rng(0)
    label = table["label"].to_numpy()
    label = np.where(rng.random(len(label)) < wrong, 1 - label, label)
    place = table.column_names.index("label")
    return table.set_column(place, "label", pa.array(label, mask=rng.random(len(label)) < 0.9))


def test_a_change_of_concept_is_said_and_measured() -> None:
    report = compare(scored_table(6_000, 1), some_labels(scored_table(6_000, 2), 0.25), schema=SCHEMA)
    assert "The estimate does not hold here" in " ".join(report.sentences)
    assert "The estimate does not hold here" in " ".join(repr(report).split())
    rows = {r["metric"]: r for r in report.measurements().to_pylist() if r["metric"].endswith("_estimate_gap")}
    assert set(rows) == {"accuracy_estimate_gap", "roc_auc_estimate_gap", "f1_estimate_gap"}
    assert rows["accuracy_estimate_gap"]["high"] < 0
    assert rows["accuracy_estimate_gap"]["n"] < 1_000


def test_where_the_concept_stayed_nothing_is_refuted() -> None:
    report = compare(scored_table(6_000, 1), some_labels(scored_table(6_000, 2), 0.0), schema=SCHEMA)
    assert "does not hold" not in " ".join(report.sentences)
    gap = next(r for r in report.measurements().to_pylist() if r["metric"] == "accuracy_estimate_gap")
    assert gap["low"] < 0 < gap["high"]


def test_few_labels_and_all_scores_speak_together() -> None:
    report = compare(scored_table(6_000, 1), some_labels(scored_table(6_000, 2), 0.0), schema=SCHEMA)
    rows = {r["metric"]: r for r in report.measurements().to_pylist() if r["source"] == "prediction-powered"}
    assert set(rows) == {"accuracy", "error_rate", "log_loss", "brier"}
    assert json.loads(rows["accuracy"]["params"]) == {"method": "ppi++"}
    assert rows["accuracy"]["low"] < rows["accuracy"]["value"] < rows["accuracy"]["high"]
    assert "With the scores of the others, accuracy is" in " ".join(report.sentences)
    shown = {row["metric"]: row for row in report.to_dict()["performance"]}
    assert shown["accuracy"]["powered"]["value"] == rows["accuracy"]["value"]
    assert shown["roc_auc"]["powered"] is None


def test_labels_that_are_of_no_use_and_labels_that_are_not_there_are_told_apart() -> None:
    before, after = scored_table(2_000, 1), scored_table(2_000, 2)
    columns = {name: after[name] for name in after.column_names}
    wide = next(
        n for n in after.column_names if n not in {"label", "score", "t"} and pa.types.is_floating(after[n].type)
    )
    moved = pa.table(columns | {wide: pc.multiply(pc.add(after[wide], 3.0), 1.5)})
    place = moved.column_names.index("label")
    others = moved.set_column(place, "label", pc.if_else(pc.equal(moved["label"].cast(pa.string()), "1"), "yes", "no"))
    assert (
        "No label of the current data is one that the reference has" in compare(before, others, schema=SCHEMA).headline
    )
    assert "The current data has no labels" in compare(before, moved.drop_columns(["label"]), schema=SCHEMA).headline
