"""What is suggested can be applied, and says why."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.capture.batch import Batch
from watchkeeper.inference import infer
from watchkeeper.profiles.profile import Profile
from watchkeeper.response.monitors import Monitors
from watchkeeper.response.suggest import suggest
from watchkeeper.schema import Schema
from watchkeeper.window import DAY, HOUR


@functools.cache
def reference(task: str = "binary", days: int = 20) -> Profile:
    """Return a month of scored rows, in which days differ."""
    rng, rows = np.random.default_rng(7), 4000
    when = np.sort(rng.integers(0, days * DAY, rows))
    mood = rng.normal(size=days)[when // DAY]
    score = 1 / (1 + np.exp(-rng.normal(size=rows)))
    label = (rng.random(rows) < 1 / (1 + np.exp(-np.log(score / (1 - score)) - mood))).astype(int)
    columns: dict[str, Any] = {
        "time": pa.array(when + HOUR, pa.timestamp("us", "UTC")),
        "x": rng.normal(size=rows),
        "origin": rng.choice(["JFK", "LGA", "EWR"], rows),
        "carrier": rng.choice([f"C{n}" for n in range(16)], rows),
        "took": rng.random(rows),
    }
    if task == "binary":
        columns |= {"score": score, "label": label, "predicted": (score > 0.5).astype(int)}
        given = Schema(
            timestamp="time",
            target="label",
            prediction="predicted",
            score="score",
            segments=["origin", "carrier"],
            latency="took",
        )
    else:
        columns |= {"label": score, "predicted": score + 0.1 * rng.normal(size=rows)}
        given = Schema(timestamp="time", target="label", prediction="predicted", task="regression")
    table = pa.table(columns)
    schema = infer(table, given)
    profile = Profile(schema)
    profile.update(Batch(table.combine_chunks().to_batches()[0], schema))
    return profile


def suggested(profile: Profile, metrics: tuple[str, ...] = ()) -> tuple[str, dict[str, dict[str, Any]]]:
    text = suggest(profile.schema, profile, metrics, model="late-flights")
    return text, {m["name"]: m for m in Monitors.from_yaml(text).to_dict()["monitors"]}


def test_a_binary_model() -> None:
    text, found = suggested(reference())
    assert list(found) == [
        "roc_auc", "f1", "roc_auc_estimated", "latency_p99", "traffic", "wasserstein", "jensen_shannon",
        "null_share", "new_category_share", "out_of_range_share",
    ]  # fmt: skip
    assert [name for name, m in found.items() if m["role"] == "incident"] == ["roc_auc", "f1", "latency_p99", "traffic"]
    assert found["roc_auc"]["detect"] == {"risk": {"tolerance": 0.02, "relative": False}}
    assert found["roc_auc"]["segments"] == ["origin"]
    assert "more than 10 values and every one costs: carrier" in text
    assert found["traffic"]["no_data"] == "critical"
    assert found["jensen_shannon"]["columns"] == ["origin", "carrier", "label", "predicted"]
    assert "The 20 days of the reference differ by " in text


def test_every_monitor_has_a_reason() -> None:
    lines = suggested(reference())[0].splitlines()
    start = lines.index("monitors:") + 1
    assert lines[start].startswith("  # ")
    assert sum(line.startswith("  # ") for line in lines) >= 6


def test_a_regression() -> None:
    _, found = suggested(reference("regression"))
    assert found["rmse"]["detect"] == {"risk": {"tolerance": 0.05, "relative": True}}
    assert "mae" in found
    assert "roc_auc" not in found
    assert "latency_p99" not in found


def test_what_was_measured_says_what_there_is() -> None:
    _, found = suggested(reference("regression"), ("mae", "failure_rate", "latency_p99"))
    assert {"mae", "failure_rate", "latency_p99"} < found.keys()
    assert "rmse" not in found


def test_too_few_days_are_said() -> None:
    assert "too few days to say how much days differ" in suggested(reference(days=3))[0]


def test_without_a_reference() -> None:
    text = suggest(reference().schema, None, (), model="m", environment="staging")
    monitors = Monitors.from_yaml(text)
    assert monitors.environment == "staging"
    assert [m.name for m in monitors.monitors] == ["roc_auc", "f1", "latency_p99", "traffic"]
    assert monitors.monitors[0].detect.to_dict() == {"robust_zscore": {"windows": 28}}
    assert "there is none yet" in text


def test_without_labels() -> None:
    text = suggest(Schema(kinds={"x": "numeric"}), None, (), model="m")
    assert [m.name for m in Monitors.from_yaml(text).monitors] == ["traffic"]
    assert "Performance cannot be watched" in text


names = st.text(min_size=1, max_size=30) | st.sampled_from(
    ["a: b", "#x", "- y", "on", "1e5", "{", "'", '"', "a\nb: c", "\u2028x", "*a"]
)


@given(
    st.dictionaries(names, st.sampled_from(["numeric", "categorical", "boolean"]), max_size=6),
    st.text(min_size=1, max_size=20),
)
def test_no_name_breaks_the_file(kinds: dict[str, Any], model: str) -> None:
    schema = Schema(kinds=kinds, task="regression")
    profile = Profile(schema)
    text = suggest(schema, profile, (), model=model if model.isprintable() else "m")
    found = Monitors.from_yaml(text)
    shown = [column for column, kind in kinds.items() if kind != "numeric" and column.isprintable()]
    drift = found.monitor("jensen_shannon")
    assert (list(drift.columns or ()) if drift is not None else []) == shown
