"""Changes of a training that a repair may make, each small and known by its name; and one drawn at random, to compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from watchkeeper.training.pytorch.snapshot import Parts

Undo = Callable[[], None]
Change = Callable[[Parts], Any]
"""Changes a training in place; may return what takes hooks away again. What a snapshot holds needs no undoing."""


@dataclass(frozen=True, slots=True)
class ScaleRate:
    """Multiplies the learning rate, of the schedule too."""

    factor: float

    def __call__(self, parts: Parts) -> None:
        for optimizer in parts.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] * self.factor
                if "initial_lr" in group:
                    group["initial_lr"] = group["initial_lr"] * self.factor
        for schedule in _schedules(parts.scheduler):
            if hasattr(schedule, "base_lrs"):
                schedule.base_lrs = [rate * self.factor for rate in schedule.base_lrs]

    def __str__(self) -> str:
        return f"the learning rate times {self.factor:g}"


@dataclass(frozen=True, slots=True)
class Clip:
    """Clips all gradients of an optimizer together to a norm, right before each step."""

    norm: float

    def __call__(self, parts: Parts) -> Undo:
        handles = [o.register_step_pre_hook(self._clip) for o in parts.optimizers]

        def undo() -> None:
            for handle in handles:
                handle.remove()

        return undo

    def _clip(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        scale = getattr(optimizer, "grad_scale", None)  # of a fused optimizer, whose gradients are still scaled
        limit = self.norm if scale is None else self.norm * float(scale)
        held = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        torch.nn.utils.clip_grad_norm_(held, limit)

    def __str__(self) -> str:
        return f"gradients clipped to the norm {self.norm:g}"


@dataclass(frozen=True, slots=True)
class AddDecay:
    """Sets the weight decay."""

    decay: float

    def __call__(self, parts: Parts) -> None:
        for group in (g for o in parts.optimizers for g in o.param_groups if "weight_decay" in g):
            group["weight_decay"] = self.decay

    def __str__(self) -> str:
        return f"a weight decay of {self.decay:g}"


@dataclass(frozen=True, slots=True)
class Forget:
    """Empties the optimizer's memory: momentum and running squares."""

    def __call__(self, parts: Parts) -> None:
        states = [state for o in parts.optimizers for state in o.state.values()]
        for tensor in (v for state in states for v in state.values() if isinstance(v, torch.Tensor)):
            tensor.zero_()

    def __str__(self) -> str:
        return "the optimizer's memory emptied"


CATALOGUE: tuple[Change, ...] = (
    *(ScaleRate(f) for f in (0.1, 0.2, 0.5, 2.0, 5.0)),
    *(Clip(n) for n in (0.1, 1.0, 10.0)),
    *(AddDecay(d) for d in (0.0, 1e-4, 1e-2)),
    Forget(),
)


def random_change(seed: int, other_than: Change) -> Change:
    """Return a change of the catalogue, drawn by seed, that is not the one given."""
    left = [c for c in CATALOGUE if c != other_than]
    return left[int(np.random.default_rng(seed).integers(len(left)))]


def _schedules(scheduler: Any) -> Iterator[Any]:
    if scheduler is None:
        return
    yield scheduler
    for inner in getattr(scheduler, "_schedulers", ()):
        yield from _schedules(inner)
