"""Columns together: what is planted is found and named, and nothing is found where nothing changed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from watchkeeper import Schema, cli, compare
from watchkeeper.metrics import boosting, domain, joint
from watchkeeper.metrics.domain import domain_classifier
from watchkeeper.metrics.joint import correlation_changes, mmd, reconstruction_error
from watchkeeper.metrics.row_matrix import Rows, paired_rows

Numbers = np.ndarray


def rows(values: Numbers, blocks: Numbers | None = None) -> Rows:
    names = [f"x{k}" for k in range(values.shape[1])]
    own = np.arange(len(values)) if blocks is None else blocks
    return Rows(values, names, [False] * len(names), own.astype(np.int64), blocks is not None)


def p_values(reference: Rows, current: Rows) -> dict[str, float]:
    """Return the p-value of each check, as it is judged."""
    pairs = correlation_changes(reference, current)
    found = domain_classifier(reference, current), reconstruction_error(reference, current), mmd(reference, current)
    assert all(one is not None for one in found)
    told = {"correlation": min(1.0, len(pairs) * pairs[0].p_value)}
    return told | {n: one.p_value for n, one in zip(("domain", "pca", "mmd"), found, strict=True) if one is not None}


def null_rates(make: Callable[[np.random.Generator], Rows], rng: np.random.Generator, runs: int) -> dict[str, float]:
    found = [p_values(make(rng), make(rng)) for _ in range(runs)]
    return {name: float(np.mean([one[name] <= 0.1 for one in found])) for name in found[0]}


def independent(rng: np.random.Generator) -> Rows:
    return rows(rng.standard_t(4, size=(300, 5)) @ np.random.default_rng(5).normal(size=(5, 5)))


def by_day(rng: np.random.Generator) -> Rows:
    days = np.repeat(np.arange(20), 15)
    return rows(rng.normal(size=(300, 4)) + rng.normal(size=(20, 4))[days], days)


RUNS = 40
LIMIT = 0.1 + 3 * math.sqrt(0.1 * 0.9 / RUNS)


@pytest.mark.parametrize("make", [independent, by_day], ids=["rows", "days"])
def test_where_nothing_changed_little_is_found(
    make: Callable[[np.random.Generator], Rows], rng: np.random.Generator
) -> None:
    rates = null_rates(make, rng, RUNS)
    assert {name: rate for name, rate in rates.items() if rate > LIMIT} == {}


def test_the_gate_sees_days_taken_for_rows(rng: np.random.Generator) -> None:
    def forgetful(own: np.random.Generator) -> Rows:
        made = by_day(own)
        return Rows(made.values, made.names, made.categorical, np.arange(len(made)), by_day=False)

    rates = null_rates(forgetful, rng, 20)
    assert {name for name, rate in rates.items() if rate > LIMIT} >= {"domain", "mmd"}


def test_a_change_of_one_correlation_is_found_and_named(rng: np.random.Generator) -> None:
    def table(linked: float) -> dict[str, Numbers]:
        made = {f"x{k}": rng.normal(size=3_000) for k in range(8)}
        made["x3"] = linked * made["x5"] + math.sqrt(1 - linked**2) * made["x3"]
        return made | {"kind": rng.choice(list("abc"), 3_000), "score": rng.uniform(size=3_000)}

    report = compare(table(0.0), table(0.7), schema=Schema(score="score"), multivariate=True)
    told = report.to_dict()["multivariate"]
    checks = {check["metric"]: check for check in told["checks"]}
    assert checks["correlation_change"]["verdict"] == "critical"
    assert set(checks["correlation_change"]["pairs"][0]["columns"]) == {"x3", "x5"}
    assert checks["classifier_drift"]["verdict"] in {"warning", "critical"}
    assert {c["name"] for c in checks["classifier_drift"]["columns"][:2]} == {"x3", "x5"}
    assert checks["classifier_drift"]["value"] == pytest.approx(0.63, abs=0.05)
    assert [score["name"] for score in told["scores"]] == ["score"]
    assert told["scores"][0]["verdict"] == "ok"
    assert "x3 and x5" in repr(report) or "x5 and x3" in repr(report)
    assert {c["verdict"] for c in report.to_dict()["columns"]} == {"ok"}
    measured = report.measurements().to_pylist()
    assert {"classifier_drift", "mmd", "correlation_change"} <= {row["metric"] for row in measured}


def test_it_is_asked_for(rng: np.random.Generator, tmp_path: Path) -> None:
    table = pa.table({"x": rng.normal(size=200), "y": rng.normal(size=200)})
    pq.write_table(table, tmp_path / "t.parquet")
    assert compare(table, table).to_dict()["multivariate"] is None
    files, out = [str(tmp_path / "t.parquet")] * 2, tmp_path / "r.json"
    assert cli.run(["compare", *files, "--multivariate", "--json", str(out)]) in {0, 3}
    checks = json.loads(out.read_text())["multivariate"]["checks"]
    assert {check["metric"] for check in checks} == {
        "classifier_drift",
        "reconstruction_error",
        "correlation_change",
        "mmd",
    }


def test_boosted_trees_against_scikit_learn(rng: np.random.Generator) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    x = rng.normal(size=(4_000, 6))
    x[rng.random(x.shape) < 0.1] = np.nan
    seen = np.nan_to_num(x)
    y = (rng.random(4_000) < 1 / (1 + np.exp(-(seen[:, 0] + seen[:, 1] * seen[:, 2])))).astype(float)
    ours = boosting.fit(x[:2_000], y[:2_000], np.ones(2_000)).score(x[2_000:])
    theirs = HistGradientBoostingClassifier(max_iter=40, max_depth=3, learning_rate=0.15, random_state=0).fit(
        x[:2_000], y[:2_000]
    )
    expected = roc_auc_score(y[2_000:], theirs.predict_proba(x[2_000:])[:, 1])
    assert roc_auc_score(y[2_000:], ours) == pytest.approx(expected, abs=0.015)


def test_the_auc_and_its_variance_by_the_definition(rng: np.random.Generator) -> None:
    first, second = np.round(rng.normal(size=40), 1), np.round(rng.normal(0.5, 1, 30), 1)
    wins = (second[None, :] > first[:, None]) + 0.5 * (second[None, :] == first[:, None])
    auc, variance = domain._clustered_auc(first, second, (np.arange(40), np.arange(30)))
    assert auc == pytest.approx(wins.mean())
    assert variance == pytest.approx(wins.mean(axis=1).var(ddof=1) / 40 + wins.mean(axis=0).var(ddof=1) / 30, rel=0.01)


def test_mmd_is_the_distance_under_a_gaussian_kernel(rng: np.random.Generator) -> None:
    """Of features so many that their mean is the kernel's."""
    first, second = rng.normal(size=(400, 3)), rng.normal(0.8, 1, size=(400, 3))
    found = mmd(rows(first), rows(second))
    assert found is not None
    a, b = joint.standardised(rows(first), rows(second))
    some = a[np.random.default_rng(0).integers(0, 400, (2, 500))]
    width = np.median(np.linalg.norm(some[0] - some[1], axis=1))

    def kernel(x: Numbers, y: Numbers) -> float:
        return float(np.exp(-((x[:, None] - y[None]) ** 2).sum(axis=2) / (2 * width**2)).mean())

    assert found.value**2 == pytest.approx(kernel(a, a) + kernel(b, b) - 2 * kernel(a, b), rel=0.2)


