"""Norms of gradients, weights and updates by layer: a few kernels for all layers together, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from watchkeeper.training.pytorch.model import local

MOST = 512
"""So many numbers of a parameter are compared before and after a step: its ratio is known to about 4 %."""


def norms(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return the 2-norm of each tensor as a scalar on its device, by one kernel for each device and type."""
    values = [_values(t) for t in tensors]
    if not values:
        return []
    wide = any(v.dtype == torch.float64 for v in values)
    return list(torch._foreach_norm(values, 2.0, dtype=torch.float64 if wide else torch.float32))


def _values(tensor: torch.Tensor) -> torch.Tensor:
    tensor = local(tensor.detach())
    if tensor.is_sparse:
        return tensor._values() if tensor.is_coalesced() else _added(tensor)
    if tensor.is_complex():
        return torch.view_as_real(tensor)
    return tensor if tensor.numel() else torch.zeros(1, dtype=tensor.dtype, device=tensor.device)


def _added(tensor: torch.Tensor) -> torch.Tensor:
    """Return the values of a sparse tensor, those of one place added up; ``coalesce`` would wait for the device."""
    values, places = tensor._values(), torch.zeros((), dtype=torch.long, device=tensor.device)
    for size, part in zip(tensor.shape, tensor._indices(), strict=False):
        places = places * size + part
    ordered, order = places.sort()
    starts = torch.cat([torch.zeros_like(ordered[:1]), (ordered[1:] != ordered[:-1]).long()])
    return torch.zeros_like(values).index_add_(0, starts.cumsum(0), values[order])


class Updates:
    """How far a step moves each parameter, beside its size: over at most 512 of its numbers, spread evenly."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int, torch.Tensor]] = {}
        self._owners: dict[tuple[torch.device, tuple[int, ...]], torch.Tensor] = {}
        self._before: list[tuple[list[int], list[torch.Tensor], torch.Tensor]] = []

    def begin(self, parameters: Sequence[nn.Parameter]) -> None:
        """Remember numbers of the parameters before a step."""
        parts = [self._some(parameter) for parameter in parameters]
        devices: dict[torch.device, list[int]] = {}
        for place, part in enumerate(parts):
            devices.setdefault(part.device, []).append(place)
        self._before = [(known, here := [parts[p] for p in known], torch.cat(here)) for known in devices.values()]

    def end(self) -> list[tuple[list[int], torch.Tensor]]:
        """Return the norm of each change over the norm of what was there: for each device places and a vector."""
        found = []
        for places, parts, before in self._before:
            both = torch.stack([torch.cat(parts) - before, before]).float().square()
            sums = torch.zeros((2, len(parts)), device=both.device).index_add_(1, self._owner(parts), both)
            moved, size = sums.sqrt().unbind()
            found.append((places, moved / (size + 1e-12)))
        self._before = []
        return found

    def _owner(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return which part each number of all of them together belongs to; made once."""
        key = parts[0].device, tuple(len(part) for part in parts)
        if key not in self._owners:
            known = [torch.full((len(part),), place, device=part.device) for place, part in enumerate(parts)]
            self._owners[key] = torch.cat(known)
        return self._owners[key]

    def _some(self, parameter: nn.Parameter) -> torch.Tensor:
        """Return a view of some of a parameter's numbers; it is made anew only where the parameter lies elsewhere now."""
        part = local(parameter.detach())
        part = torch.view_as_real(part) if part.is_complex() else part
        key = part.data_ptr(), part.numel()
        known = self._known.get(id(parameter))
        if known is not None and known[:2] == key and key[0]:
            return known[2]
        if not part.numel():
            return torch.zeros(1, dtype=part.dtype, device=part.device)
        flat = part.view(-1) if part.is_contiguous() else part.flatten()
        view = flat[:: max(1, -(-flat.numel() // MOST))]
        if part.is_contiguous():
            self._known[id(parameter)] = *key, view
        return view


class Shards:
    """Which parameters lie in parts on several ranks, and how the norms of the parts become norms of the whole."""

    def __init__(self, model: nn.Module, parameters: Sequence[nn.Parameter]) -> None:
        started = torch.distributed.is_available() and torch.distributed.is_initialized()
        ranks = torch.distributed.get_world_size() if started else 1
        flat = "FullyShardedDataParallel" in type(model).__name__
        whole = getattr(model, "process_group", None)
        parts = [whole.size() if flat and whole is not None else _parts(p) for p in parameters]
        self.any = started and (flat or any(part > 1 for part in parts))
        device = local(parameters[0]).device if parameters else None
        self._weights = torch.tensor([part / ranks for part in parts], device=device) if self.any else None

    def whole(self, row: torch.Tensor) -> torch.Tensor:
        """Return the norms of whole tensors from this rank's: one sum over the ranks for all of them. Every rank must call.

        Parts that several ranks hold count once.
        """
        if self._weights is None:
            return row
        squares = row.square() * self._weights
        torch.distributed.all_reduce(squares)
        return squares.sqrt()


def _parts(parameter: Any) -> int:
    """Return over how many ranks a parameter is spread out."""
    parts = 1
    for dimension, placement in enumerate(getattr(parameter, "placements", ())):
        if placement.is_shard():
            parts *= parameter.device_mesh.size(dimension)
    return parts
