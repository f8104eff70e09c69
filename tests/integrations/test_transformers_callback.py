"""Transformers' Trainer: the findings of plain `wk.watch`, losses that the Trainer's own logs hide, a language model."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from same_run import BATCH, FAULTS, STEPS, Rows, plain, problems
from torch import nn

transformers = importlib.import_module("transformers")

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore:.*pin_memory.*"),
]


class Table(torch.utils.data.Dataset[dict[str, Any]]):
    def __init__(self, made: Rows) -> None:
        self.made = made

    def __len__(self) -> int:
        return len(self.made.y)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {"x": self.made.x[place], "labels": self.made.y[place]}


class Model(nn.Module):
    def __init__(self, made: Rows) -> None:
        super().__init__()
        self.net, self.loss = made.net, made.loss

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.net(x)
        return {"loss": self.loss(logits, labels), "logits": logits}


def arguments(folder: Path, **given: Any) -> Any:
    known = {
        "output_dir": str(folder), "max_steps": STEPS, "per_device_train_batch_size": BATCH, "report_to": [], "seed": 0,
        "use_cpu": True, "save_strategy": "no", "disable_tqdm": True, "lr_scheduler_type": "constant", "max_grad_norm": 0.0,
        "logging_steps": 10, "logging_nan_inf_filter": False, "dataloader_pin_memory": False,
    }  # fmt: skip
    return transformers.TrainingArguments(**(known | given))


def fit(made: Rows, callback: Any, folder: Path, **given: Any) -> Any:
    class InOrder(transformers.Trainer):  # type: ignore[name-defined,misc]
        def _get_train_sampler(self, *args: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    model, table = Model(made), Table(made)
    optimizer = torch.optim.SGD(model.parameters(), lr=made.rate)
    trainer = InOrder(
        model, arguments(folder, **given), train_dataset=table, eval_dataset=table, callbacks=[callback],
        optimizers=(optimizer, None),
    )  # fmt: skip
    trainer.train()
    return trainer


@pytest.mark.parametrize("fault", FAULTS)
def test_it_finds_what_plain_pytorch_finds(fault: str, tmp_path: Path) -> None:
    from watchkeeper.integrations.transformers import WatchCallback

    callback = WatchCallback("cross_entropy")
    fit(Rows(fault), callback, tmp_path)
    wanted = plain(fault)
    assert problems(callback.findings) == problems(wanted.findings)
    np.testing.assert_allclose(callback.run.series["loss"].values, wanted.run.series["loss"].values, rtol=1e-5)


def test_the_norm_before_clipping_is_taken_from_the_logs(tmp_path: Path) -> None:
    from watchkeeper.integrations.transformers import WatchCallback

    callback = WatchCallback("cross_entropy")
    trainer = fit(Rows("healthy"), callback, tmp_path, max_grad_norm=1e-3, logging_steps=1)
    logged = [log["grad_norm"] for log in trainer.state.log_history if "grad_norm" in log]
    np.testing.assert_allclose(callback.run.series["clip"].rows[:, 0], logged, rtol=1e-6)
    assert "clipping" in problems(callback.findings, "info")


def test_it_says_that_the_trainer_hides_nan_and_sees_it(tmp_path: Path) -> None:
    from watchkeeper.integrations.transformers import WatchCallback

    made, callback = Rows("healthy"), WatchCallback("cross_entropy")
    made.x[7 * BATCH, 0] = torch.nan
    with pytest.warns(UserWarning, match="logging_nan_inf_filter"):
        trainer = fit(made, callback, tmp_path, logging_nan_inf_filter=True, max_steps=12, logging_steps=4)
    assert all(np.isfinite(log["loss"]) for log in trainer.state.log_history if "loss" in log)
    (found,) = [f for f in callback.findings if f.problem == "non_finite"]
    assert found.step == 7


def test_it_stops_when_asked(tmp_path: Path) -> None:
    from watchkeeper.integrations.transformers import WatchCallback

    assert fit(Rows("rate"), WatchCallback("cross_entropy", stop_on="critical"), tmp_path).state.global_step < STEPS
    assert fit(Rows("rate"), WatchCallback("cross_entropy"), tmp_path).state.global_step == STEPS


def test_accumulation_evaluation_and_a_second_training(tmp_path: Path) -> None:
    from watchkeeper.integrations.transformers import WatchCallback

    callback = WatchCallback("cross_entropy")
    trainer = fit(
        Rows("healthy"),
        callback,
        tmp_path,
        gradient_accumulation_steps=2,
        max_steps=30,
        eval_strategy="steps",
        eval_steps=10,
    )
    assert len(callback.run.series["loss"]) == 30
    assert len(callback.run.series["validation/loss"]) == 3
    assert {name for name in callback.run.series if name.startswith("validation/")} == {"validation/loss"}
    first = callback.watch
    trainer.train()
    assert callback.watch is not first
    assert len(callback.run.series["loss"]) == 30


def test_a_loss_that_the_trainer_computes_is_taken_from_its_logs(tmp_path: Path) -> None:
    from watchkeeper.integrations.transformers import WatchCallback

    transformers.set_seed(0)
    config = transformers.GPT2Config(
        vocab_size=64, n_positions=16, n_embd=16, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=0
    )
    callback = WatchCallback()
    trainer = transformers.Trainer(
        transformers.GPT2LMHeadModel(config), arguments(tmp_path, label_smoothing_factor=0.1, max_steps=20, logging_steps=2),
        train_dataset=words(config), callbacks=[callback],
    )  # fmt: skip
    trainer.train()
    logged = [log["loss"] for log in trainer.state.log_history if "loss" in log]
    np.testing.assert_allclose(callback.run.series["loss"].values, logged)
    assert len(logged) == 10


def words(config: Any, rows: int = 256) -> list[dict[str, Any]]:
    drawn = torch.Generator().manual_seed(0)
    start = torch.randint(0, config.vocab_size, (rows, 1), generator=drawn)
    texts = (start + 3 * torch.arange(16)) % config.vocab_size
    return [{"input_ids": text, "labels": text} for text in texts]


@pytest.mark.parametrize(("rate", "expected"), [(1e-3, False), (30.0, True)])
def test_a_language_model(rate: float, expected: bool, tmp_path: Path) -> None:
    from watchkeeper.integrations.transformers import WatchCallback

    transformers.set_seed(0)
    config = transformers.GPT2Config(
        vocab_size=64, n_positions=16, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    model, callback = transformers.GPT2LMHeadModel(config), WatchCallback()
    transformers.Trainer(
        model, arguments(tmp_path, learning_rate=rate, max_steps=100, gradient_accumulation_steps=2, max_grad_norm=1.0),
        train_dataset=words(config), callbacks=[callback],
    ).train()  # fmt: skip
    run = callback.run
    assert (run.loss, run.classes, run.framework) == ("cross_entropy", 64, "transformers")
    assert run.series["loss"].values[0] == pytest.approx(np.log(64), rel=0.1)
    assert bool(problems(callback.findings)) is expected