def test_rows_that_came_more_than_once_are_there_as_often() -> None:
    data = {"x": [1.5] * 40 + [2.5] * 60, "k": ["a"] * 40 + ["b"] * 60}
    report = compare(data, data)
    first, _ = paired_rows(report.comparison.reference, report.comparison.current)
    assert first.names == ["x", "k"]
    assert first.categorical == [False, True]
    assert len(first) == 100
    assert sorted(map(tuple, first.values.tolist())) == [(1.5, 1.0)] * 40 + [(2.5, 0.0)] * 60


def test_a_reference_that_moves_by_itself_has_a_higher_floor(rng: np.random.Generator) -> None:
    """Over the reference's own days a column moves further than it does now: nothing that matters happened."""

    def days(first: int, slope: float) -> pa.Table:
        day = np.repeat(np.arange(first, first + 24), 60)
        at = pa.array(day * 86_400_000_000 + 3_600_000_000, pa.timestamp("us"))
        return pa.table({"at": at, "x": rng.normal(slope * day, 1), "y": rng.normal(size=len(day))})

    def classifier(slope: float, after: float) -> dict[str, float]:
        schema = Schema(timestamp="at", kinds={"x": "numeric", "y": "numeric"})
        report = compare(days(0, slope), days(24, after), schema=schema, multivariate=True)
        checks = report.to_dict()["multivariate"]["checks"]
        return next(check for check in checks if check["metric"] == "classifier_drift")

    assert classifier(0.0, 0.0)["floor"] == 0.05
    assert classifier(0.0, 0.03)["verdict"] in {"warning", "critical"}
    drifting = classifier(0.1, 0.05)
    assert drifting["floor"] > 0.1
    assert drifting["verdict"] in {"ok", "not enough data"}
