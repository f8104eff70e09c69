"""Labels, predictions and scores of a batch, coded once and cut into segments and days."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from watchkeeper.capture.batch import Batch, Texts, hash_texts, to_texts
from watchkeeper.capture.sets import label_sets
from watchkeeper.schema import Schema, label_text
from watchkeeper.sketches import kernel
from watchkeeper.sketches.kernel import Floats, Int64s, UInt64s

MISSING = -1
STRANGE = -2
CALIBRATION_BINS = 15
RANKS = 10
"""Part of the format: so many places of a list of predicted classes are told apart."""
_EPS = float(np.finfo(np.float64).eps)
_LARGEST_RELEVANCE = 1e100
LARGEST_WEIGHT = 1e20
Codes = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class _Rows:
    def take(self, places: Int64s | slice) -> Self:
        """Return the rows at ``places``."""
        return type(self)(*(getattr(self, f.name)[..., places] for f in fields(self)))


@dataclass(frozen=True, slots=True)
class ClassRows(_Rows):
    """Rows of a classification task, each array of shape (n,) but ``scores``, which has shape (classes or 1, n).

    ``label`` and ``prediction`` are places in ``schema.classes``, -1 where missing, -2 where of no known class. For
    binary tasks they are 1 for the positive class and 0 for the other. ``probable`` says that the scores are
    probabilities; ``loss``, ``brier`` are those of the row and 0 where it has no label or score. ``bin`` is the bin of
    the reliability diagram, ``confidence`` the score that it is about, ``correct`` whether it came true.
    """

    label: Codes
    prediction: Codes
    scores: Floats
    probable: NDArray[np.bool_]
    loss: Floats
    brier: Floats
    bin: Codes
    confidence: Floats
    correct: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True, slots=True)
class NumberRows(_Rows):
    """Rows of a regression task: ``target`` and ``prediction``, shape (n,), NaN where missing."""

    target: Floats
    prediction: Floats

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True, slots=True)
class RankRows(_Rows):
    """Rows of a ranking task, each array of shape (n,).

    ``query`` is the hash of the query, ``asked`` whether there is one; ``score`` is what the list is ordered by, NaN
    where there is none; ``relevance`` is NaN where missing, or not a number from 0 on (``strange``). ``tie`` orders rows
    of one score: a hash of the row's id, or of its content where it has none.
    """

    query: UInt64s
    asked: NDArray[np.bool_]
    score: Floats
    relevance: Floats
    strange: NDArray[np.bool_]
    tie: UInt64s

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True, slots=True)
class SetRows(_Rows):
    """Rows of a multilabel task: ``label`` and ``prediction`` of shape (classes, n), the others of shape (n,).

    ``labelled`` and ``predicted`` say whether there is a set, be it empty; ``strange_label`` and ``strange_prediction``
    whether it holds a label that is not among the classes.
    """

    label: NDArray[np.bool_]
    prediction: NDArray[np.bool_]
    labelled: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    strange_label: NDArray[np.bool_]
    strange_prediction: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labelled)


@dataclass(frozen=True, slots=True)
class ManyRows:
    """Rows of a multiclass task with thousands of classes: ``label``, ``prediction``, ``rank`` of shape (n,).

    The first two are places in ``names``, whose hashes stand beside them, -1 where missing; ``rank`` is the place of the
    label in the list of predicted classes, from 0, -1 where it is not among the first 10.
    """

    label: Int64s
    prediction: Int64s
    rank: Int64s
    names: list[str]
    hashes: UInt64s

    def take(self, places: Int64s | slice) -> ManyRows:
        """Return the rows at ``places``."""
        return ManyRows(self.label[places], self.prediction[places], self.rank[places], self.names, self.hashes)

    def __len__(self) -> int:
        return len(self.label)


PlainRows = ClassRows | NumberRows | RankRows | SetRows | ManyRows


@dataclass(frozen=True, slots=True)
class WeightedRows:
    """Rows of a task with the weight of each, shape (n,), NaN where it is missing, below 0 or beyond 1e20."""

    rows: PlainRows
    weight: Floats

    def take(self, places: Int64s | slice) -> WeightedRows:
        """Return the rows at ``places``."""
        return WeightedRows(self.rows.take(places), self.weight[places])

    def __len__(self) -> int:
        return len(self.rows)


OutcomeRows = PlainRows | WeightedRows


def outcome_rows(batch: Batch) -> OutcomeRows | None:
    """Return what the outcome of a batch is made from; None where the schema names no task that is profiled."""
    plain, schema = _plain_rows(batch), batch.schema
    if schema.weight is None or plain is None:
        return plain
    weight = batch.numbers(schema.weight).values + 0.0
    return WeightedRows(plain, np.where((weight >= 0) & (weight <= LARGEST_WEIGHT), weight, np.nan))


def _plain_rows(batch: Batch) -> PlainRows | None:
    schema = batch.schema
    if schema.task in {"regression", "forecasting"}:
        empty = np.full(batch.rows, np.nan)
        target = batch.numbers(schema.target).values if schema.target else empty
        return NumberRows(target, batch.numbers(schema.prediction).values if schema.prediction else empty)
    if schema.task == "ranking":
        return _ranking(batch)
    if schema.task == "multilabel":
        return _sets(batch)
    if schema.task not in {"binary", "multiclass"}:
        return None
    if schema.many_classes and schema.task == "multiclass":
        return _many(batch)
    places = class_places(schema)
    label = _codes(batch, schema.target, places)
    prediction = _codes(batch, schema.prediction, places)
    return _binary(batch, label, prediction) if schema.task == "binary" else _multiclass(batch, label, prediction)


def class_places(schema: Schema) -> dict[str, int]:
    """Return the code of each class: 1 for the positive and 0 for the other of a binary task, else its place."""
    if schema.task == "binary":
        return {c: int(c == label_text(schema.positive)) for c in schema.classes}
    return {c: place for place, c in enumerate(schema.classes)}


def _codes(batch: Batch, column: str | None, places: dict[str, int]) -> Codes:
    if column is None:
        return np.full(batch.rows, MISSING, dtype=np.int16)
    texts: Texts = batch.texts(column)
    boolean = {"true": "1", "false": "0", "1": "true", "0": "false"}
    codes = np.full(len(texts.names) + 1, MISSING, dtype=np.int16)
    for place, name in enumerate(texts.names.to_pylist()):
        codes[place] = places.get(name, places.get(boolean.get(name, name), MISSING if name == "nan" else STRANGE))
    return codes[texts.codes]


def _binary(batch: Batch, label: Codes, prediction: Codes) -> ClassRows:
    schema = batch.schema
    column = next(iter(schema.scores().values()), None)
    if isinstance(schema.score, dict):
        column = schema.score.get(label_text(schema.positive), column)
    score = batch.numbers(column).values if column else np.full(batch.rows, np.nan)
    score = np.where(np.isinf(score), np.nan, score) if np.isinf(score).any() else score
    if schema.prediction is None:
        prediction = np.where(np.isnan(score), MISSING, score >= schema.threshold).astype(np.int16)
    probable = (score >= 0) & (score <= 1)
    known = (label >= 0) & probable
    positive = label == 1
    loss, brier = _losses(np.where(positive, score, 1 - score), score - positive, known)
    return ClassRows(label, prediction, score[None, :], probable, loss, brier, _bins(score), score, positive)


def _multiclass(batch: Batch, label: Codes, prediction: Codes) -> ClassRows:
    schema = batch.schema
    columns = [schema.scores().get(c) for c in schema.classes]
    missing = np.full(batch.rows, np.nan)
    given = schema.score is not None
    scores = (
        np.stack([batch.numbers(c).values if c else missing for c in columns]) if given else np.empty((0, batch.rows))
    )
    if not given:
        nothing = np.zeros(batch.rows)
        no = np.zeros(batch.rows, dtype=bool)
        return ClassRows(label, prediction, scores, no, nothing, nothing, _bins(nothing), nothing, no)
    scores[~np.isfinite(scores)] = np.nan
    probable: NDArray[np.bool_] = np.logical_and.reduce((scores >= 0) & (scores <= 1), axis=0)
    best: Int64s = np.argmax(np.where(np.isnan(scores), -np.inf, scores), axis=0)
    if schema.prediction is None:
        prediction = np.where(np.isnan(scores).all(axis=0), MISSING, best).astype(np.int16)
    known = (label >= 0) & probable
    chances = np.where(probable, scores, 0.0)
    total = chances.sum(axis=0)
    shares = chances / np.where(total > 0, total, 1.0)
    place = np.maximum(label, 0)
    own = np.take_along_axis(shares, place[None, :].astype(np.int64), axis=0)[0]
    loss, _ = _losses(own, own, known)
    brier = np.where(
        known,
        (chances**2).sum(axis=0) - 2 * np.take_along_axis(chances, place[None, :].astype(np.int64), axis=0)[0] + 1,
        0,
    )
    confidence = np.take_along_axis(scores, best[None, :], axis=0)[0]
    return ClassRows(
        label, prediction, scores, probable, loss, brier, _bins(confidence), confidence, np.equal(best, label)
    )


def _ranking(batch: Batch) -> RankRows:
    schema, missing = batch.schema, np.full(batch.rows, np.nan)
    column = next(iter(schema.scores().values()), schema.prediction)
    score = batch.numbers(column).values + 0.0 if column else missing
    target = batch.numbers(schema.target).values + 0.0 if schema.target else missing
    strange = ~np.isnan(target) & ~((target >= 0) & (target < _LARGEST_RELEVANCE))
    query = batch.words(schema.query) if schema.query else np.zeros(batch.rows, dtype=np.uint64)
    asked = np.full(batch.rows, schema.query is not None)
    if schema.query:
        asked &= ~batch.column(schema.query).is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
    return RankRows(
        kernel.combine_hashes([query]),
        asked,
        np.where(np.isfinite(score), score, np.nan),
        np.where(strange, np.nan, target),
        strange,
        _ties(batch),
    )


def _sets(batch: Batch) -> SetRows:
    schema, places = batch.schema, class_places(batch.schema)
    label, labelled, strange = _members(batch, schema.target, places)
    prediction, predicted, odd = _members(batch, schema.prediction, places)
    if schema.prediction is None and schema.score is not None:
        given = [schema.scores().get(c) for c in schema.classes]
        scores = np.stack([batch.numbers(c).values if c else np.full(batch.rows, -np.inf) for c in given])
        prediction, predicted = scores >= schema.threshold, ~np.isnan(scores).any(axis=0)
    return SetRows(label, prediction, labelled, predicted, strange, odd)


def _members(
    batch: Batch, column: str | None, places: dict[str, int]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which labels each row's set has, shape (classes, n), whether it has a set, and whether an unknown label."""
    sets = np.zeros((len(places) + 1, batch.rows), dtype=bool)
    if column is None:
        return sets[:-1], sets[-1], sets[-1]
    found = label_sets(batch.column(column))
    codes = np.array([places.get(name, -1) for name in found.names] + [-1], dtype=np.int64)
    sets[codes[found.codes], found.rows] = True  # what is unknown falls in the last row
    return sets[:-1], found.there, sets[-1]


