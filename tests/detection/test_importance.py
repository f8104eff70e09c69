"""Importances weight what is told of columns: what the model ignores is no more than a hint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from watchkeeper import Profile, Schema, compare, profile
from watchkeeper.detection.importance import ignored, unpaged
from watchkeeper.detection.series import Finding, Point
from watchkeeper.errors import InvalidSchema

COLUMNS = ["used", "little", "unused"]


def table(rng: np.random.Generator, move: float = 0.0, n: int = 2_000) -> dict[str, np.ndarray]:
    return {name: rng.normal(move, 1, n) for name in COLUMNS}


def importances(**values: float) -> Schema:
    return Schema(importances=values)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_what_the_model_ignores_is_at_most_a_warning(rng: np.random.Generator) -> None:
    schema = importances(used=-90.0, little=10.0, unused=0.1)
    report = compare(table(rng), table(rng, 2.0), schema=schema)
    rows = {row["name"]: row for row in report.to_dict()["columns"]}
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "used": "critical", "little": "critical", "unused": "warning",
    }  # fmt: skip
    assert list(rows) == ["used", "little", "unused"]
    assert rows["used"]["importance"] == pytest.approx(90 / 100.1)
    assert "at most a warning" in rows["unused"]["words"]
    assert "at most a warning" not in rows["used"]["words"]
    assert any("unused" in notice and "open no incident" in notice for notice in report.to_dict()["notices"])
    quality = [row for row in report.verdicts().to_pylist() if "unused" in row["what"]]
    assert quality
    assert {row["verdict"] for row in quality} <= {"ok", "warning"}


def test_without_importances_nothing_is_weighed(rng: np.random.Generator) -> None:
    report = compare(table(rng), table(rng, 2.0))
    assert {row["verdict"] for row in report.to_dict()["columns"]} == {"critical"}
    assert {row["importance"] for row in report.to_dict()["columns"]} == {None}


def test_a_column_that_is_not_named_is_judged_as_if_it_mattered(rng: np.random.Generator) -> None:
    report = compare(table(rng), table(rng, 2.0), schema=importances(used=1.0, unused=0.0))
    found = {row["name"]: row["verdict"] for row in report.to_dict()["columns"]}
    assert found == {"used": "critical", "little": "critical", "unused": "warning"}


def test_they_stay_with_the_reference_and_change_no_profile(rng: np.random.Generator, tmp_path: Path) -> None:
    plain, weighted = Schema(), importances(used=1.0, unused=0.0)
    assert plain.fingerprint == weighted.fingerprint
    assert "importances" not in plain.to_dict()
    data = table(rng)
    reference, current = profile(data, weighted), profile(data, plain)
    reference.save(tmp_path / "r.profile")
    again = Profile.load(tmp_path / "r.profile")
    assert again.schema.importances == {"used": 1.0, "unused": 0.0}
    assert again.merge(current).rows == 4_000
    assert compare(again, current).comparison.importances == {"used": 1.0, "unused": 0.0}
    file = tmp_path / "schema.yaml"
    file.write_text(json.dumps({"importances": {"used": 3}}))
    assert Schema.from_yaml(file).importances == {"used": 3.0}


def test_importances_are_numbers() -> None:
    with pytest.raises(InvalidSchema, match="importances"):
        Schema(importances={"x": "much"})  # type: ignore[dict-item]


def test_monitors_open_nothing_for_what_is_ignored() -> None:
    schema = importances(used=1.0, unused=0.001)
    assert set(ignored(schema)) == {"unused"}
    found = [
        Finding(monitor, "wasserstein", column, None, "realised", "critical", "data", Point(0, 1), 0.01, "It moved")
        for monitor in ("opens", "explains")
        for column in ("used", "unused")
    ]
    told = unpaged(found, schema, {"opens"})
    assert [f.verdict for f in told] == ["critical", "ok", "critical", "warning"]
    assert "nobody is told" in told[1].words


def scored(
    rng: np.random.Generator, move: float = 0.0, shuffled: bool = False, labelled: bool = True
) -> dict[str, object]:
    x = rng.normal(size=3_000)
    score = 1 / (1 + np.exp(-1.5 * x))
    label = (rng.random(3_000) < score).astype(int)
    label = rng.permutation(label) if shuffled else label
    return {"x": x, "used": rng.normal(move, 1, 3_000), "score": score, "y": label if labelled else [None] * 3_000}


def test_drift_pages_only_where_labels_cannot_say(rng: np.random.Generator) -> None:
    schema = {"target": "y", "score": "score", "task": "binary", "positive": "1"}
    reference = scored(rng)

    def pages(**what: object) -> bool:
        found = compare(reference, scored(rng, **what), schema=schema)  # type: ignore[arg-type]
        assert found.to_dict()["pages"] == found.comparison.pages
        return found.comparison.pages

    assert not pages()
    assert not pages(move=2.0)
    assert pages(move=2.0, labelled=False)
    assert pages(shuffled=True)
    weighed = schema | {"importances": {"x": 1.0, "used": 0.0}}
    assert not compare(reference, scored(rng, move=2.0, labelled=False), schema=weighed).comparison.pages
