"""How fast the live page is over a large store: 100 models of 100 columns over 90 days, in a headless Chromium.

Rows are written as they would be stored, not counted from predictions; a column has three metrics a day of the ten or so that a
real one has, which changes the depth of an index and not what a page reads.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "ui"), str(ROOT / "tests" / "e2e")]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MODEL = "production/late-flights"
PAGES = {
    "fleet": ("/fleet", ".fleet .spark"),
    "model": (f"/model/{MODEL}", ".lead-chart canvas"),
    "drift": (f"/model/{MODEL}", "#drift canvas"),
    "column": (f"/column/{MODEL}/dep_delay", "svg.distribution"),
    "column heat": (f"/column/{MODEL}/dep_delay", ".column-top canvas"),
}
RUNS = 5
SETTLED = 1000  # milliseconds: the server still answers what the page before asked
_WAIT = """([selector, from]) => new Promise((done) => {
  const look = () => requestAnimationFrame(document.querySelector(selector) ? () => done(performance.now() - from) : look);
  look();
})"""


def main() -> None:
    from sample_store import Size
    from staged import staged

    models = int(os.environ.get("WATCHKEEPER_BENCH_MODELS", "100"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "store"
        folder.mkdir()
        begun = time.perf_counter()
        with staged(folder, Size(models=models, columns=100, days=90, profiles=90)) as stage:
            size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
            print(
                f"page: {models} models x 100 columns x 90 days, {size:.0f} MB, made in {time.perf_counter() - begun:.0f} s"
            )
            _documents(stage)
            _painted(stage)


def _documents(stage: Any) -> None:
    """Print how long the server takes for each document, and how large it is."""
    import http.client

    print(f"{'document':16} {'ms':>8} {'kB':>8}")
    host = stage.url.removeprefix("http://")
    where = "model=late-flights&column=dep_delay&id=17"
    for page in ("fleet", "model", "drift", "quality", "segments", "column", "distributions"):
        line = http.client.HTTPConnection(host)
        taken = []
        for _ in range(RUNS):
            begun = time.perf_counter()
            line.request(
                "GET", f"/api/v1/views/{page}?{where}", headers={"Authorization": f"Bearer {stage.secrets['admin']}"}
            )
            body = line.getresponse().read()
            taken.append((time.perf_counter() - begun) * 1e3)
        print(f"{page:16} {taken[0]:8.0f} first, {statistics.median(taken):.0f} then {len(body) / 1e3:8.0f}")


def _painted(stage: Any) -> None:
    """Print when a browser has painted first, and when each chart is there after a click on a link."""
    from playwright.sync_api import sync_playwright

    found = os.environ.get("WATCHKEEPER_CHROMIUM") or next((p for p in map(shutil.which, BROWSERS) if p), None)
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        stage.enter(page)
        page.wait_for_selector(".fleet")
        paints = []
        for _ in range(RUNS):
            page.goto("about:blank")
            page.goto(f"{stage.url}/#/fleet")
            page.wait_for_selector(".fleet .spark")
            paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        print(f"first paint {statistics.median(paints):.0f} ms ({min(paints):.0f} to {max(paints):.0f})")
        for name, (path, selector) in PAGES.items():
            taken = []
            stage.go(page, "/settings")
            page.reload()  # nothing is kept from what was looked at before
            page.wait_for_selector("main *")
            for _ in range(RUNS):
                stage.go(page, "/settings")
                page.wait_for_selector("#audit")
                page.wait_for_timeout(SETTLED)
                begun = page.evaluate(
                    "path => { const t = performance.now(); location.hash = path; return t }",
                    f"{path}?run={len(taken)}",
                )
                taken.append(page.evaluate(_WAIT, [selector, begun]))
            print(
                f"{name:16} first {taken[0]:6.0f} ms, then {statistics.median(taken[1:]):6.0f} ms from the click to its chart"
            )
        browser.close()


if __name__ == "__main__":
    main()
