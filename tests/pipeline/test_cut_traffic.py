"""Logged predictions are kept apart by bins and pairs as a table's rows are, and monitors name these segments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from traffic import TARGET

from watchkeeper.errors import InvalidMonitors
from watchkeeper.pipeline import fitting
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.values import MeasurementQuery
from watchkeeper.response.monitors import Monitors
from watchkeeper.schema import Schema

SCHEMA: dict[str, Any] = {
    "segments": ["age", ["age", "channel"]], "segment_bins": {"age": [30, 60]}, "target": "label", "score": "score",
}  # fmt: skip


def rows(count: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(4)
    made = []
    for i in range(count):
        score = float(rng.random())
        row = {"id": f"r{i}", "prediction": int(score > 0.5), "score": score, "features": {"age": int(15 + i % 60)}}
        made.append(row | {"segments": {"channel": ["web", "shop"][i % 2]}})
    return made


def send(pipeline: Pipeline, kind: str, told: list[dict[str, Any]]) -> None:
    body = json.dumps({kind: told}).encode()
    receipt = pipeline.submit(kind, TARGET, None, "application/json", body).result(30)
    assert receipt.rejected == 0, receipt.quarantined


def test_bins_and_pairs_of_logged_predictions(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        pipeline.register(TARGET, SCHEMA, None)
        send(pipeline, "predictions", rows(600))
        send(pipeline, "labels", [{"id": f"r{i}", "label": i % 2} for i in range(600)])
        assert pipeline.settle()
        found = pipeline.measurements(MeasurementQuery(TARGET, every="day", metrics=("accuracy",)))
        segments = {s: n for s, n in zip(found["segment"].to_pylist(), found["n"].to_pylist(), strict=True) if s}
        assert segments["age=30 to 60"] == 300
        assert segments["age x channel=below 30 x web"] + segments["age x channel=below 30 x shop"] == 150
        assert {s for s in segments if s.startswith("channel=")} == {"channel=web", "channel=shop"}
        version = pipeline.versions(TARGET)[0]
        assert version["schema"]["crossed"] == [["age", "channel"]]


class _Version:
    schema = Schema(segments=["origin", ["origin", "carrier"]])


def test_monitors_name_pairs() -> None:
    head = "model: m\nwindow: {every: 1d}\nmonitors:\n  - {metric: accuracy, segments: "
    for said in ("[origin, [origin, carrier]]", "[origin, origin x carrier]"):
        monitors = Monitors.from_yaml(head + said + ", detect: {threshold: {warning: '< 0.5'}}}\n")
        assert monitors.monitors[0].segments == ("origin", "origin x carrier")
        fitting.check(monitors, [_Version()])  # type: ignore[list-item]
    wrong = Monitors.from_yaml(head + "[[origin, carriers]], detect: {threshold: {warning: '< 0.5'}}}\n")
    with pytest.raises(InvalidMonitors, match="origin x carrier"):
        fitting.check(wrong, [_Version()])  # type: ignore[list-item]


def test_quality_of_logged_predictions_can_be_monitored(tmp_path: Path) -> None:
    names = ("mistyped_share", "format_share", "repeated_share", "top_share")
    text = "model: late\nwindow: {every: 1d}\nmonitors:\n" + "".join(
        f"  - {{metric: {name}, columns: [mail], detect: {{threshold: {{critical: '> 99%'}}}}}}\n" for name in names
    )
    monitors = Monitors.from_yaml(text + "  - {metric: duplicate_share, detect: {threshold: {critical: '> 1%'}}}\n")
    assert [m.role for m in monitors.monitors] == ["evidence"] * 5
    told = rows(600)
    for i, row in enumerate(told):
        row["features"] |= {"mail": f"u{i}@example.org", "plan": "free"}
    with Pipeline.open(tmp_path / "store") as pipeline:
        send(pipeline, "predictions", told)
        assert pipeline.settle()
        reference = pipeline.profile(TARGET, None, None)
        pipeline.set_reference(TARGET, reference.to_bytes())
        assert pipeline.settle()
        asked = MeasurementQuery(TARGET, every="day", metrics=(*names, "duplicate_share"))
        found = pipeline.measurements(asked).to_pylist()
    values = {(row["metric"], row["column"]): row["value"] for row in found}
    assert values["top_share", "plan"] == 1
    assert values["format_share", "mail"] == 1
    assert values["repeated_share", "mail"] == 0
    assert values["duplicate_share", None] == 0
