"""The promise of the budget: when nothing changed, any warning at all comes in at most 5 % of comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from watchkeeper.capture.batch import Batch
from watchkeeper.detection import comparison
from watchkeeper.detection.comparison import Comparison, compare_profiles
from watchkeeper.inference import infer
from watchkeeper.metrics import dependence
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema

RUNS = 150
DAYS = 20
Maker = Callable[[np.random.Generator], pa.Table]


def independent(rng: np.random.Generator, rows: int = 1500) -> pa.Table:
    """Rows that do not depend on each other: numbers, categories, a score and its label."""
    x = rng.normal(size=(4, rows))
    score = 1 / (1 + np.exp(-x[0] - rng.normal(size=rows)))
    columns = {f"x{i}": values for i, values in enumerate(x)}
    columns |= {"heavy": np.exp(2 * rng.normal(size=rows)), "few": rng.integers(0, 5, rows)}
    columns |= {"city": np.array(list("abcdefgh"))[rng.integers(0, 8, rows)], "score": score}
    columns |= {"prediction": (score >= 0.5).astype(int), "label": (rng.random(rows) < score).astype(int)}
    columns |= {"gaps": np.where(rng.random(rows) < 0.1, np.nan, x[1])}
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def small(rng: np.random.Generator) -> pa.Table:
    """Thirty-five rows, on which every approximation is at its worst."""
    return independent(rng, 35)


def many_categories(rng: np.random.Generator) -> pa.Table:
    """Categories so many that every sample has some that another does not: shops by number, and words by Zipf's law."""
    base = independent(rng, 3000)
    shops = pa.array([f"shop {i}" for i in rng.integers(0, 2000, 3000)])
    words = pa.array([f"word {i}" for i in rng.zipf(1.5, 3000)])
    return base.append_column("shop", shops).append_column("word", words)


def by_days(rng: np.random.Generator, rows: int = 3000) -> pa.Table:
    """Rows of one day share its mood, as flights share its weather; the moods of both tables come from one law."""
    day = np.sort(rng.integers(0, DAYS, rows))
    mood = rng.normal(size=DAYS)[day]
    weather = mood + 0.3 * rng.normal(size=rows)
    score = 1 / (1 + np.exp(-rng.normal(size=rows)))
    label = rng.random(rows) < 1 / (1 + np.exp(-np.log(score / (1 - score)) - 0.8 * mood))
    moments = pa.array(day * 86_400_000_000 + rng.integers(0, 86_400_000_000, rows), pa.timestamp("us", "UTC"))
    table = pa.table({"time": moments, "weather": weather, "score": score, "label": label.astype(int)})
    return table.append_column("prediction", pa.array((score >= 0.5).astype(int)))


def schema_of(table: pa.Table) -> Schema:
    timestamp = "time" if "time" in table.column_names else None
    return infer(table, Schema(timestamp=timestamp, target="label", prediction="prediction", score="score"))


def compared(maker: Maker, seed: int) -> Comparison:
    """Compare two tables drawn from one law."""
    rng = np.random.default_rng(seed)
    tables = maker(rng), maker(rng)
    schema = schema_of(tables[0])
    profiles = []
    for table in tables:
        profile = Profile(schema)
        profile.update(Batch(table.combine_chunks().to_batches()[0], schema))
        profiles.append(profile)
    return compare_profiles(*profiles)


def any_warning(result: Comparison) -> bool:
    return result.verdict in {"warning", "critical"}


def any_evidence(result: Comparison) -> bool:
    """Whether a p-value fell below its share of the budget, whatever the effect."""
    return any(v.evidence.p_value <= v.alpha for v in result.verdicts if not math.isnan(v.evidence.p_value))


def allowed(runs: int, share: float = 0.05) -> float:
    """Return the count that a true rate of ``share`` exceeds with a chance below 1 in 1000."""
    return runs * share + 3.1 * math.sqrt(runs * share * (1 - share))


@pytest.mark.parametrize("maker", [independent, by_days, small, many_categories], ids=lambda m: m.__name__)
def test_no_change_gives_no_warning_within_the_budget(maker: Maker) -> None:
    results = [compared(maker, seed) for seed in range(RUNS)]
    assert sum(map(any_warning, results)) <= allowed(RUNS)
    assert sum(map(any_evidence, results)) <= allowed(RUNS), (
        "the p-values themselves keep the budget, without the floors"
    )
    assert min(r.checks for r in results) >= 8


def test_without_the_division_of_the_budget_the_gate_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def spend_it_all(families: dict[str, list[object]], alpha: float) -> dict[str, list[object]]:
        return {
            f: [comparison.judge(e, alpha) if e is not None else None for e in found] for f, found in families.items()
        }  # type: ignore[arg-type]

    monkeypatch.setattr(comparison, "_judge", spend_it_all)
    assert sum(any_evidence(compared(independent, seed)) for seed in range(60)) > allowed(60)


def test_without_days_as_the_unit_of_evidence_the_gate_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchkeeper.detection.columns.dependence.day_codes", lambda profile: None)
    monkeypatch.setattr("watchkeeper.detection.performance.days_of", lambda profile: [])
    assert dependence.day_codes is not None
    assert sum(any_warning(compared(by_days, seed)) for seed in range(30)) > allowed(30)


@pytest.mark.parametrize("change", ["numbers", "categories", "missing", "concept", "new category"])
def test_a_change_that_matters_is_seen(change: str) -> None:
    seen = 0
    for seed in range(20):
        rng = np.random.default_rng(1000 + seed)
        before, after = independent(rng, 6000), changed(independent(rng, 6000), change, rng)
        schema = schema_of(before)
        profiles = []
        for table in (before, after):
            profile = Profile(schema)
            profile.update(Batch(table.combine_chunks().to_batches()[0], schema))
            profiles.append(profile)
        seen += any_warning(compare_profiles(*profiles))
    assert seen >= 19


def changed(table: pa.Table, change: str, rng: np.random.Generator) -> pa.Table:
    rows = len(table)

    def put(name: str, values: object) -> pa.Table:
        return table.set_column(table.column_names.index(name), name, pa.array(values, from_pandas=True))

    if change == "numbers":
        return put("x2", table["x2"].to_numpy() + 0.25)
    if change == "categories":
        return put("city", np.where(rng.random(rows) < 0.2, "a", table["city"].to_numpy()))
    if change == "missing":
        return put("x3", np.where(rng.random(rows) < 0.05, np.nan, table["x3"].to_numpy()))
    if change == "new category":
        return put("city", np.where(rng.random(rows) < 0.04, "new", table["city"].to_numpy()))
    return put("label", np.where(rng.random(rows) < 0.25, rng.integers(0, 2, rows), table["label"].to_numpy()))
