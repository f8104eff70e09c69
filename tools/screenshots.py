"""Renew docs/images: the demo's report, and every page of the live site at the width of a desk and of a phone, in both shades.

python tools/screenshots.py [report] [site]
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from watchkeeper.demo.run import run_demo

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PICTURES = {
    "report.png": ("light", "summary"),
    "performance-dark.png": ("dark", "performance"),
    "over-time.png": ("light", "time"),
    "columns.png": ("light", "columns"),
    "curves.png": ("light", "curves"),
    "classes-dark.png": ("dark", "classes"),
}
SITE = {
    "fleet": "/fleet",
    "model": "/model/production/late-flights",
    "column": "/column/production/late-flights/dep_delay",
    "incidents": "/incidents",
    "incident": "/incident/17",
    "monitors": "/monitors/production/late-flights",
    "settings": "/settings",
}
DESK = {"viewport": {"width": 1360, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
HIGHEST = 2400
"""So many pixels of a long page are shown."""


def main(parts: list[str]) -> None:
    browser = os.environ.get("WATCHKEEPER_CHROMIUM") or next((p for p in map(shutil.which, BROWSERS) if p), None)
    if browser is None:
        sys.exit("No Chromium was found: install the system package chromium.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=arguments)
        if not parts or "report" in parts:
            take_report(chromium, run_demo(Path(folder), print).page)
        if not parts or "site" in parts:
            take_site(chromium, Path(folder))
        chromium.close()


def take_report(chromium: Browser, report: Path) -> None:
    """Take the pictures of the report, without a network."""
    for name, (scheme, section) in PICTURES.items():
        page = chromium.new_page(
            offline=True,
            viewport={"width": 1280, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        page.goto(report.as_uri())
        page.wait_for_selector("html[data-ready]")
        for event in ("beforeprint", "afterprint"):  # draws the charts that are still out of sight
            page.evaluate(f"dispatchEvent(new Event('{event}'))")
            page.evaluate(TWO_FRAMES)
        if section != "summary":
            page.locator(f"#{section}").evaluate("element => element.scrollIntoView()")
        page.evaluate(TWO_FRAMES)
        page.screenshot(path=IMAGES / name)
        page.close()


def take_site(chromium: Browser, folder: Path) -> None:
    """Take the pictures of the site, over a store of which nothing is real but its form."""
    sys.path[:0] = [str(ROOT / "ui"), str(ROOT / "tests" / "e2e")]
    from sample_store import Size
    from staged import staged

    store = folder / "store"
    store.mkdir()
    with staged(store, Size(hostile=False, profiles=45)) as stage:
        for width, options in (("desk", DESK), ("phone", PHONE)):
            for scheme in ("light", "dark"):
                page = chromium.new_context(**options, color_scheme=scheme, reduced_motion="reduce").new_page()
                page.goto(stage.url)
                page.wait_for_selector("#login-key")
                page.screenshot(path=IMAGES / f"live-login-{width}-{scheme}.png")
                stage.enter(page)
                for name, path in SITE.items():
                    stage.go(page, path)
                    page.wait_for_selector("h1")
                    page.wait_for_timeout(
                        1500
                    )  # documents, then charts; the stream of events never lets the network be idle
                    for event in ("beforeprint", "afterprint"):  # draws the charts that are still out of sight
                        page.evaluate(f"dispatchEvent(new Event('{event}'))")
                    if name == "monitors":
                        page.get_by_role("button", name="Replay").click()
                        page.wait_for_selector(".outcome .heat")
                    page.evaluate(TWO_FRAMES)
                    high = page.evaluate("document.documentElement.scrollHeight")
                    clip = {"x": 0, "y": 0, "width": options["viewport"]["width"], "height": min(high, HIGHEST)}
                    page.screenshot(path=IMAGES / f"live-{name}-{width}-{scheme}.png", full_page=True, clip=clip)
                page.context.close()


if __name__ == "__main__":
    main(sys.argv[1:])
