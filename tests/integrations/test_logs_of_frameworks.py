"""What the loggers of frameworks write is read without being told what is what."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from watchkeeper.training.reading.sources import read_runs
from watchkeeper.training.verdict import verdict_of

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"),
]


def rows(n: int = 512) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(n, 8)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64")


def test_the_state_of_a_trainer_of_transformers(tmp_path: Path) -> None:
    transformers = importlib.import_module("transformers")
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(8, 2)

        def forward(self, x: Any = None, labels: Any = None) -> dict[str, Any]:
            out = self.inner(x)
            return {"loss": torch.nn.functional.cross_entropy(out, labels), "logits": out}

    x, y = rows()
    data = [{"x": a, "labels": b} for a, b in zip(x, y, strict=True)]
    arguments = transformers.TrainingArguments(
        str(tmp_path), max_steps=120, per_device_train_batch_size=16, logging_steps=1, eval_strategy="steps", eval_steps=40,
        save_steps=120, report_to=[], use_cpu=True, learning_rate=0.01, logging_nan_inf_filter=False, disable_tqdm=True,
    )  # fmt: skip
    trainer = transformers.Trainer(Net(), arguments, train_dataset=data, eval_dataset=data[:64])
    trainer.train()
    [watching] = read_runs(tmp_path / "checkpoint-120")
    run = watching.run
    logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert run.series["loss"].values.tolist() == logged
    assert (run.step, run.planned_steps, run.facts["ended"]) == (120, 120, True)
    assert run.series["validation/loss"].steps.tolist() == [40, 80, 120]
    assert {"learning_rate", "gradient"} <= set(run.series)
    assert verdict_of(watching) == "ok"


def test_the_loggers_of_keras(tmp_path: Path) -> None:
    keras = importlib.import_module("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the loggers of Keras 3 fail on tensors of PyTorch; see make test-integrations")
    x, y = rows()
    model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    loggers = keras.callbacks.CSVLogger(str(tmp_path / "log.csv")), keras.callbacks.TensorBoard(str(tmp_path / "board"))
    history = model.fit(x, y, validation_data=(x[:64], y[:64]), epochs=4, verbose=0, callbacks=list(loggers)).history
    [watching] = read_runs(tmp_path / "log.csv")
    assert watching.run.series["loss"].values == pytest.approx(history["loss"])
    assert watching.run.series["validation/loss"].values == pytest.approx(history["val_loss"])
    assert watching.run.series["validation/accuracy"].values == pytest.approx(history["val_accuracy"])
    [board] = read_runs(tmp_path / "board")
    assert board.run.series["loss"].values == pytest.approx(history["loss"], rel=1e-5)
    assert board.run.series["validation/loss"].values == pytest.approx(history["val_loss"], rel=1e-5)


def test_the_loggers_of_lightning(tmp_path: Path) -> None:
    lightning = importlib.import_module("lightning.pytorch")
    import torch
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    x, y = rows()
    data = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    losses: list[float] = []

    class Net(lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(8, 2)

        def training_step(self, batch: Any, place: int) -> Any:
            loss = torch.nn.functional.cross_entropy(self.inner(batch[0]), batch[1])
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            losses.append(float(loss))
            return loss

        def validation_step(self, batch: Any, place: int) -> None:
            self.log("val_loss", torch.nn.functional.cross_entropy(self.inner(batch[0]), batch[1]))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.3)

    trainer = lightning.Trainer(
        max_epochs=4, logger=[CSVLogger(tmp_path, "table"), TensorBoardLogger(tmp_path, "board")], log_every_n_steps=1,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
        callbacks=[lightning.callbacks.LearningRateMonitor("step")], num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(Net(), torch.utils.data.DataLoader(data, 16), torch.utils.data.DataLoader(data, 64))
    [table] = read_runs(tmp_path / "table" / "version_0")
    [board] = read_runs(tmp_path / "board" / "version_0")
    for watching in (table, board):
        run = watching.run
        assert run.series["loss"].values == pytest.approx(losses, rel=1e-5)
        assert run.series["loss"].steps.tolist() == list(range(128))
        assert run.series["validation/loss"].steps.tolist() == [31, 63, 95, 127]
        assert run.series["learning_rate"].last == pytest.approx(0.3)
        assert verdict_of(watching) == "ok"
        assert all(math.isfinite(v) for v in run.series["loss"].values)
