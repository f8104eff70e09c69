"""Which segments and days are kept apart depends on the data alone, and making them costs no more than they are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from watchkeeper.capture.batch import Batch
from watchkeeper.profiles.outcome import RegressionOutcome
from watchkeeper.profiles.rows import NumberRows
from watchkeeper.profiles.segments import MISSING_VALUE, OTHER, SEGMENT_CAP, TIMELINE_CAP, Segments, Timeline
from watchkeeper.schema import Schema
from watchkeeper.sketches.categories import hash_texts

made = 0


def counted() -> RegressionOutcome:
    global made  # noqa: PLW0603 - counts the outcomes that are made
    made += 1
    return RegressionOutcome()


def rows(n: int) -> NumberRows:
    return NumberRows(np.arange(n) * 1.0, np.arange(n) * 1.0)


def segmented(values: list[str | None], segments: Segments | None = None) -> Segments:
    segments = segments or Segments(counted)
    batch = Batch(pa.RecordBatch.from_pydict({"c": pa.array(values, pa.string())}), Schema(kinds={"c": "categorical"}))
    segments.update(batch.texts("c"), rows(len(values)))
    return segments


def test_up_to_the_cap_all_are_kept_apart() -> None:
    segments = segmented([f"s{i % 63}" for i in range(630)] + [None] * 7)
    assert len(segments.outcomes) == SEGMENT_CAP == 64
    assert segments.outcomes[MISSING_VALUE].rows == 7
    assert {o.rows for v, o in segments.items() if v != MISSING_VALUE} == {10}
    assert OTHER not in dict(segments.items())


def test_above_the_cap_those_with_the_smallest_hashes_are() -> None:
    values = [f"s{i}" for i in range(500)]
    segments = segmented(values * 2)
    first = [values[i] for i in np.argsort(hash_texts(values))[:64].tolist()]
    assert sorted(segments.outcomes) == sorted(first)
    assert {o.rows for o in segments.outcomes.values()} == {2}
    assert segments.items()[-1][0] == OTHER
    assert segments.other.rows == 2 * (500 - 64)


def test_a_column_of_ids_costs_no_outcome_for_each() -> None:
    before = made
    segments = segmented([f"user {i}" for i in range(30_000)])
    segmented([f"user {i}" for i in range(30_000, 60_000)], segments)
    assert sum(outcome.rows for _, outcome in segments.items()) == 60_000
    assert made - before < 1000


def timeline(days: np.ndarray, line: Timeline | None = None) -> Timeline:
    line = line or Timeline(counted)
    line.update(days, rows(len(days)))
    return line


def test_up_to_the_cap_days_are_days() -> None:
    days = np.repeat(np.arange(19_000, 19_000 + 3 * TIMELINE_CAP, 3), 2)
    line = timeline(days)
    assert (TIMELINE_CAP, line.shift) == (128, 0)
    assert [(day, o.rows) for day, o in line.items()] == [(day, 2) for day in np.unique(days).tolist()]


def test_above_the_cap_stretches_are_the_shortest_that_fit() -> None:
    days = np.arange(-100, 500)
    line = timeline(days)
    cells = {s: len(set((days >> s).tolist())) for s in range(8)}
    assert line.shift == next(s for s in range(8) if cells[s] <= TIMELINE_CAP)
    assert len(line.outcomes) == cells[line.shift]
    assert all(day % (1 << line.shift) == 0 for day, _ in line.items())


def test_days_of_garbage_cost_no_outcome_for_each() -> None:
    before = made
    days = np.random.default_rng(4).integers(-(2**40), 2**40, 20_000)
    line = timeline(days)
    assert sum(outcome.rows for _, outcome in line.items()) == 20_000
    assert len(line.outcomes) <= TIMELINE_CAP
    assert made - before < 1000
    one_by_one = Timeline(counted)
    for part in np.array_split(days, 40):
        timeline(part, one_by_one)
    assert one_by_one.shift == line.shift
    assert [(d, o.rows) for d, o in one_by_one.items()] == [(d, o.rows) for d, o in line.items()]
