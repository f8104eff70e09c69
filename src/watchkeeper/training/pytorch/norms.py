"""Norms of gradients, weights and updates by layer: a few kernels for all layers together, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from watchkeeper.training.pytorch.model import local

MOST = 4096
"""So many numbers of a parameter are compared before and after a step."""


def norms(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return the 2-norm of each tensor as a float32 scalar on its device, by one kernel for each device and type."""
    return list(torch._foreach_norm([_values(t) for t in tensors], 2.0, dtype=torch.float32)) if len(tensors) else []


def _values(tensor: torch.Tensor) -> torch.Tensor:
    tensor = local(tensor.detach())
    if tensor.is_sparse:
        return tensor.coalesce().values()
    return tensor if tensor.numel() else torch.zeros(1, dtype=tensor.dtype, device=tensor.device)


class Updates:
    """How far a step moves each parameter, beside its size: over at most 4,096 of its numbers, spread evenly."""

    def __init__(self) -> None:
        self._parts: list[torch.Tensor] = []
        self._before: list[torch.Tensor] = []

    def begin(self, parameters: Sequence[nn.Parameter]) -> None:
        """Remember numbers of the parameters before a step."""
        self._parts = [_some(parameter) for parameter in parameters]
        self._before = [part.clone() for part in self._parts]

    def end(self) -> list[torch.Tensor]:
        """Return the norm of each change over the norm of what was there."""
        if not self._parts:
            return []
        moved, size = norms(list(torch._foreach_sub(self._parts, self._before))), norms(self._before)
        torch._foreach_add_(size, 1e-12)
        self._parts = self._before = []
        return list(torch._foreach_div(moved, size))


def _some(parameter: nn.Parameter) -> torch.Tensor:
    part = local(parameter.detach())
    if not part.numel():
        return torch.zeros(1, dtype=part.dtype, device=part.device)
    flat = part.view(-1) if part.is_contiguous() else part.flatten()
    return flat[:: max(1, -(-flat.numel() // MOST))]


class Shards:
    """Which parameters lie in parts on several ranks, and how the norms of the parts become norms of the whole."""

    def __init__(self, parameters: Sequence[nn.Parameter], flat: bool) -> None:
        self._copies = [1.0 if flat or _is_sharded(p) else 0.0 for p in parameters]
        self.any = torch.distributed.is_available() and torch.distributed.is_initialized() and any(self._copies)

    def whole(self, row: torch.Tensor) -> torch.Tensor:
        """Return the norms of whole tensors from this rank's: one sum over the ranks for all of them. Every rank must call.

        Parameters that each rank holds whole count once.
        """
        if not self.any:
            return row
        ranks = torch.distributed.get_world_size()
        weights = torch.tensor([1.0 if part else 1.0 / ranks for part in self._copies], device=row.device)
        squares = row.square() * weights
        torch.distributed.all_reduce(squares)
        return squares.sqrt()


def _is_sharded(parameter: Any) -> bool:
    placements = getattr(parameter, "placements", ())
    return any(placement.is_shard() for placement in placements)
