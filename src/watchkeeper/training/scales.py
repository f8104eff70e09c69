"""The scale of inputs: what of it is a problem, from a few numbers of a batch, whatever framework it is for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.run import Event

_MOST_ROWS = 4096


def input_numbers(rows: Any) -> Floats:
    """Return mean, sd, least and greatest of an array ``(rows, features, ...)``, and its features' extremes, shape (8,).

    They are: the greatest absolute mean over its standard deviation, the greatest and the least standard deviation that is
    not 0, and how many features are constant.
    """
    values = np.asarray(rows[:_MOST_ROWS], dtype=np.float64)
    columns = np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])
    spread, middle = columns.std(axis=0), np.abs(columns.mean(axis=0))
    moving = spread > 0
    centre = (middle[moving] / spread[moving]).max() if moving.any() else 0.0
    least = spread[moving].min() if moving.any() else math.inf
    ends = columns.mean(), columns.std(), columns.min(), columns.max()
    return np.array([*ends, centre, spread.max(), least, float((~moving).sum())])


def scale_events(step: int, values: Floats, *, minor: bool = False) -> Iterator[Event]:
    """Yield what is wrong with the scale of inputs, from :func:`input_numbers`; only as information where ``minor``."""
    mean, sd, low, high, centre, greatest, least, _ = (float(v) for v in values)
    numbers = {"mean": mean, "sd": sd, "greatest_sd": greatest, "least_sd": least} | ({"minor": 1.0} if minor else {})
    if not (math.isfinite(mean) and math.isfinite(sd)):
        yield Event("input_scale", step, None, numbers, "The inputs hold a number that is not finite.")
    elif sd > 10 or greatest > 10:
        ratio = f", {greatest / least:.3g} times the least" if math.isfinite(least) and greatest > 100 * least else ""
        words = f"Inputs go from {low:.4g} to {high:.4g}; the greatest standard deviation is {greatest:.3g}{ratio}."
        yield Event("input_scale", step, None, numbers, words)
    elif 0 < sd < 0.01:
        words = f"Inputs have a standard deviation of {sd:.2g}: they may have been scaled twice."
        yield Event("input_scale", step, None, numbers, words)
    elif centre > 10:
        words = f"A feature's mean is {centre:.3g} times its standard deviation."
        yield Event("input_scale", step, None, numbers, words)
