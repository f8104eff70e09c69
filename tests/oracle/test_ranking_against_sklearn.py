"""Metrics of ranked lists against scikit-learn and brute force; the sample of queries against all of them."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

import watchkeeper as wk
from watchkeeper.errors import InvalidSchema
from watchkeeper.metrics import ranking as ours
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.ranking import DEPTH, WHOLE_ROWS, RankingOutcome

SCHEMA = wk.Schema(task="ranking", query="q", score="s", target="y", id="id")


def made(query: np.ndarray, score: np.ndarray, relevance: np.ndarray) -> RankingOutcome:
    table = pa.table({"q": query, "s": score, "y": pa.array(relevance, from_pandas=True), "id": np.arange(len(query))})
    outcome = wk.profile(table, SCHEMA.replace()).outcome
    assert isinstance(outcome, RankingOutcome)
    return outcome


def lists(rng: np.random.Generator, queries: int, longest: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    sizes = rng.integers(2, longest, queries)
    query = rng.permutation(np.repeat(np.arange(queries), sizes))
    skill = rng.normal(0.5, 0.5, queries)[query]
    relevance = np.maximum(rng.integers(-3, 4, len(query)), 0).astype(float)
    return query, skill * relevance + rng.normal(size=len(query)), relevance


def brute(
    query: np.ndarray, score: np.ndarray, relevance: np.ndarray, k: int = 10, quick: bool = False
) -> dict[str, list[float]]:
    """Return every metric of each list; ``quick`` leaves out the two that scikit-learn computes."""
    found: dict[str, list[float]] = {n: [] for n in ("ndcg", "map", "mrr", "hit_rate", "precision_at_k", "recall_at_k")}
    for q in np.unique(query):
        s, y = score[query == q], relevance[query == q]
        hit = y[np.argsort(-s)] > 0
        if not quick:
            found["ndcg"].append(ndcg_score([y], [s], k=k))
            found["map"].append(average_precision_score(y > 0, s) if hit.any() else 0.0)
        found["mrr"].append(1 / (np.flatnonzero(hit)[0] + 1) if hit.any() else 0.0)
        found["hit_rate"].append(float(hit[:k].any()))
        found["precision_at_k"].append(hit[:k].sum() / k)
        found["recall_at_k"].append(hit[:k].sum() / hit.sum() if hit.any() else 0.0)
    return {name: values for name, values in found.items() if values}


def test_every_metric(rng: np.random.Generator) -> None:
    rows = lists(rng, 120)
    outcome = made(*rows)
    assert not outcome.sampled
    for name, values in brute(*rows).items():
        found = getattr(ours, name)(outcome)
        assert found.value == pytest.approx(np.mean(values)), name
        assert found.n == 120
        plain = np.std(values, ddof=1) / math.sqrt(120)
        assert found.error == pytest.approx(plain, rel=0.1 if name == "hit_rate" else 1e-6), name


@pytest.mark.parametrize("k", [1, 3, 100])
def test_other_depths(rng: np.random.Generator, k: int) -> None:
    rows = lists(rng, 50)
    outcome = made(*rows)
    expected = brute(*rows, k=k)
    for name in ("ndcg", "hit_rate", "precision_at_k", "recall_at_k"):
        assert getattr(ours, name)(outcome, k=k).value == pytest.approx(np.mean(expected[name])), name


def test_a_sample_of_queries_stands_for_all(rng: np.random.Generator) -> None:
    """Of 60,000 rows a quarter is kept, whole lists only; its intervals hold what all lists give."""
    rows = lists(rng, 3000)
    outcome = made(*rows)
    assert outcome.sampled
    assert WHOLE_ROWS - 40 < len(outcome.query) <= WHOLE_ROWS
    kept, sizes = np.unique(outcome.query, return_counts=True)
    assert sorted(sizes.tolist())[-1] < 40
    assert 700 < len(kept) < 900
    for name, values in brute(*rows, quick=True).items():
        found = getattr(ours, name)(outcome)
        assert found.low <= np.mean(values) <= found.high, name
        assert found.n == len(kept)


def test_a_query_in_many_batches_is_one_list(rng: np.random.Generator) -> None:
    """Profiles of shuffled pieces merge to that of all rows, while most queries do not fit."""
    query, score, relevance = lists(rng, 2500)
    table = pa.table({"q": query, "s": score, "y": relevance, "id": np.arange(len(query))})
    schema = wk.infer_schema(table, SCHEMA)
    whole = wk.profile(table, schema)
    parts = [wk.profile(table.slice(start, 5000), schema) for start in range(0, len(table), 5000)]
    again = wk.merge(parts[::-1])
    assert again.outcome.state().keys() == whole.outcome.state().keys()
    for name, value in whole.outcome.state().items():
        assert np.array_equal(again.outcome.state()[name], value, equal_nan=name == "relevance"), name


def test_a_list_counts_once_it_is_judged(rng: np.random.Generator) -> None:
    query, score, relevance = lists(rng, 30)
    known = np.where(query < 10, np.nan, relevance)
    known[np.flatnonzero(query == 10)[0]] = np.nan
    outcome = made(query, score, known)
    rest = query > 10
    assert ours.ndcg(outcome).n == 19
    assert ours.ndcg(outcome).value == pytest.approx(np.mean(brute(query[rest], score[rest], relevance[rest])["ndcg"]))
    assert not ours.map(made(query, score, np.full(len(query), np.nan))).known


def test_rows_that_are_in_no_list() -> None:
    data = {"q": ["a", None, "a", "b"], "s": [0.5, 0.4, math.nan, 0.1], "y": [1.0, 1.0, 0.0, -2.0]}
    outcome = wk.profile(data, wk.Schema(task="ranking", query="q", score="s", target="y")).outcome
    assert (outcome.unasked, outcome.unscored, outcome.strange, outcome.labelled) == (1, 1, 1, 3)
    assert len(outcome.query) == 2
    assert ours.mrr(outcome).n == 1


def test_long_lists_are_cut(rng: np.random.Generator) -> None:
    n = 3 * DEPTH
    score, relevance = rng.permutation(n).astype(float), (rng.random(n) < 0.01).astype(float)
    outcome = made(np.zeros(n, dtype=int), score, relevance)
    assert len(outcome.query) == DEPTH
    first = score >= n - DEPTH
    assert ours.ndcg(outcome).value == pytest.approx(ndcg_score([relevance[first]], [score[first]], k=10))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """100 logs of 100 lists: a Monte-Carlo error of 2.2 points. As if rows were the unit (control): far fewer."""
    rng = np.random.default_rng(6)
    truth = {name: np.mean(values) for name, values in brute(*lists(rng, 20_000, 12), k=3, quick=True).items()}
    inside: dict[str, list[bool]] = {name: [] for name in truth}
    narrow: list[bool] = []
    for _ in range(100):
        outcome = made(*lists(rng, 100, 12))
        for name, value in truth.items():
            found = ours.mrr(outcome) if name == "mrr" else getattr(ours, name)(outcome, k=3)
            inside[name].append(found.low <= value <= found.high)
        half = 1.96 * ours.mrr(outcome).error * math.sqrt(100 / len(outcome.query))
        narrow.append(abs(ours.mrr(outcome).value - truth["mrr"]) <= half)
    assert {name: np.mean(hits) for name, hits in inside.items() if not 0.88 <= np.mean(hits) <= 1.0} == {}
    assert np.mean(narrow) < 0.75


def test_days_that_differ_widen(rng: np.random.Generator) -> None:
    query, _, relevance = lists(rng, 600, 12)
    score = rng.normal(0.6, 1.0, 20)[query % 20] * relevance + rng.normal(size=len(query))
    when = np.datetime64("2024-01-01", "us") + (query % 20).astype("timedelta64[D]")
    table = {"q": query, "s": score, "y": relevance, "t": when}
    schema = wk.Schema(task="ranking", query="q", score="s", target="y", timestamp="t")
    profile = wk.profile(table, schema)
    days = [day for _, day in profile.timeline.items()]
    found = ours.ndcg(profile.outcome, days)
    assert found.degrees == 19
    assert found.design_effect > 2


def test_it_is_compared(rng: np.random.Generator) -> None:
    query, score, relevance = lists(rng, 500)
    table = {"q": query, "s": score, "y": relevance, "g": np.where(query % 2, "odd", "even")}
    schema = wk.Schema(task="ranking", query="q", score="s", target="y", segments=["g"])
    worse = table | {"s": np.where(rng.random(len(score)) < 0.6, rng.normal(size=len(score)), score)}
    report = wk.compare(table, worse, schema=schema)
    found = {row["metric"]: row for row in report.measurements().to_pylist() if row["segment"] is None}
    assert found["ndcg"]["params"] == '{"k": 10}'
    assert found["ndcg"]["value"] < found["ndcg"]["reference"]
    assert report.verdict == "critical"
    assert report.headline.startswith("The model got worse")
    assert wk.compare(table, table, schema=schema).verdict == "ok"
    assert "NDCG" in repr(report)


def test_the_task_is_guessed_from_a_query(rng: np.random.Generator) -> None:
    query, score, relevance = lists(rng, 20)
    schema = wk.infer_schema(
        {"q": query, "s": score, "y": relevance.astype(int)}, wk.Schema(query="q", score="s", target="y")
    )
    assert (schema.task, schema.kinds["y"], schema.kinds["s"]) == ("ranking", "numeric", "numeric")
    with pytest.raises(InvalidSchema, match="query="):
        wk.infer_schema({"s": score, "y": relevance}, wk.Schema(task="ranking", score="s", target="y"))
    assert isinstance(Profile(schema).outcome, RankingOutcome)
