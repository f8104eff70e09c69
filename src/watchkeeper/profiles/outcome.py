"""What became of a window's predictions: the sums from which performance follows, by task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.additive import _Outcome
from watchkeeper.profiles.rows import CALIBRATION_BINS, MISSING, STRANGE, ClassRows, NumberRows, OutcomeRows
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.sketches.products import Products
from watchkeeper.sketches.protocol import State, array_of, count_of, counts_of, part_of

ERROR_TERMS = ("target", "error", "absolute", "squared", "percentage", "symmetric", "target_squared")
_ERROR = ERROR_TERMS.index("error")
EVERY_LABEL = 2
_LARGEST = 1e70  # fourth powers, summed 2^62 times, stay finite


class BinaryOutcome(_Outcome):
    """Outcomes of a binary task.

    Attributes
    ----------
    confusion
        Shape (3, 3): label (negative, positive, missing) by prediction (the same).
    scores
        Nine histograms of the score: of negatives, of positives, and of *all* rows whatever their label, each by
        prediction. So a label that comes late only adds. NaN and infinite scores are in none (``scoreless``).
    strange
        Rows whose label or prediction is of no known class; counted as missing elsewhere.
    improbable
        Rows whose score lies outside 0 to 1; they count for ranking, not for losses and calibration.
    losses
        Sums of log loss and squared error over labelled rows with a probability.
    bins, bin_scores
        Reliability diagram over such rows: shape (15, 2) counts and positives; shape (15,) sums of scores.
    """

    _ADDED = ("rows", "confusion", "strange", "scoreless", "improbable", "bins", "bin_scores")
    _PARTS = ("scores", "losses")

    def __init__(self) -> None:
        self.rows = self.strange = self.scoreless = self.improbable = 0
        self.confusion: Int64s = np.zeros((3, 3), dtype=np.int64)
        self.scores = [Histogram() for _ in range(9)]
        self.losses = Products(2)
        self.bins: Int64s = np.zeros((CALIBRATION_BINS, 2), dtype=np.int64)
        self.bin_scores: Floats = np.zeros(CALIBRATION_BINS)

    def _empty(self) -> BinaryOutcome:
        return BinaryOutcome()

    def update(self, rows: OutcomeRows) -> None:
        """Add rows."""
        assert isinstance(rows, ClassRows)
        self.rows += len(rows)
        self.strange += int(((rows.label == STRANGE) | (rows.prediction == STRANGE)).sum())
        cell = np.where(rows.label < 0, 2, rows.label) * 3 + np.where(rows.prediction < 0, 2, rows.prediction)
        counts = np.bincount(cell, minlength=9)
        self.confusion = self.confusion + counts.reshape(3, 3)
        score = rows.scores[0]
        scored = ~np.isnan(score)
        self.scoreless += len(rows) - int(scored.sum())
        self.improbable += int((scored & ~rows.probable).sum())
        self._add_scores(cell, score, scored, 2 * 3)
        for prediction in range(3):
            self.scores[2 * 3 + prediction].update_floats(score[(cell % 3 == prediction) & scored])
        _add_calibration(self, rows)

    def _add_scores(self, cell: Int64s, score: Floats, scored: NDArray[np.bool_], end: int) -> None:
        for place in np.unique(cell[cell < end]).tolist():
            self.scores[place].update_floats(score[(cell == place) & scored])

    def label(self, rows: OutcomeRows) -> None:
        """Give rows that were counted without a label the one that they have now."""
        assert isinstance(rows, ClassRows)
        self.strange += int(((rows.label == STRANGE) & (rows.prediction != STRANGE)).sum())
        known = rows.take(np.flatnonzero(rows.label >= 0))
        prediction = np.where(known.prediction < 0, 2, known.prediction)
        cell = known.label.astype(np.int64) * 3 + prediction
        moved = np.bincount(cell, minlength=9).reshape(3, 3)
        moved[2] -= np.bincount(prediction, minlength=3)
        self.confusion = self.confusion + moved
        self._add_scores(cell, known.scores[0], ~np.isnan(known.scores[0]), 2 * 3)
        _add_calibration(self, known)

    def score_histogram(self, labels: tuple[int, ...], predictions: tuple[int, ...] = (0, 1, 2)) -> Histogram:
        """Return the histogram of scores over rows with these labels and predictions.

        Labels are 0, 1, or ``EVERY_LABEL`` for all rows, labelled or not; predictions 0, 1, or 2 for missing.
        """
        merged = Histogram()
        for label in labels:
            for prediction in predictions:
                merged = merged.merge(self.scores[label * 3 + prediction])
        return merged

    @property
    def labelled(self) -> int:
        """How many rows have a label of a known class."""
        return int(self.confusion[:2].sum())

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> BinaryOutcome:
        """Make an outcome from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls()
        for name in ("rows", "strange", "scoreless", "improbable"):
            setattr(made, name, count_of(state, name))
        made.confusion, made.bins = counts_of(state, "confusion", 2), counts_of(state, "bins", 2)
        made.bin_scores = _finite(state, "bin_scores")
        made.losses = Products.from_state(part_of(state, "losses"))
        made.scores = _histograms(state, "scores", 9)
        shapes = made.confusion.shape, made.bins.shape, made.bin_scores.shape, made.losses.size
        if shapes != ((3, 3), (CALIBRATION_BINS, 2), (CALIBRATION_BINS,), 2) or made.confusion.sum() != made.rows:
            raise CorruptProfile("an outcome's parts do not fit each other")
        return made


