"""Checkpoints: the state comes back bit for bit, from the disk too; a killed process leaves the previous one whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import watchkeeper as wk  # noqa: E402
from watchkeeper.errors import InputError, SourceNotFound, UnreadableSource, Unwritable  # noqa: E402
from watchkeeper.training.pytorch.fitting import fit  # noqa: E402

torch.set_num_threads(1)
kit = wk.training
KINDS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.05),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True),
}


def training(kind: str = "Adam") -> Any:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))
    optimizer = KINDS[kind](model.parameters())
    return kit.Parts(model, [optimizer], torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50))


def go_on(parts: Any, steps: int) -> list[float]:
    """Train on batches drawn anew; what comes out depends on every part of the state."""
    losses = []
    for _ in range(steps):
        x = torch.randn(16, 3) + np.random.random() * 0.1  # noqa: NPY002
        loss = (parts.model(x) - x[:, :1]).square().mean()
        parts.optimizers[0].zero_grad()
        loss.backward()
        parts.optimizers[0].step()
        parts.scheduler.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [0, 7])
def test_a_run_goes_on_as_it_would_have(kind: str, steps: int, tmp_path: Path) -> None:
    parts = training(kind)
    go_on(parts, steps)
    kept = kit.Checkpoints(tmp_path)
    kept.write(parts, steps)
    expected = go_on(parts, 5)
    assert kept.restore(parts) == steps
    assert go_on(parts, 5) == expected
    other = training(kind)
    go_on(other, 3)
    kept.restore(other)  # as another process would
    assert go_on(other, 5) == expected


def test_the_scale_of_half_precision_is_kept(tmp_path: Path) -> None:
    model = nn.Linear(3, 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    parts = kit.Parts(model, [torch.optim.SGD(model.parameters(), lr=0.01)], scaler=scaler)
    x = torch.ones(4, 3)
    losses = fit(parts, nn.MSELoss(), [(x, x[:, :1])] * 3)
    assert losses[0] > losses[1] > losses[2]
    kept, before = kit.Checkpoints(tmp_path), scaler.get_scale()
    kept.write(parts, 3)
    fit(parts, nn.MSELoss(), [(x, x[:, :1])] * 6)
    assert scaler.get_scale() > before > 8
    kept.restore(parts)
    assert scaler.get_scale() == before


def test_the_best_and_the_last_are_kept(tmp_path: Path) -> None:
    parts, kept = training(), kit.Checkpoints(tmp_path, keep=2)
    for step, value in enumerate([float("nan"), 3.0, 1.0, 2.0, 4.0, 5.0]):
        kept.write(parts, step, value)
    assert [c.step for c in kept.all] == [2, 4, 5]
    assert kept.best is not None and kept.best.step == 2
    kept.write(parts, 5, 9.0, held_out=True)  # what is held out is what counts
    assert kept.best.held_out
    assert [(c.step, c.held_out) for c in kept.all] == [(4, False), (5, True)]
    kept.forget_after(4)
    assert [c.step for c in kept.all] == [4]


def test_weights_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    parts, kept = training(), kit.Checkpoints(tmp_path)
    kept.write(parts, 1)
    with torch.no_grad():
        parts.model[0].weight[0, 0] = float("nan")
    assert kept.write(parts, 2) is None
    assert kept.last is not None and kept.last.step == 1


PROGRAM = """
import os, sys
import torch
torch.set_num_threads(1)
from torch import nn
import watchkeeper as wk

torch.manual_seed(0)
model = nn.Linear(64, 64)
parts = wk.training.Parts(model, [torch.optim.SGD(model.parameters(), lr=0.1)])
kept = wk.training.Checkpoints(sys.argv[1], keep=1)
kept.write(parts, 1)
torch.nn.init.zeros_(model.weight)

def die(*args, **kwargs):
    os.kill(os.getpid(), 9)

if sys.argv[2] == "in the middle":
    save = torch.save
    class Dying:
        def __init__(self, file): self.file, self.left = file, 4000
        def write(self, data):
            self.file.write(bytes(data)[: self.left]); self.file.flush()
            self.left -= len(data)
            if self.left <= 0: die()
            return len(data)
        def flush(self): pass
    torch.save = lambda content, file: save(content, Dying(file))
elif sys.argv[2] == "before it is durable":
    os.fsync = die
elif sys.argv[2] == "before the name":
    import pathlib
    pathlib.Path.replace = die
elif sys.argv[2] == "before the old one goes":
    pathlib = __import__("pathlib")
    pathlib.Path.unlink = die
kept.write(parts, 2)
"""


@pytest.mark.parametrize(
    "place", ["in the middle", "before it is durable", "before the name", "before the old one goes"]
)
def test_a_process_that_is_killed_leaves_the_previous_one_whole(place: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path), place], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    kept = kit.Checkpoints(tmp_path, keep=1)
    torch.manual_seed(0)
    expected, model = nn.Linear(64, 64), nn.Linear(64, 64)
    parts = kit.Parts(model, [torch.optim.SGD(model.parameters(), lr=0.1)])
    step = 2 if place == "before the old one goes" else 1
    assert [c.step for c in kept.all if c.step == step] == [step]
    assert kept.restore(parts) == step
    wanted = expected.weight if step == 1 else torch.zeros(64, 64)
    assert torch.equal(model.weight, wanted)
    kept.write(parts, 3)
    assert [p.name[:14] for p in tmp_path.iterdir()] == ["step-000000003"]  # what was left half goes


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    parts, kept = training(), kit.Checkpoints(tmp_path / "there")
    with pytest.raises(SourceNotFound, match="step-"):
        kept.restore(parts)
    kept.write(parts, 1)
    other = nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"another model: 0\.0\.bias"):
        kept.restore(kit.Parts(other, [torch.optim.SGD(other.parameters(), lr=0.1)]))
    assert kept.last is not None
    kept.last.path.write_bytes(kept.last.path.read_bytes()[:100])
    with pytest.raises(UnreadableSource):
        kept.restore(parts)
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable):
        kit.Checkpoints(tmp_path / "file").write(parts, 1)
    with pytest.raises(InputError, match="keep=0"):
        kit.Checkpoints(tmp_path, keep=0)
