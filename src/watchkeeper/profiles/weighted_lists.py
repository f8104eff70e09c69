"""Outcomes of ranked lists that weigh differently: a row is kept with its weight, and a list weighs the mean of its rows."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.ranking import WHOLE_ROWS, RankingOutcome
from watchkeeper.profiles.rows import LARGEST_WEIGHT, OutcomeRows, RankRows, WeightedRows
from watchkeeper.sketches.kernel import Floats


@dataclass(frozen=True, slots=True)
class _WeightedRankRows(RankRows):
    weight: Floats


class WeightedRankingOutcome(RankingOutcome):
    """Outcomes of a ranking task whose lists have weights.

    Which queries are kept does not depend on weights. Rows are kept as they are, so nothing is summed and parts merge to
    the bit.

    Attributes
    ----------
    unweighted
        Rows whose weight is missing, below 0 or beyond 1e20.
    weight
        Of each row that is kept, shape (k,), NaN where it has none. A list weighs the mean of the weights that its rows
        have, and nothing where none has one.
    """

    _COUNTS = (*RankingOutcome._COUNTS, "unweighted")
    _ARRAYS = (*RankingOutcome._ARRAYS, "weight")

    def __init__(self, capacity: int = WHOLE_ROWS) -> None:
        super().__init__(capacity)
        self.unweighted = 0
        self.weight: Floats = np.empty(0)

    def update(self, rows: OutcomeRows) -> None:
        """Add rows."""
        assert isinstance(rows, WeightedRows)
        self.unweighted += int(np.isnan(rows.weight).sum())
        ranked = {field.name: getattr(rows.rows, field.name) for field in fields(RankRows)}
        super().update(_WeightedRankRows(**ranked, weight=rows.weight))

    def label(self, rows: OutcomeRows) -> None:
        """Give rows that were counted without a relevance the one that they have now."""
        assert isinstance(rows, WeightedRows)
        super().label(rows.rows)

    def _check(self) -> None:
        super()._check()
        if np.any(self.weight < 0) or np.any(self.weight > LARGEST_WEIGHT):
            raise CorruptProfile("an outcome's weights are no numbers that rows can have")
