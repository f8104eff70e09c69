"""Sums of products of several numbers per row: means, variances and covariances that merge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.sketches.kernel import Floats
from watchkeeper.sketches.protocol import State, array_of, count_of


class Products:
    """The Gram matrix ``sum of x xT`` over rows ``x = (1, x1, ..., xk)``.

    The first row holds the count and the plain sums, the rest the sums of products; any smooth function of the means
    gets its value from the first and its sampling variance from the rest.

    Parameters
    ----------
    size
        k, the number of values per row besides the leading 1.
    """

    __slots__ = ("count", "gram", "size")
    SUMS = frozenset({"gram"})

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        self.gram: Floats = np.zeros((size + 1, size + 1))

    def update(self, rows: Floats) -> None:
        """Add rows, shape (k, n), finite and with finite squares."""
        count = rows.shape[1]
        added = np.zeros_like(self.gram)
        added[0, 0] = count
        for i, row in enumerate(rows, 1):  # not a matrix product: that would start threads of its own
            added[0, i] = added[i, 0] = row.sum()
            for j in range(1, i + 1):
                added[i, j] = added[j, i] = (row * rows[j - 1]).sum()
        self.gram = self.gram + added
        self.count += count

    def merge(self, other: Products) -> Products:
        """Return the sums of both together."""
        if self.size != other.size:
            raise ValueError(f"products of {self.size} and of {other.size} values cannot be added")
        merged = Products(self.size)
        merged.count = self.count + other.count
        merged.gram = self.gram + other.gram
        return merged

    @property
    def sums(self) -> Floats:
        """Sums of the k values, shape (k,)."""
        return self.gram[0, 1:]

    @property
    def means(self) -> Floats:
        """Means of the k values, shape (k,); NaN when empty."""
        return self.sums / self.count if self.count else np.full(self.size, np.nan)

    def covariance(self) -> Floats:
        """Return the covariance of one row's values (divided by n), shape (k, k); NaN when empty."""
        means = self.means
        if self.count == 0:
            return np.full((self.size, self.size), np.nan)
        return self.gram[1:, 1:] / self.count - np.outer(means, means)

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        return {"count": self.count, "gram": self.gram}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Products:
        """Make products from a state that may be hostile; raises :class:`CorruptProfile`."""
        gram = array_of(state, "gram", np.float64, ndim=2)
        if gram.shape[0] != gram.shape[1] or not 2 <= len(gram) <= 64 or not np.isfinite(gram).all():
            raise CorruptProfile("sums of products are not a finite square")
        if not _possible(gram):
            raise CorruptProfile("sums of products are larger than sums of squares allow")
        made = cls(len(gram) - 1)
        made.count, made.gram = count_of(state, "count"), gram
        return made


def _possible(gram: Floats) -> bool:
    """Whether no product is larger than the two squares allow (Cauchy and Schwarz), but for rounding."""
    squares = np.diag(gram)
    with np.errstate(over="ignore"):
        most = np.outer(squares, squares) * (1 + 1e-6) + 1e-300
        return bool((squares >= 0).all() and (np.square(gram) <= most).all())
