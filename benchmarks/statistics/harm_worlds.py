"""Two worlds in which models are known and changes are planted: one that the rules were looked at with, and one that was not.

In both the model knows the law, and twelve kinds of change (and none) come in two sizes: three cannot concern the model, nine
may. The first is a logistic law of six of ten normal inputs. The second was written down before it was run, and run once: a
step, a hump, a saturation and a product of skewed, uniform and counted inputs, behind a complementary log-log link, other sizes
of change and other seeds. Its importances are what shuffling a column does to the model's score.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Numbers = np.ndarray


@dataclass(frozen=True, slots=True)
class World:
    """What is true, what the model is fed, and the outcome; rows of inputs."""

    true: Numbers
    fed: Numbers
    label: Numbers


Change = Callable[[np.random.Generator, Numbers, float], World]


@dataclass(frozen=True, slots=True)
class Setting:
    """A world: its inputs, the model's score of them, the changes by name, importances by column, and its first seed."""

    name: str
    inputs: Callable[[np.random.Generator, int], Numbers]
    score: Callable[[Numbers], Numbers]
    changes: dict[str, Change]
    importances: Callable[[], list[float]]
    seed: int


IRRELEVANT = {"nothing", "unused input moves", "unused input changes its unit", "hardly used input is missing"}


def replaced(values: Numbers, column: int, new: Numbers) -> Numbers:
    """Return the inputs with another column."""
    made = values.copy()
    made[:, column] = new
    return made


def gone(rng: np.random.Generator, values: Numbers, column: int, share: float) -> Numbers:
    """Return the inputs with a share of one column's values at 0."""
    return replaced(values, column, np.where(rng.random(len(values)) < share, 0.0, values[:, column]))


# --- the first: a logistic law -----------------------------------------------------------------------------------------

WEIGHTS = np.array([1.2, -1.0, 0.8, 0.5, -0.3, 0.9, 0.0, 0.0, 0.002, 0.0])
"""Of x0 to x9; x5 is 0 or 1, x6 to x9 are hardly used or not at all."""


def _inputs(rng: np.random.Generator, n: int) -> Numbers:
    x = rng.normal(size=(n, 10))
    x[:, 1] = 0.5 * x[:, 0] + math.sqrt(0.75) * x[:, 1]
    x[:, 5] = rng.random(n) < 0.4
    return x


def _world(
    rng: np.random.Generator, true: Numbers, fed: Numbers | None = None, weights: Numbers = WEIGHTS, base: float = -0.5
) -> World:
    chance = 1 / (1 + np.exp(-(true @ weights + base)))
    return World(true, true if fed is None else fed, (rng.random(len(true)) < chance).astype(np.int64))


def _importances() -> list[float]:
    spread = _inputs(np.random.default_rng(1), 50_000).std(axis=0)
    return [float(abs(w) * s) for w, s in zip(WEIGHTS, spread, strict=True)]


CHANGES: dict[str, Change] = {
    "nothing": lambda r, x, s: _world(r, x),
    "important input moves": lambda r, x, s: _world(r, replaced(x, 2, x[:, 2] + 0.4 * s)),
    "important input narrows": lambda r, x, s: _world(r, replaced(x, 0, x[:, 0] * (1 - 0.45 * s))),
    "important input is fed in another unit": lambda r, x, s: _world(r, x, replaced(x, 0, x[:, 0] * 2.54 * s + 3.2 * s)),
    "important input is noisy": lambda r, x, s: _world(r, x, replaced(x, 1, x[:, 1] + r.normal(0, 1.5 * s, len(x)))),
    "important input is missing, 0 instead": lambda r, x, s: _world(r, x, gone(r, x, 0, 0.5 * s)),
    "the flag is stuck": lambda r, x, s: _world(r, x, replaced(x, 5, np.where(r.random(len(x)) < s, 1.0, x[:, 5]))),
    "two inputs come apart": lambda r, x, s: _world(r, replaced(x, 1, x[r.permutation(len(x)), 1]) if s > 0.5 else x),
    "the law changes": lambda r, x, s: _world(r, x, None, WEIGHTS * np.where(np.arange(10) == 2, 1 - 1.6 * s, 1.0)),
    "the base rate changes": lambda r, x, s: _world(r, x, None, WEIGHTS, -0.5 - 0.8 * s),
    "unused input moves": lambda r, x, s: _world(r, replaced(x, 7, x[:, 7] + 2 * s)),
    "unused input changes its unit": lambda r, x, s: _world(r, replaced(x, 9, x[:, 9] * 1.8 + 32.0)),
    "hardly used input is missing": lambda r, x, s: _world(r, x, gone(r, x, 8, 0.6 * s)),
}  # fmt: skip
FIRST = Setting(
    "first world", _inputs, lambda fed: np.asarray(1 / (1 + np.exp(-(fed @ WEIGHTS - 0.5)))), CHANGES, _importances, 0
)

