"""Renew docs/images from the demo's report, in a headless Chromium without a network.

python tools/screenshots.py
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from watchkeeper.demo.run import run_demo

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PICTURES = {
    "report.png": ("light", "summary"),
    "performance-dark.png": ("dark", "performance"),
    "over-time.png": ("light", "time"),
    "columns.png": ("light", "columns"),
}
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def main() -> None:
    browser = os.environ.get("WATCHKEEPER_CHROMIUM") or next((p for p in map(shutil.which, BROWSERS) if p), None)
    if browser is None:
        sys.exit("No Chromium was found: install the system package chromium.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        take_pictures(browser, run_demo(Path(folder), print).page)


def take_pictures(browser: str, report: Path) -> None:
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=arguments)
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
        chromium.close()


if __name__ == "__main__":
    main()
