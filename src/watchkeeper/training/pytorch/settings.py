"""What a watch looks at, and how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from watchkeeper.training.pytorch.transfer import Border, CudaBorder

Row = tuple[torch.Tensor, Sequence[str]]
"""A vector on a device, with the names of its columns."""
Guard = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes of a hook one that never raises."""
HALF, SELDOM = 2, 5
"""Updates and classes are looked at in each second of the steps with norms, and what changes slowly in each fifth."""

SETTLED = 20
"""After so many looks a run is looked at half as often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a watch looks at, and how often.

    Attributes
    ----------
    every, early
        Norms of gradients by layer are taken in every step of the first ``early``, then in each ``every``-th, and from step
        ``20 * every`` on in each second of those, unless ``every`` is 1. Updates, and the classes of targets and predictions,
        are then looked at in half of these steps, norms of weights in a fifth.
    probe_rows, probe_share
        How many rows the probe has, and which share of the run's work probes may be after the first three.
    histograms
        In each so-many-th step (500 is common; a multiple of ``every``) the gradients and weights of every layer are counted
        in 63 bins, as ``histogram/gradient/LAYER`` and ``histogram/weight/LAYER``; None: never.
    resources
        Whether processor time, memory and energy of the process and its GPU are recorded, about once a second at most.
    classes, steps, epoch_steps
        How many classes there are, and how many steps in all and in an epoch; None: unknown.
    resumed
        Whether the run goes on from a checkpoint, so that its start says nothing.
    border
        How numbers come from a device to the host, and which are there already.
    """

    every: int = 10
    early: int = 20
    probe_rows: int = 256
    probe_share: float = 0.0025
    histograms: int | None = None
    resources: bool = True
    classes: int | None = None
    steps: int | None = None
    epoch_steps: int | None = None
    resumed: bool = False
    border: Border = field(default_factory=CudaBorder)

    def due(self, step: int) -> bool:
        """Whether norms of gradients are taken in this step."""
        return step < self.early or step % self.spacing(step) == 0

    def spacing(self, step: int) -> int:
        """How many steps lie from one with norms to the next; where each is wanted, one."""
        return self.every if self.every == 1 or step < SETTLED * self.every else 2 * self.every

    def half(self, step: int) -> bool:
        """Whether updates and classes are looked at in this step too."""
        return step < self.early or step % (HALF * self.spacing(step)) == 0

    def seldom(self, step: int) -> bool:
        """Whether norms of weights are taken in this step too."""
        return step < self.early or step % (SELDOM * self.spacing(step)) == 0

    def counts(self, step: int) -> bool:
        """Whether histograms are made in this step."""
        return self.histograms is not None and self.due(step) and step % self.histograms == 0
