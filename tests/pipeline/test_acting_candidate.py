"""What a command leaves is checked before it is believed."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from watchkeeper.errors import ActionRefused
from watchkeeper.pipeline.acting_candidate import is_complete, judge, read_candidate
from watchkeeper.schema import Schema

DAY = 86_400_000_000
BINARY = Schema(
    id="id", timestamp="when", target="bad", prediction="flag", score="risk", task="binary", positive="1",
    classes=["0", "1"],
    kinds={"when": "datetime", "x": "numeric", "flag": "categorical", "risk": "numeric", "bad": "categorical"},
)  # fmt: skip
IDS = [f"r{i}" for i in range(60)]


def rows(truth: list[object], said: list[object], **more: list[object]) -> pa.Table:
    times = pa.array([i // 15 * DAY for i in range(60)], pa.timestamp("us", "UTC"))
    return pa.table({"id": IDS, "when": times, "x": [float(i) for i in range(60)], "bad": truth, "flag": said, **more})


TRUTH = [str(int(i % 3 == 0)) for i in range(60)]
HELD = rows(TRUTH, ["0"] * 60, risk=[0.5] * 60)  # type: ignore[arg-type]
GOOD = {"id": IDS, "score": [float(t) for t in TRUTH], "prediction": TRUTH}


def scored(folder: Path, **changes: object) -> Path:
    pq.write_table(pa.table(GOOD | changes), folder / "holdout.parquet")
    return folder


@pytest.mark.parametrize(
    "told",
    [
        "nonsense", "[]", "{}", '{"version": 4, "artefact": "x"}', '{"version": "", "artefact": "x"}',
        '{"version": "4", "artefact": null}', json.dumps({"version": "4\n", "artefact": "x"}),
        json.dumps({"version": "4" * 257, "artefact": "x"}), json.dumps({"version": "4", "artefact": "x" * 70_000}),
    ],
)  # fmt: skip
def test_a_candidate_that_is_none(tmp_path: Path, told: str) -> None:
    (tmp_path / "candidate.json").write_text(told)
    with pytest.raises(ActionRefused, match=r"candidate\.json"):
        read_candidate(tmp_path)
    assert not is_complete(scored(tmp_path))


def test_a_candidate_must_be_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"version": "4", "artefact": "x"}')
    (tmp_path / "candidate.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ActionRefused, match="cannot be read"):
        read_candidate(tmp_path)
    (tmp_path / "candidate.json").unlink()
    os.mkfifo(tmp_path / "candidate.json")
    with pytest.raises(ActionRefused, match="no plain file"):
        read_candidate(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": ["strange", *IDS[1:]]}, "not held out, such as 'strange'"),
        ({"id": [IDS[1], *IDS[1:]]}, "ids twice"),
        ({"id": [None, *IDS[1:]]}, "not held out"),
        ({"score": [math.nan, *GOOD["score"][1:]]}, "no finite numbers"),
        ({"score": [math.inf, *GOOD["score"][1:]]}, "no finite numbers"),
        ({"score": ["high"] * 60}, "no numbers"),
    ],
)
def test_scores_that_cannot_be_compared(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ActionRefused, match=words):
        judge(scored(tmp_path, **changes), HELD, BINARY)


def test_who_leaves_out_the_hard_rows_is_not_compared(tmp_path: Path) -> None:
    pq.write_table(pa.table(GOOD).slice(0, 50), tmp_path / "holdout.parquet")
    with pytest.raises(ActionRefused, match="50 of 60 held-out rows"):
        judge(tmp_path, HELD, BINARY)
    pq.write_table(pa.table(GOOD).drop_columns(["score"]), tmp_path / "holdout.parquet")
    with pytest.raises(ActionRefused, match="no column 'score'"):
        judge(tmp_path, HELD, BINARY)
    (tmp_path / "holdout.parquet").write_bytes(b"PAR1 nonsense PAR1")
    with pytest.raises(ActionRefused, match="no Parquet file"):
        judge(tmp_path, HELD, BINARY)


def test_rows_are_matched_by_id_and_not_by_place(tmp_path: Path) -> None:
    order = np.random.default_rng(2).permutation(60)
    pq.write_table(pa.table(GOOD).take(pa.array(order)), tmp_path / "holdout.parquet")
    judged = judge(tmp_path, HELD, BINARY)
    found = judged.compare()
    assert (found.metric, found.champion, found.challenger, found.days) == ("roc_auc", 0.5, 1.0, 4)
    assert found.better
    assert judged.reference() is not None


def test_a_regression_is_compared_by_its_errors(tmp_path: Path) -> None:
    schema = Schema(
        id="id", timestamp="when", target="bad", prediction="flag", task="regression",
        kinds={"when": "datetime", "x": "numeric", "flag": "numeric", "bad": "numeric"},
    )  # fmt: skip
    held = rows([float(i) for i in range(60)], [float(i) + 2 for i in range(60)])
    pq.write_table(pa.table({"id": IDS, "prediction": [float(i) + 1 for i in range(60)]}), tmp_path / "holdout.parquet")
    found = judge(tmp_path, held, schema).compare()
    assert (found.metric, found.champion, found.challenger, found.improvement) == ("rmse", 2.0, 1.0, 1.0)


def test_classes_are_compared_by_how_many_are_right(tmp_path: Path) -> None:
    schema = Schema(
        id="id", timestamp="when", target="bad", prediction="flag", task="multiclass", classes=["a", "b", "c"],
        kinds={"when": "datetime", "x": "numeric", "flag": "categorical", "bad": "categorical"},
    )  # fmt: skip
    truth = ["abc"[i % 3] for i in range(60)]
    held = rows(truth, ["a"] * 60)  # type: ignore[arg-type]
    pq.write_table(pa.table({"id": IDS, "prediction": truth}), tmp_path / "holdout.parquet")
    found = judge(tmp_path, held, schema).compare()
    assert found.metric == "accuracy"
    assert found.champion == pytest.approx(1 / 3)
    assert found.challenger == 1.0
