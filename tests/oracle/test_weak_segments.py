"""A planted weak segment is found; where there is none, none is told; tested on the rows that find, many would be."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

import watchkeeper as wk
from watchkeeper.metrics import weak_segments as module
from watchkeeper.metrics.weak_rows import NO_VALUE, OTHERS, grid_of, loss_rows
from watchkeeper.metrics.weak_segments import Cells, confirmed, find, holm, weak_segments

Found = Callable[[Cells, Any, Any], list[Any]]


def drawn(seed: int, n: int = 4000, columns: int = 10, planted: float = 0.0) -> tuple[Cells, Any, Any]:
    """Return rows whose loss has nothing to do with their cells, but for that of a=1 and b=2."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 6, (n, columns))
    loss = rng.exponential(0.5, n)
    loss += planted * ((codes[:, 0] == 1) & (codes[:, 1] == 2)) * rng.exponential(1.0, n)
    cells = Cells(codes, list("abcdefghij")[:columns], [[str(i) for i in range(6)]] * columns)
    return cells, loss, rng.random(n) < 0.5


def on_the_same_rows(cells: Cells, loss: Any, first: Any) -> list[Any]:
    """Return what a build finds that tests segments on the rows that found them."""
    return confirmed(cells.take(first), loss[first], find(cells.take(first), loss[first]), module.ALPHA)


def share_of_nulls_told(build: Found, runs: int = 150) -> float:
    return sum(bool(build(*drawn(seed))) for seed in range(runs)) / runs


def test_where_there_is_none_none_is_told() -> None:
    assert share_of_nulls_told(weak_segments) <= 0.05 + 2 * (0.05 * 0.95 / 150) ** 0.5
    assert share_of_nulls_told(on_the_same_rows, 40) > 0.25


def test_a_planted_one_is_found_first_and_its_cost_is_right() -> None:
    hits, covered = 0, 0
    for seed in range(20):
        cells, loss, first = drawn(100 + seed, 8000, planted=2.0)
        told = weak_segments(cells, loss, first)
        hits += bool(told) and told[0].parts == ((0, 1), (1, 2))
        if told:
            truth = (1 / 36) * 2.0 / (0.5 + 2.0 / 36)
            covered += told[0].cost.low <= truth <= told[0].cost.high
    assert hits >= 18
    assert covered >= 16


def test_the_best_cell_is_that_of_all_cells_tried_one_by_one() -> None:
    for seed in range(5):
        cells, loss, _ = drawn(seed, 3000, 6, planted=1.0)
        best, at = 0.0, None
        n, fewest = len(loss), max(module.FEWEST, 30)
        singles = [((c, v),) for c in range(6) for v in range(6)]
        pairs = [a + b for a, b in itertools.combinations(singles, 2) if a[0][0] != b[0][0]]
        for parts in [*singles, *pairs]:
            inside = cells.inside(parts)
            k = int(inside.sum())
            if not fewest <= k <= n / 2:
                continue
            gap = loss[inside].mean() - loss[~inside].mean()
            error = (loss[inside].var() / k + loss[~inside].var() / (n - k)) ** 0.5
            if k * (gap - 2 * error) > 0.005 * loss.sum() and gap / error > best:
                best, at = gap / error, parts
        assert find(cells, loss)[:1] == [at]


def test_holm_against_statsmodels_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == [0.03, 0.06, 0.06, 0.02]
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_nothing_to_look_at() -> None:
    cells, loss, first = drawn(0, 20)
    assert weak_segments(cells, loss, first) == []
    assert weak_segments(cells, loss * 0, first) == []
    none = Cells(np.empty((500, 0), dtype=np.int64), [], [])
    assert weak_segments(none, np.ones(500), np.arange(500) % 2 == 0) == []


def table(n: int, seed: int, wrong: float = 0.0, *, labels: bool = True) -> pa.Table:
    rng = np.random.default_rng(seed)
    age, origin = rng.integers(15, 95, n).astype(float), rng.choice(["JFK", "LGA", "EWR"], n)
    score = rng.beta(0.5, 0.5, n)
    y = rng.random(n) < score
    y = np.where((age >= 65) & (origin == "JFK") & (rng.random(n) < wrong), ~y, y).astype(int)
    columns = {"age": pa.array(age, mask=rng.random(n) < 0.02), "origin": origin, "noise": rng.normal(size=n)}
    target = y if labels else pa.nulls(n, pa.int64())
    return pa.table(columns | {"score": score, "y": target})


