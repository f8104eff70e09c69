"""Whether a change is worth keeping: three short trainings from one state, with it, without it, and with one of chance."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from watchkeeper.errors import InputError
from watchkeeper.metrics.estimate import CONFIDENCE, Estimate
from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.pytorch import batches
from watchkeeper.training.pytorch.changes import Change, random_change
from watchkeeper.training.pytorch.fitting import HeldOut, fit, held_out_values
from watchkeeper.training.pytorch.snapshot import Parts, Snapshot, untouched

FLOOR = 0.02
"""Of the other's value: a change that is better by less does not matter, however sure that is."""
FEWEST = 5
"""Held-out pieces, rows or batches; with fewer a paired interval says nothing."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial found; every number is a held-out value, lower is better.

    Attributes
    ----------
    kept
        Whether the change is better than both others: both paired 95 % intervals lie wholly beyond 2 % of the other's value.
    nothing, proposed, random
        The mean after each continuation; infinite where it stopped being a number.
    against_nothing, against_random
        By how much the change is below each, with its paired interval over the held-out pieces.
    change, other
        What was proposed, and what was drawn at random, in words.
    """

    kept: bool
    nothing: float
    proposed: float
    random: float
    against_nothing: Estimate
    against_random: Estimate
    change: str
    other: str

    @property
    def words(self) -> str:
        """The same in sentences."""
        ends = f"{self.proposed:.4g}, against {self.nothing:.4g} without it and {self.random:.4g} with {self.other}"
        if self.kept:
            return f"With {self.change} the held-out value ends at {ends}: it is better than both, and kept."
        others = (("nothing", self.against_nothing, self.nothing), ("chance", self.against_random, self.random))
        short = [name for name, by, end in others if not _matters(by, end)]
        return (
            f"With {self.change} the held-out value ends at {ends}: it is not shown to be better than {' and '.join(short)} by "
            f"what matters ({FLOOR:.0%}), so the checkpoint is restored without it."
        )

    def __bool__(self) -> bool:
        return self.kept

    def __str__(self) -> str:
        return self.words


def trial(
    parts: Parts,
    change: Change,
    *,
    loss: batches.Loss,
    data: Iterable[Any],
    held_out: HeldOut,
    steps: int = 50,
    seed: int = 0,
) -> Trial:
    """Try a change: train from the present state without it, with it and with a random one, and keep it only if it beats both.

    All three have the same batches in the same order, the same random numbers and the same held-out rows. Afterwards the state
    is that of before, with the change made where it is kept and without it where it is not. A schedule stands still meanwhile;
    watches see nothing of it.

    Parameters
    ----------
    parts
        Model, optimizers and what else takes part.
    change
        ``ScaleRate``, ``Clip``, ``AddDecay``, ``Forget``, or any function that changes the parts.
    loss, data
        As in the training; ``steps`` batches are drawn once and held in memory.
    held_out
        Batches whose loss is compared, in some 32 pieces; or a function of the model that returns one number for each row or
        batch, lower is better.
    steps
        How long each of the three is.
    seed
        Which random change.

    Raises
    ------
    InputError
        There are fewer than five held-out pieces, or no steps.

    Notes
    -----
    Of two nearly equal models one is surely better on the rows at hand, by next to nothing: so an interval that leaves 0 out is
    not enough. The interval knows of the chance in held-out rows, not of the chance in another order of batches. Costs three
    times ``steps`` steps and the memory of two copies of the state.
    """
    if steps < 1:
        raise InputError(f"A trial needs steps; got {steps}.")
    other = random_change(seed, change)
    with untouched(parts) as start:
        drawn = list(batches.endless(data, steps))
        kept = held_out if callable(held_out) else list(held_out)
        arms: list[Change | None] = [None, change, other]
        found = [_arm(parts, start, arm, (loss, drawn, kept)) for arm in arms]
    nothing, chance = _paired(found[1], found[0]), _paired(found[1], found[2])
    ends = [_mean(values) for values in found]
    better = _matters(nothing, ends[0]) and _matters(chance, ends[2])
    if better:
        change(parts)
    return Trial(better, ends[0], ends[1], ends[2], nothing, chance, str(change), str(other))


def _arm(
    parts: Parts, start: Snapshot, change: Change | None, given: tuple[batches.Loss, list[Any], HeldOut]
) -> Floats:
    loss, drawn, held_out = given
    start.restore(parts)
    undo = change(parts) if change is not None else None
    try:
        losses = fit(parts, loss, drawn)
        values = held_out_values(parts.model, loss, held_out)
    finally:
        if callable(undo):
            undo()
        for parameter in parts.parameters:
            parameter.grad = None
    if len(values) < FEWEST:
        raise InputError(
            f"A trial compares {FEWEST} held-out pieces or more; there are {len(values)}. Hold out more rows."
        )
    return values if math.isfinite(losses[-1]) else np.full_like(values, math.inf)


def _matters(by: Estimate, other: float) -> bool:
    return by.high < (-FLOOR * abs(other) if math.isfinite(other) else 0.0)


def _mean(values: Floats) -> float:
    mean = float(np.mean(values))
    return mean if math.isfinite(mean) else math.inf


def _paired(proposed: Floats, other: Floats) -> Estimate:
    """Return the mean of the differences with its interval; what is not finite is worse than all that is."""
    n = len(proposed)
    if not np.isfinite(proposed).all():
        return Estimate(math.inf, math.inf, math.inf, n)
    if not np.isfinite(other).all():
        return Estimate(-math.inf, -math.inf, -math.inf, n)
    gaps = proposed - other
    error = float(gaps.std(ddof=1)) / math.sqrt(n)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * error
    value = float(gaps.mean())
    return Estimate(value, value - half, value + half, n, error, n - 1.0)
