"""What people who met the page for the first time stumbled over, held to as it was mended."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from staged import Stage, staged

from watchkeeper.store import rows

Enter = Callable[..., Page]
MODEL = "/model/production/late-flights"
MONITORS = "/monitors/production/late-flights"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("findings") / "store"
    folder.mkdir()
    with staged(folder) as made:
        yield made


@pytest.fixture
def enter(browser: Browser, stage: Stage) -> Iterator[Enter]:
    contexts = []

    def open_page(path: str = "/fleet", width: int = 1280, **options: Any) -> Page:
        stage.pipeline.stage()
        context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        stage.enter(page, "admin", path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def changed(page: Page, view: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Have the page draw a document other than the server's."""

    def answer(route: Route) -> None:
        document = route.fetch().json()
        change(document)
        route.fulfill(body=json.dumps(document), content_type="application/json")

    page.route(re.compile(rf"/api/v1/views/{view}(\?|$)"), answer)
    page.reload()


def test_what_explains_an_incident_is_in_the_unit_it_is_sorted_by(enter: Enter) -> None:
    page = enter("/incident/17")
    first, second = (page.locator(".explain li").nth(i) for i in (0, 1))
    expect(first.locator(".number")).to_have_text("+147\u202fsd")
    expect(first).to_contain_text("147\u202fsd, 0.5\u202fsd before. Moved by 147 sd")
    bar = "element => element.getBoundingClientRect().width"
    assert second.locator("i").evaluate(bar) > 0.03 * first.locator("i").evaluate(bar), "0.3 of 147 is seen, too"


def test_a_kind_of_entry_is_no_style_of_the_page(enter: Enter, stage: Stage) -> None:
    page = enter("/incident/17")
    kinds = ["quiet", "action", "action", "hint"]

    def more(document: dict[str, Any]) -> None:
        entry = document["incident"]["timeline"][0]
        document["incident"]["timeline"] = [entry | {"kind": kind, "text": kind} for kind in kinds]

    changed(page, "incident", more)
    entries = page.locator(".entry")
    expect(entries).to_have_count(len(kinds))
    page.emulate_media(media="print")
    for i, kind in enumerate(kinds):
        expect(entries.nth(i)).to_be_visible()
        expect(entries.nth(i)).to_have_attribute("data-kind", kind)
        assert entries.nth(i).evaluate("e => getComputedStyle(e).borderTopWidth") == "0px"


def test_every_moment_of_an_incident_is_in_one_zone(enter: Enter, stage: Stage) -> None:
    page = enter("/incident/17")

    def spoken(document: dict[str, Any]) -> None:
        document["incident"]["timeline"][0]["text"] = (
            "The last ended 21 May 2026, 04:30 UTC; silent until 2026-05-21T12:00:00+00:00."
        )

    changed(page, "incident", spoken)
    entry = page.locator(".entry").first
    expect(entry).to_contain_text("The last ended 21 May 2026, 00:30; silent until 21 May 2026, 08:00.")
    expect(page.locator(".page-words")).to_contain_text("opened 20 May 2026, 08:00")
    expect(page.locator(".page-words")).to_contain_text("times in America/New_York")
    stage.go(page, "/incidents")
    expect(page.get_by_role("row", name="ROC AUC of late-flights")).to_contain_text("20 May 2026, 08:00")
    page.get_by_role("button", name="Model time").click()
    expect(page.get_by_role("row", name="ROC AUC of late-flights")).to_contain_text("20 May 2026, 12:00")
    expect(page.get_by_role("button", name="UTC", exact=True)).to_be_visible()


def test_the_headline_does_not_call_fine_what_is_not_known(enter: Enter) -> None:
    page = enter()
    words = "No monitors are applied"

    def unknown(document: dict[str, Any]) -> None:
        document["models"] = [document["models"][1] | {"status": "not enough data", "words": words, "open": []}]

    changed(page, "fleet", unknown)
    expect(page.locator(".page-words")).to_have_text("Too little is known of the one model to say how it is.")
    expect(page.locator("tr[data-model]")).to_contain_text(words)
    expect(page.locator(".found")).to_have_text("1 model")
    assert page.locator("main td[tabindex], main tr[tabindex]").count() == 0


def test_a_metric_that_is_undefined_now_does_not_show_what_it_was(enter: Enter) -> None:
    page = enter(MODEL)

    def undefined(document: dict[str, Any]) -> None:
        line = next(m for m in document["performance"] if m["metric"] == "precision")["realised"]
        line["value"][-4:] = [None] * 4

    changed(page, "model", undefined)
    tile = page.locator(".strip button", has_text="Precision")
    expect(tile.locator("b")).to_have_text("–")
    expect(tile).to_have_attribute("data-tip", re.compile("not known in this window; .* in that of 27 May 2026"))
    expect(page.locator(".note", has_text="Numbers are of")).to_contain_text("30 May 2026")


