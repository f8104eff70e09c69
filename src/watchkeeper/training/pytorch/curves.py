"""Learning and validation curves of a model in PyTorch: it is fitted to growing shares of the rows, or at several values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset, default_collate

from watchkeeper.errors import InputError
from watchkeeper.metrics import learning
from watchkeeper.training.pytorch import batches
from watchkeeper.training.pytorch.fitting import fit
from watchkeeper.training.pytorch.probe import evaluating
from watchkeeper.training.pytorch.snapshot import Parts, chance_kept, seed_all

SHARES = (0.125, 0.25, 0.5, 1.0)
HELD_OUT = 0.2
"""Of the rows, where none are given: as many are held out in each repetition, others each time."""
_RATE = 1e-3
Made: TypeAlias = nn.Module | tuple[nn.Module, torch.optim.Optimizer]
"""A model, trained with Adam at the rate .001, or a model with its optimizer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """How models of a curve are fitted.

    Attributes
    ----------
    steps, batch
        How many steps each has, of how many rows.
    repetitions
        How many fits each point has, 2 at least: each with rows and a start of its own.
    seed
        Of the first.
    score
        ``score(model, batch)`` for training and held-out rows; None: the loss.
    """

    steps: int = 500
    batch: int = 64
    repetitions: int = 5
    seed: int = 0
    score: Callable[[nn.Module, Any], float] | None = None


def learning_curve(
    make_model: Callable[[], Made],
    loss: batches.Loss,
    data: Any,
    held_out: Any = None,
    *,
    sizes: Sequence[int] | None = None,
    fits: Fits | None = None,
    judging: learning.Judging | None = None,
) -> learning.LearningCurve:
    """Fit a model to growing numbers of rows, and say whether it underfits or overfits, and whether more rows would help.

    Parameters
    ----------
    make_model
        Makes a model, or a model with its optimizer; called after seeding.
    loss
        As in ``loss(model(inputs), targets)``.
    data, held_out
        Rows: ``(inputs, targets)`` as tensors, or a data set of pairs. Without ``held_out`` each repetition holds a fifth of
        the rows out, others each time; with it, which a split by time needs, the interval knows nothing of the chance in those.
    sizes
        How many rows to train on, rising; None: an eighth, a quarter, half and all of those that are not held out.
    fits
        How it is fitted, and which score is taken; the steps have to be enough for the most rows.
    judging
        Which way is better, what matters, and what would be good enough; None: a lower score is better.

    Raises
    ------
    InputError
        There are more rows asked for than there are, or fewer than two sizes or repetitions.
    """
    how = fits or Fits()
    most = _to_train_on(data, held_out)
    sizes = list(sizes) if sizes is not None else [max(2, int(share * most)) for share in SHARES]
    if max(sizes, default=0) > most:
        raise InputError(f"A size is {max(sizes):,}, and there are {most:,} rows to train on.")
    scores = [
        [_fitted(make_model, loss, (data, held_out), how, (size, r)) for r in _repetitions(how)] for size in sizes
    ]
    judged = _judging(judging, None if held_out is not None else (_count(data) - most) / max(sizes))
    return learning.learning_curve(sizes, _side(scores, 0), _side(scores, 1), judged)


def validation_curve(
    make_model: Callable[[Any], Made],
    values: Sequence[Any],
    loss: batches.Loss,
    data: Any,
    held_out: Any = None,
    *,
    fits: Fits | None = None,
    judging: learning.Judging | None = None,
) -> learning.ValidationCurve:
    """Fit a model at several values of a parameter, and say which underfit, which overfit and which cannot be told apart.

    Parameters
    ----------
    make_model
        Makes a model, or a model with its optimizer, of a value; called after seeding.
    values
        Of the parameter: a width, a weight decay, a learning rate.
    loss, data, held_out, fits, judging
        As for :func:`learning_curve`; a repetition has the same rows for all values.

    Raises
    ------
    InputError
        There are fewer than two values or repetitions.
    """
    how, most = fits or Fits(), _to_train_on(data, held_out)
    scores = [
        [_fitted(functools.partial(make_model, v), loss, (data, held_out), how, (most, r)) for r in _repetitions(how)]
        for v in values
    ]
    judged = _judging(judging, None if held_out is not None else (_count(data) - most) / most)
    return learning.validation_curve(list(values), _side(scores, 0), _side(scores, 1), judged)


def _repetitions(how: Fits) -> range:
    if how.repetitions < 2 or how.steps < 1 or how.batch < 1:
        raise InputError(f"A curve needs 2 repetitions or more, steps and rows; got {how}.")
    return range(how.seed, how.seed + how.repetitions)


def _to_train_on(data: Any, held_out: Any) -> int:
    return _count(data) if held_out is not None else _count(data) - max(1, round(HELD_OUT * _count(data)))


def _judging(given: learning.Judging | None, ratio: float | None) -> learning.Judging:
    given = given or learning.Judging(better="lower")
    return given if given.ratio is not None else replace(given, ratio=ratio)


def _side(scores: Sequence[Sequence[tuple[float, float]]], side: int) -> list[list[float]]:
    return [[pair[side] for pair in row] for row in scores]


def _fitted(
    make: Callable[[], Made], loss: batches.Loss, data: tuple[Any, Any], how: Fits, drawn: tuple[int, int]
) -> tuple[float, float]:
    """Return the score on the rows trained on and on the held-out ones."""
    rows, held_out = data
    size, seed = drawn
    random = np.random.default_rng(seed)
    order, most = random.permutation(_count(rows)), _to_train_on(rows, held_out)
    taken = order[:size]
    test = (rows, order[most:]) if held_out is None else (held_out, np.arange(_count(held_out)))
    with chance_kept():
        seed_all(seed)
        made = make()
        model, optimizer = made if isinstance(made, tuple) else (made, torch.optim.Adam(made.parameters(), lr=_RATE))
        fit(Parts(model, [optimizer]), loss, _batches(rows, taken, how, random))
        return _scored(model, loss, (rows, taken), how), _scored(model, loss, test, how)


def _batches(data: Any, rows: Any, how: Fits, random: np.random.Generator) -> Iterator[Any]:
    size, order = min(how.batch, len(rows)), rows[:0]
    for _ in range(how.steps):
        if len(order) < size:
            order = random.permutation(rows)
        yield _take(data, order[:size])
        order = order[size:]


def _scored(model: nn.Module, loss: batches.Loss, part: tuple[Any, Any], how: Fits) -> float:
    data, rows = part
    total = 0.0
    with torch.no_grad(), evaluating(model):
        for start in range(0, len(rows), 1024):
            some = rows[start : start + 1024]
            batch = batches.on_device(_take(data, some), model)
            value = how.score(model, batch) if how.score is not None else batches.loss_on(model, loss, batch)
            total += float(value) * len(some)
    return total / len(rows)


def _count(data: Any) -> int:
    return len(data) if isinstance(data, Dataset) else batches.rows(data)


def _take(data: Any, rows: Any) -> Any:
    if isinstance(data, TensorDataset):
        return _take(data.tensors, rows)
    if isinstance(data, Dataset):
        return default_collate([data[int(row)] for row in rows])
    places = torch.as_tensor(rows)
    return batches.mapped(data, lambda t: t[places.to(t.device)])