class MulticlassOutcome(_Outcome):
    """Outcomes of a multiclass task with C classes.

    Attributes
    ----------
    confusion
        Shape (C + 2, C + 2): label by prediction; the last two places are other classes and missing.
    scores
        3 C histograms of each class's score: over rows of the class, of another known class, and over all rows.
    losses, bins, bin_scores
        As in :class:`BinaryOutcome`; the reliability diagram is that of the highest score ("confidence").
    """

    _ADDED = ("rows", "confusion", "strange", "scoreless", "improbable", "bins", "bin_scores")
    _PARTS = ("scores", "losses")

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.rows = self.strange = self.scoreless = self.improbable = 0
        self.confusion: Int64s = np.zeros((classes + 2, classes + 2), dtype=np.int64)
        self.scores = [Histogram() for _ in range(3 * classes)]
        self.losses = Products(2)
        self.bins: Int64s = np.zeros((CALIBRATION_BINS, 2), dtype=np.int64)
        self.bin_scores: Floats = np.zeros(CALIBRATION_BINS)

    def _empty(self) -> MulticlassOutcome:
        return MulticlassOutcome(self.classes)

    def update(self, rows: OutcomeRows) -> None:
        """Add rows."""
        assert isinstance(rows, ClassRows)
        size = self.classes + 2
        self.rows += len(rows)
        self.strange += int(((rows.label == STRANGE) | (rows.prediction == STRANGE)).sum())
        cell = _place(rows.label, self.classes) * size + _place(rows.prediction, self.classes)
        self.confusion = self.confusion + np.bincount(cell, minlength=size * size).reshape(size, size)
        if len(rows.scores) == 0:
            self.scoreless += len(rows)
            return
        scored = ~np.isnan(rows.scores)
        self.scoreless += int((~scored.all(axis=0)).sum())
        self.improbable += int((scored.all(axis=0) & ~rows.probable).sum())
        for place in range(self.classes):
            self.scores[3 * place + 2].update_floats(rows.scores[place][scored[place]])
        self._add_scores(rows, scored)
        _add_calibration(self, rows)

    def _add_scores(self, rows: ClassRows, scored: NDArray[np.bool_]) -> None:
        for place in range(self.classes):
            groups = rows.label == place, (rows.label != place) & (rows.label >= 0)
            for offset, group in enumerate(groups):
                self.scores[3 * place + offset].update_floats(rows.scores[place][group & scored[place]])

    def label(self, rows: OutcomeRows) -> None:
        """Give rows that were counted without a label the one that they have now."""
        assert isinstance(rows, ClassRows)
        size = self.classes + 2
        self.strange += int(((rows.label == STRANGE) & (rows.prediction != STRANGE)).sum())
        prediction = _place(rows.prediction, self.classes)
        cell = _place(rows.label, self.classes) * size + prediction
        moved = np.bincount(cell, minlength=size * size).reshape(size, size)
        moved[-1] -= np.bincount(prediction, minlength=size)
        self.confusion = self.confusion + moved
        if len(rows.scores):
            self._add_scores(rows, ~np.isnan(rows.scores))
            _add_calibration(self, rows)

    @property
    def labelled(self) -> int:
        """How many rows have a label, of a known or another class."""
        return int(self.confusion[:-1].sum())

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> MulticlassOutcome:
        """Make an outcome from a state that may be hostile; raises :class:`CorruptProfile`."""
        confusion = counts_of(state, "confusion", 2)
        made = cls(max(len(confusion) - 2, 0))
        for name in ("rows", "strange", "scoreless", "improbable"):
            setattr(made, name, count_of(state, name))
        made.confusion, made.bins = confusion, counts_of(state, "bins", 2)
        made.bin_scores = _finite(state, "bin_scores")
        made.losses = Products.from_state(part_of(state, "losses"))
        made.scores = _histograms(state, "scores", 3 * made.classes)
        square = confusion.shape == (made.classes + 2, made.classes + 2)
        shapes = made.bins.shape, made.bin_scores.shape, made.losses.size
        if not square or shapes != ((CALIBRATION_BINS, 2), (CALIBRATION_BINS,), 2) or confusion.sum() != made.rows:
            raise CorruptProfile("an outcome's parts do not fit each other")
        return made


