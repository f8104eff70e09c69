"""Lightning: the callback finds what plain `wk.watch` finds on the same run, sees gradients unclipped, and stops when asked."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from same_run import BATCH, FAULTS, STEPS, Rows, plain, problems
from torch.utils.data import DataLoader, TensorDataset

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
]


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def pl(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


def module(pl: ModuleType, made: Rows, **kinds: Any) -> Any:
    class Model(pl.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.net, self.loss = made.net, made.loss
            self.automatic_optimization = not kinds.get("manual")

        def training_step(self, batch: Any, place: int) -> Any:
            loss = self.loss(self.net(batch[0]), batch[1])
            if not self.automatic_optimization:
                optimizer = self.optimizers()
                optimizer.zero_grad()
                self.manual_backward(loss)
                optimizer.step()
            return loss

        def validation_step(self, batch: Any, place: int) -> None:
            self.log("val_loss", self.loss(self.net(batch[0]), batch[1]))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=made.rate)

    return Model()


def fit(pl: ModuleType, made: Rows, callback: Any, folder: Path, *, validate: bool = False, **kinds: Any) -> Any:
    manual = kinds.pop("manual", False)
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=kinds.pop("steps", STEPS), logger=False, callbacks=[callback], default_root_dir=folder,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=1, **kinds,
    )  # fmt: skip
    rows = DataLoader(TensorDataset(made.x, made.y), batch_size=BATCH)
    trainer.fit(module(pl, made, manual=manual), rows, rows if validate else None)
    return trainer


@pytest.mark.parametrize("fault", FAULTS)
def test_it_finds_what_plain_pytorch_finds(pl: ModuleType, fault: str, tmp_path: Path) -> None:
    from watchkeeper.integrations.lightning import WatchCallback

    callback = WatchCallback()
    fit(pl, Rows(fault), callback, tmp_path)
    wanted = plain(fault)
    assert [(f.problem, f.severity, f.layer) for f in callback.findings] == [
        (f.problem, f.severity, f.layer) for f in wanted.findings
    ]
    for name in ("loss", "gradient", "update"):
        np.testing.assert_allclose(callback.run.series[name].rows, wanted.run.series[name].rows, rtol=1e-5)


def test_manual_optimization_is_the_same_run(pl: ModuleType, tmp_path: Path) -> None:
    from watchkeeper.integrations.lightning import WatchCallback

    callback = WatchCallback()
    fit(pl, Rows("healthy"), callback, tmp_path, manual=True)
    wanted = plain("healthy").run
    for name in ("loss", "gradient"):
        np.testing.assert_allclose(callback.run.series[name].rows, wanted.series[name].rows, rtol=1e-5)


def test_gradients_are_those_before_clipping(pl: ModuleType, tmp_path: Path) -> None:
    from watchkeeper.integrations.lightning import WatchCallback

    callback = WatchCallback()
    fit(pl, Rows("healthy"), callback, tmp_path, gradient_clip_val=1e-3)
    norms = np.sqrt(np.square(callback.run.series["gradient"].rows).sum(axis=1))
    clip = callback.run.series["clip"].rows
    assert norms.min() > 1e-2
    np.testing.assert_allclose(clip[: len(norms)][:20, 0], norms[:20], rtol=1e-5)
    np.testing.assert_allclose(clip[:, 1], 1e-3, rtol=1e-6)
    assert "clipping" in problems(callback.findings, "info")


def test_accumulated_batches_are_one_step_and_validation_is_taken(pl: ModuleType, tmp_path: Path) -> None:
    from watchkeeper.integrations.lightning import WatchCallback

    made, callback = Rows("healthy"), WatchCallback()
    first = float(
        torch.stack([made.loss(made.net(made.x[i : i + BATCH]), made.y[i : i + BATCH]) for i in (0, BATCH)]).mean()
    )
    fit(pl, made, callback, tmp_path, accumulate_grad_batches=2, steps=40, validate=True)
    loss = callback.run.series["loss"]
    assert len(loss) == 40
    assert loss.values[0] == pytest.approx(first, rel=1e-5)
    assert len(callback.run.series["validation/loss"]) == 2  # the check before training does not count
    assert problems(callback.findings) == set()


def test_it_stops_a_run_that_is_lost(pl: ModuleType, tmp_path: Path) -> None:
    from watchkeeper.integrations.lightning import WatchCallback

    callback, idle = WatchCallback(stop_on="critical"), WatchCallback()
    stopped = fit(pl, Rows("rate"), callback, tmp_path)
    went_on = fit(pl, Rows("rate"), idle, tmp_path)
    assert stopped.global_step < STEPS == went_on.global_step


def test_its_state_goes_into_checkpoints_and_the_run_goes_on(pl: ModuleType, tmp_path: Path) -> None:
    from watchkeeper.integrations.lightning import WatchCallback

    made, callback = Rows("healthy"), WatchCallback()
    trainer = fit(pl, made, callback, tmp_path, steps=10)
    trainer.save_checkpoint(tmp_path / "made.ckpt")
    again = WatchCallback()
    other = pl.Trainer(
        accelerator="cpu", max_steps=20, logger=False, callbacks=[again], default_root_dir=tmp_path,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    rows = DataLoader(TensorDataset(made.x, made.y), batch_size=BATCH)
    other.fit(module(pl, made), rows, ckpt_path=tmp_path / "made.ckpt")
    assert again.run.facts["resumed"] is True
    assert callback.run.facts["resumed"] is False


def test_two_optimizers_of_a_manual_run(pl: ModuleType, tmp_path: Path) -> None:
    from watchkeeper.integrations.lightning import WatchCallback

    made = Rows("healthy")

    class Two(pl.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.a, self.b = torch.nn.Linear(10, 4), torch.nn.Linear(10, 4)

        def training_step(self, batch: Any, place: int) -> None:
            for net, optimizer in zip((self.a, self.b), self.optimizers(), strict=True):
                optimizer.zero_grad()
                loss = net(batch[0]).square().mean()
                self.manual_backward(loss)
                optimizer.step()
            self.log("train_loss", loss)

        def configure_optimizers(self) -> Any:
            return [torch.optim.SGD(net.parameters(), lr=0.01) for net in (self.a, self.b)]

    callback = WatchCallback()
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, callbacks=[callback], default_root_dir=tmp_path,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Two(), DataLoader(TensorDataset(made.x, made.y), batch_size=BATCH))
    assert callback.run.optimizer == "SGD and SGD"
    assert (callback.run.series["gradient"].rows > 0).all()