def _many(batch: Batch) -> ManyRows:
    schema, missing = batch.schema, np.full(batch.rows, -1, dtype=np.int64)
    names: dict[str, int] = {}
    label = missing
    if schema.target is not None:
        found, row, _ = _listed(batch.column(schema.target), names)
        label = missing.copy()
        label[row] = found
    prediction, rank = missing.copy(), missing.copy()
    if schema.prediction is not None:
        found, row, place = _listed(batch.column(schema.prediction), names)
        prediction[row[place == 0]] = found[place == 0]
        right = (found == label[row]) & (found >= 0) & (place < RANKS)
        rank[row[right][::-1]] = place[right][::-1]  # the first place, where a class is named twice
    return ManyRows(label, prediction, rank, list(names), hash_texts(pa.array(list(names), pa.string())))


def _listed(column: pa.Array, names: dict[str, int]) -> tuple[Int64s, Int64s, Int64s]:
    """Return the classes of a column, those of a list one by one: place in ``names``, row, and place in the row's list."""
    if pa.types.is_nested(column.type):
        row = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)
        column = pc.list_flatten(column)
    else:
        row = np.arange(len(column), dtype=np.int64)
    texts = to_texts(column)
    places = [names.setdefault(n, len(names)) if n != "nan" else -1 for n in texts.names.to_pylist()]
    first = np.concatenate([[True], row[1:] != row[:-1]])[: len(row)]
    start = np.flatnonzero(first)[np.cumsum(first) - 1] if len(row) else row
    return np.array([*places, -1], dtype=np.int64)[texts.codes], row, np.arange(len(row)) - start


