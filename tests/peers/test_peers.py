"""Same rows, same number: each peer in an environment of its own, where its definition is ours; where not, how it differs.

Run by ``make test-peers``, which makes the environments; ``docs/explanation/peers.md`` says in words what differs and why.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

import watchkeeper as wk

pytestmark = pytest.mark.peers
HERE = Path(__file__).parent
PLACE = Path(os.environ.get("WATCHKEEPER_PEERS", HERE.parents[1] / ".venv-peers"))
SCHEMA = wk.Schema(target="y", prediction="pred", score="score", task="binary", positive=1)


def drawn(rows: int, shift: float, seed: int) -> pa.Table:
    """Return rows of a binary task, a number and a category that move with ``shift``; few enough values for exact profiles."""
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.3).astype(int)
    score = 1 / (1 + np.exp(-rng.normal(1.2 * label - 1.4)))
    shares = [0.3, 0.3, 0.2, 0.1 + shift / 10, 0.1 - shift / 10]
    return pa.table(
        {
            "x": rng.gamma(2 + shift, 1, rows).round(2),
            "c": np.array(list("abcde"))[rng.choice(5, rows, p=shares)],
            "score": score.round(3),
            "pred": (score > 0.45).astype(int),
            "y": label,
        }
    )


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pa.Table, pa.Table]:
    folder = tmp_path_factory.mktemp("rows")
    sides = drawn(5_000, 0.0, 1), drawn(3_000, 0.2, 2)
    for name, side in zip(("reference", "current"), sides, strict=True):
        pa.csv.write_csv(side, folder / f"{name}.csv")
    return folder, *sides


@pytest.fixture(scope="session")
def ours(rows: tuple[Path, pa.Table, pa.Table]) -> dict[str, dict[str, Any]]:
    """Our measurements by name, column first."""
    _, reference, current = rows
    found = wk.compare(reference, current, schema=SCHEMA.replace()).measurements().to_pylist()
    named = {}
    for row in found:
        if row["segment"] is None:
            name = f"{row['column']} {row['metric']}" if row["column"] else row["metric"]
            scale = json.loads(row["params"]).get("scale")
            key = f"{name}_raw" if scale == "raw" else name
            named[f"{key} estimated" if row["source"] == "estimated" else key] = row
    return named


def asked(peer: str, folder: Path) -> dict[str, Any]:
    """Return what a peer says."""
    python = PLACE / peer / "bin" / "python"
    made = subprocess.run(
        [python, HERE / f"ask_{peer}.py", folder], capture_output=True, text=True, timeout=600, check=False
    )
    assert made.returncode == 0, made.stderr
    answer: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    return answer


@pytest.fixture(scope="session")
def folder(rows: tuple[Path, pa.Table, pa.Table]) -> Path:
    return rows[0]


def test_scipy(folder: Path, ours: dict[str, Any]) -> None:
    found = asked("scipy", folder)
    ties = found.pop(
        "x cramer_von_mises"
    )  # it ranks equal values by the middle of their ranks, and we by their distribution
    assert ours["x cramer_von_mises"]["value"] == pytest.approx(ties, rel=0.005)
    for name, value in found.items():
        assert ours[name]["value"] == pytest.approx(value, rel=1e-9), name


def test_sklearn(folder: Path, ours: dict[str, Any]) -> None:
    for name, value in asked("sklearn", folder).items():
        assert ours[name]["value"] == pytest.approx(value, rel=1e-9), name


def test_evidently(folder: Path, ours: dict[str, Any], rows: tuple[Path, pa.Table, pa.Table]) -> None:
    found = asked("evidently", folder)
    deviation = float(np.std(rows[1]["x"].to_numpy()))
    assert found["x wasserstein"] == pytest.approx(ours["x wasserstein_raw"]["value"] / deviation, rel=1e-9)
    assert found["x ed"] == pytest.approx(ours["x energy_distance"]["value"], rel=1e-9)
    assert found["c hellinger"] == pytest.approx(ours["c hellinger"]["value"], rel=1e-9)
    natural = ours["c jensen_shannon"]["value"] * math.sqrt(math.log(2))  # its base is e, ours 2
    assert found["c jensenshannon"] == pytest.approx(natural, rel=1e-9)
    assert found["c psi"] == pytest.approx(ours["c psi"]["value"], rel=0.02)  # ours adds half a row to each bin
    assert found["c psi"] != pytest.approx(ours["c psi"]["value"], rel=1e-6)


def test_nannyml(folder: Path, ours: dict[str, Any]) -> None:
    found = asked("nannyml", folder)
    for name in ("x kolmogorov_smirnov", "c chi2", "c l_infinity", "c hellinger", "c jensen_shannon"):
        assert found[name] == pytest.approx(ours[name]["value"], rel=1e-9), name
    assert found["x wasserstein"] == pytest.approx(
        ours["x wasserstein_raw"]["value"], rel=0.02
    )  # by bins where rows are many
    for name in ("roc_auc", "accuracy", "f1"):
        assert found[f"{name} realized"] == pytest.approx(ours[name]["value"], rel=1e-9), name
        assert found[f"{name} value"] == pytest.approx(ours[f"{name} estimated"]["value"], abs=0.002), name


def test_datasketches(folder: Path, rows: tuple[Path, pa.Table, pa.Table]) -> None:
    """Theirs are estimates with an error of rank; ours is exact to the width of a cell."""
    found, current = asked("datasketches", folder), rows[2]
    column = wk.profile(current, SCHEMA.replace(kinds={"x": "numeric", "c": "categorical"})).columns
    values = np.sort(current["x"].to_numpy())
    for q, value in zip((0.05, 0.25, 0.5, 0.75, 0.95), found["quantiles"], strict=True):
        for quantile, error in ((column["x"].histogram.quantile(q), 1.01 / len(values)), (value, found["rank_error"])):
            near = quantile * (1 - 1e-12), quantile * (1 + 1e-12)  # 602 values: cells are eight floats wide
            low, high = (np.searchsorted(values, *at) / len(values) for at in zip(near, ("left", "right"), strict=True))
            assert low - error <= q <= high + error
    assert column["x"].histogram.count == 3_000
    assert found["distinct"] == pytest.approx(len(set(current["x"].to_pylist())), rel=0.03)
    counts = {row["values"]: row["counts"] for row in current["c"].value_counts().to_pylist()}
    assert found["frequent"] == counts
