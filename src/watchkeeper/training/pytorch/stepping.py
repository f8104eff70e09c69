"""Hooks on the optimizers: norms of gradients before a step, of weights and updates after it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from watchkeeper.training.histograms import columns
from watchkeeper.training.pytorch.counting import counts
from watchkeeper.training.pytorch.model import clean_name, local
from watchkeeper.training.pytorch.norms import Shards, Updates, norms
from watchkeeper.training.pytorch.settings import Guard, Row, Settings

BIN_NAMES = columns()
Part = tuple[list[int], torch.Tensor]
"""Places of layers, and a vector on a device with a number for each."""
ENDS_EVERY = 100
"""So many steps lie between two choices of the gradients that are looked at in every step."""


class Stepping:
    """What the optimizers' steps show.

    A pre-step hook fires once for each real update: after accumulation, after the ranks' gradients were reduced and after
    a gradient scaler took its scale out (a fused optimizer does that itself, and its scale is divided out here). Gradients
    clipped by hand are seen clipped; ``clip`` sees both, and so does who calls ``see`` before. An optimizer whose step runs
    the backward pass itself (it is given a closure) is looked at after its step, unless ``see`` was called within it.
    """

    def __init__(self, model: nn.Module, parameters: Sequence[nn.Parameter], settings: Settings, guard: Guard) -> None:
        self._parameters = self.parameters = list(parameters)
        self._settings, self._guard = settings, guard
        self._names = [clean_name(name) for name, _ in model.named_parameters()]
        self._shards = Shards(model, parameters)
        self._replicated = type(model).__name__ == "DistributedDataParallel"
        self._host = all(settings.border.open(p.device) for p in self._parameters)
        self._ends: list[nn.Parameter] = []
        self._whole = not any(hasattr(p, "to_local") for p in parameters)
        self._optimizers: list[torch.optim.Optimizer] = []
        self._handles: list[Any] = []
        self._due = self._half = self._seldom = True
        self.broken: Callable[[], None] = lambda: None
        self.shown = False
        self.scaler: torch.amp.GradScaler | None = None

    def follow(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """Follow these optimizers from now on, and no others."""
        self.unhook()
        self._optimizers = list(optimizers)
        place = {id(p): i for i, p in enumerate(self._parameters)}
        self._places = {
            id(o): sorted({place[id(p)] for g in o.param_groups for p in g["params"] if id(p) in place})
            for o in self._optimizers
        }
        self._updates = {id(o): Updates() for o in self._optimizers}
        for optimizer in self._optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._guard(self._before)))
            self._handles.append(optimizer.register_step_post_hook(self._guard(self._after)))

    def begin(self, step: int, due: bool) -> None:
        """Begin a step, in which norms are due or not: nothing is seen of it yet."""
        self._step = step
        self.stepped, self.joined = not self._optimizers, False
        if step and not (due or self._due or self._seen) and self._clip is None:
            return  # nothing was seen in the last step, nor is anything to be seen in this one
        self._due, self._half, self._seldom = due, self._settings.half(step), self._settings.seldom(step)
        self._parts: dict[str, list[Part]] = {}
        self._clip: tuple[torch.Tensor, float] | None = None
        self._seen: set[int] = set()
        self._histograms: dict[str, Row] = {}

    def _before(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self.stepped = True
        if self._step < 3 and self.scaler is None:
            self.scaler = _scaler_above()
        if id(optimizer) not in self._seen and not _closes(args, kwargs):
            self._gradients(optimizer)
        if self._due and self._half:
            self._updates[id(optimizer)].begin([self._parameters[p] for p in self._places[id(optimizer)]])

    def see(self, optimizer: torch.optim.Optimizer, limit: float | None = None) -> None:
        """Take the gradients of an optimizer now: before they are clipped to the norm ``limit``, or within its step."""
        self._seen.add(id(optimizer))
        self._gradients(optimizer)
        if limit:
            found = norms([g for p in self._places[id(optimizer)] if (g := self._parameters[p].grad) is not None])
            self._clip = (torch.stack(found).norm(), limit) if found else None

    def _gradients(self, optimizer: torch.optim.Optimizer) -> None:
        if self._host and getattr(optimizer, "found_inf", None) is None and not self._sound():
            self.broken()
        if not self._due:
            return
        places = [p for p in self._places[id(optimizer)] if self._parameters[p].grad is not None]
        found = _by_device(places, norms([g for p in places if (g := self._parameters[p].grad) is not None]))
        scale = getattr(optimizer, "grad_scale", None)
        if scale is not None:
            found = [(known, vector / scale.to(vector.device)) for known, vector in found]
        self._parts.setdefault("gradient", []).extend(found)
        if places and self._settings.counts(self._step):
            self._count("gradient", places, [g for p in places if (g := self._parameters[p].grad) is not None])

    def _count(self, kind: str, places: Sequence[int], tensors: Sequence[torch.Tensor]) -> None:
        names = [f"histogram/{kind}/{self._names[place]}" for place in places]
        self._histograms |= {name: (row, BIN_NAMES) for name, row in zip(names, counts(tensors), strict=True)}

    def _after(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if id(optimizer) not in self._seen and _closes(args, kwargs):
            self._gradients(optimizer)
        if not self._due:
            return
        places = self._places[id(optimizer)]
        if self._half:
            moved = [([places[p] for p in known], row) for known, row in self._updates[id(optimizer)].end()]
            self._parts.setdefault("update", []).extend(moved)
        if self._seldom:
            weights = norms([self._parameters[p] for p in places])
            self._parts.setdefault("weight", []).extend(_by_device(places, weights))
        if places and self._settings.counts(self._step):
            self._count("weight", places, [self._parameters[p] for p in places])

    def _sound(self) -> bool:
        """Whether a small gradient near the first layer is finite, and one near the last where the loss itself is not seen."""
        if not self._ends or self._step % ENDS_EVERY == 0:
            # what is not finite in the last layers' gradients mostly shows in the first ones' too: it went through them
            known = [
                p
                for p in self._parameters
                if p.grad is not None and not p.grad.is_sparse and p.grad.is_floating_point()
            ]
            ends = (known[:2],) if self.shown else (known[:2], known[-2:])
            self._ends = [min(two, key=torch.Tensor.numel) for two in ends if two]
        for parameter in self._ends:
            gradient = parameter.grad
            if gradient is None:
                continue
            part = gradient if self._whole else local(gradient)
            if not math.isfinite((part if part.dtype == torch.float32 else part.float()).sum().item()):
                return False
        return True

    def clip(self, max_norm: float) -> torch.Tensor:
        """Clip all gradients together to a norm, and keep the norm before it."""
        total = torch.nn.utils.clip_grad_norm_(self._parameters, max_norm)
        self._guard(self._clipped)(total, max_norm)
        return total

    def _clipped(self, total: Any, max_norm: float) -> None:
        whole = total.full_tensor() if hasattr(total, "full_tensor") else total
        self._clip = whole.detach().reshape(()).float(), max_norm

    @property
    def clipped(self) -> bool:
        """Whether ``clip`` was called in this step."""
        return self._clip is not None

    def clips(self) -> dict[str, Row]:
        """Return the norm before clipping and its limit, where ``clip`` was called."""
        if self._clip is None:
            return {}
        total, most = self._clip
        return {"clip": (torch.stack([total, torch.full_like(total, most)]), ("norm", "limit"))}

    @property
    def together(self) -> bool:
        """Whether ranks must look together."""
        return self._replicated or self._shards.any

    @property
    def _compares(self) -> bool:
        return self._replicated and self._seldom and self._step % (10 * self._settings.every) == 0

    def only_count(self) -> None:
        """See nothing from now on but that a step was taken."""
        self.unhook()

        def count(*_: Any) -> None:
            self.stepped = True

        self._handles = [optimizer.register_step_pre_hook(count) for optimizer in self._optimizers]

    def join(self) -> None:
        """Take part in what the ranks do together in this step, though this one has nothing to tell: none must wait for it."""
        if not self._due or self.joined:
            return
        nothing = torch.full((len(self._parameters),), math.nan, device=local(self._parameters[0]).device)
        for takes in (True, self._seldom):
            if takes:
                self._shards.whole(nothing)
        if self._compares:
            ends = torch.full((2 * len(nothing),), -math.inf, device=nothing.device)
            torch.distributed.all_reduce(ends, op=torch.distributed.ReduceOp.MAX)
        self.joined = True

    def take(self) -> dict[str, Row]:
        """Return what a step with norms showed: vectors on the device, with the names of their columns."""
        rows = self.clips() | self._histograms
        for name, parts in self._parts.items():
            if parts or self._shards.any:
                row = self._row(parts)
                rows[name] = (self._shards.whole(row) if name != "update" else row, self._names)
        if self._optimizers:
            rates = _vector([group["lr"] for o in self._optimizers for group in o.param_groups])
            rows["learning_rate"] = rates, [str(i) for i in range(len(rates))]
        if self._compares and "weight" in rows:
            rows["replicas"] = _compared(rows["weight"][0]), ("least", "greatest")
        self.joined = True
        if self.scaler is not None and self.scaler._scale is not None:
            rows["scale"] = self.scaler._scale, ("scale",)
        return rows

    def _row(self, parts: Sequence[Part]) -> torch.Tensor:
        """Return a number for each layer, 0 where there is none."""
        size = len(self._parameters)
        if len(parts) == 1 and len(parts[0][0]) == size:  # places ascend
            return parts[0][1].float()
        device = parts[0][1].device if parts else local(self._parameters[0]).device
        known = {place: one for places, row in parts for place, one in zip(places, row.to(device).float(), strict=True)}
        zero = torch.zeros((), device=device)
        return torch.stack([known.get(place, zero) for place in range(size)])

    def gradients(self) -> list[torch.Tensor]:
        """Return the gradients that the optimizers would use now."""
        places = sorted({p for known in self._places.values() for p in known})
        return [g for p in places if (g := self._parameters[p].grad) is not None]

    def bad_layers(self) -> list[str]:
        """Return the layers whose gradients hold a number that is not finite. Waits for the device."""
        known = [(n, p.grad) for n, p in zip(self._names, self._parameters, strict=True) if p.grad is not None]
        found = norms([g for _, g in known])
        return [n for (n, _), norm in zip(known, found, strict=True) if not math.isfinite(float(norm))]

    @property
    def hooked(self) -> bool:
        """Whether hooks on optimizers are in place."""
        return bool(self._handles)

    def unhook(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles = []


def _by_device(places: Sequence[int], scalars: Sequence[torch.Tensor]) -> list[Part]:
    """Return scalars as one vector a device."""
    devices: dict[torch.device, list[int]] = {}
    for number, scalar in enumerate(scalars):
        devices.setdefault(scalar.device, []).append(number)
    return [([places[n] for n in known], torch.stack([scalars[n] for n in known])) for known in devices.values()]


def _closes(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether ``step(closure)`` was called: the backward pass is run within it."""
    return kwargs.get("closure", args[1] if len(args) > 1 else None) is not None


def _vector(rates: Sequence[float | torch.Tensor]) -> torch.Tensor:
    """Return learning rates as one vector; those that are tensors stay where they are."""
    device = next((rate.device for rate in rates if isinstance(rate, torch.Tensor)), None)
    if device is None:
        return torch.tensor(rates, dtype=torch.float64)
    known = [r.detach().reshape(()) if isinstance(r, torch.Tensor) else torch.full((), r, device=device) for r in rates]
    return torch.stack(known)


def _compared(weights: torch.Tensor) -> torch.Tensor:
    """Return the least norm over the ranks of each layer's weights, and then the greatest ones. Every rank must call."""
    ends = torch.cat([-weights, weights])
    torch.distributed.all_reduce(ends, op=torch.distributed.ReduceOp.MAX)
    return torch.cat([-ends[: len(weights)], ends[len(weights) :]])


def _scaler_above() -> torch.amp.GradScaler | None:
    """Return the gradient scaler that calls the optimizer's step, if one does; one that is switched off is none."""
    frame = sys._getframe(1)
    for _ in range(12):
        owner = frame.f_locals.get("self")
        if isinstance(owner, torch.amp.GradScaler) and owner.is_enabled():
            return owner
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
