"""Count a tensor's numbers in fixed bins on its device: nothing is asked of the data before, so nothing waits."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from watchkeeper.training.histograms import BINS, LOWEST, SIDE
from watchkeeper.training.pytorch.model import local

MOST = 65_536
"""So many numbers of a tensor are counted, spread evenly."""


def counts(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return how many numbers of each tensor fall into each bin, shape ``(tensors, bins)``, float32.

    Those that are not finite are in none. Of a sharded tensor this rank's part is counted.
    """
    return torch.stack([_counts(tensor) for tensor in tensors])


def _counts(tensor: torch.Tensor) -> torch.Tensor:
    values = local(tensor.detach())
    values = values._values() if values.is_sparse else values
    values = torch.view_as_real(values) if values.is_complex() else values
    flat = values.reshape(-1)[:: max(1, -(-values.numel() // MOST))].float()
    _, exponent = torch.frexp(flat)  # value = mantissa * 2^exponent, .5 <= |mantissa| < 1
    octave = (exponent - LOWEST).clamp(0, SIDE)
    finite = torch.isfinite(flat)
    bins = torch.where(finite, SIDE + octave * flat.sign().nan_to_num().int(), SIDE).long()
    bins = torch.where(flat == 0, SIDE, bins)
    return torch.zeros(BINS, device=flat.device).scatter_add_(0, bins, finite.float())
