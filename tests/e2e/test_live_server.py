"""The live page before the server as an operator starts it, over a store that months of rows filled."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from served import Served
from staged import Size, furnish

from conftest import WATCH_POLICY, Misdeeds

PAGES = {
    "/fleet": "Fleet",
    "/model/production/late-flights": "late-flights",
    "/column/production/late-flights/dep_delay": "dep_delay",
    "/incidents": "Incidents",
    "/monitors/production/late-flights": "Monitors",
    "/settings": "Settings",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served") / "store"
    folder.mkdir()
    furnish(folder, Size(models=2, columns=6, days=40, profiles=3))
    with Served(folder) as made:
        yield made


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """Log in by the key that the first start prints; at the end, hold the page to having done nothing it should not."""
    misdeeds, context = Misdeeds(), browser.new_context(reduced_motion="reduce")
    context.add_init_script(WATCH_POLICY)
    context.set_default_timeout(15_000)
    page = context.new_page()
    misdeeds.watch(page)
    page.goto(served.url)
    page.get_by_label("Key of a viewer or an admin").fill(served.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Fleet")
    yield page
    violations = page.evaluate("policyViolations")
    context.close()
    said = [text for text in misdeeds.errors if "status of 4" not in text]
    assert (said, misdeeds.dialogs, violations) == ([], [], [])


def go(page: Page, path: str) -> None:
    page.evaluate("path => { location.hash = path }", path)


def test_every_page_draws_what_the_store_tells(page: Page) -> None:
    for path, title in PAGES.items():
        go(page, path)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page.locator(".waiting")).to_have_count(0)
        expect(page.locator(".trouble")).to_have_count(0)
        assert not {"NaN", "undefined", "Infinity", "null"} & set(page.inner_text("main").split())


def test_monitors_that_were_suggested_are_replayed_and_applied(page: Page) -> None:
    go(page, "/monitors/production/late-flights")
    page.get_by_role("button", name="Suggest").click()
    expect(page.get_by_role("textbox", name="Rules")).to_have_value(re.compile("model: late-flights"))
    page.get_by_role("button", name="Check").click()
    expect(page.locator(".outcome .good")).to_contain_text("fit together")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator(".outcome .facts")).to_contain_text("windows")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".outcome")).to_contain_text("Applied as revision")
    rules = page.get_by_role("textbox", name="Rules")
    rules.fill(rules.input_value().replace("metric:", "metrik:", 1))
    page.get_by_role("button", name="Check").click()
    expect(page.locator(".outcome .trouble")).to_contain_text("metric")


def test_the_switch_that_halts_actions_says_who_threw_it(page: Page) -> None:
    go(page, "/settings")
    page.get_by_role("button", name="Halt all actions").click()
    page.get_by_role("button", name="Halt them now?").click()
    expect(page.locator("#actions .trouble")).to_contain_text("halted by")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#actions .trouble")).to_have_count(0)


def test_a_model_that_begins_to_send_appears_by_itself(page: Page, served: Served) -> None:
    expect(page.locator(".line-state")).to_have_text("live")
    rows = page.locator("tr[data-model]")
    expect(rows).to_have_count(2)
    page.evaluate("window.sameDocument = true")
    sent = [{"features": {"x": i}, "prediction": i % 2, "score": 0.1 + (i % 8) / 10} for i in range(1_200)]
    query = "model=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&version=1"
    answer = page.context.request.post(
        f"{served.url}/api/v1/predictions?{query}",
        data={"predictions": sent},
        headers={"Authorization": f"Bearer {served.key}"},
    )
    assert answer.ok, answer.text()
    expect(rows).to_have_count(3, timeout=20_000)
    expect(page.get_by_role("link", name="<img src=x onerror=alert(1)>", exact=True)).to_be_visible()
    assert page.evaluate("window.sameDocument") is True
    assert page.locator("img").count() == 0
