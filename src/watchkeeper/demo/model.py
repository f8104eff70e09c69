"""The model that the demo watches: will this flight arrive more than 15 minutes late?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.demo.flights import CATEGORIES, FEATURES, NUMBERS, ZONE
from watchkeeper.errors import MissingExtra

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
_SEED = 2013


@dataclass(frozen=True)
class LateModel:
    """Gradient boosting over what is known before departure.

    Parameters
    ----------
    classifier
        The fitted scikit-learn classifier.
    levels
        Categorical feature to the values seen in training; others count as unknown.
    threshold
        A score of at least this predicts "late": the hundredth that gave the best F1 out of fold.
    training_rows
        Flights with a label that the model was fitted on.
    training_auc
        ROC AUC on the training months, each day scored by a model that did not see it.
    """

    classifier: Any
    levels: dict[str, pa.Array]
    threshold: float
    training_rows: int
    training_auc: float

    def predict(self, table: pa.Table) -> pa.Table:
        """Return one row a flight: id, departure, the features, ``score``, ``predicted`` (0 or 1) and ``late``."""
        score = self.classifier.predict_proba(_matrix(table, self.levels))[:, 1]
        predicted = (score >= self.threshold).astype(np.int8)
        return (
            table.select(["id", "departure", *FEATURES])
            .append_column("score", pa.array(score))
            .append_column("predicted", pa.array(predicted))
            .append_column("late", table["late"])
        )


def fit(table: pa.Table) -> LateModel:
    """Fit the model on the flights of ``table`` that have a label; the same table gives the same model.

    Raises
    ------
    MissingExtra
        scikit-learn is not installed.
    """
    table = table.filter(pc.is_valid(table["late"]))
    levels = {name: pc.unique(table[name]).sort() for name in CATEGORIES}
    inputs, labels = _matrix(table, levels), table["late"].to_numpy()
    scores = _out_of_fold(inputs, labels, table["departure"])
    return LateModel(
        classifier=_classifier().fit(inputs, labels),
        levels=levels,
        threshold=_best_threshold(scores, labels),
        training_rows=table.num_rows,
        training_auc=_auc(scores, labels),
    )


def out_of_fold(table: pa.Table) -> pa.Array:
    """Return the score of every row by a model that saw no flight of its day; rows without a label get one too."""
    levels = {name: pc.unique(table[name]).sort() for name in CATEGORIES}
    return pa.array(_out_of_fold(_matrix(table, levels), table["late"].to_numpy(), table["departure"]))


def _classifier() -> Any:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as error:
        raise MissingExtra("scikit-learn", "demo", "The demo") from error
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=8,
        min_samples_leaf=200,
        l2_regularization=10.0,
        max_features=0.3,
        early_stopping=False,
        categorical_features=range(len(NUMBERS), len(FEATURES)),
        random_state=_SEED,
    )


def _matrix(table: pa.Table, levels: dict[str, pa.Array]) -> NDArray[np.float64]:
    """Return the features as numbers, shape (rows, features); nulls and values never seen in training are NaN."""
    numbers = [table[name].cast(pa.float64()) for name in NUMBERS]
    codes = [pc.index_in(table[name], levels[name]).cast(pa.float64()) for name in CATEGORIES]
    return np.column_stack([column.to_numpy() for column in numbers + codes])


def _out_of_fold(
    inputs: NDArray[np.float64], labels: NDArray[np.int8], departure: pa.ChunkedArray
) -> NDArray[np.float64]:
    """Score every row by a model that saw no flight of the same day: flights of one day share their weather."""
    fold = pc.day_of_year(pc.local_timestamp(departure.cast(pa.timestamp("us", ZONE)))).to_numpy() % FOLDS
    scores = np.empty(len(labels))
    for k in np.unique(fold):
        model = _classifier().fit(inputs[fold != k], labels[fold != k])
        scores[fold == k] = model.predict_proba(inputs[fold == k])[:, 1]
    return scores


def _best_threshold(scores: NDArray[np.float64], labels: NDArray[np.int8]) -> float:
    """Return the hundredth with the best F1; a coarse grid, so that the last bits of a score never move it."""
    grid = np.arange(1, 100) / 100
    hits = np.array([np.count_nonzero(labels[scores >= t]) for t in grid])
    flagged = np.array([np.count_nonzero(scores >= t) for t in grid])
    return float(grid[np.argmax(2 * hits / (flagged + np.count_nonzero(labels)))])


def _auc(scores: NDArray[np.float64], labels: NDArray[np.int8]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))
