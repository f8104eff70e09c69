"""Which optimizer does best on a task, each with the same number of learning rates, steps and seeds."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import stdtrit
from torch import nn

from watchkeeper.errors import InputError
from watchkeeper.metrics.estimate import CONFIDENCE, Estimate
from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.pytorch import batches
from watchkeeper.training.pytorch.fitting import fit, held_out_loss
from watchkeeper.training.pytorch.snapshot import Parts, chance_kept, generators_of, seed_all

log = logging.getLogger("watchkeeper.training")
Make = Callable[[Any, float], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "SGD with momentum": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate, momentum=0.9),
    "AdaGrad": lambda parameters, rate: torch.optim.Adagrad(parameters, lr=rate),
    "RMSprop": lambda parameters, rate: torch.optim.RMSprop(parameters, lr=rate),
    "Adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
    "AdamW": lambda parameters, rate: torch.optim.AdamW(parameters, lr=rate),
}
RATES: dict[str, tuple[float, ...]] = {
    "SGD with momentum": (1e-3, 1e-2, 1e-1, 1.0),
    "AdaGrad": (1e-3, 1e-2, 1e-1, 1.0),
    "RMSprop": (1e-4, 1e-3, 1e-2, 1e-1),
    "Adam": (1e-4, 1e-3, 1e-2, 1e-1),
    "AdamW": (1e-4, 1e-3, 1e-2, 1e-1),
}


@dataclass(frozen=True, slots=True)
class Racer:
    """One optimizer of a race.

    Attributes
    ----------
    name, rate
        The optimizer, and the learning rate that its search chose.
    loss
        The held-out loss over seeds that took no part in the search, with its 95 % interval; infinite where one diverged.
    losses
        Of each seed.
    behind
        By how much it is above the best, paired by seed; None for the best itself.
    searched
        The held-out loss at each rate of the search.
    """

    name: str
    rate: float
    loss: Estimate
    losses: list[float]
    behind: Estimate | None
    searched: dict[float, float]

    @property
    def alike(self) -> bool:
        """Whether it cannot be told from the best."""
        return self.behind is None or not self.behind.low > 0


@dataclass(frozen=True, slots=True)
class Race:
    """A race of optimizers, the best first.

    Attributes
    ----------
    racers
        By their mean held-out loss.
    steps, seeds
        How long each training was, and how many seeds the losses rest on.
    """

    racers: list[Racer]
    steps: int
    seeds: int

    @property
    def best(self) -> Racer:
        """The one with the least mean held-out loss."""
        return self.racers[0]

    @property
    def alike(self) -> list[str]:
        """The best, and those that cannot be told from it."""
        return [r.name for r in self.racers if r.alike]

    def table(self) -> str:
        """Return a line for each optimizer: rate, held-out loss with its interval, and how far it is behind."""
        lines = [f"{'optimizer':<18} {'rate':>7}  {'held-out loss':<30} behind the best"]
        for r in self.racers:
            behind = "" if r.behind is None else _said(r.behind) + ("  not told apart" if r.alike else "")
            lines.append(f"{r.name:<18} {r.rate:>7g}  {_said(r.loss):<30} {behind}".rstrip())
        return "\n".join(lines)

    def __str__(self) -> str:
        several = f" Not told apart: {', '.join(self.alike)}." if len(self.alike) > 1 else ""
        return f"{self.table()}\n{self.seeds} seeds, {self.steps:,} steps each.{several}"


def race_optimizers(
    make_model: Callable[[], nn.Module],
    data: tuple[Iterable[Any], Iterable[Any]],
    loss: batches.Loss,
    *,
    budget: int = 10_000,
    seeds: int = 5,
    halving: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Race:
    """Race SGD with momentum, AdaGrad, RMSprop, Adam and AdamW, each with four learning rates and the same number of steps.

    First each rate is tried with one seed; then the best rate of each optimizer is trained anew with other seeds, which the
    intervals rest on. Models and batches are the same for all optimizers of a seed. Random numbers are afterwards as they were.

    Parameters
    ----------
    make_model
        Makes a model; it is called after seeding.
    data
        Training batches and held-out batches, as loaders or lists.
    loss
        As in ``loss(model(inputs), targets)``.
    budget
        Steps in all: each of the ``5 (4 + seeds)`` trainings has as many of them.
    seeds
        How many, 2 at least.
    halving
        Whether the search drops the worse half of the rates after a quarter, and again after half of its steps (successive
        halving), which saves half of it; a rate that begins slowly may be dropped.
    progress
        Told a sentence after each training.

    Raises
    ------
    InputError
        The budget leaves a training less than 10 steps, there are fewer than 2 seeds, or no held-out rows.

    References
    ----------
    Choi et al., On Empirical Comparisons of Optimizers for Deep Learning (2019), on equal search; Jamieson and Talwalkar,
    AISTATS 2016, on successive halving.
    """
    count = len(OPTIMIZERS) * (4 + seeds)
    steps = budget // count
    if steps < 10 or seeds < 2:
        raise InputError(
            f"A race of {count} trainings needs 2 seeds or more and a budget of {10 * count:,} steps or more; got {seeds} and "
            f"{budget:,}."
        )
    told = _Progress(count, progress)
    generators = [*generators_of(data[0]), *generators_of(data[1])]
    with chance_kept(generators):
        track = _Track(make_model, data, loss, steps, generators)
        chosen = {n: _search(track, n, halving=halving, told=told) for n in OPTIMIZERS}
        losses = {
            name: np.asarray([track.run(name, _least(found), seed, told) for seed in range(1, seeds + 1)])
            for name, found in chosen.items()
        }
    return Race(_ranked(chosen, losses), steps, seeds)


class _Progress:
    """Says how far a race is, and how long the rest will take."""

    def __init__(self, count: int, told: Callable[[str], None] | None) -> None:
        self._count, self._told, self._done, self._began = count, told, 0, time.monotonic()

    def __call__(self, words: str) -> None:
        self._done += 1
        left = (time.monotonic() - self._began) / self._done * (self._count - self._done)
        said = f"{words} ({self._done} of {self._count}, about {left:.0f} s left)"
        log.info(said)
        if self._told is not None:
            self._told(said)


@dataclass(frozen=True, slots=True)
class _Track:
    """What is the same for all that race."""

    make_model: Callable[[], nn.Module]
    data: tuple[Iterable[Any], Iterable[Any]]
    loss: batches.Loss
    steps: int
    generators: Sequence[torch.Generator]

    def start(self, name: str, rate: float, seed: int) -> Parts:
        seed_all(seed, self.generators)
        model = self.make_model()
        return Parts(model, [OPTIMIZERS[name](model.parameters(), rate)])

    def drawn(self, seed: int) -> list[Any]:
        seed_all(seed, self.generators)
        return list(batches.endless(self.data[0], self.steps))

    def run(self, name: str, rate: float, seed: int, told: _Progress) -> float:
        """Return the held-out loss after one training."""
        parts, drawn = self.start(name, rate, seed), self.drawn(seed)
        found = self.go_on(parts, drawn, seed)
        told(f"{name} at the rate {rate:g}, seed {seed}: {found:.4g}")
        return found

    def go_on(self, parts: Parts, drawn: Sequence[Any], seed: int) -> float:
        """Train on some batches, and return the held-out loss; infinite where it is no number."""
        seed_all(seed, self.generators)
        losses = fit(parts, self.loss, drawn)
        found = held_out_loss(parts.model, self.loss, self.data[1])
        if math.isnan(found) and math.isfinite(losses[-1]) and not any(True for _ in self.data[1]):
            raise InputError("There are no held-out rows: hand in data=(training batches, held-out batches).")
        return found if math.isfinite(found) and math.isfinite(losses[-1]) else math.inf


def _search(track: _Track, name: str, *, halving: bool, told: _Progress) -> dict[float, float]:
    """Return the held-out loss at each rate; with halving what it was when the rate was dropped, or at the end."""
    if not halving:
        return {rate: track.run(name, rate, 0, told) for rate in RATES[name]}
    drawn, found = track.drawn(0), dict.fromkeys(RATES[name], math.inf)
    left = {rate: track.start(name, rate, 0) for rate in RATES[name]}
    edges = [0, track.steps // 4, track.steps // 2, track.steps]
    for place, (start, stop) in enumerate(itertools.pairwise(edges)):
        now = {rate: track.go_on(parts, drawn[start:stop], place) for rate, parts in left.items()}
        keep = sorted(now, key=now.__getitem__)[: max(1, len(now) // 2)] if place < 2 else list(now)
        for rate in now.keys() - set(keep):
            found[rate] = math.inf  # what was dropped cannot win by what it was then
            told(f"{name} at the rate {rate:g} dropped after {stop:,} steps: {now[rate]:.4g}")
        found |= {rate: now[rate] for rate in keep}
        left = {rate: left[rate] for rate in keep}
    for rate in left:
        told(f"{name} at the rate {rate:g}: {found[rate]:.4g}")
    return found


def _least(found: Mapping[float, float]) -> float:
    return min(found, key=found.__getitem__)


def _ranked(chosen: Mapping[str, dict[float, float]], losses: Mapping[str, Floats]) -> list[Racer]:
    order = sorted(losses, key=lambda n: float(np.mean(losses[n])))
    best = losses[order[0]]
    racers = []
    for name in order:
        values = losses[name]
        behind = (
            None
            if name == order[0]
            else _mean(values - best, len(order) - 1)
            if _whole(values, best)
            else _worse(values)
        )
        racers.append(Racer(name, _least(chosen[name]), _mean(values, 1), values.tolist(), behind, chosen[name]))
    return racers


def _whole(*values: Floats) -> bool:
    return all(bool(np.isfinite(v).all()) for v in values)


def _worse(values: Floats) -> Estimate:
    return Estimate(math.inf, math.inf, math.inf, len(values))


def _mean(values: Floats, checks: int) -> Estimate:
    """Return the mean over seeds with its interval; wider where it is one of several checks."""
    if not np.isfinite(values).all():
        return _worse(values)
    n = len(values)
    error = float(values.std(ddof=1)) / math.sqrt(n)
    half = float(stdtrit(n - 1, 1 - (1 - CONFIDENCE) / (2 * checks))) * error
    value = float(values.mean())
    return Estimate(value, value - half, value + half, n, error, n - 1.0)


def _said(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return "diverged"
    return f"{estimate.value:.4g} ({estimate.low:.4g} to {estimate.high:.4g})"