SCHEMA = {"target": "y", "score": "score", "segment_bins": {"age": [25, 45, 65]}}


def test_compare_says_where_the_model_is_weak_and_that_it_is_new() -> None:
    report = wk.compare(table(6000, 1), table(6000, 2, 0.6), schema=SCHEMA)
    (weak,) = report.to_dict()["weak_segments"]
    assert (weak["name"], weak["status"], weak["side"]) == ("age 65 or more, origin JFK", "new", "current")
    assert 0.05 < weak["cost"]["low"] < weak["cost"]["high"]
    rows = [r for r in report.measurements().to_pylist() if '"weak"' in r["params"]]
    assert [r["segment"] for r in rows] == ["age x origin=65 or more x JFK"]
    assert "age 65 or more, origin JFK" in repr(report)


def test_what_was_weak_before_is_no_news() -> None:
    same = wk.compare(table(6000, 3, 0.6), table(6000, 4, 0.6), schema=SCHEMA).to_dict()["weak_segments"]
    assert [w["status"] for w in same] == ["as before"]
    blind = wk.compare(table(6000, 3, 0.6), table(6000, 4, labels=False), schema=SCHEMA).to_dict()["weak_segments"]
    assert [(w["side"], w["status"]) for w in blind] == [("reference", "unknown")]
    assert wk.compare(table(6000, 5), table(6000, 6), schema=SCHEMA).to_dict()["weak_segments"] == []


def test_rows_by_cell() -> None:
    rng = np.random.default_rng(7)
    n = 3000
    data = {
        "many": rng.choice([f"c{i}" for i in range(40)], n),
        "count": pa.array(rng.integers(0, 4, n).astype(float), mask=rng.random(n) < 0.1),
        "p": rng.normal(size=n),
        "y": rng.normal(size=n),
    }
    profile = wk.profile(pa.table(data), wk.Schema(target="y", prediction="p", kinds={"count": "numeric"}))
    rows = loss_rows(profile, grid_of(profile))
    assert rows is not None
    assert rows.metric == "mae"
    assert np.allclose(np.sort(rows.loss), np.sort(np.abs(data["y"] - data["p"])))
    labels = dict(zip(rows.cells.names, rows.cells.labels, strict=True))
    assert labels["count"] == ["below 1", "1 to 2", "2 to 3", "3 or more", NO_VALUE]
    assert labels["many"][-2:] == [OTHERS, NO_VALUE]
    assert len(labels["many"]) == 12
    missing = rows.cells.codes[:, rows.cells.names.index("count")] == len(labels["count"]) - 1
    assert missing.sum() == data["count"].null_count
    assert 0.4 < rows.first.mean() < 0.6


def test_a_segment_is_told_as_a_whole_though_a_part_of_it_was_found_before() -> None:
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 4, (8000, 2))
    loss = rng.exponential(0.5, 8000) + 1.0 * (codes[:, 0] == 1) + 4.0 * ((codes[:, 0] == 1) & (codes[:, 1] == 2))
    cells = Cells(codes, ["a", "b"], [list("0123")] * 2)
    part, whole = ((0, 1), (1, 2)), ((0, 1),)
    told = {weak.parts: weak for weak in confirmed(cells, loss, [part, whole], module.ALPHA)}
    inside, rest = codes[:, 0] == 1, codes[:, 0] != 1
    assert np.isclose(told[whole].inside.value, loss[inside].mean())
    assert told[whole].inside.n == inside.sum()
    assert np.isclose(told[whole].share, inside.mean())
    assert np.isclose(told[whole].elsewhere, loss[rest].mean())
    assert np.isclose(told[whole].cost.value, inside.sum() * (loss[inside].mean() - loss[rest].mean()) / loss.sum())


def test_what_was_found_before_is_no_evidence_for_what_holds_it() -> None:
    rng = np.random.default_rng(8)
    codes = rng.integers(0, 4, (8000, 2))
    loss = rng.exponential(0.5, 8000) + 4.0 * ((codes[:, 0] == 1) & (codes[:, 1] == 2))
    cells = Cells(codes, ["a", "b"], [list("0123")] * 2)
    part, whole = ((0, 1), (1, 2)), ((0, 1),)
    assert [weak.parts for weak in confirmed(cells, loss, [part, whole], module.ALPHA)] == [part]
    assert [weak.parts for weak in confirmed(cells, loss, [whole], module.ALPHA)] == [whole]
