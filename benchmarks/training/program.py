"""A program that trains: model, data, loss, optimizer and the ways of its loop, as one value that a fault may change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import watchkeeper as wk
from watchkeeper.training.data_checks import check_data
from watchkeeper.training.pytorch.settings import Settings
from watchkeeper.training.pytorch.watched import Watch
from watchkeeper.training.run import Event

Batch = tuple[torch.Tensor, torch.Tensor]
STEPS, ROWS = 400, 32


@dataclass
class Program:
    """One training. ``layer`` names the module that a fault was put into, where there is one.

    ``harm`` says of a fault how it shows that it did harm: without any it is not counted.
    """

    model: nn.Module
    loss: nn.Module
    train: Batch
    held: Batch
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    steps: int = STEPS
    batch: int = ROWS
    held_every: int = 40
    clip: float | None = None
    schedule: Callable[[int], float] = lambda step: 1.0
    shuffled: bool = True
    resets: bool = True
    sign: float = 1.0
    told_sign: float = 1.0
    accumulate: int = 1
    evaluating: bool = False
    checked: bool = False
    head: Callable[[torch.Tensor], torch.Tensor] = lambda output: output
    change: Callable[[int, Batch], Batch] = lambda step, batch: batch
    left_out: Callable[[str], bool] = lambda name: False
    half: bool = False
    scaler: torch.amp.GradScaler | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    layer: str | None = None
    loop: Callable[[Program, Path, str], None] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def batches(self) -> Iterable[Batch]:
        """Yield batches without end: each epoch in a new order, unless rows are not shuffled."""
        x, y = self.train
        size = min(self.batch, len(x))
        while True:
            order = torch.randperm(len(x)) if self.shuffled else torch.arange(len(x))
            for start in range(0, len(x) - size + 1, size):
                rows = order[start : start + size]
                yield x[rows], y[rows]


def record(program: Program, folder: Path, name: str) -> None:
    """Train a program, watched, and leave its journal as ``folder/name.jsonl``."""
    if program.loop is not None:
        program.loop(program, folder, name)
        return
    epoch = max(1, len(program.train[0]) // min(program.batch, len(program.train[0])))
    chosen = [p for n, p in program.model.named_parameters() if not program.left_out(n) and p.requires_grad]
    optimizer = program.optimizer(chosen)
    settings = Settings(**({"steps": program.steps, "epoch_steps": epoch} | program.settings))
    with wk.watch(program.model, optimizer, program.loss, name=name, folder=folder, settings=settings) as watch:
        if program.checked:
            _check(program, watch)
        _train(program, optimizer, watch)


def _check(program: Program, watch: Watch) -> None:
    (x, y), (held, _) = program.train, program.held
    for f in check_data(x.numpy(), y.numpy(), held.numpy()):
        watch._watching.note(Event(f.problem, 0, f.layer, f.numbers, f.words))


def _train(program: Program, optimizer: torch.optim.Optimizer, watch: Watch) -> None:
    rates = [group["lr"] for group in optimizer.param_groups]
    batches = iter(program.batches())
    program.model.train(not program.evaluating)
    for step in range(program.steps):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * program.schedule(step)
        if program.resets:
            optimizer.zero_grad()
        for _ in range(program.accumulate):
            loss = _backward(program, step, next(batches), optimizer)
            if _ + 1 < program.accumulate:
                watch.step(loss)
        _update(program, optimizer, watch, step)
        watch.step(loss)
        if step % program.held_every == program.held_every - 1:
            watch.validation(**evaluate(program))


def _backward(program: Program, step: int, batch: Batch, optimizer: torch.optim.Optimizer) -> torch.Tensor:
    x, y = program.change(step, batch)
    with torch.autocast("cpu", torch.float16, enabled=program.half):
        output = program.head(program.model(x))
        loss = program.loss(output, y)
    pushed = program.sign * loss / program.accumulate
    (program.scaler.scale(pushed) if program.scaler is not None else pushed).backward()
    return program.told_sign * loss.detach()


def _update(program: Program, optimizer: torch.optim.Optimizer, watch: Watch, step: int) -> None:
    if program.scaler is not None:
        program.scaler.step(optimizer)
        program.scaler.update()
        return
    if program.clip is not None:
        watch.clip_grad_norm_(program.clip)
    for_others(watch, program.model, step)
    optimizer.step()


def for_others(watch: Watch, model: nn.Module, step: int) -> None:
    """Record what SageMaker's rules ask for and ours do not: mean |g| by layer, and the 5 % to 95 % range of the first ten."""
    if not watch._settings.due(step):
        return
    named = [(n, p.grad.flatten()) for n, p in model.named_parameters() if p.grad is not None and not p.grad.is_sparse]
    names = [n for n, _ in named]
    known = watch.run.series.get("others/mean_gradient")
    if not names or (known is not None and known.columns != names):
        return
    watch._watching.add("others/mean_gradient", step, [float(g.abs().mean()) for _, g in named], names)
    if step < 10:
        ranges = [np.subtract(*np.quantile(np.nan_to_num(g.numpy()), (0.95, 0.05))) for _, g in named]
        watch._watching.add("others/gradient_range", step, ranges, names)


def evaluate(program: Program) -> dict[str, float]:
    """Return the loss of held-out rows; of classes their accuracy, and that among the rows that are not of class 0."""
    x, y = program.held
    mode = program.model.training
    program.model.eval()
    with torch.no_grad():
        output = program.head(program.model(x))
        found = {"loss": program.told_sign * float(program.loss(output, y))}
        if not y.is_floating_point():
            found["accuracy"] = float((output.argmax(dim=1) == y).float().mean())
            found["rare"] = float((output.argmax(dim=1) == y)[y != 0].float().mean())
        elif isinstance(program.loss, nn.BCEWithLogitsLoss) and output.shape == y.shape:
            right = ((output > 0) == (y > 0.5)).float()
            found |= {"accuracy": float(right.mean()), "rare": float(right[y > 0.5].mean())}
    program.model.train(mode)
    return found
