"""The demo that compares two tables, from end to end: real flights, a real model, a page that a real browser opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser
from sklearn import metrics as oracle

from conftest import Misdeeds
from watchkeeper.cli import run


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    assert run(["demo", "--folder", str(folder), "--compare"]) == 0
    return folder


@pytest.fixture(scope="module")
def document(demo: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((demo / "report.json").read_text(encoding="utf-8"))
    return loaded


def test_it_says_what_changed_and_what_it_did(document: dict[str, Any]) -> None:
    assert document["verdict"] == "critical"
    text = " ".join([document["headline"], *document["sentences"]])
    assert "temp" in text
    assert "ROC AUC" in text
    assert document["reference"]["rows"] == 28_834
    assert document["current"]["rows"] == 29_425
    assert document["current"]["coverage"] == pytest.approx(0.9615, abs=1e-4)
    assert {s["column"] for s in document["segments"]} == {"origin", "carrier"}


def test_its_numbers_are_scikit_learn_s(demo: Path, document: dict[str, Any]) -> None:
    rows = {row["metric"]: row for row in document["performance"]}
    for side in ("reference", "current"):
        table = pq.read_table(demo / f"{side}.parquet", columns=["late", "predicted", "score"]).to_pandas().dropna()
        label, predicted = table["late"].astype(int), table["predicted"].astype(int)
        expected = {
            "f1": oracle.f1_score(label, predicted),
            "accuracy": oracle.accuracy_score(label, predicted),
            "precision": oracle.precision_score(label, predicted),
            "recall": oracle.recall_score(label, predicted),
            "log_loss": oracle.log_loss(label, table["score"]),
            "brier": oracle.brier_score_loss(label, table["score"]),
        }
        for name, value in expected.items():
            assert rows[name][side]["value"] == pytest.approx(value, rel=1e-12), name
        assert rows["roc_auc"][side]["value"] == pytest.approx(oracle.roc_auc_score(label, table["score"]), abs=2e-3)


def test_every_metric_has_interval_and_n_and_the_estimate_stands_beside(document: dict[str, Any]) -> None:
    rows = {row["metric"]: row for row in document["performance"]}
    for name in ("roc_auc", "f1", "accuracy", "precision", "recall", "log_loss", "ece"):
        for side in ("reference", "current"):
            estimate = rows[name][side]
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
            assert estimate["n"] > 1_000
    assert (
        rows["roc_auc"]["estimated"]["low"] < rows["roc_auc"]["current"]["value"] < rows["roc_auc"]["estimated"]["high"]
    )


def test_its_page_opens_without_a_network(demo: Path, browser: Browser) -> None:
    misdeeds = Misdeeds()
    context = browser.new_context(offline=True)
    page = context.new_page()
    misdeeds.watch(page)
    page.goto((demo / "report.html").as_uri())
    page.get_by_role("heading", level=1).first.wait_for()
    assert "The model got worse" in page.inner_text("body")
    context.close()
    assert (misdeeds.requests, misdeeds.errors, misdeeds.dialogs) == ([], [], [])
