"""The page as a reader meets it, in a real browser with no network."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from watchkeeper.report.html import embed

Show = Callable[..., Page]
Sample = Callable[..., dict[str, Any]]

HOSTILE = "<img src=x onerror=alert(1)>"
SECTIONS = ["summary", "performance", "time", "calibration", "segments", "columns"]


def present(page: Page) -> list[str]:
    page.wait_for_selector("html[data-ready]")
    return [name for name in SECTIONS if page.locator(f"#{name}").count()]


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def saved(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    target = folder / download.value.suggested_filename
    download.value.save_as(target)
    return target


def saved_lines(page: Page, button: str, folder: Path) -> list[str]:
    return saved(page, button, folder).read_text(encoding="utf-8-sig").splitlines()


def test_every_section_is_there_and_leads_with_the_verdict(show: Show, sample: Sample) -> None:
    view = sample()
    page = show(view)
    assert present(page) == SECTIONS
    expect(page.locator("h1")).to_have_text(view["headline"])
    expect(page.locator(".top .chip")).to_have_text("critical")
    expect(page.locator("tr[data-metric]")).to_have_count(len(view["performance"]))
    assert page.title() == view["title"]


@pytest.mark.parametrize(
    ("left_out", "sections"),
    [
        ({"labels": False}, ["summary", "performance", "time", "columns"]),
        ({"time": False}, ["summary", "performance", "calibration", "segments", "columns"]),
        ({"task": None, "time": False}, ["summary", "columns"]),
    ],
)
def test_what_a_document_lacks_is_left_out(
    show: Show, sample: Sample, left_out: dict[str, Any], sections: list[str]
) -> None:
    assert present(show(sample(**left_out))) == sections


CERTAIN = {"verdict", "metric", "title", "column", "side", "start", "end", "words"}


def forget(part: Any, key: str = "") -> Any:
    """Make null of every number and every text that may be null, but for the counts."""
    if isinstance(part, dict):
        return {name: forget(value, name) for name, value in part.items()}
    if isinstance(part, list):
        return [forget(value, key) for value in part]
    name_of_a_segment = key == "value" and isinstance(part, str)
    return None if isinstance(part, (float, str)) and key not in CERTAIN and not name_of_a_segment else part


def test_what_is_not_known_is_drawn_as_such_and_never_as_zero(show: Show, sample: Sample) -> None:
    view = sample()
    for rows in ("performance", "timeline", "segments"):
        view[rows] = forget(view[rows])
    unknown = {"effect": None, "effect_low": None, "effect_high": None, "floor": None, "p_value": None, "alpha": None}
    view["columns"] = [{**column, **unknown} for column in view["columns"]]
    page = show(view)
    present(page)
    for button in page.locator(".expand").all():
        button.click()
    expect(page.locator("#time .nothing")).to_have_text("not enough data")
    text = page.inner_text("main")
    assert not {"NaN", "undefined", "Infinity", "null"} & set(text.split())
    assert "0.000" not in text


def test_an_empty_document_says_what_is_wrong(show: Show) -> None:
    page = show({})
    expect(page.locator(".nothing")).to_contain_text("watchkeeper.view/1")


def test_names_from_the_data_are_text_wherever_they_appear(show: Show, sample: Sample) -> None:
    view = sample()
    view.update(title=HOSTILE, headline=HOSTILE, positive=HOSTILE)
    view["reference"]["name"] = view["confusion"]["classes"][0] = HOSTILE
    view["performance"][0]["title"] = view["segments"][0]["value"] = view["segments"][0]["column"] = HOSTILE
    page = show(view)
    card = page.locator("article.card").filter(has=page.get_by_text(HOSTILE, exact=True)).first
    card.scroll_into_view_if_needed()
    card.locator("summary").click()
    card.locator("svg.distribution g").first.hover()
    expect(page.locator(".tip")).to_contain_text("reference")
    page.locator(".echart").hover()
    expect(page.locator(".echart-tip").first).to_be_visible()
    assert page.locator("img").count() == 0


def test_the_tooltip_over_time_says_the_window_and_its_n(show: Show, sample: Sample) -> None:
    page = show(sample())
    page.locator(".echart").hover(position={"x": 300, "y": 100})
    expect(page.locator(".echart-tip").first).to_contain_text("n = ")
    expect(page.locator(".echart-tip").first).to_contain_text("Jul 2013, reference")


def test_dark_and_light_follow_the_system_and_the_button(show: Show, sample: Sample) -> None:
    page = show(sample())
    present(page)
    light = background(page)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert background(page) != light
    page.get_by_role("button", name="Switch to light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert background(page) == light


def test_columns_are_found_by_name_verdict_and_kind(show: Show, sample: Sample) -> None:
    page = show(sample())
    page.get_by_role("searchbox", name="Search columns").fill("WIND")
    expect(page.locator("article.card h4")).to_have_text(["wind_speed", "wind_gust"])
    page.get_by_label("verdict").select_option("ok")
    expect(page.locator("article.card h4")).to_have_text(["wind_speed"])
    page.get_by_role("searchbox", name="Search columns").fill("nothing like it")
    expect(page.locator("#column-list .nothing")).to_be_visible()
    page.get_by_role("searchbox", name="Search columns").fill("")
    page.get_by_label("kind").select_option("boolean")
    expect(page.locator("article.card h4")).to_have_text(["is_holiday"])


def test_a_bar_of_the_overview_leads_to_its_column(show: Show, sample: Sample) -> None:
    page = show(sample())
    page.get_by_role("button", name="precip: ").click()
    expect(page.locator("article.card h4")).to_have_text(["precip"])
    expect(page.locator("article.card svg.distribution")).to_be_in_viewport()


def test_a_link_reproduces_the_view(show: Show, sample: Sample) -> None:
    page = show(sample())
    page.locator("#time").get_by_label("metric").select_option("recall")
    page.get_by_role("button", name="carrier", exact=True).click()
    page.locator("#segments").get_by_label("metric").select_option("f1")
    page.get_by_role("button", name="Switch to dark").click()
    page.get_by_role("button", name="UTC").click()
    page.get_by_role("searchbox", name="Search columns").fill("dep & é")
    page.wait_for_function("location.hash.includes('dep')")
    again = show(sample(), page.evaluate("location.hash"))
    expect(again.get_by_role("heading", name="Recall over time")).to_be_visible()
    expect(again.get_by_role("heading", name="F1 by carrier")).to_be_visible()
    expect(again.locator("html")).to_have_attribute("data-theme", "dark")
    expect(again.get_by_role("button", name="UTC")).to_have_attribute("aria-pressed", "true")
    expect(again.get_by_role("searchbox", name="Search columns")).to_have_value("dep & é")


def test_a_link_with_choices_that_do_not_exist_shows_the_default(show: Show, sample: Sample) -> None:
    page = show(sample(), "#metric=__proto__&by=nowhere&theme=pink&show=all&at=%3Cimg%3E")
    expect(page.get_by_role("heading", name="ROC AUC over time")).to_be_visible()
    expect(page.get_by_role("heading", name="ROC AUC by origin")).to_be_visible()


def test_times_are_in_the_zone_of_the_document_or_in_utc(show: Show, sample: Sample) -> None:
    page = show(sample())
    expect(page.locator(".made")).to_contain_text("09:30, America/New_York")
    page.get_by_role("button", name="UTC").click()
    expect(page.locator(".made")).to_contain_text("13:30, UTC")


def test_the_keyboard_reaches_the_evidence_and_the_tooltips(show: Show, sample: Sample) -> None:
    page = show(sample())
    present(page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.expand')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".evidence")).to_contain_text("smallest effect that matters")
    page.keyboard.press("Tab")
    expect(page.locator(".tip")).to_contain_text("n = ")
    page.keyboard.press("Escape")
    expect(page.locator(".tip")).to_be_hidden()


def test_every_chart_says_itself_in_words(show: Show, sample: Sample) -> None:
    page = show(sample())
    present(page)
    labels = page.locator("[role=img]").evaluate_all("all => all.map(e => e.getAttribute('aria-label'))")
    assert len(labels) > 12
    assert all(labels)


def test_what_cannot_be_judged_is_said_and_greyed(show: Show, sample: Sample) -> None:
    page = show(sample())
    page.get_by_role("button", name="carrier", exact=True).click()
    muted = page.locator("table.segments tr.muted")
    expect(muted.first).to_contain_text("not enough data")
    expect(page.locator("table.segments tbody tr").last).to_have_class("muted")


def test_charts_are_saved_as_csv_and_png(show: Show, sample: Sample, tmp_path: Path) -> None:
    view = sample()
    view["columns"][0]["distribution"] = {
        "kind": "categorical", "values": ["=1+1", 'a "b", c'], "reference": [0.5, 0.5], "current": [0.4, 0.6],
        "other": None,
    }  # fmt: skip
    page = show(view)
    name = view["columns"][0]["name"]
    page.locator("article.card").first.scroll_into_view_if_needed()
    rows = list(csv.reader(saved_lines(page, f"Save “{name}” as CSV", tmp_path)))
    assert rows == [["value", "reference", "current"], ["'=1+1", "0.5", "0.4"], ['a "b", c', "0.5", "0.6"]]
    timed = list(csv.DictReader(saved_lines(page, "Save “ROC AUC over time” as CSV", tmp_path)))
    assert len(timed) == len(view["timeline"])
    for title in ("Metrics, reference against current", "ROC AUC over time", "Reliability", "Confusion", name):
        picture = saved(page, f"Save “{title}” as PNG", tmp_path).read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 4_000


def test_a_thousand_columns_are_painted_at_once_and_drawn_as_they_are_seen(show: Show, sample: Sample) -> None:
    page = show(sample(1_000))
    present(page)
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted < 5_000  # about 1 s on two cores; these may be busy
    expect(page.locator("article.card")).to_have_count(30)
    assert page.locator("svg.distribution").count() < 30
    page.get_by_role("searchbox", name="Search columns").fill("feature_0999")
    expect(page.locator("article.card h4")).to_have_text(["feature_0999"])


def test_nothing_moves_while_the_page_is_drawn(show: Show, sample: Sample) -> None:
    page = show(sample())
    present(page)
    shift = page.evaluate("""() => new Promise((done) => {
        const seen = (list) => list.getEntries().reduce((sum, e) => sum + e.value, 0);
        new PerformanceObserver((list) => done(seen(list))).observe({ type: "layout-shift", buffered: true });
        requestAnimationFrame(() => requestAnimationFrame(() => done(0)));
    })""")
    assert shift < 0.01


def test_a_narrow_screen_never_scrolls_sideways(show: Show, sample: Sample) -> None:
    page = show(sample())
    page.set_viewport_size({"width": 390, "height": 800})
    present(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_paper_is_light_and_has_no_buttons(show: Show, sample: Sample) -> None:
    page = show(sample(), "#theme=dark")
    present(page)
    dark = background(page)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.locator(".bar")).to_be_hidden()
    assert background(page) != dark


def test_a_notebook_shows_the_page_in_a_frame(show: Show, sample: Sample, browser: Browser) -> None:
    view = sample()
    page = show(view, wrap=lambda _: f"<!doctype html><meta charset=utf-8><body>{embed(view)}")
    frame = page.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text(view["headline"])
    frame.get_by_role("button", name="Switch to dark").click()
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
    frame.get_by_role("link", name="Columns").click()
    expect(frame.locator("#columns h2")).to_be_in_viewport()
