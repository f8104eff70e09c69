"""A plain training loop and a plain evaluation, for trials and comparisons."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.pytorch import batches
from watchkeeper.training.pytorch.probe import evaluating
from watchkeeper.training.pytorch.snapshot import Parts

PIECES = 32
HeldOut = Iterable[Any] | Callable[[nn.Module], Any]
"""Held-out batches, whose loss is taken; or a function that returns a number for each row or batch, lower is better."""


def fit(parts: Parts, loss: batches.Loss, given: Iterable[Any]) -> list[float]:
    """Train on batches, one step each; return their losses. Ends at a loss that is not finite."""
    losses: list[float] = []
    parts.model.train()
    for batch in given:
        for optimizer in parts.optimizers:
            optimizer.zero_grad()
        value = batches.loss_on(parts.model, loss, batches.on_device(batch, parts.model))
        losses.append(float(value.detach()))
        if not math.isfinite(losses[-1]):
            return losses
        if parts.scaler is not None:
            parts.scaler.scale(value).backward()
            for optimizer in parts.optimizers:
                parts.scaler.step(optimizer)
            parts.scaler.update()
            continue
        value.backward()
        for optimizer in parts.optimizers:
            optimizer.step()
    return losses


def held_out_values(model: nn.Module, loss: batches.Loss, held_out: HeldOut) -> Floats:
    """Return a number for each of some 32 pieces of the held-out rows, lower is better, shape ``(n,)``."""
    with torch.no_grad(), evaluating(model):
        if callable(held_out):
            return np.asarray([float(v) for v in held_out(model)])
        kept = list(held_out)
        each = max(1, math.ceil(PIECES / max(1, len(kept))))
        return np.asarray([_value(model, loss, piece) for batch in kept for piece in _pieces(batch, each)])


def held_out_loss(model: nn.Module, loss: batches.Loss, held_out: Iterable[Any]) -> float:
    """Return the mean loss over held-out rows."""
    total, count = 0.0, 0
    with torch.no_grad(), evaluating(model):
        for batch in held_out:
            size = batches.rows(batch)
            total, count = total + _value(model, loss, batch) * size, count + size
    return total / count if count else math.nan


def _value(model: nn.Module, loss: batches.Loss, batch: Any) -> float:
    return float(batches.loss_on(model, loss, batches.on_device(batch, model)))


def _pieces(batch: Any, wanted: int) -> Iterable[Any]:
    size = batches.rows(batch)
    edges = np.unique(np.linspace(0, size, min(wanted, size) + 1).astype(int))
    return (batches.cut(batch, int(a), int(b)) for a, b in itertools.pairwise(edges))
