"""The probe: a small batch sent through the model now and then, to see which units are dead or saturated.

It runs without gradients, in evaluation mode (so that batch statistics do not move), with the random numbers put back and
hooks that are there for that one pass; a compiled model is probed uncompiled.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from watchkeeper.training.pytorch.head import tensors_in
from watchkeeper.training.pytorch.model import WEIGHTED, clean_name
from watchkeeper.training.pytorch.settings import Row

RELU = (nn.ReLU, nn.ReLU6, nn.Threshold, nn.Hardswish)
BOUNDED = (nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardsigmoid)
FLAT = 0.05
"""Of the greatest slope: below, an activation is saturated."""


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode, and each back into its own."""
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def uncompiled() -> Iterator[None]:
    """Call what ``torch.compile`` made as if it had not, so that a look in another mode compiles nothing."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


@contextmanager
def untouched_random(model: nn.Module) -> Iterator[None]:
    """Leave the state of random numbers as it was, for models that draw some in evaluation too."""
    devices = {p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        yield


class Probe:
    """The first rows that the model was given, and which modules are looked at."""

    def __init__(self, model: nn.Module, rows: int) -> None:
        self._model = model
        self._rows = rows
        self._inputs: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.held = 0
        named = [(clean_name(n), m) for n, m in model.named_modules()]
        self.relu = [(n, m) for n, m in named if isinstance(m, RELU)]
        self.bounded = [(n, m) for n, m in named if isinstance(m, BOUNDED)]
        self.weighted = [(n, m) for n, m in named if isinstance(m, WEIGHTED)]

    @property
    def useful(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.relu or self.bounded or len(self.weighted) > 1)

    @property
    def full(self) -> bool:
        """Whether it holds as many rows as it wants."""
        return self.held >= self._rows

    def keep(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Keep the first rows of a batch."""
        first = next(tensors_in((args, kwargs)), None)
        if first is None or first.dim() == 0 or self.full:
            return
        size, wanted = first.shape[0], self._rows - self.held
        self._inputs.append((_cut(args, size, wanted), _cut(kwargs, size, wanted)))
        self.held += min(size, wanted)

    def run(self, *, spread: bool = True) -> dict[str, Row]:
        """Return, as vectors on the device: ``dead`` (by ReLU), ``saturated`` (by sigmoid and tanh), ``activation`` (sd).

        The last, with ``spread`` only: it says how signals go through the first weights.
        """
        looks: list[_Look] = []
        looks += [_Look("dead", n, m, _alive) for n, m in self.relu]
        looks += [_Look("saturated", n, m, _flat) for n, m in self.bounded]
        looks += [_Look("activation", n, m, _spread) for n, m in self.weighted if spread]
        handles = [look.module.register_forward_hook(look) for look in looks]
        try:
            with torch.no_grad(), evaluating(self._model), untouched_random(self._model), uncompiled():
                for args, kwargs in self._inputs:
                    self._model(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        device = next((look.device for look in looks if look.device is not None), None)
        found: dict[str, tuple[list[torch.Tensor], list[str]]] = {}
        for look in looks:
            values, columns = found.setdefault(look.name, ([], []))
            values.append(look.result(device))
            columns.append(look.label)
        return {name: (torch.stack(values), columns) for name, (values, columns) in found.items()}


def _cut(value: Any, size: int, wanted: int) -> Any:
    if isinstance(value, torch.Tensor):
        batched = value.dim() > 0 and value.shape[0] == size
        return (value.detach()[:wanted] if batched else value.detach()).clone()
    if isinstance(value, dict):
        return {key: _cut(item, size, wanted) for key, item in value.items()}
    if isinstance(value, tuple | list) and type(value) in {tuple, list}:
        return type(value)(_cut(item, size, wanted) for item in value)
    return value


class _Look:
    """Looks at one module's outputs during a probe."""

    def __init__(
        self, name: str, label: str, module: nn.Module, view: Callable[[nn.Module, torch.Tensor], torch.Tensor]
    ) -> None:
        self.name, self.label, self.module = name, label, module
        self._view = view
        self._seen: list[torch.Tensor] = []
        self.device: torch.device | None = None

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.dim() > 0:
            self.device = output.device
            self._seen.append(self._view(module, output.detach().float()))

    def result(self, device: torch.device | None) -> torch.Tensor:
        """Return the share of dead units, or the mean of what was seen; NaN where the module was not used."""
        if not self._seen:
            return torch.full((), float("nan"), device=device)
        if self.name == "dead":
            same = [seen for seen in self._seen if seen.shape == self._seen[0].shape]
            return 1 - torch.stack(same).amax(dim=0).mean()
        return torch.stack(self._seen).mean()


def _alive(module: nn.Module, output: torch.Tensor) -> torch.Tensor:
    """Return, for each unit (a channel of a convolution), whether it is on anywhere in the batch."""
    units = output.movedim(1, -1) if output.dim() == 4 else output
    return (units.reshape(-1, units.shape[-1]) > 0).any(dim=0).float()


def _flat(module: nn.Module, output: torch.Tensor) -> torch.Tensor:
    if isinstance(module, nn.Sigmoid | nn.Hardsigmoid):
        slope = 4 * output * (1 - output)
    elif isinstance(module, nn.Hardtanh):
        return ((output <= module.min_val) | (output >= module.max_val)).float().mean()
    else:
        slope = 1 - output.square()
    return (slope < FLAT).float().mean()


def _spread(module: nn.Module, output: torch.Tensor) -> torch.Tensor:
    return output.std()


def first_bad_module(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """Return the first module, in the order of the forward pass, that makes something not finite of what is finite.

    Waits for the device. ``None`` where the whole forward pass is finite: then it comes of the loss or the backward pass.
    """
    bad: list[str] = []

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if bad or next(module.children(), None) is not None:
                return
            whole = all(bool(torch.isfinite(t).all()) for t in tensors_in(args) if t.is_floating_point())
            broken = any(not bool(torch.isfinite(t).all()) for t in tensors_in(output) if t.is_floating_point())
            if broken:
                bad.append(name if whole else f"the input of {name}")

        return hook

    named = [(clean_name(n), m) for n, m in model.named_modules() if n]
    handles = [m.register_forward_hook(look(n)) for n, m in named]
    try:
        with torch.no_grad(), evaluating(model), untouched_random(model), uncompiled():
            model(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return bad[0] if bad else None
