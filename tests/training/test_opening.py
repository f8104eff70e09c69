"""What callbacks have in common: names of held-out metrics, a watch that fails and lets the run go on, stopping, scales."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import watchkeeper as wk
from watchkeeper.training.journal import read_journal
from watchkeeper.training.naming import held_out
from watchkeeper.training.opening import Telling, Watcher, never_raises
from watchkeeper.training.pytorch.head import input_vector
from watchkeeper.training.run import Event, Run
from watchkeeper.training.scales import input_numbers


def test_names_of_held_out_metrics() -> None:
    given = {
        "val_loss": 1, "valid/acc": 2, "eval_f1": torch.tensor(3.0), "validation_auc": 4, "loss": 5, "valuable": 6,
        "eval_runtime": 7, "eval_samples_per_second": 8, "val_table": [1, 2], "test_loss_epoch": 9,
    }  # fmt: skip
    assert held_out(given) == {"loss": 1, "acc": 2, "f1": 3, "auc": 4, "loss_epoch": 9}


def test_what_comes_after_the_end_is_told_to_nobody(tmp_path: Path) -> None:
    watching = Telling(folder=tmp_path).watching(Run())
    watching.loss(0, 1.0)
    watching.close()
    before = (tmp_path / "run.jsonl").read_bytes()
    watching.validation(0, {"loss": 2.0})
    watching.note(Event("input_scale", 1, words="Wide."))
    watching.loss(1, 2.0)
    assert (tmp_path / "run.jsonl").read_bytes() == before
    assert watching.run.series["validation/loss"].last == 2.0
    assert "input_scale" in [f.problem for f in watching.findings]


class Fragile(Watcher):
    @never_raises
    def take(self, step: int) -> str:
        self.watching.loss(step, 1.0 / (3 - step))
        return "taken"


class Broken:
    """A sink that fails at each thing it is told."""

    def row(self, run: Run, name: str, step: int, values: Sequence[float]) -> None:
        raise OSError("disk full")

    def event(self, run: Run, event: Event) -> None:
        raise OSError("disk full")

    def finding(self, run: Run, finding: Any) -> None:
        raise OSError("disk full")

    def close(self, run: Run) -> None:
        raise OSError("disk full")


@pytest.mark.parametrize("sinks", [[], [Broken()]])
def test_a_watch_that_fails_lets_the_run_go_on(sinks: list[Any]) -> None:
    watcher = Fragile(Telling(sinks=iter(sinks)), "critical")
    with pytest.warns(RuntimeWarning, match="The run goes on unwatched|told nothing more") as caught:
        said = [watcher.take(step) for step in range(6)]
    assert ["told nothing more" in str(warning.message) for warning in caught] == [True] * len(sinks) + [False]
    assert said == ["taken"] * 3 + [None] * 3
    assert not watcher.stops
    watcher.begin(Run())
    assert not watcher.failed


def test_it_stops_at_what_was_asked_for_and_is_written(tmp_path: Path) -> None:
    made = {
        level: Watcher(Telling(name=str(level), folder=tmp_path), level)
        for level in (None, "info", "warning", "critical")
    }
    for watcher in made.values():
        watcher.begin(Run("run"))
        watcher.watching.loss(0, 1.0)
        watcher.watching.note(Event("input_scale", 0, words="Wide."))
        watcher.watching.loss(1, 1.0)
    assert {level: watcher.stops for level, watcher in made.items()} == {
        None: False, "info": True, "warning": True, "critical": False,
    }  # fmt: skip
    for watcher in made.values():
        watcher.watching.close()
    assert "input_scale" in [f.problem for f in read_journal(tmp_path / "critical.jsonl").findings]


def test_numbers_of_inputs_are_those_of_pytorch() -> None:
    drawn = np.random.default_rng(0)
    for shape in ((50, 7), (20, 3, 8, 8), (40, 5, 6)):
        rows = drawn.normal(3.0, 5.0, size=shape).astype("float32")
        rows[:, 1] = 2.0
        np.testing.assert_allclose(input_numbers(rows), input_vector(torch.tensor(rows)).numpy(), rtol=1e-4)


def test_gradients_of_a_closure_are_those_of_the_step() -> None:
    """A step that runs the backward pass within it, as Lightning's and LBFGS's do."""

    def train(closure: bool) -> Run:
        torch.manual_seed(0)
        model, loss_fn = nn.Linear(4, 1), nn.MSELoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x = torch.randn(64, 4)
        y = x.sum(dim=1, keepdim=True)
        with wk.watch(model, optimizer, loss_fn) as watch:
            for _ in range(30):

                def backward() -> torch.Tensor:
                    optimizer.zero_grad()
                    loss: torch.Tensor = loss_fn(model(x), y)
                    loss.backward()
                    return loss

                if closure:
                    watch.step(optimizer.step(backward))
                else:
                    loss = backward()
                    optimizer.step()
                    watch.step(loss)
        return watch.run

    within, before = train(True), train(False)
    for name in ("loss", "gradient", "update"):
        np.testing.assert_allclose(within.series[name].rows, before.series[name].rows)


def test_gradients_can_be_taken_before_they_are_clipped() -> None:
    torch.manual_seed(0)
    model, x = nn.Linear(4, 1), torch.randn(64, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with wk.watch(model, optimizer, "mse") as watch:
        loss = model(x).square().mean()
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
        watch.gradients(optimizer, 1e-3)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        optimizer.step()
        watch.step(loss)
    assert np.linalg.norm(watch.run.series["gradient"].rows[0]) == pytest.approx(float(norm), rel=1e-5)
    np.testing.assert_allclose(watch.run.series["clip"].rows[0], [float(norm), 1e-3], rtol=1e-5)