def _ties(batch: Batch) -> UInt64s:
    """Return what orders rows that are alike otherwise: the same on every machine, and as good as by chance."""
    schema = batch.schema
    missing = None if schema.id is None else batch.column(schema.id).is_null().to_numpy(zero_copy_only=False)
    if missing is not None and not missing.any():
        return batch.row_hashes([str(schema.id)])
    content = batch.row_hashes(sorted(schema.kinds))
    return content if missing is None else np.where(missing, content, batch.row_hashes([str(schema.id)]))


def _losses(own: Floats, error: Floats, known: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return log loss and squared error per row; ``own`` is the probability that was given to what came true."""
    clipped = np.clip(np.where(known, own, 1.0), _EPS, 1 - _EPS)
    return np.where(known, -np.log(clipped), 0.0), np.square(np.where(known, error, 0.0))


def _bins(score: Floats) -> Codes:
    """Return the bin (lower, upper] of width 1/15 in which each score lies; 0 belongs to the first."""
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    share = np.clip(np.nan_to_num(score, nan=0.0), 0, 1)
    guess = np.minimum(share * CALIBRATION_BINS, CALIBRATION_BINS - 1).astype(np.int16)
    padded = np.concatenate([[-np.inf], edges, [np.inf]])
    guess += score > padded[guess + 1]
    guess -= score <= padded[guess]
    return guess
