"""Outcomes of rows that weigh differently: integer counts, and sums of weights side by side with them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.additive import _Outcome
from watchkeeper.profiles.outcome import (
    ERROR_TERMS,
    BinaryOutcome,
    ForecastOutcome,
    MulticlassOutcome,
    RegressionOutcome,
    error_terms,
)
from watchkeeper.profiles.rows import MISSING, STRANGE, ClassRows, NumberRows, OutcomeRows, WeightedRows
from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.sketches.products import Products
from watchkeeper.sketches.protocol import array_of, count_of, part_of
from watchkeeper.sketches.weighted import WeightedHistogram

LOSS_TERMS = ("loss", "brier", "gap")
_LARGEST_TERM = 1e120  # times 1e20, squared, summed 2^62 times, it stays finite


class _Weighted(_Outcome):
    """The outcome of the rows themselves, ``plain``, in which each counts once, and how many have no weight."""

    plain: Any
    unweighted: int

    def update(self, rows: OutcomeRows) -> None:
        """Add rows."""
        assert isinstance(rows, WeightedRows)
        self.plain.update(rows.rows)
        self.unweighted += int(np.isnan(rows.weight).sum())
        self._add(rows.rows, np.nan_to_num(rows.weight))

    def label(self, rows: OutcomeRows) -> None:
        """Give rows that were counted without a label the one that they have now."""
        assert isinstance(rows, WeightedRows)
        self.plain.label(rows.rows)
        self._add(rows.rows, np.nan_to_num(rows.weight))

    def _add(self, rows: OutcomeRows, weight: Floats) -> None:
        raise TypeError

    def copy(self) -> Any:
        """Return an outcome of its own with the same content."""
        made = copy.copy(self)
        made.plain = self.plain.copy()
        for name in self._PARTS[1:]:
            part = getattr(self, name)
            setattr(made, name, [copy.copy(p) for p in part] if isinstance(part, list) else copy.copy(part))
        return made

    @property
    def rows(self) -> int:  # type: ignore[override]
        """How many rows were seen."""
        return int(self.plain.rows)

    @property
    def labelled(self) -> int:
        """How many rows have a label."""
        return int(self.plain.labelled)


class WeightedClassOutcome(_Weighted):
    """Weighted outcomes of a binary or multiclass task, beside the plain ones.

    Attributes
    ----------
    plain
        The outcome in which every row counts once.
    unweighted
        Rows whose weight is missing, below 0 or beyond 1e20: they weigh nothing.
    matrix, squares
        Sums of weights and of their squares over rows with label and prediction, shape (k, k), as the confusion matrix.
    scores
        For each class (binary: for the positive one) the weighted scores of its rows, and of those of the others.
    losses
        Products of weight x (1, log loss, squared error, came true - score).
    """

    _ADDED = ("unweighted", "matrix", "squares")
    _PARTS = ("plain", "scores", "losses")

    def __init__(self, plain: BinaryOutcome | MulticlassOutcome) -> None:
        self.plain = plain
        self.unweighted = 0
        self.classes = 1 if isinstance(plain, BinaryOutcome) else plain.classes
        size = self.classes + 1  # the other class of a binary task, and "other" of a multiclass one
        self.matrix: Floats = np.zeros((size, size))
        self.squares: Floats = np.zeros((size, size))
        self.scores = [WeightedHistogram() for _ in range(2 * self.classes)]
        self.losses = Products(len(LOSS_TERMS) + 1)

    def _empty(self) -> WeightedClassOutcome:
        return WeightedClassOutcome(self.plain._empty())

    def _add(self, rows: OutcomeRows, weight: Floats) -> None:
        assert isinstance(rows, ClassRows)
        binary = isinstance(self.plain, BinaryOutcome)
        label, prediction = (
            np.where(codes == STRANGE, MISSING if binary else self.classes, codes).astype(np.int64)
            for codes in (rows.label, rows.prediction)
        )
        size = len(self.matrix)
        both = (label >= 0) & (prediction >= 0)
        cell = label[both] * size + prediction[both]
        for name, values in (("matrix", weight[both]), ("squares", weight[both] ** 2)):
            added = np.bincount(cell, values, size * size).reshape(size, size)
            setattr(self, name, getattr(self, name) + added)
        for place, score in enumerate(rows.scores):
            own = 1 if binary else place
            for offset, group in enumerate((rows.label == own, (rows.label != own) & (rows.label >= 0))):
                there = group & ~np.isnan(score)
                self.scores[2 * place + offset].update(score[there], weight[there])
        known = (rows.label >= 0) & rows.probable
        if known.any():
            gap = rows.correct[known] - rows.confidence[known]
            terms = np.stack([np.ones(known.sum()), rows.loss[known], rows.brier[known], gap])
            self.losses.update(weight[known] * terms)

    @classmethod
    def read(cls, state: Mapping[str, Any], plain: BinaryOutcome | MulticlassOutcome) -> WeightedClassOutcome:
        """Make an outcome from a state that may be hostile; ``plain`` is an empty one of the task."""
        made = cls(plain.from_state(part_of(state, "plain")))
        made.unweighted = count_of(state, "unweighted")
        made.matrix, made.squares = (array_of(state, name, np.float64, 2) for name in ("matrix", "squares"))
        size, scores = made.classes + 1, state.get("scores")
        if any(
            m.shape != (size, size) or not np.isfinite(m).all() or (m < 0).any() for m in (made.matrix, made.squares)
        ):
            raise CorruptProfile("an outcome's weights are no square of finite sums")
        if (
            not isinstance(scores, list)
            or len(scores) != 2 * made.classes
            or not all(isinstance(s, dict) for s in scores)
        ):
            raise CorruptProfile(f"'scores' should be {2 * made.classes} weighted histograms")
        made.scores = [WeightedHistogram.from_state(score) for score in scores]
        made.losses = Products.from_state(part_of(state, "losses"))
        if made.losses.size != len(LOSS_TERMS) + 1:
            raise CorruptProfile("an outcome's parts do not fit each other")
        return made

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> WeightedClassOutcome:
        """As :meth:`read`, of the task that the state's own form tells."""
        plain = part_of(state, "plain")
        size = getattr(plain.get("confusion"), "shape", (3,))[0]
        scores = plain.get("scores")
        binary = isinstance(scores, list) and len(scores) == 9 and size == 3
        return cls.read(state, BinaryOutcome() if binary else MulticlassOutcome(max(size - 2, 0)))


