"""What became of predictions that are sets of labels: counts by label, and sums over rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.additive import _Outcome
from watchkeeper.profiles.rows import OutcomeRows, SetRows
from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.sketches.products import Products
from watchkeeper.sketches.protocol import count_of, counts_of, part_of

ROW_TERMS = ("hits", "false", "missed", "f1", "exact")
Cells = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]


class MultilabelOutcome(_Outcome):
    """Outcomes of a multilabel task with C labels.

    Attributes
    ----------
    rows, unlabelled, unpredicted
        All rows; those without a label; those with a label, be it the empty set, but without a prediction.
    strange
        Rows with a label, true or predicted, that is not among the classes; it is left out.
    labels
        Shape (C, 3): of each label, how often it was predicted and true, predicted and not true, true and not predicted.
    terms
        Products of ``ROW_TERMS`` over rows with both: the three counts of the row, its F1, and whether the sets are equal.
    """

    _ADDED = ("rows", "unlabelled", "unpredicted", "strange", "labels")
    _PARTS = ("terms",)

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.rows = self.unlabelled = self.unpredicted = self.strange = 0
        self.labels: Int64s = np.zeros((classes, 3), dtype=np.int64)
        self.terms = Products(len(ROW_TERMS))

    def _empty(self) -> MultilabelOutcome:
        return MultilabelOutcome(self.classes)

    def update(self, rows: OutcomeRows) -> None:
        """Add rows."""
        assert isinstance(rows, SetRows)
        self.rows += len(rows)
        self.unlabelled += int((~rows.labelled).sum())
        self.strange += int((rows.strange_label | rows.strange_prediction).sum())
        self._add(rows)

    def label(self, rows: OutcomeRows) -> None:
        """Give rows that were counted without a label the one that they have now."""
        assert isinstance(rows, SetRows)
        self.unlabelled -= int(rows.labelled.sum())
        self.strange += int((rows.strange_label & ~rows.strange_prediction).sum())
        self._add(rows)

    def _add(self, rows: SetRows) -> None:
        self.unpredicted += int((rows.labelled & ~rows.predicted).sum())
        cells = set_cells(rows, np.flatnonzero(rows.labelled & rows.predicted))
        self.labels = self.labels + np.stack([cell.sum(axis=1, dtype=np.int64) for cell in cells], axis=1)
        self.terms.update(set_terms(cells))

    @property
    def labelled(self) -> int:
        """How many rows have a label, be it the empty set."""
        return self.rows - self.unlabelled

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> MultilabelOutcome:
        """Make an outcome from a state that may be hostile; raises :class:`CorruptProfile`."""
        labels = counts_of(state, "labels", 2)
        made = cls(len(labels))
        for name in ("rows", "unlabelled", "unpredicted", "strange"):
            setattr(made, name, count_of(state, name))
        made.labels, made.terms = labels, Products.from_state(part_of(state, "terms"))
        both = made.rows - made.unlabelled - made.unpredicted
        if labels.shape[1] != 3 or made.terms.size != len(ROW_TERMS) or made.terms.count != both:
            raise CorruptProfile("an outcome's parts do not fit each other")
        return made


def set_cells(rows: SetRows, places: Int64s) -> Cells:
    """Return which labels of some rows are hits, false and missed, each of shape (C, k)."""
    label, prediction = rows.label[:, places], rows.prediction[:, places]
    return label & prediction, ~label & prediction, label & ~prediction


def set_terms(cells: Cells) -> Floats:
    """Return ``ROW_TERMS`` of rows, shape (5, k)."""
    hits, false, missed = (cell.sum(axis=0, dtype=np.float64) for cell in cells)
    f1 = 2 * hits / np.maximum(2 * hits + false + missed, 1.0)
    return np.stack([hits, false, missed, f1, (false + missed == 0).astype(np.float64)])
