"""Each part of a report that only some tasks have: drawn from a real report, with the numbers that other libraries give."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from sklearn.metrics import classification_report, f1_score, roc_auc_score

import watchkeeper as wk

Show = Callable[..., Page]
Table = dict[str, Any]
PARTS = ["errors", "lists", "curves", "calibration", "classes", "segments", "columns", "together"]
NEW = {"errors", "lists", "curves", "classes", "together"}


def days(n: int, month: int) -> list[datetime.datetime]:
    first = datetime.datetime(2025, month, 1)
    return [first + datetime.timedelta(minutes=20 * 1440 * i / n) for i in range(n)]


def binary(n: int, seed: int, worse: float, labels: float = 1.0) -> Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    x[:, 1] = (0.7 - 1.4 * worse) * x[:, 0] + 0.7 * x[:, 1]
    logit = 2 * x[:, 0] - 0.5
    y = rng.random(n) < 1 / (1 + np.exp(-(1 - worse) * logit))
    known = rng.random(n) < labels
    return {
        "ts": days(n, 1 + (worse > 0)), "y": [int(a) if k else None for a, k in zip(y, known, strict=True)],
        "score": 1 / (1 + np.exp(-logit)), "a": x[:, 0], "b": x[:, 1], "c": x[:, 2] + worse,
    }  # fmt: skip


SCHEMA = wk.Schema(timestamp="ts", target="y", score="score", importances={"a": 3.0, "b": 0.9, "c": 0.1})


@pytest.fixture(scope="module")
def whole() -> tuple[wk.Report, Table, Table]:
    """Give a report of a binary task with everything, and its two sides."""
    reference, current = binary(4000, 1, 0.0), binary(3000, 2, 0.6)
    return wk.compare(reference, current, schema=SCHEMA, multivariate=True), reference, current


@pytest.fixture
def page(show: Show, whole: tuple[wk.Report, Table, Table]) -> Page:
    return opened(show, whole[0])


def opened(show: Show, report: wk.Report) -> Page:
    page = show(report.to_dict())
    page.wait_for_selector("html[data-ready]")
    return page


def parts(page: Page) -> set[str]:
    return {name for name in PARTS if page.locator(f"section#{name}").count()} & NEW


def saved(page: Page, title: str, folder: Path) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Save “{title}” as CSV", exact=True).click()
    target = folder / download.value.suggested_filename
    download.value.save_as(target)
    return list(csv.DictReader(target.read_text(encoding="utf-8-sig").splitlines()))


def numbers(rows: list[dict[str, str]], side: str, *names: str) -> list[np.ndarray[Any, Any]]:
    kept = [row for row in rows if row["side"] == side]
    return [np.array([float(row[name] or "nan") for row in kept]) for name in names]


def test_curves_have_the_area_that_scikit_learn_finds(
    page: Page, whole: tuple[wk.Report, Table, Table], tmp_path: Path
) -> None:
    rows = saved(page, "ROC curve", tmp_path)
    for side, table in zip(("reference", "current"), whole[1:], strict=True):
        x, y, low, high = numbers(rows, side, "false_positive_rate", "true_positive_rate", "low", "high")
        assert np.trapezoid(y, x) == pytest.approx(roc_auc_score(table["y"], table["score"]), abs=0.002)
        assert np.all((low <= y) & (y <= high))
        assert len(x) <= 101
        expect(page.locator("#curves")).to_contain_text(f"{roc_auc_score(table['y'], table['score']):.3f}")


def test_the_best_threshold_is_said_and_is_the_best(page: Page, whole: tuple[wk.Report, Table, Table]) -> None:
    lead = page.locator("#curves .section-head p")
    for table in whole[1:]:
        scores, y = np.asarray(table["score"]), np.asarray(table["y"])
        best = max(f1_score(y, scores >= t) for t in np.quantile(scores, np.linspace(0, 0.99, 400)))
        expect(lead).to_contain_text(f"{best:.3f}"[:4])
    expect(lead).to_contain_text("do as well")


@pytest.mark.parametrize(
    ("tab", "heading"),
    [("Precision–recall", "Precision–recall curve"), ("Gain", "Gain curve"), ("Lift", "Lift curve")],
)
def test_curves_change_by_tab_and_a_link_keeps_it(
    page: Page, show: Show, whole: tuple[wk.Report, Table, Table], tab: str, heading: str
) -> None:
    page.get_by_role("button", name=tab, exact=True).click()
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    page.wait_for_function("location.hash.includes('curve')")
    again = show(whole[0].to_dict(), page.evaluate("location.hash"))
    expect(again.get_by_role("heading", name=heading)).to_be_visible()


def test_the_pointer_and_the_keys_read_a_curve_with_its_n(page: Page) -> None:
    curve = page.locator("#curves .keyed").first
    curve.scroll_into_view_if_needed()
    curve.locator("canvas").hover(position={"x": 200, "y": 150})
    expect(page.locator("#curves .echart-tip").last).to_contain_text("of n = 3,000")
    curve.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(curve.locator("[aria-live]")).to_contain_text("of n = 4,000")
    assert "ROC AUC" in (curve.get_attribute("aria-label") or "")


def test_classes_are_those_of_scikit_learn(page: Page, whole: tuple[wk.Report, Table, Table], tmp_path: Path) -> None:
    rows = {row["class"]: row for row in saved(page, "Report by class", tmp_path)}
    for side, table in zip(("reference", "current"), whole[1:], strict=True):
        predicted = (np.asarray(table["score"]) >= 0.5).astype(int)
        expected = classification_report(table["y"], predicted, output_dict=True)
        for name in ("0", "1", "macro avg", "weighted avg"):
            for score in ("precision", "recall", "f1-score", "support"):
                assert float(rows[name][f"{side}_{score}"]) == pytest.approx(expected[name][score])
        assert float(rows["accuracy"][f"{side}_f1-score"]) == pytest.approx(expected["accuracy"])
        shown = page.locator("tr[data-class='1']")
        expect(shown).to_contain_text(f"{expected['1']['f1-score']:.3f}")
        expect(shown).to_contain_text("the positive class")


def test_lost_rows_are_those_beyond_the_recall_of_the_reference(
    page: Page, whole: tuple[wk.Report, Table, Table]
) -> None:
    y, predicted = np.asarray(whole[1]["y"]), np.asarray(whole[1]["score"]) >= 0.5
    recall = predicted[y == 1].mean()
    y, predicted = np.asarray(whole[2]["y"]), np.asarray(whole[2]["score"]) >= 0.5
    lost = recall * (y == 1).sum() - predicted[y == 1].sum()
    expect(page.locator("tr[data-class='1'] [data-side='rows lost']")).to_have_text(f"+{lost:.0f}")


def test_columns_together_are_told_in_words_then_drawn(
    page: Page, whole: tuple[wk.Report, Table, Table], tmp_path: Path
) -> None:
    checks = whole[0].to_dict()["multivariate"]["checks"]
    together = page.locator("#together")
    for check in checks:
        expect(together.locator(".prose")).to_contain_text(check["words"])
        expect(together.locator(f"tr[data-check='{check['metric']}'] b")).to_have_text(
            f"{check['value']:.3f}".replace("-", "−")
        )
    found = {frozenset((row["first"], row["second"])): row for row in saved(page, "Rank correlations", tmp_path)}
    pair = found[frozenset(("a", "b"))]
    assert float(pair["before"]) > 0.5
    assert float(pair["after"]) < 0
    expect(together.locator(".pairs li").first).to_contain_text("a and b")
    expect(together.locator(".bars").first.locator("li")).not_to_have_count(0)
    together.get_by_role("button", name="Domain classifier").click()
    expect(together.locator(".evidence")).to_contain_text("against its share of the budget")


def test_importances_are_parts_of_all_and_order_columns(page: Page) -> None:
    page.get_by_label("order").last.select_option("importance")
    expect(page.locator("article.card h4").first).to_have_text("a")
    expect(page.locator("article.card").first).to_contain_text("importance 75 %")
    expect(page.locator(".overview .weight")).to_have_count(3)
    expect(page.locator("#columns .section-head")).to_contain_text("the importances in the reference's schema")


def test_some_labels_show_the_estimate_to_be_off_and_give_better_values(show: Show, tmp_path: Path) -> None:
    report = wk.compare(binary(6000, 3, 0.0), binary(6000, 4, 0.6, labels=0.2), schema=SCHEMA)
    rows = {row["metric"]: row for row in report.to_dict()["performance"]}
    page = opened(show, report)
    accuracy = page.locator("tr[data-metric=accuracy] [data-side=powered]")
    expect(accuracy).to_contain_text(f"{rows['accuracy']['powered']['value']:.1%}"[:-2])
    assert rows["roc_auc"]["gap"]["high"] < 0, "the test needs an estimate that is off"
    expect(page.locator("tr[data-metric=roc_auc] .off")).to_contain_text("labels: off by −0.")
    page.get_by_role("button", name="ROC AUC", exact=True).click()
    expect(page.locator(".evidence")).to_contain_text("Labels show the estimate to be off: realised is 0.")
    told = {row["metric"]: row for row in saved(page, "Metrics, reference against current", tmp_path)}
    assert float(told["roc_auc"]["gap"]) == pytest.approx(rows["roc_auc"]["gap"]["value"])


def test_thousands_of_classes_stay_a_short_page(show: Show) -> None:
    rng = np.random.default_rng(5)

    def side(bad: bool) -> Table:
        y = np.concatenate([np.arange(1200).repeat(3), np.full(600, 7)])
        right = np.where((y == 7) & bad, rng.random(len(y)) < 0.3, rng.random(len(y)) < 0.9)
        return {
            "y": [f"sku {i}" for i in y],
            "prediction": [f"sku {i if r else (i + 1) % 1200}" for i, r in zip(y, right, strict=True)],
        }

    schema = wk.Schema(target="y", prediction="prediction", task="multiclass", many_classes=True)
    page = opened(show, wk.compare(side(False), side(True), schema=schema))
    assert parts(page) == {"classes"}
    expect(page.locator("tr[data-class]:not(.average)")).to_have_count(15)
    expect(page.locator("tr[data-class]").first).to_have_attribute("data-class", "sku 7")
    expect(page.locator("#classes .found")).to_contain_text("of 1,200 the most frequent")
    page.get_by_role("searchbox", name="Search classes").fill("SKU 7")
    expect(page.locator("tr[data-class='sku 7']")).to_be_visible()
    expect(page.locator("tr[data-class='sku 8']")).to_have_count(0)


def test_sets_of_labels_have_a_report_by_label(show: Show) -> None:
    rng = np.random.default_rng(6)
    y = rng.random((800, 3)) < 0.4
    predicted = y ^ (rng.random((800, 3)) < 0.1)
    names = ["sport", "art", "science"]
    sets = [[[n for n, has in zip(names, row, strict=True) if has] for row in side.tolist()] for side in (y, predicted)]
    table = {"y": sets[0], "prediction": sets[1]}
    schema = wk.Schema(target="y", prediction="prediction", task="multilabel", classes=names)
    page = opened(show, wk.compare(table, table, schema=schema))
    assert parts(page) == {"classes"}
    expected = classification_report(y, predicted, target_names=names, output_dict=True, zero_division=0)
    for name in names:
        row = page.locator(f"tr[data-class={name}]")
        for score in ("precision", "recall", "f1-score"):
            expect(row).to_contain_text(f"{expected[name][score]:.3f}")
    exact = (y == predicted).all(axis=1).mean()
    expect(page.locator("tr[data-class=accuracy]")).to_contain_text(f"{exact:.3f}")
    for name in ("micro avg", "macro avg", "samples avg"):
        expect(page.locator(f"tr[data-class='{name}']")).to_contain_text(f"{expected[name]['f1-score']:.3f}")


def test_regressions_show_how_errors_are_distributed(show: Show, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    sides = []
    for spread in (1.0, 2.0):
        x = rng.normal(size=900)
        sides.append({"y": 5 * x + spread * rng.normal(size=900), "prediction": 5 * x, "x": x})
    page = opened(show, wk.compare(*sides, schema=wk.Schema(target="y", prediction="prediction", task="regression")))
    assert parts(page) == {"errors"}
    errors = [np.asarray(side["y"]) - np.asarray(side["prediction"]) for side in sides]
    cells = page.locator(".quantiles tbody tr").first.locator("td")
    for i, error in enumerate(errors):
        shown = float(cells.nth(i).inner_text().replace("−", "-"))
        assert shown == pytest.approx(np.quantile(error, 0.05), rel=0.02)
    rows = saved(page, "Distribution of errors", tmp_path)
    for side, error in zip(("reference", "current"), errors, strict=True):
        inside = [r for r in rows if float(r["from"]) >= 0]
        assert sum(float(r[side]) for r in inside) == pytest.approx((error >= 0).mean(), abs=0.06)


def test_forecasts_show_the_error_by_horizon(show: Show, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    h = np.tile(np.arange(1, 13), 120)
    sides = []
    for scale in (1.0, 1.5):
        y = rng.normal(size=len(h))
        sides.append({"y": y, "prediction": y + scale * h * rng.normal(size=len(h)), "ahead": h})
    schema = wk.Schema(target="y", prediction="prediction", task="forecasting", horizon="ahead")
    page = opened(show, wk.compare(*sides, schema=schema))
    assert parts(page) == {"errors"}
    rows = saved(page, "Error by horizon", tmp_path)
    for side, table in zip(("reference", "current"), sides, strict=True):
        horizon, value = numbers(rows, side, "horizon", "value")
        assert horizon.tolist() == list(range(1, 13))
        error = np.abs(table["y"] - table["prediction"])
        assert value == pytest.approx([error[h == one].mean() for one in range(1, 13)])


def test_rankings_show_how_good_the_first_rows_are(show: Show, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    relevance = rng.random((150, 8)) < 0.25

    def side(noise: float) -> Table:
        score = relevance + noise * rng.normal(size=relevance.shape)
        query = np.arange(150).repeat(8)
        return {"y": relevance.ravel().astype(int), "score": score.ravel(), "query": [f"q{q}" for q in query]}

    sides = side(0.5), side(1.5)
    schema = wk.Schema(target="y", score="score", query="query", task="ranking")
    page = opened(show, wk.compare(*sides, schema=schema))
    assert parts(page) == {"lists"}
    page.get_by_role("button", name="Hit rate", exact=True).click()
    rows = saved(page, "Hit rate by length of the list", tmp_path)
    for name, table in zip(("reference", "current"), sides, strict=True):
        order = np.argsort(-np.asarray(table["score"]).reshape(150, 8), axis=1)
        ordered = np.take_along_axis(relevance, order, axis=1)
        length, value = numbers(rows, name, "length", "value")
        assert value == pytest.approx([ordered[:, : int(k)].any(axis=1).mean() for k in length])


@pytest.mark.parametrize("what", ["no task", "no labels"])
def test_a_report_without_these_parts_has_no_empty_sections(show: Show, what: str) -> None:
    reference, current = binary(600, 10, 0.0), binary(600, 11, 0.3)
    schema = SCHEMA.replace(importances={})
    if what == "no task":
        for table in (reference, current):
            del table["y"], table["score"]
        schema = wk.Schema(timestamp="ts")
    else:
        current["y"] = [None] * 600
    page = opened(show, wk.compare(reference, current, schema=schema))
    assert parts(page) == set()
    assert page.locator(".weight, .importance, [data-side=powered]").count() == 0
    empty = page.locator("main section").evaluate_all(
        "all => all.filter(s => !s.querySelector('figure, article')).map(s => s.id)"
    )
    assert empty == []


def test_all_parts_fit_a_phone_and_nothing_moves(show: Show, whole: tuple[wk.Report, Table, Table]) -> None:
    page = show(whole[0].to_dict(), "#theme=dark")
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    before = page.locator("#columns").bounding_box()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # draws what is still out of sight
    page.locator("#curves canvas").last.wait_for()
    after = page.locator("#columns").bounding_box()
    assert before and after
    assert before["y"] == pytest.approx(after["y"], abs=1)