class WeightedNumberOutcome(_Weighted):
    """Weighted outcomes of a regression or forecasting task: ``terms`` are products of weight x (1, ``ERROR_TERMS``).

    Rows with terms beyond 1e120 weigh nothing.
    """

    _ADDED = ("unweighted",)
    _PARTS = ("plain", "terms")

    def __init__(self, plain: RegressionOutcome) -> None:
        self.plain = plain
        self.unweighted = 0
        self.terms = Products(len(ERROR_TERMS) + 1)

    def _empty(self) -> WeightedNumberOutcome:
        return WeightedNumberOutcome(self.plain._empty())

    def _add(self, rows: OutcomeRows, weight: Floats) -> None:
        assert isinstance(rows, NumberRows)
        terms, usable = error_terms(rows.target, rows.prediction, self.plain.origin)
        fine = (np.abs(terms) < _LARGEST_TERM).all(axis=0)
        weighed = weight[usable][fine]
        self.terms.update(weighed * np.concatenate([np.ones((1, len(weighed))), terms[:, fine]]))

    @property
    def scale(self) -> float | None:
        """The naive scale of a forecasting task."""
        return self.plain.scale if isinstance(self.plain, ForecastOutcome) else None

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> WeightedNumberOutcome:
        """Make an outcome from a state that may be hostile; raises :class:`CorruptProfile`."""
        plain = part_of(state, "plain")
        made = cls((ForecastOutcome if "scale" in plain else RegressionOutcome).from_state(plain))
        made.unweighted, made.terms = count_of(state, "unweighted"), Products.from_state(part_of(state, "terms"))
        if made.terms.size != len(ERROR_TERMS) + 1:
            raise CorruptProfile("an outcome's parts do not fit each other")
        return made


def weights_of(state: Mapping[str, Any], counts: Int64s) -> tuple[Floats, Floats]:
    """Return sums of weights and of their squares of cells that hold so many rows; raises :class:`CorruptProfile`."""
    sums, squares = (array_of(state, name, np.float64, counts.ndim) for name in ("weights", "squares"))
    if sums.shape != counts.shape or squares.shape != counts.shape or not weights_fit(sums, squares, counts):
        raise CorruptProfile("sums of weights and of their squares do not fit the counts of their rows")
    return sums, squares


def weights_fit(sums: Floats, squares: Floats, counts: Int64s) -> bool:
    """Whether so many weights from 0 on can have these sums, and these sums of squares, but for rounding."""
    if not np.isfinite(sums).all() or not np.isfinite(squares).all() or (sums < 0).any() or (squares < 0).any():
        return False
    with np.errstate(over="ignore"):
        most, least, whole = squares * counts, sums**2 / (1 + 1e-6) - 1e-300, sums**2
        return not (np.any(least > most) or np.any(squares / (1 + 1e-6) - 1e-300 > whole))
