"""A real Chromium without a network, and pages that remember everything they should not have done."""

from __future__ import annotations

import os
import runpy
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from watchkeeper.report.html import render

UI = Path(__file__).parents[2] / "ui"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

WATCH_POLICY = """
window.policyViolations = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
  policyViolations.push(`${violatedDirective} ${blockedURI}`);
});
"""


@dataclass
class Misdeeds:
    """What a page asked for, said or tried."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Write down every request but the file itself, every error and every dialog."""
        local = ("file:", "data:", "blob:", "about:")
        page.on("request", lambda r: None if r.url.startswith(local) else self.requests.append(r.url))
        page.on("console", lambda m: self.errors.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: self.errors.append(str(e)))
        page.on("dialog", self._refuse)

    def _refuse(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Find the browser; a machine without one fails, since a page that nobody looked at is not tested."""
    named = os.environ.get("WATCHKEEPER_CHROMIUM")
    found = named or next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.fail("No Chromium was found: install Debian's package 'chromium', or set WATCHKEEPER_CHROMIUM.")
    return found


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """Start one browser for the session; root (as in a container) cannot have Chromium's own sandbox."""
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def sample() -> Callable[..., dict[str, Any]]:
    """Give the maker of documents that resemble flights."""
    make: Callable[..., dict[str, Any]] = runpy.run_path(str(UI / "sample.py"))["sample"]
    return make


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open a document in the browser, offline; at the end, hold the page to having done nothing it should not."""
    misdeeds = Misdeeds()
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.add_init_script(WATCH_POLICY)
    context.set_default_timeout(15_000)

    def open_page(view: dict[str, Any], fragment: str = "", wrap: Callable[[str], str] = str) -> Page:
        file = tmp_path / "report.html"
        file.write_text(wrap(render(view)), encoding="utf-8")
        page = context.new_page()
        misdeeds.watch(page)
        page.goto(f"{file.as_uri()}{fragment}")
        return page

    yield open_page
    violations = [told for page in context.pages for told in page.evaluate("policyViolations")]
    context.close()
    assert (misdeeds.requests, misdeeds.errors, misdeeds.dialogs, violations) == ([], [], [], [])
