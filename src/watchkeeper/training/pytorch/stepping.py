"""Hooks on the optimizers: norms of gradients before a step, of weights and updates after it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from watchkeeper.training.pytorch.model import local
from watchkeeper.training.pytorch.norms import Shards, Updates, norms
from watchkeeper.training.pytorch.settings import Guard, Row, Settings

REPLICAS_EVERY = 100


class Stepping:
    """What the optimizers' steps show.

    A pre-step hook fires once for each real update: after accumulation, after the ranks' gradients were reduced and after
    a gradient scaler took its scale out (a fused optimizer does that itself, and its scale is divided out here). Gradients
    clipped by hand are seen clipped; ``clip`` sees both, and so does who calls ``see`` before. An optimizer whose step runs
    the backward pass itself (it is given a closure) is looked at after its step, unless ``see`` was called within it.
    """

    def __init__(
        self,
        model: nn.Module,
        parameters: Sequence[nn.Parameter],
        optimizers: Sequence[torch.optim.Optimizer],
        settings: Settings,
        guard: Guard,
    ) -> None:
        self._parameters = list(parameters)
        self._optimizers = list(optimizers)
        self._settings = settings
        self._names = [name for name, _ in model.named_parameters()]
        place = {id(p): i for i, p in enumerate(self._parameters)}
        self._places = {
            id(o): sorted({place[id(p)] for g in o.param_groups for p in g["params"] if id(p) in place})
            for o in optimizers
        }
        self._shards = Shards(parameters, "FullyShardedDataParallel" in type(model).__name__)
        self._replicated = type(model).__name__ == "DistributedDataParallel"
        self._updates = {id(o): Updates() for o in optimizers}
        self._handles = [h for o in optimizers for h in self._hook(o, guard)]
        self._host = all(p.device.type == "cpu" for p in self._parameters)
        self.broken: Callable[[], None] = lambda: None
        self.scaler: torch.amp.GradScaler | None = None
        self.stepped = not optimizers
        self.begin(0)

    def _hook(self, optimizer: torch.optim.Optimizer, guard: Guard) -> list[Any]:
        return [
            optimizer.register_step_pre_hook(guard(self._before)),
            optimizer.register_step_post_hook(guard(self._after)),
        ]

    def begin(self, step: int) -> None:
        """Begin a step: nothing is seen of it yet."""
        self._step = step
        self._due = self._settings.due(step)
        self.stepped = not self._optimizers
        self._parts: dict[str, dict[int, torch.Tensor]] = {}
        self._clip: tuple[torch.Tensor, float] | None = None
        self._seen: set[int] = set()

    def _before(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self.stepped = True
        if self._step < 3 and self.scaler is None:
            self.scaler = _scaler_above()
        if id(optimizer) not in self._seen and not _closes(args, kwargs):
            self._gradients(optimizer)
        if self._due:
            self._updates[id(optimizer)].begin([self._parameters[p] for p in self._places[id(optimizer)]])

    def see(self, optimizer: torch.optim.Optimizer, limit: float | None = None) -> None:
        """Take the gradients of an optimizer now: before they are clipped to the norm ``limit``, or within its step."""
        self._seen.add(id(optimizer))
        self._gradients(optimizer)
        if limit:
            found = norms([g for p in self._places[id(optimizer)] if (g := self._parameters[p].grad) is not None])
            self._clip = (torch.stack(found).norm(), limit) if found else None

    def _gradients(self, optimizer: torch.optim.Optimizer) -> None:
        if self._host and not all(math.isfinite(float(g.sum())) for g in self._ends()):
            self.broken()
        if not self._due:
            return
        places = [p for p in self._places[id(optimizer)] if self._parameters[p].grad is not None]
        found = norms([self._parameters[p].grad for p in places])
        scale = getattr(optimizer, "grad_scale", None)
        if scale is not None and found:
            found = [norm / scale.to(norm.device) for norm in found]
        self._parts.setdefault("gradient", {}).update(zip(places, found, strict=True))

    def _after(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if id(optimizer) not in self._seen and _closes(args, kwargs):
            self._gradients(optimizer)
        if not self._due:
            return
        places = self._places[id(optimizer)]
        self._parts.setdefault("update", {}).update(zip(places, self._updates[id(optimizer)].end(), strict=False))
        self._parts.setdefault("weight", {}).update(
            zip(places, norms([self._parameters[p] for p in places]), strict=True)
        )

    def clip(self, max_norm: float) -> torch.Tensor:
        """Clip all gradients together to a norm, and keep the norm before it."""
        total = torch.nn.utils.clip_grad_norm_(self._parameters, max_norm)
        self._clip = getattr(total, "full_tensor", lambda: total)().detach(), max_norm
        return total

    def take(self) -> dict[str, Row]:
        """Return what the step showed: vectors on the device, with the names of their columns."""
        rows: dict[str, Row] = {}
        for name, parts in self._parts.items():
            if not parts:
                continue
            device = next(iter(parts.values())).device
            zero = torch.zeros((), device=device)
            row = torch.stack([parts.get(p, zero).to(device) for p in range(len(self._parameters))])
            rows[name] = (self._shards.whole(row) if name != "update" else row, self._names)
        if self._clip is not None:
            total, most = self._clip
            rows["clip"] = (
                torch.stack([total.float(), torch.full_like(total, most, dtype=torch.float32)]),
                ("norm", "limit"),
            )
        if self._due and self._optimizers:
            rates = [float(group["lr"]) for o in self._optimizers for group in o.param_groups]
            rows["learning_rate"] = torch.tensor(rates), [str(i) for i in range(len(rates))]
        if self._replicated and "weight" in rows and self._step % REPLICAS_EVERY == 0:
            rows["replicas"] = _compared(rows["weight"][0]), ("least", "greatest")
        if self._due and self.scaler is not None and self.scaler._scale is not None:
            rows["scale"] = self.scaler._scale, ("scale",)
        return rows

    def gradients(self) -> list[torch.Tensor]:
        """Return the gradients that the optimizers would use now."""
        places = sorted({p for known in self._places.values() for p in known})
        return [g for p in places if (g := self._parameters[p].grad) is not None]

    def bad_layers(self) -> list[str]:
        """Return the layers whose gradients hold a number that is not finite. Waits for the device."""
        known = [(n, p.grad) for n, p in zip(self._names, self._parameters, strict=True) if p.grad is not None]
        return [
            n
            for (n, _), norm in zip(known, norms([g for _, g in known]), strict=True)
            if not math.isfinite(float(norm))
        ]

    def _ends(self) -> list[torch.Tensor]:
        """Return the smallest gradients near the first and the last layer: what is not finite anywhere shows in one."""
        known = [g for g in (local(p.grad) for p in self._parameters if p.grad is not None) if not g.is_sparse]
        return [min(two, key=torch.Tensor.numel) for two in (known[:2], known[-2:]) if two]

    def unhook(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()


def _closes(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether ``step(closure)`` was called: the backward pass is run within it."""
    return kwargs.get("closure", args[1] if len(args) > 1 else None) is not None


def _compared(weights: torch.Tensor) -> torch.Tensor:
    """Return the least and the greatest checksum of the weights over the ranks. Every rank must call."""
    checksum = weights.double().sum()
    ends = torch.stack([-checksum, checksum])
    torch.distributed.all_reduce(ends, op=torch.distributed.ReduceOp.MAX)
    return torch.stack([-ends[0], ends[1]])


def _scaler_above() -> torch.amp.GradScaler | None:
    """Return the gradient scaler that calls the optimizer's step, if one does."""
    frame = sys._getframe(1)
    for _ in range(12):
        owner = frame.f_locals.get("self")
        if isinstance(owner, torch.amp.GradScaler):
            return owner
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