class RegressionOutcome(_Outcome):
    """Outcomes of a regression task.

    Attributes
    ----------
    errors
        Products of ``ERROR_TERMS`` over rows with a finite target and prediction. The target is taken about ``origin``.
    residuals
        Histogram of target minus prediction.
    unlabelled, unpredicted, extreme
        Rows without target; with target but no prediction; with numbers so large that powers overflow (left out).
    """

    _ADDED = ("rows", "unlabelled", "unpredicted", "extreme")
    _PARTS = ("errors", "residuals", "predictions")

    def __init__(self, origin: float = 0.0) -> None:
        self.origin = float(origin)
        self.rows = self.unlabelled = self.unpredicted = self.extreme = 0
        self.errors = Products(len(ERROR_TERMS))
        self.residuals = Histogram()
        self.predictions = Histogram()

    def _empty(self) -> RegressionOutcome:
        return RegressionOutcome(self.origin)

    def update(self, rows: OutcomeRows) -> None:
        """Add rows."""
        assert isinstance(rows, NumberRows)
        target, prediction = rows.target, rows.prediction
        labelled, predicted = np.isfinite(target), np.isfinite(prediction)
        self.rows += len(rows)
        self.unlabelled += int((~labelled).sum())
        self.predictions.update_floats(prediction[predicted])
        self._add_errors(target, prediction)

    def label(self, rows: OutcomeRows) -> None:
        """Give rows that were counted without a target the one that they have now."""
        assert isinstance(rows, NumberRows)
        self.unlabelled -= int(np.isfinite(rows.target).sum())
        self._add_errors(rows.target, rows.prediction)

    def _add_errors(self, target: Floats, prediction: Floats) -> None:
        labelled, predicted = np.isfinite(target), np.isfinite(prediction)
        self.unpredicted += int((labelled & ~predicted).sum())
        terms, usable = error_terms(target, prediction, self.origin)
        self.extreme += int((labelled & predicted & ~usable).sum())
        self.errors.update(terms)
        self.residuals.update_floats(terms[_ERROR])

    @property
    def labelled(self) -> int:
        """How many rows have a target."""
        return self.rows - self.unlabelled

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        return super().state() | {"origin": self.origin}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make an outcome from a state that may be hostile; raises :class:`CorruptProfile`."""
        origin = state.get("origin")
        if not isinstance(origin, float) or not np.isfinite(origin):
            raise CorruptProfile("an outcome's origin is no number")
        made = cls(origin)
        for name in cls._ADDED:
            setattr(made, name, count_of(state, name))
        made.errors = Products.from_state(part_of(state, "errors"))
        made.residuals = Histogram.from_state(part_of(state, "residuals"))
        made.predictions = Histogram.from_state(part_of(state, "predictions"))
        if made.errors.size != len(ERROR_TERMS) or made.unlabelled > made.rows:
            raise CorruptProfile("an outcome's parts do not fit each other")
        return made


def error_terms(target: Floats, prediction: Floats, origin: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return ``ERROR_TERMS`` of the rows that are usable, shape (7, k), and which those are, shape (n,)."""
    usable = (np.abs(target) < _LARGEST) & (np.abs(prediction) < _LARGEST)
    usable &= np.abs(np.where(usable, target, 0.0) - origin) < _LARGEST
    y, p = target[usable], prediction[usable]
    error = y - p
    absolute = np.abs(error)
    size = np.abs(y) + np.abs(p)
    percentage = np.minimum(absolute / np.maximum(np.abs(y), np.finfo(np.float64).eps), _LARGEST)
    symmetric = 2 * absolute / np.where(size > 0, size, 1.0)
    about = y - origin
    return np.stack([about, error, absolute, error * error, percentage, symmetric, about * about]), usable


