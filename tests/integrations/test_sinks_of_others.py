"""TensorBoard and MLflow have of a run what was recorded: their own readers say so."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from watchkeeper.errors import InputError
from watchkeeper.training.reading.sources import read_runs
from watchkeeper.training.run import Event, Layer, Run
from watchkeeper.training.watching import Sink, Watching

pytestmark = pytest.mark.integrations
STEPS = 200
LOSSES = [2 * 0.98**step if step < 100 else 0.3 * 1.06 ** (step - 100) for step in range(STEPS)]


def train(sink: Sink, layers: int = 2) -> Watching:
    names = [f"layer {n}/wéight" for n in range(layers)]
    watching = Watching(Run("trial", "pytorch", [Layer(name, (2, 2)) for name in names], "SGD"), [sink], quiet=True)
    for step, loss in enumerate(LOSSES):
        if step % 10 == 0:
            watching.add("gradient", step, np.arange(1.0, layers + 1), names)
            watching.add("targets", step, (3.0, 0.0, 5.0), ("0", "1", "2"))
            watching.add("histogram/weight/a", step, (1.0, 2.0, 7.0, 4.0, 0.0), ("-2", "-1", "0", "1", "2"))
        watching.loss(step, loss)
        if step % 50 == 49:
            watching.validation(step, {"loss": loss + 0.1})
    watching.note(Event("head_mismatch", STEPS, "last", words="Shapes differ."))
    watching.close()
    return watching


def test_tensorboard_has_the_run(tmp_path: Path) -> None:
    importlib.import_module("torch.utils.tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from watchkeeper.integrations.tensorboard import TensorBoardSink

    watched = train(TensorBoardSink(tmp_path / "trial"))
    theirs = EventAccumulator(str(tmp_path / "trial"), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0})
    theirs.Reload()
    assert [(e.step, e.value) for e in theirs.Scalars("loss")] == [(s, np.float32(v)) for s, v in enumerate(LOSSES)]
    assert [e.step for e in theirs.Scalars("validation/loss")] == [49, 99, 149, 199]
    assert theirs.Scalars("gradient/layer 1/wéight")[0].value == 2
    first = theirs.Histograms("targets")[0].histogram_value
    assert (first.num, first.sum) == (8, 10)
    assert sum(first.bucket) == 8
    second = theirs.Histograms("histogram/weight/a")[0].histogram_value
    assert (second.num, second.min, second.max) == (14, -3, 1.5)
    assert dict(zip(second.bucket_limit, second.bucket, strict=True)) == {-2: 1, -1: 2, 1: 7, 2: 4, 4: 0}
    texts = [e.tensor_proto.string_val[0].decode() for e in theirs.Tensors("findings/divergence/text_summary")]
    assert "**critical**" in texts[0]
    assert "Lower the learning rate" in texts[0]
    [read] = read_runs(tmp_path)
    assert {"divergence"} <= {f.problem for f in read.findings} <= {f.problem for f in watched.findings}


def test_a_writer_that_is_handed_in_stays_open(tmp_path: Path) -> None:
    importlib.import_module("torch.utils.tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    from watchkeeper.integrations.tensorboard import TensorBoardSink

    with SummaryWriter(str(tmp_path)) as writer:
        train(TensorBoardSink(writer, layers=3), layers=5)
        writer.add_scalar("afterwards", 1.0, STEPS)
    tags = set(_tags(tmp_path))
    assert {"gradient/least", "gradient/median", "gradient/greatest", "afterwards"} <= tags
    assert not any("wéight" in tag for tag in tags)


def _tags(folder: Path) -> list[str]:
    from watchkeeper.training.reading.tensorboard import scalars

    return [tag for path in folder.iterdir() for _, tag, _ in scalars(path)]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    mlflow = importlib.import_module("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    yield mlflow.tracking.MlflowClient()
    while mlflow.active_run() is not None:
        mlflow.end_run()


def test_mlflow_has_the_run(client: Any) -> None:
    import mlflow

    from watchkeeper.integrations.mlflow import MLflowSink

    mlflow.set_experiment("trials")
    with mlflow.start_run() as active:
        train(MLflowSink())
    run_id = active.info.run_id
    history = client.get_metric_history(run_id, "loss")
    assert dict(sorted((m.step, m.value) for m in history)) == pytest.approx(dict(enumerate(LOSSES)))
    assert (
        len(client.get_metric_history(run_id, "gradient/layer 1/w_ight"))
        + len(client.get_metric_history(run_id, "gradient/layer 1/wéight"))
        == STEPS // 10
    )
    tags = client.get_run(run_id).data.tags
    assert tags["watchkeeper.verdict"] == "critical"
    assert "Shapes differ." in tags["watchkeeper.head_mismatch"]
    assert "rose from" in tags["watchkeeper.divergence"] or "began at" in tags["watchkeeper.divergence"]


def test_mlflow_that_is_away_stops_no_training_and_is_said(client: Any) -> None:
    from watchkeeper.integrations.mlflow import MLflowSink

    class Away:
        def log_batch(self, *_: Any, **__: Any) -> None:
            raise ConnectionError("nobody answers")

    sink = MLflowSink("some-run", client=Away())
    with pytest.warns(RuntimeWarning, match=r"was not told .* of trial \(nobody answers\)"):
        watching = train(sink)
    assert watching.run.step == STEPS
    with pytest.raises(InputError, match="start_run"):
        MLflowSink()


def test_mlflow_gets_no_more_at_once_than_it_takes() -> None:
    importlib.import_module("mlflow")
    from watchkeeper.integrations.mlflow import MLflowSink

    calls: list[tuple[int, int]] = []

    class Counts:
        def log_batch(self, run_id: str, metrics: Any = (), tags: Any = (), synchronous: bool = True) -> None:
            calls.append((len(metrics), len(tags)))

    sink = MLflowSink("some-run", client=Counts())
    watching = Watching(Run("trial"), [sink], quiet=True)
    for step in range(3000):
        watching.add("gradient", step, (1.0, math.nan), ("a", "b"))
    watching.close()
    assert sum(metrics for metrics, _ in calls) == 6000
    assert all(metrics <= 1000 and tags <= 100 for metrics, tags in calls)