def test_rows_of_a_version_that_was_not_set_to_serve_are_not_called_served(enter: Enter, stage: Stage) -> None:
    page = enter(MODEL)
    expect(page.locator(".happened")).to_contain_text("version 2 took over")
    expect(page.locator(".note", has_text="not set to serve")).to_have_count(0)
    kept = [[0, "1"]]
    before = stage.pipeline.database.write(lambda c: rows.select_one(c, "setting", name="serving:1")).result()
    write = stage.pipeline.database.write
    write(lambda c: rows.update(c, "setting", {"name": "serving:1"}, value=json.dumps(kept))).result()
    page.reload()
    expect(page.locator(".note", has_text="not set to serve")).to_contain_text("version 2")
    expect(page.locator(".happened")).to_contain_text("rows of version 2 from here on, which was not set to serve")
    write(lambda c: rows.update(c, "setting", {"name": "serving:1"}, value=before["value"])).result()


def test_rules_can_be_checked_without_scrolling_and_are_not_lost_on_the_way(enter: Enter, stage: Stage) -> None:
    page = enter(MONITORS)
    field = page.get_by_role("textbox", name="Rules")
    stored = field.input_value()
    text = stored + "# a longer file\n" * 28
    field.fill(text)
    for name in ("Check", "Plan", "Replay", "Apply"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Check").click()
    expect(page.locator(".outcome .good")).to_be_in_viewport(ratio=1)
    assert field.evaluate("e => e.scrollWidth <= e.clientWidth"), "no rule is cut off"
    stage.go(page, "/fleet")
    expect(page.get_by_role("heading", level=1)).to_have_text("Fleet")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.close(run_before_unload=True)
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"], "whoever closes the browser is asked first"
    stage.go(page, MONITORS)
    expect(field).to_have_value(text)
    page.get_by_role("button", name="Discard").click()
    expect(field).to_have_value(stored)


def test_the_heat_of_drift_follows_the_largest(enter: Enter) -> None:
    page = enter(MODEL)
    expect(page.locator("#drift .heat-scale")).to_contain_text("4")

    def far(document: dict[str, Any]) -> None:
        for column in document["columns"]:
            column["strength"] = [s if s is None else s * 300 for s in column["strength"]]

    changed(page, "drift", far)
    expect(page.locator("#drift .heat-scale")).to_contain_text("on a log scale")
    scale = page.locator("#drift .heat-scale").inner_text()
    largest = max(float(n.replace(",", "")) for n in re.findall(r"([\d.,]+)×", scale))
    assert largest > 1_000


def test_titles_leave_names_as_they_are_and_say_the_page(enter: Enter, stage: Stage) -> None:
    page = enter(MODEL)
    for path, title in {
        MODEL: "late-flights", MONITORS: "Monitors · late-flights", "/settings": "Settings", "/incident/17": "Incident 17",
        "/column/production/late-flights/dep_delay": "dep_delay · late-flights",
    }.items():  # fmt: skip
        stage.go(page, path)
        expect(page).to_have_title(f"{title} · Watchkeeper")


def test_what_is_not_there_leads_back_and_what_is_empty_is_said_to_be_well(enter: Enter, stage: Stage) -> None:
    page = enter("/incident/99")
    expect(page.get_by_role("alert")).to_contain_text("no incident '99'")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.get_by_role("link", name="Go to Incidents").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Incidents")

    def resolved(document: dict[str, Any]) -> None:
        document["incidents"] = [one | {"state": "resolved"} for one in document["incidents"][:1]]

    changed(page, "incidents", resolved)
    expect(page.locator(".page-words")).to_have_text("None unresolved, 1 resolved.")
    expect(page.locator(".nothing")).to_contain_text("every incident is resolved")


def test_a_fault_of_the_operators_file_is_shown(enter: Enter, stage: Stage) -> None:
    page = enter()
    expect(page.locator(".operator-problem")).to_have_count(0)
    for path, view in (("/fleet", "fleet"), ("/settings", "settings")):
        stage.go(page, path)
        changed(page, view, lambda document: document.update(operator_problem="channels: unknown key 'urll'."))
        expect(page.locator(".operator-problem")).to_contain_text("unknown key 'urll'")


def test_under_a_finger_links_and_buttons_are_high_enough(enter: Enter) -> None:
    page = enter(MODEL, width=390, has_touch=True, is_mobile=True)
    expect(page.locator("#drift .heat")).to_be_visible()
    for where in ("#drift .heat-names a", ".save button"):
        assert page.locator(where).first.evaluate("e => e.getBoundingClientRect().height") >= 24, where
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_memory_is_in_mebibytes(enter: Enter) -> None:
    page = enter(MODEL)
    expect(page.get_by_role("heading", name="Memory, MiB")).to_be_visible()
