"""The live page as people meet it: a real server over a filled store, a real browser, a strict policy."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from staged import Stage, staged

from conftest import WATCH_POLICY, Misdeeds

HOSTILE = "<img src=x onerror=alert(1)>"
PAGES = {
    "/fleet": "Fleet",
    "/model/production/late-flights": "late-flights",
    "/column/production/late-flights/dep_delay": "dep_delay",
    "/incidents": "Incidents",
    "/incident/17": "ROC AUC of late-flights fell by 0.057, most at JFK",
    "/monitors/production/late-flights": "Monitors",
    "/settings": "Settings",
}
MODEL = "/model/production/late-flights"
Enter = Callable[..., Page]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("live") / "store"
    folder.mkdir()
    with staged(folder) as made:
        yield made


@pytest.fixture
def enter(browser: Browser, stage: Stage) -> Iterator[Enter]:
    """Log in and open a page; at the end, hold the browser to having done nothing it should not."""
    misdeeds, contexts = Misdeeds(), list[BrowserContext]()

    def open_page(path: str = "/fleet", who: str = "admin", width: int = 1280, **options: object) -> Page:
        stage.pipeline.stage()
        context = browser.new_context(viewport={"width": width, "height": 860}, reduced_motion="reduce", **options)
        context.add_init_script(WATCH_POLICY)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        misdeeds.watch(page)
        stage.enter(page, who, path)
        return page

    yield open_page
    violations = [told for c in contexts for page in c.pages for told in page.evaluate("policyViolations")]
    elsewhere = [url for url in misdeeds.requests if not url.startswith(stage.url)]
    said = [text for text in misdeeds.errors if "status of 4" not in text]  # the browser says of a 401 that it was one
    for context in contexts:
        context.close()
    assert (elsewhere, said, misdeeds.dialogs, violations) == ([], [], [], [])


def heading(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.locator(".waiting")).to_have_count(0)


def charted(page: Page) -> None:
    expect(page.locator(".echart canvas").first).to_be_visible()


def test_every_page_draws_itself_in_both_shades_and_never_sideways(enter: Enter, stage: Stage) -> None:
    page = enter(width=390)
    for path, title in PAGES.items():
        stage.go(page, path)
        heading(page, title)
        assert page.evaluate("document.documentElement.scrollWidth") == 390, path
    page.set_viewport_size({"width": 1280, "height": 860})
    page.get_by_role("button", name="Switch to dark").click()
    for path, title in PAGES.items():
        stage.go(page, path)
        heading(page, title)
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        labels = page.locator("[role=img]").evaluate_all("all => all.map(e => e.getAttribute('aria-label') ?? '')")
        assert all(labels) or path == MODEL, path
    assert not {"NaN", "undefined", "Infinity", "null", "[object"} & set(page.inner_text("main").split())


def test_the_fleet_leads_with_what_is_wrong(enter: Enter) -> None:
    page = enter()
    rows = page.locator("tr[data-model]")
    expect(rows).to_have_count(5)
    expect(rows.first).to_contain_text("late-flights")
    expect(rows.first).to_contain_text("critical")
    assert "n = " in (rows.first.locator(".spark").get_attribute("aria-label") or "")
    page.get_by_role("searchbox", name="Search models").fill("churn")
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox", name="Search models").fill("")
    page.get_by_role("button", name="critical").click()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="late-flights", exact=True).click()
    heading(page, "late-flights")


def test_from_the_login_to_an_acknowledged_incident_by_keyboard_alone(enter: Enter, stage: Stage) -> None:
    page = enter()  # the key was typed into the field that had the focus, and Enter sent it
    heading(page, "Fleet")

    def tab_to(role: str, name: str, most: int = 60) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            here = page.evaluate("[document.activeElement.tagName, document.activeElement.innerText.trim()]")
            if here[0].lower() == role and here[1].startswith(name):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
                return
        raise AssertionError(f"no {name} was reached")

    tab_to("a", "ROC AUC of late-flights fell")
    page.keyboard.press("Enter")
    heading(page, PAGES["/incident/17"])
    tab_to("button", "Acknowledge")
    page.keyboard.press("Enter")
    expect(page.locator(".state").first).to_contain_text("acknowledged")
    expect(page.locator(".entry").last).to_contain_text("by admin")
    assert stage.pipeline.incident("default", 17)["state"] == "acknowledged"


def test_the_skip_link_and_the_arrow_keys(enter: Enter) -> None:
    page = enter(MODEL)
    charted(page)
    page.reload()
    charted(page)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    chart = page.locator(".keyed").first
    chart.focus()
    page.keyboard.press("End")
    expect(page.locator(".echart-tip").first).to_contain_text("2026")
    expect(chart.locator("[aria-live]")).to_contain_text("rows, labels for")
    heat = page.locator(".heat-plot").first
    heat.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    expect(heat.locator(".heat-tip")).to_contain_text("n = ")
    expect(heat.locator("[aria-live]")).to_contain_text("the smallest that matters")
    window = page.get_by_role("radiogroup", name="length of a window")
    expect(window.get_by_role("radio", checked=True)).to_have_text("Days")
    window.get_by_role("radio", checked=True).focus()
    page.keyboard.press("ArrowRight")
    expect(window.get_by_role("radio", checked=True)).to_have_text("Months")
    expect(window.get_by_role("radio", checked=True)).to_be_focused()
    expect(page).to_have_url(re.compile("every=month"))


def test_names_from_the_data_are_inert_on_every_page(enter: Enter, stage: Stage) -> None:
    page = enter()
    hostile = f"/column/production/late-flights/{HOSTILE.replace(' ', '%20').replace('=', '%3D')}"
    for path in (*PAGES, hostile, f"{MODEL}?segment=carrier%3D{HOSTILE.replace(' ', '%20').replace('=', '%3D')}"):
        stage.go(page, path)
        expect(page.locator(".waiting")).to_have_count(0)
        if page.locator(".echart").count():
            page.locator(".echart").first.hover(position={"x": 320, "y": 90})
        for summary in page.locator("summary").all():
            summary.click()
    stage.go(page, MODEL)
    page.locator(".heat-plot").first.hover(position={"x": 200, "y": 45})
    expect(page.locator(".heat-tip")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0


def test_what_changes_appears_without_a_reload(enter: Enter, stage: Stage) -> None:
    page = enter("/incident/17")
    heading(page, PAGES["/incident/17"])
    expect(page.locator(".line-state")).to_have_text("live")
    page.evaluate("window.sameDocument = true")
    note = page.get_by_role("textbox", name="note")
    note.fill("I look after it")
    page.evaluate("scrollTo(0, 240)")
    stage.pipeline.acknowledge("default", 17, "bob", "on it")
    expect(page.locator(".entry").last).to_contain_text("on it")
    assert page.evaluate("window.sameDocument") is True
    expect(note).to_be_focused()
    expect(note).to_have_value("I look after it")
    assert page.evaluate("scrollY") == 240


def test_only_what_changed_is_fetched_again(enter: Enter, stage: Stage) -> None:
    page = enter(MODEL)
    charted(page)
    for part in ("#drift", "#quality"):  # what is fetched at first is all there
        expect(page.locator(f"{part} .heat")).to_be_visible()
    expect(page.locator(".line-state")).to_have_text("live")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    stage.pipeline.changes.publish("measured", "default", "churn", "production")
    stage.pipeline.changes.publish("measured", "elsewhere", "late-flights", "production")
    with page.expect_response(lambda r: "views/drift" in r.url), page.expect_response(lambda r: "views/model" in r.url):
        stage.pipeline.changes.publish("measured", "default", "late-flights", "production")
    assert len([url for url in asked if "views/model" in url]) == 1


def test_a_line_that_broke_is_said_and_comes_back(enter: Enter, stage: Stage) -> None:
    page = enter()
    expect(page.locator(".line-state")).to_have_text("live")
    page.route("**/api/v1/events", lambda route: route.fulfill(status=204))
    page.reload()
    expect(page.locator(".line-state")).to_have_text("reconnecting")
    page.unroute("**/api/v1/events")
    with page.expect_response(lambda r: "views/fleet" in r.url):  # what was missed meanwhile
        expect(page.locator(".line-state")).to_have_text("live", timeout=12_000)


def test_a_link_reproduces_the_view(enter: Enter, stage: Stage) -> None:
    page = enter(f"{MODEL}?metric=recall&source=realised&zoom=1778000000-1780000000&zone=utc&theme=dark")
    charted(page)
    expect(page.get_by_role("combobox", name="metric").first).to_have_value("recall")
    expect(page.get_by_role("button", name="Show all time")).to_be_visible()
    expect(page.get_by_role("button", name="UTC", exact=True)).to_be_visible()
    page.get_by_role("button", name="JFK").click()
    expect(page.get_by_role("heading", name="Recall, origin=JFK")).to_have_count(0)  # segments have no recall
    page.get_by_role("button", name="Show all time").click()
    expect(page).not_to_have_url(re.compile("zoom"))
    assert "segment=origin%3DJFK" in page.evaluate("location.hash")


def test_one_zoom_holds_for_all_charts(enter: Enter) -> None:
    page = enter(MODEL)
    charted(page)
    page.locator("#service").scroll_into_view_if_needed()
    expect(page.locator("#service .echart canvas")).to_have_count(5)
    page.evaluate("scrollTo(0, 0)")
    drawn = "canvas => canvas.toDataURL()"
    pictures = [page.locator(where).first for where in ("#service .echart canvas", "#drift canvas")]
    before = [picture.evaluate(drawn) for picture in pictures]
    page.locator(".echart").first.hover(position={"x": 400, "y": 120})
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    expect(page).to_have_url(re.compile("zoom="))
    assert all(picture.evaluate(drawn) != old for picture, old in zip(pictures, before, strict=True))
    page.get_by_role("button", name="Show all time").click()
    expect(page).not_to_have_url(re.compile("zoom="))
    assert page.locator("#drift canvas").first.evaluate(drawn) == before[1]


def test_charts_are_saved(enter: Enter, tmp_path: Path) -> None:
    page = enter(MODEL)
    charted(page)
    for title in ("ROC AUC", "Drift by column"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save “{title}” as CSV").click()
        download.value.save_as(tmp_path / "chart.csv")
        assert len(list(csv.DictReader((tmp_path / "chart.csv").read_text("utf-8-sig").splitlines()))) >= 60
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save “{title}” as PNG").click()
        download.value.save_as(tmp_path / "chart.png")
        assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_monitors_are_checked_planned_replayed_and_applied(enter: Enter, stage: Stage) -> None:
    page = enter("/monitors/production/late-flights")
    rules = page.get_by_role("textbox", name="Rules")
    expect(rules).to_have_value(stage.pipeline.monitors(_Named())["text"])
    before = rules.input_value()
    rules.fill(before.replace("metric:", "metrik:"))
    page.get_by_role("button", name="Check").click()
    expect(page.locator(".outcome")).to_contain_text("did you mean 'metric'?")
    rules.fill(before.replace("0.02", "0.03"))
    page.get_by_role("button", name="Plan").click()
    expect(page.locator(".changes")).to_contain_text("roc_auc-risk")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator(".outcome .heat")).to_be_visible()
    expect(page.locator(".outcome")).to_contain_text("0.16")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".outcome")).to_contain_text("revision 4")
    expect(page.locator(".editor .hint").first).to_contain_text("revision 4")


class _Named:
    model = "late-flights"


def test_actions_silences_keys_and_channels(enter: Enter, stage: Stage) -> None:
    page = enter("/incident/17")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".action .state")).to_have_text("running")
    assert ("approve", "a-7f3c", "9f2c41d07a3be855") in stage.pipeline.told
    page.get_by_role("button", name="Silence …").click()
    page.get_by_role("textbox", name="reason").fill("the feed is moved")
    page.get_by_role("button", name="Silence late-flights").click()
    expect(page.locator(".notice")).to_contain_text(["Approved.", "Silenced"])
    stage.go(page, "/settings")
    expect(page.get_by_role("cell", name="the feed is moved")).to_be_visible()
    page.get_by_role("textbox", name="name of the key").fill("a sender")
    page.get_by_role("button", name="Create key").click()
    expect(page.locator(".secret code")).to_contain_text("wk_")
    page.get_by_role("button", name="Send a test through oncall").click()
    expect(page.locator(".notice").last).to_contain_text("A test went through oncall.")


def test_a_viewer_looks_and_does_not_touch(enter: Enter, stage: Stage) -> None:
    page = enter("/incident/17", who="viewer")
    heading(page, PAGES["/incident/17"])
    for name in ("Acknowledge", "Resolve", "Approve", "Silence …"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    stage.go(page, "/settings")
    heading(page, "Settings")
    expect(page.get_by_role("heading", name="Keys")).to_have_count(0)


def test_a_wrong_key_is_told_so_and_logging_out_ends_it(enter: Enter, stage: Stage, browser: Browser) -> None:
    page = enter()
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Key of a viewer or an admin").fill("wk_nothing")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("not good")


def test_a_link_logs_in_once_and_leaves_no_token_behind(browser: Browser, stage: Stage) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = context.request.post(
        f"{stage.url}/api/v1/session/link", headers={"Authorization": f"Bearer {stage.secrets['admin']}"}
    )
    path = json.loads(answer.text())["path"]
    page.goto(stage.url + path)
    expect(page.get_by_role("heading", level=1)).to_have_text("Fleet")
    assert "wko_" not in page.url
    context.clear_cookies()
    page.goto("about:blank")
    page.goto(stage.url + path)
    expect(page.get_by_role("alert")).to_contain_text("was used")
    context.close()


def test_nothing_moves_while_a_page_is_drawn(enter: Enter, stage: Stage) -> None:
    page = enter(MODEL)
    charted(page)
    expect(page.locator(".heat").first).to_be_visible()
    page.reload()
    charted(page)
    shift = page.evaluate("""() => new Promise((done) => {
        const seen = (list) => list.getEntries().filter((e) => !e.hadRecentInput).reduce((sum, e) => sum + e.value, 0);
        new PerformanceObserver((list) => done(seen(list))).observe({ type: "layout-shift", buffered: true });
        requestAnimationFrame(() => requestAnimationFrame(() => done(0)));
    })""")
    assert shift < 0.05


def test_the_crawl_would_see_a_page_that_puts_names_into_markup(browser: Browser, stage: Stage) -> None:
    context = browser.new_context()
    context.add_init_script(WATCH_POLICY)
    page = context.new_page()
    stage.enter(page)
    with page.expect_console_message(lambda m: "Content Security Policy" in m.text):
        page.evaluate("html => { document.querySelector('main').innerHTML = html }", HOSTILE)
    assert [told for told in page.evaluate("policyViolations") if "script-src" in told]
    context.close()


def test_outcomes_of_late_are_drawn_as_in_a_report(enter: Enter) -> None:
    page = enter(MODEL)
    page.locator("#outcome").scroll_into_view_if_needed()
    expect(page.locator("#outcome .note").first).to_contain_text("rows with labels of the last")
    expect(page.get_by_role("heading", name="ROC curve")).to_be_visible()
    page.locator("#curves").scroll_into_view_if_needed()
    expect(page.locator("#curves canvas")).to_have_count(2)
    document = page.evaluate("fetch('/api/v1/views/outcome?model=late-flights').then((r) => r.json())")
    f1 = document["classes"]["current"]["1"]["f1-score"]
    expect(page.locator("tr[data-class='1']")).to_contain_text(f"{f1:.3f}")
    expect(page.locator("#calibration")).to_contain_text("Reliability")
    assert not {"NaN", "undefined", "Infinity", "null"} & set(page.inner_text("#outcome").split())
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 400
