"""What a watch looks at, and how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Row = tuple[torch.Tensor, Sequence[str]]
"""A vector on a device, with the names of its columns."""
Guard = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes of a hook one that never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a watch looks at, and how often.

    Attributes
    ----------
    every, early
        Norms by layer are taken in every step of the first ``early``, then in each ``every``-th.
    probe_rows, probe_share
        How many rows the probe has, and which share of the run's work probes may be after the first three.
    classes, steps, epoch_steps
        How many classes there are, and how many steps in all and in an epoch; None: unknown.
    resumed
        Whether the run goes on from a checkpoint, so that its start says nothing.
    """

    every: int = 10
    early: int = 20
    probe_rows: int = 256
    probe_share: float = 0.005
    classes: int | None = None
    steps: int | None = None
    epoch_steps: int | None = None
    resumed: bool = False

    def due(self, step: int) -> bool:
        """Whether norms are taken in this step."""
        return step < self.early or step % self.every == 0
