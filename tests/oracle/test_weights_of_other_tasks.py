"""Weighted sets of labels, thousands of classes and ranked lists against scikit-learn's ``sample_weight``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

import watchkeeper as wk
from watchkeeper.detection.performance import days_of
from watchkeeper.metrics.estimate import Estimate, wilson
from watchkeeper.metrics.names import TASKS
from watchkeeper.profiles.many import WHOLE_CLASSES
from watchkeeper.profiles.profile import Profile

NAMES = np.array(["art", "biology", "chess", "dance"])
SCHEMAS = {
    "sets": wk.Schema(task="multilabel", target="y", prediction="p", weight="w", timestamp="t"),
    "many": wk.Schema(task="multiclass", target="y", prediction="p", weight="w", timestamp="t", many_classes=True),
    "lists": wk.Schema(task="ranking", query="q", score="s", target="y", weight="w", timestamp="t", id="id"),
}


def when(n: int) -> np.ndarray:
    return np.datetime64("2024-01-01", "us") + (np.arange(n) % 9).astype("timedelta64[D]")


def sets(rng: np.random.Generator, n: int) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    label = rng.random((n, 4)) < np.array([0.5, 0.3, 0.2, 0.1])
    guess = label ^ (rng.random((n, 4)) < rng.choice([0.05, 0.4], n)[:, None])
    texts = [["|".join(NAMES[row]) for row in side] for side in (label, guess)]
    return {"y": texts[0], "p": texts[1], "w": rng.gamma(0.7, 2, n), "t": when(n)}, label, guess


def many(rng: np.random.Generator, n: int, classes: int = 300) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    label = (classes * rng.random(n) ** 2).astype(int)
    guess = np.where(rng.random(n) < 0.7, label, rng.integers(0, classes, n))
    said = [[f"p{g}", f"p{k if easy else g + 1}"] for g, k, easy in zip(guess, label, rng.random(n) < 0.5, strict=True)]
    weight = rng.gamma(0.7, 2, n) * (1 + (label < 20))
    return {"y": [f"p{k}" for k in label], "p": pa.array(said), "w": weight, "t": when(n)}, label, guess


def lists(rng: np.random.Generator, queries: int) -> dict[str, Any]:
    query = rng.permutation(np.repeat(np.arange(queries), rng.integers(2, 30, queries)))
    relevance = np.maximum(rng.integers(-3, 4, len(query)), 0).astype(float)
    score = rng.normal(0.5, 0.5, queries)[query] * relevance + rng.normal(size=len(query))
    times = np.datetime64("2024-01-01", "us") + (query % 9).astype("timedelta64[D]")
    rows = {"q": query, "s": score, "y": relevance, "w": rng.gamma(0.7, 2, len(query)), "t": times}
    return rows | {"id": np.arange(len(query))}


DRAWN: dict[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "sets": lambda rng: sets(rng, 500)[0],
    "many": lambda rng: many(rng, 3000)[0],
    "lists": lambda rng: lists(rng, 120),
}


def profiled(task: str, rows: dict[str, Any], **changes: Any) -> Profile:
    return wk.profile(pa.table(rows), SCHEMAS[task].replace(**changes))


def all_of(profile: Profile, days: bool = False) -> dict[str, Estimate]:
    metrics = TASKS[str(profile.schema.task)]
    found = {n: compute(profile.outcome, days_of(profile) if days else ()) for n, (_, compute) in metrics.items()}
    return {name: estimate for name, estimate in found.items() if estimate.known}


def check(profile: Profile, expected: dict[str, float]) -> None:
    found = all_of(profile)
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    for name, value in expected.items():
        assert found[name].low < value < found[name].high, name


def test_sets(rng: np.random.Generator) -> None:
    rows, label, guess = sets(rng, 500)
    args: dict[str, Any] = {"sample_weight": rows["w"]}
    f1 = {f"f1_{kind}": sk.f1_score(label, guess, average=kind, zero_division=0, **args) for kind in ("macro", "micro")}
    expected = f1 | {
        "f1_samples": sk.f1_score(label, guess, average="samples", zero_division=0, **args),
        "hamming_loss": sk.hamming_loss(label, guess, **args),
        "subset_accuracy": sk.accuracy_score(label, guess, **args),
    }
    profile = profiled("sets", rows)
    check(profile, expected)
    worth = round(rows["w"].sum() ** 2 / (rows["w"] ** 2).sum())
    assert {found.n for found in all_of(profile).values()} == {worth}
    assert profile.outcome.plain.labels[:, 0].tolist() == (label & guess).sum(axis=0).tolist()  # counts stand beside


def test_thousands_of_classes(rng: np.random.Generator) -> None:
    rows, label, guess = many(rng, 6000)
    args: dict[str, Any] = {"sample_weight": rows["w"]}
    among = np.array([said.count(true) > 0 for said, true in zip(rows["p"].to_pylist(), rows["y"], strict=True)])
    expected = {
        "accuracy": sk.accuracy_score(label, guess, **args),
        "error_rate": 1 - sk.accuracy_score(label, guess, **args),
        "f1_macro": sk.f1_score(label, guess, average="macro", **args),
        "f1_weighted": sk.f1_score(label, guess, average="weighted", **args),
        "top_k_accuracy": np.average(among, weights=rows["w"]),
    }
    check(profiled("many", rows), expected)


def test_more_classes_than_are_kept(rng: np.random.Generator) -> None:
    rows, label, guess = many(rng, 40_000, 12_000)
    schema = wk.infer_schema(pa.table(rows), SCHEMAS["many"])
    parts = [wk.profile(pa.table(rows).slice(start, 10_000), schema) for start in range(0, 40_000, 10_000)]
    whole = wk.merge(parts)
    assert whole.outcome.plain.sampled
    assert len(whole.outcome.weights) == WHOLE_CLASSES
    found = all_of(whole)
    assert found["accuracy"].value == pytest.approx(sk.accuracy_score(label, guess, sample_weight=rows["w"]))
    truth = sk.f1_score(label, guess, average="macro", sample_weight=rows["w"])
    assert found["f1_macro"].low < truth < found["f1_macro"].high


def test_lists(rng: np.random.Generator) -> None:
    """A list weighs the mean of the weights that its rows have; one without any weighs nothing."""
    rows = lists(rng, 120)
    rows["w"][rng.random(len(rows["w"])) < 0.2] = np.nan
    rows["w"][rows["q"] < 5] = -1.0
    weights, each = [], {name: [] for name in ("ndcg", "map", "mrr", "hit_rate")}  # type: ignore[var-annotated]
    for q in range(5, 120):
        mine = rows["q"] == q
        if np.isnan(rows["w"][mine]).all():
            continue
        score, relevance = rows["s"][mine], rows["y"][mine]
        hit = np.flatnonzero(relevance[np.argsort(-score)] > 0)
        weights.append(np.nanmean(rows["w"][mine]))
        each["ndcg"].append(sk.ndcg_score([relevance], [score], k=10))
        each["map"].append(sk.average_precision_score(relevance > 0, score) if len(hit) else 0.0)
        each["mrr"].append(1 / (hit[0] + 1) if len(hit) else 0.0)
        each["hit_rate"].append(float(len(hit) > 0 and hit[0] < 10))
    profile = profiled("lists", rows)
    check(profile, {name: float(np.average(values, weights=weights)) for name, values in each.items()})
    assert profile.outcome.unweighted == (~(rows["w"] >= 0)).sum()
    assert all_of(profile)["ndcg"].n == round(sum(weights) ** 2 / np.square(weights).sum())


@pytest.mark.parametrize("task", DRAWN)
@pytest.mark.parametrize("days", [False, True])
def test_weights_of_one_change_nothing(rng: np.random.Generator, task: str, days: bool) -> None:
    rows = DRAWN[task](rng)
    rows["w"] = np.ones(len(rows["w"]))
    weighted, plain = all_of(profiled(task, rows), days), all_of(profiled(task, rows, weight=None), days)
    assert weighted.keys() == plain.keys()
    for name, theirs in plain.items():
        mine = weighted[name]
        assert (mine.value, mine.n, mine.rests_on) == (theirs.value, theirs.n, theirs.rests_on), name
        for part in ("low", "high", "error", "degrees", "design_effect"):
            assert getattr(mine, part) == pytest.approx(getattr(theirs, part), rel=1e-9), (name, part)


@pytest.mark.parametrize("task", DRAWN)
def test_the_scale_of_weights_does_not_matter(rng: np.random.Generator, task: str) -> None:
    rows = DRAWN[task](rng)
    one, other = all_of(profiled(task, rows), True), all_of(profiled(task, rows | {"w": 1e5 * rows["w"]}), True)
    for name, theirs in one.items():
        mine = other[name]
        assert (mine.value, mine.low, mine.high) == pytest.approx((theirs.value, theirs.low, theirs.high)), name


@pytest.mark.parametrize("task", DRAWN)
def test_errors_are_those_of_a_bootstrap(rng: np.random.Generator, task: str) -> None:
    """Never too narrow; the metrics of several labels or classes at most 2.5 times too wide."""
    rows = DRAWN[task](rng)
    units = rows["q"] if task == "lists" else np.arange(len(rows["w"]))
    found, again = all_of(profiled(task, rows)), []
    for _ in range(60):
        times = np.bincount(rng.integers(0, units.max() + 1, units.max() + 1), minlength=units.max() + 1)
        weight = rows["w"] * times[units]  # a unit that is drawn twice weighs twice
        again.append({name: e.value for name, e in all_of(profiled(task, rows | {"w": weight})).items()})
    for name, estimate in found.items():
        ratio = estimate.error / np.std([values[name] for values in again])
        assert 0.75 < ratio < (2.6 if name in {"f1_macro", "f1_micro", "f1_weighted"} else 1.35), (name, ratio)


@pytest.mark.parametrize("task", DRAWN)
def test_a_comparison_is_weighted(rng: np.random.Generator, task: str) -> None:
    """Half of the rows get wrong predictions and weigh nothing: nothing is worse, segments neither; unweighted, all is."""
    rows = {"sets": sets(rng, 3000)[0], "many": many(rng, 6000, 40)[0], "lists": lists(rng, 900)}[task]
    half = (rows["q"] if task == "lists" else np.arange(len(rows["w"]))) % 2 == 0
    rows["g"] = np.where(np.arange(len(half)) % 3, "a", "b") if task != "lists" else np.where(rows["q"] % 3, "a", "b")
    after = rows | {"w": np.where(half, 0.0, rows["w"])}
    if task == "lists":
        after["s"] = np.where(half, rng.normal(size=len(half)) - rows["y"], rows["s"])
    else:
        wrong = [said if not bad else other for bad, said, other in zip(half, *wrongs(rows["p"], rng), strict=True)]
        after["p"] = pa.array(wrong)
    schema = SCHEMAS[task].replace(segments=["g"], timestamp=None)
    report = wk.compare(pa.table(rows), pa.table(after), schema=schema)
    main = {"sets": "f1_micro", "many": "accuracy", "lists": "ndcg"}[task]
    found = [row for row in report.measurements().to_pylist() if row["metric"] == main]
    assert {row["segment"] is None for row in found} == {True, False}
    for row in found:
        assert row["value"] == pytest.approx(row["reference"], abs=0.06), row["segment"]
    assert any("Metrics are weighted" in notice for notice in report.to_dict()["notices"])
    assert wk.compare(pa.table(rows), pa.table(after), schema=schema.replace(weight=None)).verdict == "critical"


def wrongs(said: Any, rng: np.random.Generator) -> tuple[list[Any], list[Any]]:
    plain = said.to_pylist() if isinstance(said, pa.Array) else list(said)
    return plain, [plain[place] for place in rng.permutation(len(plain))]


def test_intervals_rest_on_effective_units() -> None:
    """150 draws of 300 rows or lists that are worth some 110: a Monte-Carlo error of 2 points.

    As if every unit counted for one (control) intervals are too narrow.
    """
    rng, held, narrow = np.random.default_rng(4), [], []
    for _ in range(150):
        weight, right = rng.gamma(0.6, 1, 300), rng.random(300) < 0.8
        profile = profiled("many", {"y": ["a"] * 300, "p": np.where(right, "a", "b"), "w": weight, "t": when(300)})
        found = all_of(profile)["accuracy"]
        held.append(found.low <= 0.8 <= found.high)
        narrow.append(abs(found.value - 0.8) <= 1.96 * math.sqrt(0.16 / 300))
    assert np.mean(held) > 0.89
    assert np.mean(narrow) < 0.85


@pytest.mark.parametrize("task", ["sets", "many"])
def test_a_share_is_no_surer_than_its_worth(task: str) -> None:
    """The few rows that are wrong weigh little: the estimated variance is far below that of as many rows."""
    n, wrong = 400, np.arange(400) % 20 == 0
    weight = np.where(wrong, 0.1, 1.0)
    said = np.where(wrong, "art", "chess")
    profile = profiled(task, {"y": ["chess"] * n, "p": said, "w": weight, "t": when(n)})
    found = all_of(profile)["subset_accuracy" if task == "sets" else "accuracy"]
    value, worth = 1 - weight[wrong].sum() / weight.sum(), weight.sum() ** 2 / (weight**2).sum()
    assert found.value == pytest.approx(value)
    assert found.low <= wilson(value, worth)[0] + 1e-4
    assert found.low < wilson(value, 9 * worth)[0] - 0.005  # what the estimated variance alone would give


def test_the_report_by_class_takes_days(rng: np.random.Generator) -> None:
    rows = sets(rng, 2000)[0]
    bad = np.arange(2000) % 9 < 3
    rows["p"] = [text if not worse else "" for text, worse in zip(rows["p"], bad, strict=True)]
    weighted, plain = (wk.classification_report(profiled("sets", rows, **given)) for given in ({}, {"weight": None}))
    assert weighted.to_dict() == plain.to_dict()
