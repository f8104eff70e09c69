"""Whether the backward pass computes the gradient of the forward pass: central differences in double precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from watchkeeper.errors import InputError
from watchkeeper.training.pytorch import batches
from watchkeeper.training.pytorch.head import tensors_in
from watchkeeper.training.pytorch.model import base_of, clean_name
from watchkeeper.training.pytorch.snapshot import parts_of, untouched

STEP, RTOL, ATOL = 1e-6, 1e-3, 1e-5
ROUNDING = 1e-8
"""Of the loss: what a difference of two losses over two steps cannot tell from 0."""


@dataclass(frozen=True, slots=True)
class WrongGradient:
    """A number of a parameter whose gradient is not what the loss does when that number moves.

    Attributes
    ----------
    layer, place
        The parameter, and the number's place in it, flattened.
    backward, difference
        Its gradient by the backward pass, and by central differences.
    """

    layer: str
    place: int
    backward: float
    difference: float


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """What a gradient check found.

    Attributes
    ----------
    passed
        Whether every gradient that was checked is right.
    checked
        How many numbers were moved.
    wrong
        The gradients that are wrong, in the order of the parameters.
    module
        The innermost module whose own backward pass is wrong; None where none is, or where it lies outside of modules.
    words
        The same in a sentence or two.
    """

    passed: bool
    checked: int
    wrong: list[WrongGradient]
    module: str | None
    words: str

    @property
    def layers(self) -> list[str]:
        """The parameters with wrong gradients."""
        return list(dict.fromkeys(w.layer for w in self.wrong))

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return self.words


def gradient_check(
    model: nn.Module,
    loss: batches.Loss,
    inputs: Any,
    targets: Any,
    *,
    share: float = 0.1,
    most: int = 20,
    seed: int = 0,
) -> GradientCheck:
    """Compare gradients with central differences, in double precision, at a random share of each parameter.

    To choose before trusting a hand-written ``torch.autograd.Function``, or where a model does not learn. Model, gradients,
    random numbers and modes are afterwards as they were. Dropout draws the same numbers in every pass; where a kink (a ReLU
    at 0) lies between the two sides, the gradient may be any slope between those of the two sides.

    Parameters
    ----------
    model, loss, inputs, targets
        As in ``loss(model(inputs), targets)``; a few rows are enough. A tuple of inputs is handed over one by one.
    share, most
        The share of each parameter's numbers that is checked, and how many of each at most; two at least.
    seed
        Of which.

    Raises
    ------
    InputError
        The loss is no number, or not finite.

    Notes
    -----
    A number passes within ``1e-3`` of the difference plus ``1e-5`` of the largest difference in its layer: scale-free, so that
    small gradients are not passed over. Costs two forward passes for each number (four where the first two disagree).

    References
    ----------
    The step 1e-6 and the tolerances are those of ``torch.autograd.gradcheck``.

    Examples
    --------
    >>> import torch, watchkeeper as wk
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    >>> rows = torch.linspace(-1, 1, 24).reshape(8, 3)
    >>> bool(wk.training.gradient_check(model, torch.nn.functional.mse_loss, rows, rows[:, :1]))
    True
    """
    base = base_of(model)
    with untouched(parts_of(base, loss=loss)), _doubled(base, loss):
        batch = batches.mapped(batches.on_device((inputs, targets), base), _double)
        losses = _Losses(base, loss, batch)
        start = losses.value()
        if not np.isfinite(start):
            raise InputError(
                f"The loss of these rows is {start}: its gradient cannot be checked. Look for what makes it so."
            )
        checked, wrong = _by_parameter(base, losses, (share, most, seed), start)
        module = _wrong_module(base, losses, seed) if wrong else None
    return GradientCheck(not wrong, checked, wrong, module, _words(checked, wrong, module))


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


@contextmanager
def _doubled(model: nn.Module, loss: Any) -> Iterator[None]:
    """Put every floating parameter and buffer into double precision, and the very tensors of before back."""
    wholes = [w for w in (model, loss) if isinstance(w, nn.Module)]
    parameters = [(p, p.data) for w in wholes for p in w.parameters() if p.is_floating_point()]
    buffers = [(m, n, b) for w in wholes for m in w.modules() for n, b in m._buffers.items() if b is not None]
    try:
        for parameter, before in parameters:
            parameter.data = before.to(torch.float64, copy=True)
        for module, name, buffer in buffers:
            module._buffers[name] = _double(buffer.clone())
        yield
    finally:
        for parameter, before in parameters:
            parameter.grad = None
            parameter.data = before
        for module, name, buffer in buffers:
            module._buffers[name] = buffer


class _Losses:
    """The loss as a function of the parameters: the same batch and the same random numbers each time."""

    def __init__(self, model: nn.Module, loss: batches.Loss, batch: Any) -> None:
        self._model, self._loss, self.batch = model, loss, batch
        self._cpu, self._cuda = torch.get_rng_state(), torch.cuda.is_initialized()

    def reseed(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._cuda:
            torch.cuda.manual_seed_all(0)

    def tensor(self) -> torch.Tensor:
        self.reseed()
        return batches.loss_on(self._model, self._loss, self.batch)

    def value(self) -> float:
        with torch.no_grad():
            return float(self.tensor())


def _by_parameter(
    model: nn.Module, losses: _Losses, drawn: tuple[float, int, int], start: float
) -> tuple[int, list[WrongGradient]]:
    share, most, seed = drawn
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad and p.numel() and p.is_floating_point()]
    for _, parameter in trained:
        parameter.grad = None
    losses.tensor().backward()
    random, checked, wrong = np.random.default_rng(seed), 0, []
    for name, parameter in trained:
        size = min(parameter.numel(), most, max(2, round(share * parameter.numel())))
        places = sorted(random.choice(parameter.numel(), size, replace=False).tolist())
        gradient = parameter.grad.reshape(-1) if parameter.grad is not None else torch.zeros(parameter.numel())
        sides = [_slopes(parameter, place, losses, STEP, start) for place in places]
        scale = max(abs(left + right) / 2 for left, right in sides)
        for place, (left, right) in zip(places, sides, strict=True):
            backward = float(gradient[place])
            checked += 1
            if not _agree(backward, left, right, ATOL * scale + ROUNDING * abs(start)):
                near = _slopes(parameter, place, losses, STEP / 10, start)  # a kink near by stays out
                if not _agree(backward, *near, ATOL * scale + 10 * ROUNDING * abs(start)):
                    wrong.append(WrongGradient(clean_name(name), place, backward, sum(near) / 2))
    return checked, wrong


def _slopes(parameter: nn.Parameter, place: int, losses: _Losses, step: float, start: float) -> tuple[float, float]:
    """Return the slopes of the loss on the left and on the right of a number."""
    flat = parameter.data.view(-1) if parameter.data.is_contiguous() else parameter.data.flatten()
    if flat.data_ptr() != parameter.data.data_ptr():
        parameter.data = parameter.data.contiguous()
        flat = parameter.data.view(-1)
    before = float(flat[place])
    flat[place] = before + step
    right = (losses.value() - start) / step
    flat[place] = before - step
    left = (start - losses.value()) / step
    flat[place] = before
    return left, right


def _agree(backward: float, left: float, right: float, slack: float) -> bool:
    middle = (left + right) / 2
    slack += RTOL * abs(middle)
    return min(left, right, middle) - slack <= backward <= max(left, right, middle) + slack


def _wrong_module(model: nn.Module, losses: _Losses, seed: int) -> str | None:
    """Return the innermost module whose own backward pass is not the derivative of its forward pass."""
    calls: list[tuple[str, nn.Module, tuple[Any, ...], dict[str, Any]]] = []

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            calls.append((name, module, args, kwargs))  # innermost modules return first

        return hook

    handles = [m.register_forward_hook(keep(clean_name(n)), with_kwargs=True) for n, m in model.named_modules() if n]
    try:
        losses.value()
    finally:
        for handle in handles:
            handle.remove()
    random = torch.Generator().manual_seed(seed)
    for name, module, args, kwargs in calls:
        if not _module_agrees(module, args, kwargs, losses, random):
            return name
    return None


def _module_agrees(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], losses: _Losses, random: torch.Generator
) -> bool:
    """Compare, along one random direction of inputs and weights, one random projection of a module's outputs."""
    inputs = [t for t in tensors_in((args, kwargs)) if t.is_floating_point()]
    moved = [t.detach().clone().requires_grad_() for t in inputs]
    weights = [p for p in module.parameters() if p.requires_grad and p.is_floating_point()]
    ways = [torch.randn(t.shape, generator=random, dtype=torch.float64).to(t.device) for t in (*moved, *weights)]
    places = {id(t): place for place, t in enumerate(inputs)}

    def outputs(by: float) -> list[torch.Tensor]:
        losses.reseed()
        given = [t + by * w for t, w in zip(moved, ways, strict=False)]
        called = batches.mapped((args, kwargs), lambda t: given[places[id(t)]] if id(t) in places else t)
        return [t for t in tensors_in(module(*called[0], **called[1])) if t.is_floating_point()]

    found = outputs(0.0)
    views = [torch.randn(t.shape, generator=random, dtype=torch.float64).to(t.device) for t in found]
    whole = sum((v * t).sum() for v, t in zip(views, found, strict=True) if t.requires_grad)
    if not isinstance(whole, torch.Tensor):
        return True
    gradients = torch.autograd.grad(whole, [*moved, *weights], allow_unused=True)
    backward = float(sum((g * w).sum() for g, w in zip(gradients, ways, strict=True) if g is not None))
    sides = []
    for by in (-STEP, STEP):
        with torch.no_grad():
            _shift(weights, ways[len(moved) :], by)
            sides.append(float(sum((v * t).sum() for v, t in zip(views, outputs(by), strict=True))))
            _shift(weights, ways[len(moved) :], -by)
    difference = (sides[1] - sides[0]) / (2 * STEP)
    return abs(backward - difference) <= 2 * RTOL * abs(difference) + ATOL * (1 + abs(sides[0]))


def _shift(weights: list[nn.Parameter], ways: list[torch.Tensor], by: float) -> None:
    for weight, way in zip(weights, ways, strict=True):
        weight.add_(way, alpha=by)


def _words(checked: int, wrong: list[WrongGradient], module: str | None) -> str:
    if not wrong:
        return f"Of {checked:,} numbers each gradient is what the loss does when the number moves."
    layers = list(dict.fromkeys(w.layer for w in wrong))
    worst = max(wrong, key=lambda w: abs(w.backward - w.difference))
    where = (
        f"The backward pass of the module {module} is wrong."
        if module is not None
        else f"The fault lies between {layers[-1]} and the loss, outside of any module: in a function of your own."
    )
    return (
        f"{where} Of {checked:,} gradients {len(wrong):,} are wrong, in {', '.join(layers[:5])}: at number {worst.place} of "
        f"{worst.layer} the backward pass says {worst.backward:.6g}, differences say {worst.difference:.6g}."
    )
