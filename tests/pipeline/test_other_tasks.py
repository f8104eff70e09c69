"""Tasks beyond classes and numbers go through the service: a reference, rows, labels that come late, measurements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from traffic import TARGET

import watchkeeper as wk
from watchkeeper.metrics.names import TASKS
from watchkeeper.pipeline.measure import IMPROBABLE, NUMBERS, measure
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.values import MeasurementQuery

ROWS = 240
RNG = np.random.default_rng(12)
COMMON: dict[str, Any] = {"id": "id", "target": "label"}
CASES: dict[str, tuple[wk.Schema, dict[str, Any]]] = {
    "ranking": (
        wk.Schema(task="ranking", query="list", score="score", prediction="prediction", **COMMON),
        {"list": [f"q{i % 30}" for i in range(ROWS)], "score": RNG.random(ROWS), "label": RNG.integers(0, 3, ROWS)},
    ),
    "forecasting": (
        wk.Schema(task="forecasting", horizon="ahead", prediction="prediction", naive_scale=2.0, **COMMON),
        {"ahead": np.arange(ROWS) % 3, "prediction": RNG.random(ROWS), "label": RNG.normal(size=ROWS)},
    ),
    "multilabel": (
        wk.Schema(task="multilabel", prediction="prediction", **COMMON),
        {"prediction": RNG.choice(["a", "a|b", "c"], ROWS), "label": RNG.choice(["a", "b|a", "b|c"], ROWS)},
    ),
    "multiclass": (
        wk.Schema(task="multiclass", many_classes=True, prediction="prediction", **COMMON),
        {"prediction": [f"p{i % 50}" for i in range(ROWS)], "label": [f"p{i % 40}" for i in range(ROWS)]},
    ),
    "binary": (
        wk.Schema(task="binary", weight="size", score="score", positive="1", **COMMON),
        {"size": RNG.gamma(1, 2, ROWS), "score": RNG.random(ROWS), "label": RNG.integers(0, 2, ROWS)},
    ),
}
CASES |= {
    f"{task}, weighted": (CASES[task][0].replace(weight="size"), CASES[task][1] | {"size": RNG.gamma(1, 2, ROWS)})
    for task in ("ranking", "multilabel", "multiclass")
}


def plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


@pytest.mark.parametrize("task", CASES)
def test_a_task_through_the_service(task: str, tmp_path: Path) -> None:
    schema, columns = CASES[task]
    task = str(schema.task)
    rows = (
        columns
        | {"id": [f"r{i}" for i in range(ROWS)]}
        | ({} if "prediction" in columns else {"prediction": [1.0] * ROWS})
    )
    rows = {name: [plain(v) for v in values] for name, values in rows.items()}
    if task == "binary":
        del rows["prediction"]
    reference = wk.profile(rows, schema.replace())
    roles = {"id", "score", "prediction"}
    sent = [
        {k: rows[k][i] for k in rows if k in roles}
        | {"features": {k: rows[k][i] for k in rows if k not in {*roles, "label"}}}
        for i in range(ROWS)
    ]
    with Pipeline.open(tmp_path / "store") as pipeline:
        pipeline.set_reference(TARGET, reference.to_bytes())
        for body, kind in (({"predictions": sent}, "predictions"), (labels(rows), "labels")):
            receipt = pipeline.submit(kind, TARGET, None, "application/json", json.dumps(body).encode()).result(30)
            assert receipt.rejected == 0, receipt.quarantined
            assert pipeline.settle()
        found = pipeline.profile(TARGET, None, None)
        assert found.outcome.labelled == ROWS
        for name, (_, compute) in TASKS[task].items():
            assert compute(found.outcome, ()).value == pytest.approx(
                compute(reference.outcome, ()).value, nan_ok=True
            ), name
        measured = pipeline.measurements(MeasurementQuery(TARGET))
        names = {row["metric"] for row in measured.to_pylist()}
        known = {name for name, (_, compute) in TASKS[task].items() if compute(reference.outcome, ()).known}
        assert known <= names


def labels(rows: dict[str, list[Any]]) -> dict[str, Any]:
    return {"labels": [{"id": rows["id"][i], "label": rows["label"][i]} for i in range(ROWS)]}


def test_a_weighted_model_says_which_scores_cannot_be() -> None:
    rows = {"y": [0, 1] * 50, "s": [0.5] * 98 + [7.5] * 2, "w": [1.0] * 100}
    schema = wk.Schema(task="binary", target="y", score="s", weight="w", positive=1)
    found = {row.metric: row.numbers[NUMBERS.index("value")] for row in measure(wk.profile(rows, schema), None, 60.0)}
    assert found[IMPROBABLE] == pytest.approx(0.02)
