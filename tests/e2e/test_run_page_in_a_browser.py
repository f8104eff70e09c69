"""The page of a training run in a real browser: nothing is asked for or refused, and it fits a desk and a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from conftest import Misdeeds
from watchkeeper.training.report import RunReport
from watchkeeper.training.run import Layer, Run
from watchkeeper.training.watching import Watching


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(4)
    names = [f"encoder.layers.{n}.a_long_name_of_a_module.weight" for n in range(12)]
    watching = Watching(Run("trial-" * 20, "pytorch", [Layer(n, (3, 3)) for n in names], "AdamW", "mse"), quiet=True)
    for step in range(300):
        watching.add("learning_rate", step, 1e-3)
        watching.add("gradient", step, 10 ** rng.normal(-3, 1, 12), names)
        watching.add("update", step, 10 ** rng.normal(-3, 0.1, 12), names)
        watching.loss(step, 2 * 0.98**step if step < 200 else 0.04 * 1.06 ** (step - 200))
        if step % 20 == 0:
            watching.validation(step, {"loss": 0.5 + step / 100, "accuracy": 0.5})
    watching.close()
    path = tmp_path_factory.mktemp("page") / "run.html"
    RunReport(watching).save(path)
    return path


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_a_network_and_fits(
    browser: Browser, saved: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, misdeeds = context.new_page(), Misdeeds()
    misdeeds.watch(page)
    page.goto(saved.as_uri())
    expect(page.locator(".verdict")).to_have_text("critical")
    expect(page.locator("figure")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(247, 245, 240)" if scheme == "light" else "rgb(19, 21, 25)"
    )
    assert page.locator("figure svg polyline").first.bounding_box()["width"] > 0.6 * width  # type: ignore[index]
    cover = page.evaluate(
        """() => { const boxes = [...document.querySelectorAll('.area > .badge')].map(b => b.getBoundingClientRect());
        return boxes.some((a, i) => boxes.some((b, j) => i < j && a.left < b.right - 1 && b.left < a.right - 1
          && a.top < b.bottom - 1 && b.top < a.bottom - 1)) }"""
    )
    assert not cover
    page.locator(".area > .badge").first.click()
    assert page.url.partition("#")[2].startswith("f")
    assert (misdeeds.requests, misdeeds.errors, misdeeds.dialogs) == ([], [], [])
    context.close()
