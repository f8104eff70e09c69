"""What TensorBoard's own writer wrote, Watchkeeper reads with the same numbers as TensorBoard's own reader."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import pytest

from watchkeeper.training.reading.sources import read_runs
from watchkeeper.training.reading.tensorboard import scalars

pytestmark = pytest.mark.integrations
torch = importlib.import_module("torch")
accumulator = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
SummaryWriter = importlib.import_module("torch.utils.tensorboard").SummaryWriter


def written(folder: Path, steps: int = 200) -> Path:
    writer = SummaryWriter(str(folder))
    for step in range(steps):
        loss = math.nan if step == 150 else 2 * math.exp(-step / 60)
        writer.add_scalar("Loss/train", loss, step)
        writer.add_scalar("lr", 1e-3, step, new_style=True)
        if step % 20 == 0:
            writer.add_scalar("Loss/val", loss + 0.1, step, double_precision=True)
            writer.add_histogram("weights", torch.linspace(-1, 1, 500), step)
            writer.add_text("note", "words", step)
    writer.close()
    return next(folder.glob("*tfevents*"))


def test_the_same_numbers_as_tensorboard(tmp_path: Path) -> None:
    path = written(tmp_path / "run")
    theirs = accumulator.EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
    theirs.Reload()
    ours = list(scalars(path))
    expected = [(e.step, e.value) for e in theirs.Scalars("Loss/train")]
    found = [(s, v) for s, t, v in ours if t == "Loss/train"]
    assert str(found) == str(expected)  # NaN is not equal to itself
    held = [(s, v) for s, t, v in ours if t == "Loss/val"]
    assert [s for s, _ in held] == list(range(0, 200, 20))
    assert [v for _, v in held] == pytest.approx([2 * math.exp(-s / 60) + 0.1 for s, _ in held])
    assert {tag for _, tag, _ in ours} == {"Loss/train", "lr", "Loss/val"}
    assert [v for _, t, v in ours if t == "lr"] == pytest.approx([1e-3] * 200)


def test_a_run_of_a_writer_is_judged(tmp_path: Path) -> None:
    written(tmp_path / "run")
    [watching] = read_runs(tmp_path)
    assert set(watching.run.series) == {"loss", "learning_rate", "validation/loss"}
    assert [(f.problem, f.step) for f in watching.findings] == [("non_finite", 150)]


def test_a_writer_at_work_is_read_as_far_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path / "run", 100)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 997):
        path.write_bytes(whole[:cut])
        assert len([0 for _, tag, _ in scalars(path) if tag == "Loss/train"]) <= 100
