"""Weak segments: how long looking for them takes, how often one is told that is none, and which that are there are found.

    python -m benchmarks statistics weak

Timed on a year of employment in Massachusetts (see ``acs``), all 68,785 rows x 16 columns as cells of at most 10, the loss
that of NannyML's own model; sliceline, where it is installed, does two levels on the same cells and losses.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.statistics import acs
from watchkeeper.metrics.weak_rows import grid_of, loss_rows
from watchkeeper.metrics.weak_segments import ALPHA, Cells, confirmed, find, weak_segments
from watchkeeper.monitor import profile
from watchkeeper.schema import Schema
from watchkeeper.sketches.kernel import Floats

_LEFT_OUT = {"id", "year", "prediction", "predicted_probability", "employed"}
RUNS = 400


def cells_of(rows: int | None = None) -> tuple[Cells, Floats]:
    """Return the cells and the log loss of every row."""
    table = acs.table("reference")
    roles = {"target": "employed", "prediction": "prediction", "score": "predicted_probability"}
    names = {column.casefold(): column for column in table.column_names}
    target = next(names[n] for n in ("employed", "y_true", "esr") if n in names)
    schema = Schema(id="id", target=target, **{k: names[v] for k, v in roles.items() if v in names and k != "target"})
    schema.features = [c for c in table.column_names if c not in {*schema.scores().values(), target, *_LEFT_OUT}]
    made = profile(table.slice(0, rows), schema, sample_rows=100_000)
    found = loss_rows(made, grid_of(made))
    assert found is not None
    return found.cells, found.loss


def timed() -> None:
    """Print how long two levels take."""
    table = acs.table("reference")
    cells, loss = cells_of()
    if len(loss) < len(table):  # the sample of a profile is bounded: rows are drawn again up to all of them
        places = np.resize(np.arange(len(loss)), len(table))
        cells, loss = cells.take(places), loss[places]
    first = np.random.default_rng(0).random(len(loss)) < 0.5
    seconds = min(_seconds(lambda: find(cells, loss)) for _ in range(5))
    whole = min(_seconds(lambda: weak_segments(cells, loss, first)) for _ in range(5))
    print(f"{len(loss):,} rows x {len(cells.names)} columns, two levels:")
    print(f"  found on all rows              {seconds:8.3f} s")
    print(f"  found on a half, tested on the other {whole:.3f} s")
    try:
        from sliceline.slicefinder import Slicefinder
    except ImportError:
        print("  sliceline is not installed here; 6.1 s was measured of it before (2 levels, the same data)")
    else:
        finder = Slicefinder(alpha=0.95, k=10, max_l=2, min_sup=max(30, len(loss) // 100), verbose=False)
        print(f"  sliceline                      {_seconds(lambda: finder.fit(cells.codes, loss)):8.3f} s")
    for weak in weak_segments(cells, loss, first)[:5]:
        name = ", ".join(" ".join(part) for part in cells.said(weak.parts))
        print(f"  {name}: {weak.inside.value:.3f}, {weak.elsewhere:.3f} elsewhere, {weak.cost.value:.1%} of the loss")


def _seconds(work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - start


def told() -> None:
    """Print how often anything is told where losses are dealt to rows anew, and what is found of what is planted."""
    cells, loss = cells_of(5000)
    rng, null, same = np.random.default_rng(2), 0, 0
    for _ in range(RUNS):
        dealt, first = rng.permutation(loss), rng.random(len(loss)) < 0.5
        null += bool(weak_segments(cells, dealt, first))
        half = cells.take(first)
        same += bool(confirmed(half, dealt[first], find(half, dealt[first]), ALPHA))
    print(f"{len(loss):,} rows, losses dealt to rows anew, {RUNS} times; any segment told:")
    for name, count in (("tested on the other half", null), ("tested on the rows that found it", same)):
        print(f"  {name:34} {count / RUNS:6.3f} +- {(count / RUNS * (1 - count / RUNS) / RUNS) ** 0.5:.3f}")
    print("  a planted pair of cells, told first (100 runs each):")
    for share in (0.02, 0.05):
        for times in (1.5, 2.0, 3.0):
            hits = sum(_planted(cells, rng.permutation(loss), share, times, rng) for _ in range(100))
            error = (hits / 100 * (1 - hits / 100) / 100) ** 0.5
            print(f"    {share:.0%} of rows lose {times:.1f} times as much: {hits / 100:.2f} +- {error:.2f}")


def _planted(cells: Cells, loss: Floats, share: float, times: float, rng: np.random.Generator) -> bool:
    """Return whether the cell of two made-up columns in which rows lose more is what is told first."""
    a, b = rng.random(len(loss)) < share**0.5, rng.random(len(loss)) < share**0.5
    codes = np.column_stack([cells.codes, a, b]).astype(np.int64)
    wide = Cells(codes, [*cells.names, "a", "b"], [*cells.labels, ["no", "yes"], ["no", "yes"]])
    found = weak_segments(wide, np.where(a & b, times * loss, loss), rng.random(len(loss)) < 0.5)
    places = {len(cells.names), len(cells.names) + 1}
    return bool(found) and {column for column, _ in found[0].parts} == places


def main() -> None:
    """Print both."""
    timed()
    told()
