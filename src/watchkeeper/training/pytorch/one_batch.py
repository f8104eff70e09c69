"""Can the model fit a handful of rows? What cannot fit 16 rows has a fault that more training does not mend."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from watchkeeper.errors import InputError
from watchkeeper.training.pytorch import batches
from watchkeeper.training.pytorch.head import loss_kind, shapes_differ, tensors_in
from watchkeeper.training.pytorch.model import base_of, clean_name
from watchkeeper.training.pytorch.snapshot import parts_of, untouched

ROWS = 16
FITTED = 0.01
"""Of the loss of the best constant prediction, or of the first loss where that is unknown: below, the rows are fitted."""
RATES = (1e-3, 1e-2, 1e-4)
SLOW = 0.01
"""Of the weights' size: less than that, all steps together have hardly moved them."""
Make = Callable[[Any], torch.optim.Optimizer]


@dataclass(frozen=True, slots=True)
class OneBatch:
    """How far a model fits a few rows.

    Attributes
    ----------
    fitted
        Whether the loss fell below ``goal``.
    losses
        The loss before each step of the best attempt, and at its end.
    goal
        A hundredth of what a constant prediction (or, where its loss is unknown, the model at first) has.
    rate
        The learning rate of that attempt.
    reasons
        Why not, each a sentence; none where it is fitted.
    """

    fitted: bool
    losses: list[float]
    goal: float
    rate: float
    reasons: list[str]

    @property
    def words(self) -> str:
        """The same in sentences."""
        end, steps = self.losses[-1], len(self.losses) - 1
        said = f"The loss went from {self.losses[0]:.4g} to {end:.4g} in {steps:,} steps at the rate {self.rate:g}"
        if self.fitted:
            return f"{said}: the model can fit these rows."
        return " ".join([f"{said}, where {self.goal:.2g} was to be reached: it cannot fit these rows.", *self.reasons])

    def __bool__(self) -> bool:
        return self.fitted

    def __str__(self) -> str:
        return self.words


