"""The learning rate range test: the rate rises in each step until the loss diverges."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from watchkeeper.errors import InputError
from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.pytorch import batches
from watchkeeper.training.pytorch.model import base_of
from watchkeeper.training.pytorch.snapshot import parts_of, untouched
from watchkeeper.training.smoothing import smoothed
from watchkeeper.training.text_plot import text_plot

DIVERGED = 4.0
"""Times as far above 0 as the best smoothed loss (or above it by the first loss's distance, where losses are negative)."""
_MEMORY = 0.9
_WIDTH = 0.03
"""Standard deviation of the smoothing, as a share of the test's steps."""
_LEAST_FALL = 0.02
_RANGE = 6.0
"""Standard deviations that smoothed noise alone spans at most in a test."""


@dataclass(frozen=True, slots=True)
class RateRange:
    """What a learning rate range test found.

    Attributes
    ----------
    rates, losses, smooth
        The rate of each step, the loss of its batch before it, and the losses smoothed over neighbouring steps.
    steepest
        The rate at which the smoothed loss falls fastest; None where it hardly falls.
    diverging
        The rate at which it diverged; None where the test ended before.
    suggestion
        A rate to begin with: the steepest, and at most a third of that with the lowest loss. None where none helps.
    """

    rates: Floats = field(repr=False)
    losses: Floats = field(repr=False)
    smooth: Floats = field(repr=False)
    steepest: float | None
    diverging: float | None
    suggestion: float | None

    @property
    def words(self) -> str:
        """The same in a sentence or two."""
        tried = f"Rates from {self.rates[0]:.2g} to {self.rates[-1]:.2g} were tried."
        if self.suggestion is None:
            return f"{tried} At none did the loss fall: look whether the model can fit one batch (fit_one_batch)."
        end = f"; it diverges at {self.diverging:.2g}" if self.diverging is not None else ""
        return f"{tried} The loss falls fastest at {self.steepest:.2g}{end}. Begin with {self.suggestion:.2g}."

    def plot(self, width: int = 60) -> str:
        """Return the smoothed loss by the logarithm of the rate as text; S marks the suggestion."""
        top = self.smooth[0] + 0.5 * abs(self.smooth[0])
        marks = {} if self.suggestion is None else {int(np.argmin(np.abs(np.log(self.rates / self.suggestion)))): "S"}
        shown = np.minimum(np.where(np.isfinite(self.smooth), self.smooth, top), top)
        return f"{text_plot(shown, width=width, marks=marks)}\n{self.rates[0]:.2g} to {self.rates[-1]:.2g}"

    def __str__(self) -> str:
        return f"{self.words}\n{self.plot()}"


def lr_range_test(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: batches.Loss,
    loader: Iterable[Any],
    *,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
) -> RateRange:
    """Raise the learning rate from ``low`` to ``high``, a factor each step, and see where the loss falls and where it diverges.

    To choose before a training, or where one does not learn. Everything is afterwards as it was, the loader's own random
    generators too; a loader that is an iterator would be used up and is refused. Costs at most ``steps`` steps.

    Parameters
    ----------
    model, optimizer, loss, loader
        Those of the training. Groups of parameters keep the ratios of their rates.
    low, high
        Rates of the first and of the last step, > 0.
    steps
        How many, 20 at least.

    Raises
    ------
    InputError
        The range or the number of steps is none, or the loader is empty or an iterator.

    References
    ----------
    Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017, section 3.3.
    """
    if not 0 < low < high or steps < 20:
        raise InputError(
            f"lr_range_test needs 0 < low < high and 20 steps or more; got {low}, {high} and {steps} steps."
        )
    base = base_of(model)
    rates = np.geomspace(low, high, steps)
    with untouched(parts_of(base, optimizer, loss, loader)):
        base.train()
        losses, diverged = _climb(base, optimizer, loss, (loader, rates))
    return _read(rates[: len(losses)], np.asarray(losses), diverged)


def _climb(
    model: nn.Module, optimizer: torch.optim.Optimizer, loss: batches.Loss, course: tuple[Iterable[Any], Floats]
) -> tuple[list[float], bool]:
    loader, rates = course
    highest = max(float(group["lr"]) for group in optimizer.param_groups) or 1.0
    ratios = [float(group["lr"]) / highest or 1.0 for group in optimizer.param_groups]
    losses: list[float] = []
    smooth, best = 0.0, math.inf
    for step, batch in enumerate(batches.endless(loader, len(rates))):
        for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
            group["lr"] = float(rates[step]) * ratio
        optimizer.zero_grad()
        value = batches.loss_on(model, loss, batches.on_device(batch, model))
        losses.append(float(value.detach()))
        smooth = _MEMORY * smooth + (1 - _MEMORY) * losses[-1]
        now = smooth / (1 - _MEMORY ** (step + 1))
        if not math.isfinite(losses[-1]) or (step > 10 and now > best + (DIVERGED - 1) * max(abs(best), 1e-12)):
            return losses, True
        best = min(best, now)
        value.backward()
        optimizer.step()
    return losses, False


def _read(rates: Floats, losses: Floats, diverged: bool) -> RateRange:
    width = max(1.0, _WIDTH * len(losses))
    smooth = smoothed(losses, width)
    diverging = float(rates[-1]) if diverged else None
    lowest = int(np.nanargmin(smooth))
    slopes = np.gradient(smooth, np.log(rates))[: lowest + 1]
    fall = float(smooth[: lowest + 1].max() - smooth[lowest])
    noise = float(np.std(np.diff(losses[: max(5, len(losses) // 4)]))) / math.sqrt(2)
    noise /= math.sqrt(2 * math.sqrt(math.pi) * width)  # of a smoothed loss
    if lowest == 0 or fall <= max(_LEAST_FALL * abs(float(smooth[0])), _RANGE * noise):
        return RateRange(rates, losses, smooth, None, diverging, None)
    steepest = float(rates[int(np.argmin(slopes))])
    return RateRange(rates, losses, smooth, steepest, diverging, min(steepest, float(rates[lowest]) / 3))