# --- the second: steps, a hump and a product ---------------------------------------------------------------------------


def _skewed(rng: np.random.Generator, n: int) -> Numbers:
    """Return x0 log-normal, x1 uniform and like x0, x2 gamma, x3 counts, x4 normal, x5 a flag, x6 to x9 for nothing."""
    x = rng.normal(size=(n, 10))
    both = x[:, 0]
    x[:, 0] = np.exp(0.6 * both)
    x[:, 1] = 10 / (1 + np.exp(-(0.9 * both + 0.9 * x[:, 1])))
    x[:, 2] = rng.gamma(2.0, 1.5, n)
    x[:, 3] = rng.poisson(4, n)
    x[:, 5] = rng.random(n) < 0.25
    x[:, 6], x[:, 7], x[:, 9] = rng.uniform(0, 100, n), rng.exponential(5, n), 20 + 8 * x[:, 9]
    return x


def _law(x: Numbers, hump: float = 1.0, base: float = 0.0) -> Numbers:
    effect = 1.1 * np.log(np.maximum(x[:, 0], 0.05)) + 0.9 * (x[:, 1] > 6)
    effect = effect + hump * (1.2 * np.exp(-(((x[:, 2] - 2.5) / 1.2) ** 2)) - 0.5)
    effect = effect + 0.25 * np.minimum(x[:, 3], 7) * np.tanh(x[:, 4]) - 1.0 * x[:, 5] + 0.003 * x[:, 8] + base - 0.9
    return np.asarray(-np.expm1(-np.exp(np.minimum(effect, 3.0))))


def _second(
    rng: np.random.Generator, true: Numbers, fed: Numbers | None = None, hump: float = 1.0, base: float = 0.0
) -> World:
    label = rng.random(len(true)) < _law(true, hump, base)
    return World(true, true if fed is None else fed, label.astype(np.int64))


def _score(fed: Numbers) -> Numbers:
    return np.clip(_law(fed), 1e-4, 1 - 1e-4)


def _shuffled() -> list[float]:
    rng = np.random.default_rng(7_001)
    x = _skewed(rng, 50_000)
    score = _score(x)
    return [float(np.abs(_score(replaced(x, k, rng.permutation(x[:, k]))) - score).mean()) for k in range(10)]


AGAIN: dict[str, Change] = {
    "nothing": lambda r, x, s: _second(r, x),
    "important input moves": lambda r, x, s: _second(r, replaced(x, 4, x[:, 4] - 0.6 * s)),
    "important input narrows": lambda r, x, s: _second(r, replaced(x, 0, x[:, 0] ** (1 - 0.5 * s))),
    "important input is fed in another unit": lambda r, x, s: _second(r, x, replaced(x, 1, x[:, 1] * (1 + 1.2 * s))),
    "important input is noisy": lambda r, x, s: _second(r, x, replaced(x, 0, x[:, 0] * np.exp(r.normal(0, s, len(x))))),
    "important input is missing, 0 instead": lambda r, x, s: _second(r, x, gone(r, x, 1, 0.4 * s)),
    "the flag is stuck": lambda r, x, s: _second(r, x, replaced(x, 5, np.where(r.random(len(x)) < s, 1.0, x[:, 5]))),
    "two inputs come apart": lambda r, x, s: _second(r, replaced(x, 1, x[r.permutation(len(x)), 1]) if s > 0.5 else x),
    "the law changes": lambda r, x, s: _second(r, x, None, 1 - 1.5 * s),
    "the base rate changes": lambda r, x, s: _second(r, x, None, 1.0, 0.6 * s),
    "unused input moves": lambda r, x, s: _second(r, replaced(x, 6, x[:, 6] + 40 * s)),
    "unused input changes its unit": lambda r, x, s: _second(r, replaced(x, 9, x[:, 9] * 1.8 + 32.0)),
    "hardly used input is missing": lambda r, x, s: _second(r, x, gone(r, x, 8, 0.7 * s)),
}  # fmt: skip
SECOND = Setting("second world", _skewed, _score, AGAIN, _shuffled, 7_000)
