"""What outcomes have in common: parts that merge by adding, or by a ``merge`` of their own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

from watchkeeper.sketches.products import Products
from watchkeeper.sketches.protocol import State, merge_all


class _Outcome:
    """Parts that merge by adding or by their own ``merge``."""

    _ADDED: tuple[str, ...] = ("rows",)
    _PARTS: tuple[str, ...] = ()
    SUMS: frozenset[str] = Products.SUMS | {"bin_scores", "matrix", "squares", "totals", "weights"}
    rows: int

    def _empty(self) -> Self:
        raise TypeError

    def merge(self, other: Self) -> Self:
        """Return the outcome of both together."""
        merged = self._empty()
        for name in self._ADDED:
            setattr(merged, name, getattr(self, name) + getattr(other, name))
        for name in self._PARTS:
            mine, theirs = getattr(self, name), getattr(other, name)
            together = (
                [a.merge(b) for a, b in zip(mine, theirs, strict=True)]
                if isinstance(mine, list)
                else mine.merge(theirs)
            )
            setattr(merged, name, together)
        return merged

    @classmethod
    def merged(cls, parts: Sequence[Self]) -> Self:
        """Return the outcome of all parts together."""
        made = parts[0]._empty()
        for name in cls._ADDED:
            first, *rest = [getattr(part, name) for part in parts]
            setattr(made, name, sum(rest, first))
        for name in cls._PARTS:
            each = [getattr(part, name) for part in parts]
            lists = isinstance(each[0], list)
            setattr(made, name, [merge_all(some) for some in zip(*each, strict=True)] if lists else merge_all(each))
        return made

    def copy(self) -> Self:
        """Return an outcome of its own with the same content; arrays are shared, for they are replaced, never written to."""
        made = copy.copy(self)
        for name in self._PARTS:
            part = getattr(self, name)
            setattr(made, name, [copy.copy(p) for p in part] if isinstance(part, list) else copy.copy(part))
        return made

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        state: State = {name: getattr(self, name) for name in self._ADDED}
        for name in self._PARTS:
            part = getattr(self, name)
            state[name] = [p.state() for p in part] if isinstance(part, list) else part.state()
        return state
