"""The gradient noise scale of a model as it stands, from parts of its batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from watchkeeper.errors import InputError
from watchkeeper.training.noise_scale import BatchSize, NoiseScale
from watchkeeper.training.pytorch import batches
from watchkeeper.training.pytorch.model import base_of
from watchkeeper.training.pytorch.norms import norms
from watchkeeper.training.pytorch.snapshot import parts_of, untouched


def gradient_noise_scale(
    model: nn.Module, loss: batches.Loss, loader: Iterable[Any], *, steps: int = 50, parts: int = 8
) -> BatchSize:
    """Say whether the batches of a loader are too small, fine, or waste rows, by the gradient noise scale.

    The weights stand still; ``steps`` batches are each taken in ``parts`` parts, whose gradients give the small size and their
    mean the large one. Everything is afterwards as it was. The noise scale grows during a training, so ask again late in it;
    to follow it while gradients are accumulated, feed a ``NoiseScale`` with the norms.

    Parameters
    ----------
    model, loss, loader
        Those of the training; the loss is a mean over rows. Dropout is part of the noise; batch normalisation sees the parts.
    steps, parts
        How many batches, and in how many parts of equal size each is taken, 2 at least; rows left over are not used.

    Raises
    ------
    InputError
        A batch has fewer rows than parts, or the loader is empty or an iterator.

    References
    ----------
    McCandlish et al., An Empirical Model of Large-Batch Training (2018), appendix A.1; the interval is Fieller's.
    """
    base, found, size = base_of(model), NoiseScale(decay=None), 0
    with untouched(parts_of(base, (), loss, loader)):
        base.train()
        for batch in batches.endless(loader, steps):
            rows = batches.rows(batch)
            size = max(size, rows)
            if rows < size:
                continue  # the last of an epoch
            if parts < 2 or rows < parts:
                raise InputError(
                    f"A batch of {rows} rows cannot be taken in {parts} parts: 2 parts of a row each at least."
                )
            found.add(*_squares(base, loss, batches.on_device(batch, base), parts))
    low, high = found.interval()
    return BatchSize(found.value, low, high, size)


def _squares(model: nn.Module, loss: batches.Loss, batch: Any, parts: int) -> tuple[float, int, float, int]:
    rows = batches.rows(batch) // parts
    trained = [p for p in model.parameters() if p.requires_grad]
    total, small = [torch.zeros_like(p) for p in trained], 0.0
    for part in range(parts):
        value = batches.loss_on(model, loss, batches.cut(batch, part * rows, (part + 1) * rows))
        gradients = torch.autograd.grad(value, trained, allow_unused=True)
        known = [(t, g) for t, g in zip(total, gradients, strict=True) if g is not None]
        small += _square([g for _, g in known]) / parts
        for whole, gradient in known:
            whole.add_(gradient, alpha=1 / parts)
    return small, rows, _square(total), rows * parts


def _square(tensors: list[torch.Tensor]) -> float:
    return float(torch.stack(norms(tensors)).double().square().sum()) if tensors else 0.0