class ForecastOutcome(RegressionOutcome):
    """Outcomes of a forecasting task: those of a regression, and the ``scale`` of the naive forecast, None where unknown."""

    def __init__(self, origin: float = 0.0, scale: float | None = None) -> None:
        super().__init__(origin)
        self.scale = scale

    def _empty(self) -> ForecastOutcome:
        return ForecastOutcome(self.origin, self.scale)

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        return super().state() | {"scale": self.scale}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make an outcome from a state that may be hostile; raises :class:`CorruptProfile`."""
        made, scale = super().from_state(state), state.get("scale", "missing")
        if scale is not None and not (isinstance(scale, float) and 0 <= scale < np.inf):
            raise CorruptProfile("an outcome's scale is no number from 0 on")
        made.scale = scale
        return made


def _place(codes: np.ndarray[Any, np.dtype[np.int16]], classes: int) -> Int64s:
    return np.select([codes == MISSING, codes == STRANGE], [classes + 1, classes], codes).astype(np.int64)


def _add_calibration(outcome: BinaryOutcome | MulticlassOutcome, rows: ClassRows) -> None:
    known = (rows.label >= 0) & rows.probable
    if not known.any():
        return
    outcome.losses.update(np.stack([rows.loss[known], rows.brier[known]]))
    bins, correct = rows.bin[known].astype(np.int64), rows.correct[known]
    counts = np.bincount(bins * 2 + correct, minlength=2 * CALIBRATION_BINS).reshape(-1, 2)
    outcome.bins = outcome.bins + np.stack([counts.sum(axis=1), counts[:, 1]], axis=1)
    outcome.bin_scores = outcome.bin_scores + np.bincount(bins, rows.confidence[known], CALIBRATION_BINS)


def _finite(state: Mapping[str, Any], key: str) -> Floats:
    values: Floats = array_of(state, key, np.float64)
    if not np.isfinite(values).all():
        raise CorruptProfile(f"{key!r} is not finite")
    return values


def _histograms(state: Mapping[str, Any], key: str, count: int) -> list[Histogram]:
    parts = state.get(key)
    if not isinstance(parts, list) or len(parts) != count or not all(isinstance(p, dict) for p in parts):
        raise CorruptProfile(f"{key!r} should be {count} histograms")
    return [Histogram.from_state(p) for p in parts]
