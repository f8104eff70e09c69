"""The page of a run: drawn right, whole in one file, and safe whatever names a run has."""

from __future__ import annotations

import html
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.cli import run as command
from watchkeeper.errors import Unwritable
from watchkeeper.training.journal import Journal
from watchkeeper.training.page.axis import Axis, short
from watchkeeper.training.page.heat import BAD, LEVELS, NOTHING, ROWS, ZERO, cells_of, rows_of
from watchkeeper.training.page.lines import BUCKETS, line_of
from watchkeeper.training.report import RunReport
from watchkeeper.training.run import Layer, Run
from watchkeeper.training.series import Series
from watchkeeper.training.watching import Sink, Watching

HOSTILE = "</title><script>alert(1)</script>\"'&"
finite = st.floats(-1e9, 1e9, allow_subnormal=False)


def watched(name: str = "trial", sinks: tuple[Sink, ...] = (), steps: int = 200, layers: int = 4) -> Watching:
    rng = np.random.default_rng(2)
    names = [f"{HOSTILE}.{n}" for n in range(layers)]
    watching = Watching(Run(name, "pytorch", [Layer(n, (3, 3)) for n in names], "SGD", "mse"), sinks, quiet=True)
    for step in range(steps):
        watching.add("learning_rate", step, 0.1)
        if step % 5 == 0:
            watching.add("gradient", step, rng.random(layers), names)
            watching.add("update", step, rng.random(layers) / 1e3, names)
        watching.loss(step, 2 * 0.98**step + 0.01 * rng.random() if step < 100 else 0.3 * 1.06 ** (step - 100))
        if step % 20 == 0:
            watching.validation(step, {"loss": 0.5 + step / 100, HOSTILE: 0.5})
    watching.close()
    return watching


@given(st.lists(finite, min_size=1, max_size=20))
def test_everything_stands_on_its_axis(values: list[float]) -> None:
    known = np.array(values)
    for axis in (Axis.over(known), Axis.over(np.abs(known) + 1e-6, logarithmic=True)):
        assert axis.low < axis.high
        at = axis.places(np.sort(np.abs(known) + 1e-6) if axis.logarithmic else np.sort(known))
        assert ((at >= 0) & (at <= 100)).all()
        assert (np.diff(at) >= 0).all()
        ticks = axis.ticks()
        assert len(ticks) <= 12
        assert all(axis.low <= t * (1 + 1e-9) and t <= axis.high * (1 + 1e-9) + 1e-9 for t in ticks if t >= 0)


def test_an_axis_is_logarithmic_where_values_are_far_apart() -> None:
    assert Axis.over(np.array([0.01, 1.0])).logarithmic
    assert not Axis.over(np.array([0.2, 1.0])).logarithmic
    assert not Axis.over(np.array([-0.01, 1.0])).logarithmic
    assert Axis(1e-3, 1e3, True).place(1.0) == pytest.approx(50)
    assert Axis(1e-6, 1.0, True).ticks() == [1e-6, 1e-4, 1e-2, 1.0]
    assert Axis.over(np.array([math.nan])) == Axis(0.0, 1.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.05, "0.05"),
        (1e-5, "1e-5"),
        (1500, "1.5k"),
        (2e6, "2M"),
        (1234, "1.23e3"),
        (1e12, "1e12"),
        (math.nan, "nan"),
    ],
)
def test_numbers_beside_an_axis_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_a_long_series_is_drawn_by_its_extremes() -> None:
    values = np.sin(np.arange(10_000.0))
    values[7_000], values[5] = 50.0, math.nan
    line = line_of("x", "raw", np.arange(10_000), values, band=True)
    assert len(line.middle) == BUCKETS
    assert line.high.max() == 50
    assert (line.low <= line.middle).all()
    assert (line.middle <= line.high).all()
    assert line.steps.min() > 0


def test_cells_are_means_of_logarithms() -> None:
    series = Series(["a", "b", "c"])
    for step, row in (
        (0, (1e-6, 1.0, 0.0)),
        (1, (1e-4, 1.0, 0.0)),
        (50, (1.0, math.inf, 0.0)),
        (75, (1.0, 1.0, math.nan)),
    ):
        series.append(step, row)
    levels, low, high = cells_of(series, [0, 1, 2], Axis(0, 100), columns=4)
    assert (low, high) == pytest.approx((1e-5, 1.0))
    last = LEVELS - 1
    assert levels[0].tolist() == [0, 0, last, last]
    assert levels[1].tolist() == [last, last, BAD, last]
    assert levels[2].tolist() == [ZERO, ZERO, ZERO, BAD]


