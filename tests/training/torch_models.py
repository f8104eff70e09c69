"""Small models and loops that tests of the collector for PyTorch share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from watchkeeper.training.pytorch.watched import Watch

Batch = tuple[torch.Tensor, torch.Tensor]


def mlp(*, inputs: int = 6, width: int = 8, outputs: int = 3, seed: int = 0) -> nn.Sequential:
    """Return three layers with ReLU."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


def batch(step: int, *, rows: int = 16, inputs: int = 6) -> Batch:
    """Return rows whose class can be learned."""
    g = torch.Generator().manual_seed(step)
    x = torch.randn(rows, inputs, generator=g)
    return x, x[:, :3].argmax(dim=1)


def train(
    watch: Watch | None,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Any,
    steps: int,
    *,
    data: Callable[[int], Batch] = batch,
) -> list[float]:
    """Train the plain way, from the first batch on; return the losses."""
    losses = []
    for step in range(steps):
        x, y = data(step)
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        if watch is not None:
            watch.step(value, y)
        losses.append(float(value.detach()))
    return losses


def problems(watch: Watch) -> set[str]:
    """Return the problems found so far."""
    return {finding.problem for finding in watch.findings}
