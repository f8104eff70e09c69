"""All that a training step changes, kept and put back bit for bit: weights, optimizer, schedule, scaler, chance, modes."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from watchkeeper.errors import InputError
from watchkeeper.training.pytorch.model import clean_name
from watchkeeper.training.pytorch.pausing import paused


@dataclass(frozen=True, slots=True)
class Parts:
    """What takes part in a training.

    Attributes
    ----------
    model, optimizers
        What is trained, and by what.
    scheduler, scaler
        Anything with ``state_dict`` and ``load_state_dict``; None: there is none.
    others
        Further modules with a state, such as a loss with weights.
    generators
        Random generators of the data's own.
    """

    model: nn.Module
    optimizers: Sequence[torch.optim.Optimizer] = ()
    scheduler: Any = None
    scaler: Any = None
    others: Sequence[nn.Module] = ()
    generators: Sequence[torch.Generator] = ()

    @property
    def modules(self) -> list[nn.Module]:
        """Every module inside, in one order."""
        return [inner for whole in (self.model, *self.others) for inner in whole.modules()]

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Every parameter, those that only an optimizer has too."""
        found = {id(p): p for whole in (self.model, *self.others) for p in whole.parameters()}
        found |= {id(p): p for o in self.optimizers for g in o.param_groups for p in g["params"]}
        return list(found.values())

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return parameters and buffers (those that a state_dict leaves out too) by name."""
        found: dict[str, torch.Tensor] = {}
        for place, whole in enumerate((self.model, *self.others)):
            for name, tensor in (*whole.named_parameters(), *whole.named_buffers()):
                found[f"{place}.{clean_name(name)}"] = tensor
        return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of what changes, as plain values and tensors: ``torch.save`` takes it as it is."""

    content: dict[str, Any]

    @classmethod
    def of(cls, parts: Parts) -> Snapshot:
        """Copy the state of a training. The copy needs as much memory as weights and optimizer have."""
        return cls(
            {
                "tensors": {name: t.detach().clone() for name, t in parts.tensors().items()},
                "modes": [module.training for module in parts.modules],
                "optimizers": [_of_optimizer(o) for o in parts.optimizers],
                "scheduler": None if parts.scheduler is None else copy.deepcopy(parts.scheduler.state_dict()),
                "scaler": None if parts.scaler is None else copy.deepcopy(parts.scaler.state_dict()),
                "chance": _chance(parts.generators),
            }
        )

    def restore(self, parts: Parts, *, chance: bool = True) -> None:
        """Put the state back; without ``chance`` random numbers go on from where they are.

        Raises
        ------
        InputError
            The model has other parameters than the one that was kept.
        """
        kept, known = self.content["tensors"], parts.tensors()
        different = [n for n in kept.keys() | known.keys() if n not in kept or n not in known]
        different += [n for n in kept.keys() & known.keys() if kept[n].shape != known[n].shape]
        if different or len(self.content["optimizers"]) != len(parts.optimizers):
            named = ", ".join(sorted(different)[:3]) or "the number of optimizers"
            raise InputError(
                f"This checkpoint is of another model: {named} differ. Restore into the model it was made of."
            )
        with torch.no_grad():
            for name, tensor in known.items():
                tensor.copy_(kept[name])
        for module, mode in zip(parts.modules, self.content["modes"], strict=True):
            module.training = mode
        for optimizer, state in zip(parts.optimizers, self.content["optimizers"], strict=True):
            _to_optimizer(optimizer, state)
        if parts.scheduler is not None and self.content["scheduler"] is not None:
            parts.scheduler.load_state_dict(copy.deepcopy(self.content["scheduler"]))
        if parts.scaler is not None and self.content["scaler"] is not None:
            parts.scaler.load_state_dict(copy.deepcopy(self.content["scaler"]))
        if chance:
            _set_chance(self.content["chance"], parts.generators)

    @property
    def finite(self) -> bool:
        """Whether every weight is a finite number. Waits for the device."""
        floats = [t for t in self.content["tensors"].values() if t.is_floating_point() and t.numel()]
        return all(bool(torch.isfinite(t).all()) for t in floats)