def fit_one_batch(
    model: nn.Module,
    loss: batches.Loss,
    batch: Any,
    *,
    optimizer: torch.optim.Optimizer | Make | None = None,
    steps: int = 1000,
    rows: int = ROWS,
) -> OneBatch:
    """Train on a few rows alone, without dropout, and say whether the model can fit them, and why not where it cannot.

    To choose first where a model does not learn: bugs of model, loss and labels show here, without the question of how well it
    generalises. Everything is afterwards as it was.

    Parameters
    ----------
    model, loss, batch
        What is trained, from its present weights, and on which batch, of which the first ``rows`` rows are taken.
    optimizer
        The one in use, or a function of the parameters that makes one. None: Adam with the rates .001, .01 and .0001.
    steps
        At most so many, over all rates together.

    Raises
    ------
    InputError
        The batch has no rows, or there are no steps.

    References
    ----------
    Ben Braiek and Khomh, TOSEM 32 (2023), article 61 (TheDeepChecker): a model must fit 16 rows within 1,000 steps.
    """
    base = base_of(model)
    taken = batches.on_device(batches.cut(batch, 0, rows), base)
    if not batches.rows(taken) or steps < 1:
        raise InputError(f"fit_one_batch needs rows and steps; there are {batches.rows(taken)} rows and {steps} steps.")
    given = optimizer if isinstance(optimizer, torch.optim.Optimizer) else None
    makes: list[Make | None] = [None] if given is not None else [optimizer] if callable(optimizer) else _adams()
    attempts: list[_Attempt] = []
    for make in makes:
        with untouched(parts_of(base, given, loss)):
            used = given if make is None else make(base.parameters())
            _without_dropout(base)
            attempt = _Attempt(base, loss, taken, used)
            attempt.run(steps // len(makes) or 1)
            attempts.append(attempt)
        if attempt.fitted:
            break
    best = min(attempts, key=lambda a: (not a.fitted, not math.isfinite(a.losses[-1]), a.losses[-1]))
    return OneBatch(best.fitted, best.losses, best.goal, best.rate, [] if best.fitted else best.reasons)


def _adams() -> list[Make | None]:
    return [functools.partial(torch.optim.Adam, lr=rate) for rate in RATES]


def _without_dropout(model: nn.Module) -> None:
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.training = False


class _Attempt:
    """One training on the rows."""

    def __init__(self, model: nn.Module, loss: batches.Loss, batch: Any, optimizer: torch.optim.Optimizer) -> None:
        self._model, self._loss, self._batch, self._optimizer = model, loss, batch, optimizer
        self.losses: list[float] = []
        self.rate = float(optimizer.param_groups[0]["lr"])
        self.goal = math.nan
        self.fitted = False
        self.moved = 0.0
        self.reasons: list[str] = []

    def run(self, steps: int) -> None:
        """Train until the goal, the end, or a loss that is no number."""
        before = [p.detach().clone() for p in self._model.parameters()]
        for step in range(steps + 1):
            self._optimizer.zero_grad()
            loss = batches.loss_on(self._model, self._loss, self._batch)
            self.losses.append(float(loss.detach()))
            if step == 0:
                self.goal = FITTED * _constant(self._loss, self._batch, self.losses[0])
            if not math.isfinite(self.losses[-1]):
                self.reasons = [
                    f"The loss is {self.losses[-1]} at step {step}: a rate too high, or a number out of range."
                ]
                return
            self.fitted = self.losses[-1] <= self.goal
            if self.fitted or step == steps:
                break
            if not loss.requires_grad:
                self.reasons = ["The loss does not depend on any parameter that is trained."]
                return
            loss.backward()
            if step == 0:
                self.reasons = list(self._of_gradients())
            self._optimizer.step()
        self.moved = _moved(before, list(self._model.parameters()))
        if not self.fitted:
            self.reasons += self._of_rows()
            self.reasons += self._of_course()

    def _of_gradients(self) -> Iterator[str]:
        owned = {id(p) for group in self._optimizer.param_groups for p in group["params"]}
        named = [(clean_name(n), p) for n, p in self._model.named_parameters() if p.requires_grad]
        none = [n for n, p in named if p.grad is None or not bool(p.grad.any())]
        if none:
            yield f"No gradient reaches {_some(none)}."
        left = [n for n, p in named if id(p) not in owned]
        if left:
            yield f"The optimizer does not have {_some(left)}."

    def _of_rows(self) -> Iterator[str]:
        if self._loss is None:
            return
        with torch.no_grad():
            output, target = batches.output_of(self._model, self._batch)
        scores = next((t for t in tensors_in(output) if t.is_floating_point()), None)
        wanted = next(tensors_in(target), None)
        if scores is None or wanted is None or len(scores) < 2:
            return
        if loss_kind(self._loss) in {"mse", "mae"} and shapes_differ(scores, wanted):
            shapes = f"{tuple(scores.shape)} and {tuple(wanted.shape)}"
            yield f"Output and target have the shapes {shapes}: each row is compared with every other."
        inputs = [t for t in tensors_in(batches.split(self._batch)[:2]) if len(t) == len(wanted)]
        if inputs and len(clashes := _contradictions(inputs, wanted)):
            yield f"{len(clashes)} pairs of rows have equal inputs and different targets: no model fits both."
        elif len(wanted) == len(scores) and bool((wanted != wanted[:1]).any()) and _alike(scores):
            yield "The output is the same for every row: what comes in does not reach it (dead or saturated units?)."

    def _of_course(self) -> Iterator[str]:
        quarter = self.losses[-max(2, len(self.losses) // 4) :]
        if quarter[-1] > self.losses[0]:
            yield "The loss rose: lower the learning rate, or look at its sign."
        elif quarter[-1] < 0.9 * quarter[0]:
            yield "The loss was still falling at the end: more steps or a higher learning rate may do."
        elif max(quarter) - min(quarter) > 0.5 * abs(quarter[-1]):
            yield "The loss goes up and down: lower the learning rate."
        elif self.moved < SLOW and not self.reasons:
            yield f"All steps together moved the weights by {self.moved:.1g} of their size: raise the learning rate."
        elif not self.reasons:
            yield "The loss stands still: the model may be too small, or a wrong gradient (gradient_check) holds it."


def _constant(loss: batches.Loss, batch: Any, first: float) -> float:
    """Return the loss of the best constant prediction of these rows; the first loss where it is unknown or 0."""
    kind = loss_kind(loss) if loss is not None else None
    target = next(tensors_in(batches.split(batch)[2]), None) if kind in {"cross_entropy", "nll", "mse"} else None
    found = 0.0
    if target is not None and target.numel():
        if kind == "mse":
            found = float(target.float().var(dim=0, correction=0).mean())
        elif not target.is_floating_point():
            shares = torch.unique(target, return_counts=True)[1].float() / target.numel()
            found = float(-(shares * shares.log()).sum())
    return found if found > 0 else abs(first)


def _contradictions(inputs: list[torch.Tensor], wanted: torch.Tensor) -> list[tuple[int, int]]:
    pairs = [(a, b) for a in range(len(wanted)) for b in range(a)]
    same = [(a, b) for a, b in pairs if all(torch.equal(t[a], t[b]) for t in inputs)]
    return [(a, b) for a, b in same if not torch.equal(wanted[a], wanted[b])]


def _alike(scores: torch.Tensor) -> bool:
    return float((scores - scores[:1]).abs().max()) < 1e-4 * (1 + float(scores.abs().max()))


def _moved(before: list[torch.Tensor], after: list[nn.Parameter]) -> float:
    """Return how far the weights went, over their size."""
    size = math.sqrt(sum(float(b.double().square().sum()) for b in before))
    way = math.sqrt(sum(float((a.detach() - b).double().square().sum()) for a, b in zip(after, before, strict=True)))
    return way / max(size, 1e-12)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