def test_a_long_pause_in_the_samples_stays_empty() -> None:
    series = Series(["a"])
    for step in (0, 5, 10, 15, 80, 85):
        series.append(step, 1.0)
    levels, _, _ = cells_of(series, [0], Axis(0, 100), columns=20)
    assert (levels[0] == NOTHING).sum() == 20 - 6 - 2


def test_of_many_layers_the_matrices_are_drawn() -> None:
    few = Run(layers=[Layer(str(n), (2, 2) if n % 2 else (2,)) for n in range(4 * ROWS)])
    series = Series([layer.name for layer in few.layers])
    assert len(rows_of(few, series)) == ROWS
    assert all(few.layers[place].matrix for place in rows_of(few, series))
    assert rows_of(few, Series(["a", "b"])) == [0, 1]


def test_the_page_is_whole_and_runs_nothing() -> None:
    text = RunReport(watched(HOSTILE)).to_html()
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert not re.findall(r'(?:src|xlink:href)\s*=\s*"', text)
    links = [link for link in re.findall(r'href="([^"]*)"', text) if not link.startswith("#")]
    assert all(link.startswith("https://github.com/watchkeeper/") for link in links)
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert len(ET.fromstring(drawing.replace("&#x27;", "'")))
    assert "critical" in text
    assert "divergence at step" in text
    assert html.escape(HOSTILE) in text


def test_the_style_sheet_is_the_one_that_the_policy_allows() -> None:
    import base64
    import hashlib

    text = RunReport(watched()).to_html()
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in text


def test_a_run_of_nothing_has_a_page() -> None:
    report = RunReport(Watching(Run("empty"), quiet=True))
    assert report.verdict == "not enough data"
    assert "too few losses" in report.to_html()
    assert report.to_dict()["loss"]["best"] is None


def test_a_frame_for_a_notebook_holds_the_page() -> None:
    report = RunReport(watched())
    framed = report._repr_html_()
    assert 'sandbox=""' in framed
    assert html.escape("<!doctype html>") in framed
    assert "CRITICAL" in repr(report)


def test_the_command_writes_what_was_journalled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = RunReport(watched("trial", (Journal(tmp_path / "trial.jsonl"),)))
    assert command(["training", "report", str(tmp_path / "trial.jsonl"), "-o", str(tmp_path / "run.html")]) == 2
    assert (tmp_path / "run.html").read_text(encoding="utf-8") == made.to_html()
    (tmp_path / "more.csv").write_text("step,loss\n0,1\n")
    assert command(["training", "report", str(tmp_path), "-o", str(tmp_path / "x.html")]) == 64
    assert "name one of them" in capsys.readouterr().err
    with pytest.raises(Unwritable):
        made.save(tmp_path / "nowhere" / "run.html")


def test_a_watch_of_pytorch_shows_itself(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import watchkeeper as wk

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    optimizer, loss_fn = torch.optim.SGD(model.parameters(), lr=0.1), torch.nn.CrossEntropyLoss()
    with wk.watch(model, optimizer, loss_fn, name="net") as watch:
        for step in range(60):
            x = torch.randn(32, 4)
            optimizer.zero_grad()
            loss = loss_fn(model(x), (x[:, 0] > 0).long())
            loss.backward()
            optimizer.step()
            watch.step(loss)
            if step % 20 == 19:
                watch.validation(loss=float(loss.detach()), accuracy=0.5)
    report = watch.report()
    report.save(tmp_path / "run.html")
    text = (tmp_path / "run.html").read_text(encoding="utf-8")
    for title in (
        "Loss",
        "Held-out accuracy",
        "Learning rate",
        "Size of a step beside the weights",
        "Norms of gradients",
    ):
        assert title in text
    assert report.verdict == "ok"
    assert report.to_dict()["last_step"] == watch.run.step
    assert html.escape("net") in watch._repr_html_()
    assert report.facts()["training/parameters"] == 4 * 8 + 8 + 8 * 2 + 2
