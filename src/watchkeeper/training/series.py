"""A series: rows of numbers by step, whole at its two ends and thinned between them, so that no run fills the memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from watchkeeper.errors import InputError
from watchkeeper.sketches.kernel import Floats, Int64s

CAP = 4096
"""So many rows a series keeps."""
FIRST, LAST = 128, 1024
"""So many of the first and of the last rows are never thinned."""


class Series:
    """Numbers of a run by step.

    Parameters
    ----------
    columns
        The name of each number in a row: layers, classes, or one name for a scalar.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self.count = 0
        self._size = 0
        self._steps = np.empty(64, dtype=np.int64)
        self._rows = np.empty((64, len(self.columns)))

    def append(self, step: int, row: Floats | Sequence[float] | float) -> None:
        """Add one row. Steps may not go back; a second row of a step stands beside the first.

        Raises
        ------
        InputError
            The row has another length than there are columns, or the step lies before the last one.
        """
        if self._size and step < self._steps[self._size - 1]:
            raise InputError(f"step {step} comes after step {self._steps[self._size - 1]}: steps may not go back.")
        size = len(row) if isinstance(row, tuple | list) else np.size(row)  # np.size makes an array of a list
        if size != len(self.columns):
            raise InputError(f"a row of {size} numbers does not fit {len(self.columns)} columns.")
        if self._size == len(self._steps):
            self._make_room()
        self._steps[self._size] = step
        self._rows[self._size] = row
        self._size += 1
        self.count += 1

    def _make_room(self) -> None:
        if self._size < CAP:
            self._steps = np.concatenate([self._steps, np.empty_like(self._steps)])
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
            return
        middle = np.arange(FIRST, self._size - LAST, 2)
        kept = np.concatenate([np.arange(FIRST), middle, np.arange(self._size - LAST, self._size)])
        self._steps[: len(kept)], self._rows[: len(kept)] = self._steps[kept], self._rows[kept]
        self._size = len(kept)

    def __len__(self) -> int:
        return self._size

    @property
    def steps(self) -> Int64s:
        """The steps that are kept, ascending, shape ``(n,)``."""
        return self._steps[: self._size]

    @property
    def rows(self) -> Floats:
        """The rows that are kept, shape ``(n, columns)``."""
        return self._rows[: self._size]

    @property
    def values(self) -> Floats:
        """The first column, shape ``(n,)``: all of a series of scalars."""
        return self._rows[: self._size, 0]

    @property
    def last_row(self) -> tuple[float, ...]:
        """The latest row as plain numbers; NaN where there is none."""
        return tuple(self._rows[self._size - 1].tolist()) if self._size else (float("nan"),) * len(self.columns)

    @property
    def last(self) -> float:
        """The latest number of the first column; NaN where there is none."""
        return float(self._rows[self._size - 1, 0]) if self._size else float("nan")
