"""Sketches that are broken on purpose: each must be caught, else the laws prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import pytest

from watchkeeper.profiles.outcome import RegressionOutcome
from watchkeeper.profiles.rows import NumberRows
from watchkeeper.profiles.segments import Timeline
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import float_keys
from watchkeeper.sketches.moments import Moments
from watchkeeper.testing import LawBroken, check_laws, difference, same

RNG = np.random.default_rng(20_240_501)
ROWS = RNG.normal(1, 1, 3000)
PIECES = [ROWS[:50], ROWS[50:700], ROWS[700:710], ROWS[710:]]


class CoarseByFirstBatch(Histogram):
    """Keeps a shift one too coarse when its first batch was large."""

    __slots__ = ()

    def update(self, keys: np.ndarray) -> None:
        first_is_large = len(self.cells) == 0 and len(keys) > 1000
        super().update(keys)
        if first_is_large:
            self.cells, self.counts = self.at(self.shift + 1)
            self.shift += 1


class RunningMean:
    """Keeps a mean, not a sum, and merges it without weights."""

    def __init__(self) -> None:
        self.count, self.mean = 0, 0.0

    def update(self, values: np.ndarray) -> None:
        for value in values.tolist():
            self.count += 1
            self.mean += (value - self.mean) / self.count

    def merge(self, other: RunningMean) -> RunningMean:
        merged = RunningMean()
        merged.count = self.count + other.count
        used = [s for s in (self, other) if s.count]
        merged.mean = sum(s.mean for s in used) / len(used) if used else 0.0
        return merged

    def state(self) -> dict[str, Any]:
        return {"count": self.count, "mean": self.mean}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        made = cls()
        made.count, made.mean = state["count"], state["mean"]
        return made


class FirstComers:
    """A sample that keeps the rows that came first."""

    def __init__(self) -> None:
        self.rows = np.empty(0)

    def update(self, values: np.ndarray) -> None:
        self.rows = np.concatenate([self.rows, values])[:100]

    def merge(self, other: FirstComers) -> FirstComers:
        merged = FirstComers()
        merged.update(self.rows)
        merged.update(other.rows)
        return merged

    def state(self) -> dict[str, Any]:
        return {"rows": self.rows}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        made = cls()
        made.rows = state["rows"]
        return made


class MergesInPlace(Moments):
    """Adds the other into itself."""

    def merge(self, other: Moments) -> Moments:
        merged = super().merge(other)
        for name in Moments.__slots__:
            setattr(self, name, getattr(merged, name))
        return merged


class EmptyHasAMinimum(Moments):
    """Has 0 for the least number of nothing."""

    def __init__(self, origin: float = 0.0) -> None:
        super().__init__(origin)
        self.minimum = 0.0

    def update(self, values: np.ndarray) -> None:
        if self.count == 0 and len(values):
            self.minimum = np.inf
        super().update(values)

    def merge(self, other: Moments) -> Moments:
        merged = type(self)(self.origin)
        for name in ("count", *self.SUMS):
            setattr(merged, name, getattr(self, name) + getattr(other, name))
        merged.minimum, merged.maximum = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        return merged


class CountsByOwnState(Histogram):
    """Hands out its own array and then counts in it."""

    __slots__ = ()

    def update(self, keys: np.ndarray) -> None:
        before = self.counts
        super().update(keys)
        if len(before) == len(self.counts):
            before[:] = self.counts
            self.counts = before

    def merge(self, other: Histogram) -> Histogram:
        return self.from_state(super().merge(other).state())

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        made, plain = cls(), Histogram.from_state(state)
        for name in Histogram.__slots__:
            setattr(made, name, getattr(plain, name))
        return made


class ForgetsTrailing(Histogram):
    """Does not store how many low bits are zero."""

    __slots__ = ()

    def state(self) -> dict[str, Any]:
        return super().state() | {"trailing": 64 if len(self.cells) == 0 else 0}


class SharesOutcomes(Timeline):
    """Puts an operand's own outcomes into what it merges."""

    def merge(self, other: Timeline) -> Timeline:
        merged = super().merge(other)
        merged.outcomes |= {day: mine for day, mine in self.outcomes.items() if day not in other.outcomes}
        return merged


def update_floats(piece: np.ndarray) -> Callable[[Any], object]:
    return lambda sketch: sketch.update_floats(piece)


def update(piece: np.ndarray) -> Callable[[Any], object]:
    return lambda sketch: sketch.update(piece)


BROKEN = [
    (CoarseByFirstBatch, update_floats, PIECES, "a whole|rows at once"),
    (RunningMean, update, PIECES, "associative|whole|commutative"),
    (FirstComers, update, PIECES, "commutative"),
    (MergesInPlace, update, PIECES, "operand|commutative|associative|neutral"),
    (EmptyHasAMinimum, update, [p + 100 for p in PIECES], "neutral"),
    (ForgetsTrailing, update_floats, [np.array([1.0, 2.0]), np.arange(4.0)], "neutral|from_state|commutative"),
    (CountsByOwnState, update_floats, [np.ones(3), np.ones(4)], "handed out|operand"),
]