def _of_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    groups = [{k: _copied(v) for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    return {"groups": groups, "state": [_copied(optimizer.state.get(p)) for p in _params(optimizer)]}


def _to_optimizer(optimizer: torch.optim.Optimizer, kept: dict[str, Any]) -> None:
    for group, options in zip(optimizer.param_groups, kept["groups"], strict=True):
        for gone in group.keys() - options.keys() - {"params"}:
            del group[gone]
        group.update({k: _copied(v) for k, v in options.items()})
    for parameter, state in zip(_params(optimizer), kept["state"], strict=True):
        if state is None:
            optimizer.state.pop(parameter, None)
        else:
            optimizer.state[parameter] = _moved(state, parameter, counted_there=_counts_there(kept["groups"][0]))


def _counts_there(options: dict[str, Any]) -> bool:
    """Whether an optimizer counts its steps on the device."""
    return bool(options.get("capturable") or options.get("fused"))


def _params(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    return copy.deepcopy(value)


def _moved(state: dict[str, Any], parameter: torch.Tensor, *, counted_there: bool) -> dict[str, Any]:
    """Return a copy on the parameter's device; a count of steps stays where it was unless it is on the device always."""
    copied: dict[str, Any] = _copied(state)
    for name, value in copied.items():
        if isinstance(value, torch.Tensor) and (value.dim() or counted_there):
            copied[name] = value.to(parameter.device)
    return copied


def _chance(generators: Sequence[torch.Generator]) -> dict[str, Any]:
    kind, keys, place, has, cached = np.random.get_state(legacy=True)  # noqa: NPY002 (what users' code draws from)
    return {
        "torch": torch.get_rng_state(),
        "cuda": list(torch.cuda.get_rng_state_all()) if torch.cuda.is_initialized() else [],
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), int(place), int(has), float(cached)),
        "own": [g.get_state() for g in generators],
    }


def _set_chance(kept: dict[str, Any], generators: Sequence[torch.Generator]) -> None:
    torch.set_rng_state(kept["torch"])
    for device, state in enumerate(kept["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, device)
    version, numbers, cached = kept["python"]
    random.setstate((version, tuple(numbers), cached))
    kind, keys, place, has, drawn = kept["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), place, has, drawn))  # noqa: NPY002
    for generator, state in zip(generators, kept["own"], strict=False):
        generator.set_state(state)


def generators_of(loader: Any) -> list[torch.Generator]:
    """Return the random generators that a loader and its samplers hold."""
    batches = getattr(loader, "batch_sampler", None)
    holders = (loader, getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None))
    found = {id(g): g for h in holders if isinstance(g := getattr(h, "generator", None), torch.Generator)}
    return list(found.values())


def parts_of(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Iterable[torch.optim.Optimizer] | None = None,
    loss: Any = None,
    loader: Any = None,
) -> Parts:
    """Return what takes part in a training from what its loop holds."""
    several = [optimizer] if isinstance(optimizer, torch.optim.Optimizer) else list(optimizer or ())
    others = (loss,) if isinstance(loss, nn.Module) else ()
    return Parts(model, several, others=others, generators=generators_of(loader))


@contextmanager
def chance_kept(generators: Sequence[torch.Generator] = ()) -> Iterator[None]:
    """Let random numbers be drawn, and put their state back."""
    before = _chance(generators)
    try:
        yield
    finally:
        _set_chance(before, generators)


def seed_all(seed: int, generators: Sequence[torch.Generator] = ()) -> None:
    """Seed all that random numbers are drawn from: torch, NumPy's global generator, random, and the data's own."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (what users' code draws from)
    for generator in generators:
        generator.manual_seed(seed)


@contextmanager
def untouched(parts: Parts) -> Iterator[Snapshot]:
    """Let anything be done to a training, unseen by watches, and put all of it back, gradients too."""
    before, gradients = Snapshot.of(parts), [(p, p.grad) for p in parts.parameters]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        with paused():
            yield before
    finally:
        before.restore(parts)
        for parameter, gradient in gradients:
            parameter.grad = gradient