@pytest.mark.parametrize(("make", "adding", "pieces", "law"), BROKEN, ids=[b[0].__name__ for b in BROKEN])
def test_broken_sketches_are_caught(make: Any, adding: Any, pieces: list[np.ndarray], law: str) -> None:
    with pytest.raises(LawBroken, match=law) as caught:
        check_laws(make, [adding(p) for p in pieces], adding(np.concatenate(pieces)), scale=1e5)
    assert caught.value.where


def test_shared_parts_are_caught() -> None:
    def add(day: int) -> Callable[[Any], object]:
        return lambda t: t.update(np.array([day]), NumberRows(np.array([1.0]), np.array([2.0])))

    def read(state: Mapping[str, Any]) -> Timeline:
        return SharesOutcomes.from_state(state, RegressionOutcome, RegressionOutcome.from_state)  # type: ignore[return-value]

    check_laws(lambda: Timeline(RegressionOutcome), [add(1), add(2)], read=_plain)
    with pytest.raises(LawBroken, match="operand"):
        check_laws(lambda: SharesOutcomes(RegressionOutcome), [add(1), add(2)], read=read)


def _plain(state: Mapping[str, Any]) -> Timeline:
    return Timeline.from_state(state, RegressionOutcome, RegressionOutcome.from_state)


@pytest.mark.parametrize("make", [Histogram, Moments])
def test_the_originals_pass(make: Any) -> None:
    adding = update_floats if make is Histogram else update
    check_laws(make, [adding(p) for p in PIECES], adding(ROWS), scale=1e5)
    shifted = [p + 100 for p in PIECES]
    check_laws(make, [adding(p) for p in shifted], adding(np.concatenate(shifted)), scale=1e8)


def test_an_update_that_depends_on_the_batch_is_caught() -> None:
    parts = [lambda h: h.update(float_keys(PIECES[0])), lambda h: h.update(float_keys(PIECES[1]))]
    with pytest.raises(LawBroken, match="rows at once"):
        check_laws(Histogram, parts, lambda h: h.update(float_keys(ROWS[:699])))


@pytest.mark.parametrize(
    ("first", "second", "sums", "scale", "equal"),
    [
        ({"n": 1}, {"n": 1}, (), None, True),
        ({"n": 1}, {"n": 2}, (), None, False),
        ({"n": 1}, {"n": 1.0}, (), None, False),
        ({"n": 1}, {"n": True}, (), None, False),
        ({"n": 1}, {}, (), None, False),
        ({}, {"n": 1}, (), None, False),
        ({"x": 0.0}, {"x": -0.0}, (), None, False),
        ({"x": np.array([0.0])}, {"x": np.array([-0.0])}, (), None, False),
        ({"x": np.array([np.nan])}, {"x": np.array([-np.nan])}, (), None, True),
        ({"x": np.array([1])}, {"x": np.array([1], dtype=np.uint64)}, (), None, False),
        ({"x": np.array([1])}, {"x": np.array([[1]])}, (), None, False),
        ({"x": np.array([1])}, {"x": [1]}, (), None, False),
        ({"x": 1.0}, {"x": 1.0 + 5e-13}, ("x",), None, True),
        ({"x": 1.0}, {"x": 1.0 + 5e-12}, ("x",), None, False),
        ({"x": 1.0}, {"x": 1.0 + 5e-12}, ("x",), 10.0, True),
        ({"x": 1.0}, {"x": 1.0 + 5e-12}, ("x",), {"x": 10.0}, True),
        ({"x": 1.0}, {"x": 1.0 + 5e-13}, ("y",), 10.0, False),
        ({"x": 1e-20}, {"x": 0.0}, ("x",), 0.0, False),
        ({"x": {"x": 1}}, {"x": {"x": 2}}, ("x",), None, False),
        ({"a": [1, {"b": "t"}]}, {"a": [1, {"b": "u"}]}, (), None, False),
        ({"a": [1, 2]}, {"a": [1]}, (), None, False),
        ({"x": np.inf}, {"x": np.inf}, ("x",), None, True),
        ({"x": np.inf}, {"x": 1.0}, ("x",), 1.0, False),
    ],
)
def test_same(first: Any, second: Any, sums: Any, scale: Any, equal: bool) -> None:
    assert same(first, second, sums=sums, scale=scale) is equal


def test_annotations_are_left_out_unless_they_are_columns() -> None:
    assert same({"name": "a"}, {"name": "b"}, annotations={"name"})
    assert same({"name": "a"}, {}, annotations={"name"})
    column = {"columns": {"name": {"rows": 1}}}
    assert (
        difference(column, {"columns": {"name": {"rows": 2}}}, annotations={"name"}) == "columns.name.rows is 1 and 2"
    )
